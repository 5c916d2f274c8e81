"""The parts by which people and agents work together, and learn of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.answering.work_tools import WorkServices
from agent_bridge.bridge.collaboration.event_poster import EventPoster
from agent_bridge.bridge.collaboration.events import AgentEvents
from agent_bridge.bridge.collaboration.mirror import Mirror
from agent_bridge.bridge.collaboration.notifier import Notifier
from agent_bridge.bridge.collaboration.schedule_runner import ScheduleRunner
from agent_bridge.bridge.collaboration.task_cards import TaskCards
from agent_bridge.bridge.collaboration.tasks import TaskService
from agent_bridge.bridge.rooms.bot_chats import BotChats
from agent_bridge.store.agent_events import AgentEventStore
from agent_bridge.store.intake import IntakeStore
from agent_bridge.store.notifications import Notifications
from agent_bridge.store.roles import RoleStore
from agent_bridge.store.schedules import ScheduleStore
from agent_bridge.store.tasks import Tasks

if TYPE_CHECKING:
    from agent_bridge.clients import Clients
    from agent_bridge.stores import Stores
    from agent_bridge.wiring.settings import Settings


def build_agent_events(settings: Settings, stores: Stores, clients: Clients) -> AgentEvents:
    """Build the part that posts and reads agent events."""
    return AgentEvents(clients.homeserver, AgentEventStore(stores.database), settings.roles, settings.texts)


def build_event_poster(stores: Stores, clients: Clients) -> EventPoster:
    """Build the duty that shows agent events."""
    return EventPoster(clients.homeserver, AgentEventStore(stores.database), stores.signals)


def build_mirror(settings: Settings, stores: Stores) -> Mirror:
    """Build the duty that mirrors turns in log channels."""
    store = AgentEventStore(stores.database)
    return Mirror(stores.database, store, settings.namespace, stores.signals, settings.texts)


def build_tasks(settings: Settings, stores: Stores, clients: Clients) -> TaskService:
    """Build the functions about tasks."""
    return TaskService(
        Tasks(stores.database),
        Notifications(stores.database),
        build_agent_events(settings, stores, clients),
        settings.roles,
        settings.namespace,
        claim_timeout=settings.config.tasks.claim_timeout,
    )


def build_work_services(settings: Settings, stores: Stores, clients: Clients) -> WorkServices:
    """Build the functions that tools of agents call."""
    events, tasks = build_agent_events(settings, stores, clients), build_tasks(settings, stores, clients)
    return WorkServices(stores.database, events, tasks, Tasks(stores.database))


def build_task_cards(settings: Settings, stores: Stores, clients: Clients) -> TaskCards:
    """Build the duty that shows tasks, and ends claims without progress."""
    return TaskCards(
        clients.homeserver,
        stores.database,
        Tasks(stores.database),
        build_tasks(settings, stores, clients),
        stores.signals,
        settings.texts,
    )


def build_notifier(settings: Settings, stores: Stores, clients: Clients) -> Notifier:
    """Build the duty that tells people their notifications."""
    config = settings.config
    role_store = RoleStore(stores.database)
    chats = BotChats(clients.homeserver, stores.rooms, role_store, settings.roles, config.rooms.version)
    return Notifier(
        clients.homeserver,
        Notifications(stores.database),
        chats,
        settings.roles,
        stores.signals,
        settings.texts,
        gather=config.notifications.gather,
    )


def build_schedule_runner(settings: Settings, stores: Stores, clients: Clients) -> ScheduleRunner:
    """Build the duty that runs schedules."""
    return ScheduleRunner(
        stores.database,
        ScheduleStore(stores.database),
        stores.rooms,
        IntakeStore(stores.database),
        Notifications(stores.database),
        stores.lanes,
        clients.homeserver,
        settings.roles,
        stores.signals,
        max_queued=settings.config.lanes.max_queued_per_room,
    )

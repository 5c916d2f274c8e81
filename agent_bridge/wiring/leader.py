"""The duties of the process that leads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.agents.activity_presence import ActivityPresence
from agent_bridge.bridge.agents.presence import Presence
from agent_bridge.bridge.agents.profiles import ProfileFields
from agent_bridge.bridge.chats.private_rooms import PrivateRooms
from agent_bridge.bridge.chats.titles import Titles
from agent_bridge.bridge.delivery.waiting_reactions import WaitingReactions
from agent_bridge.bridge.inbound.homeserver_monitor import HomeserverMonitor
from agent_bridge.bridge.metering.days import UsageDays
from agent_bridge.bridge.queue.leader import Leader
from agent_bridge.bridge.queue.retention import Pruner
from agent_bridge.bridge.rooms.command_descriptions import CommandDescriptions
from agent_bridge.bridge.rooms.visited_rooms import VisitedRooms
from agent_bridge.commands.handler import described_commands
from agent_bridge.core.chats import ChatTitles
from agent_bridge.core.operations import TRACKED
from agent_bridge.store.operations import OperationStore
from agent_bridge.store.profiles import Profiles
from agent_bridge.store.waiting_reactions import WaitingMessages
from agent_bridge.wiring.channels import build_place_keeper
from agent_bridge.wiring.chats import build_number_repair
from agent_bridge.wiring.collaboration import (
    build_event_poster,
    build_mirror,
    build_notifier,
    build_schedule_runner,
    build_task_cards,
)
from agent_bridge.wiring.groups import build_group_keeper
from agent_bridge.wiring.inbound import build_opener
from agent_bridge.wiring.lifecycle import build_retirement_keeper
from agent_bridge.wiring.roles import build_role_keeper
from agent_bridge.wiring.threads import build_thread_keeper
from agent_bridge.wiring.votes import build_vote_keeper

if TYPE_CHECKING:
    from agent_bridge.bridge.queue.operations import Operations
    from agent_bridge.bridge.roles.refresher import RoleRefresher
    from agent_bridge.clients import Clients
    from agent_bridge.stores import Stores
    from agent_bridge.wiring.agents import AgentParts
    from agent_bridge.wiring.inbound import Inbound
    from agent_bridge.wiring.metering import Metering
    from agent_bridge.wiring.settings import Settings


def build_leader(
    settings: Settings,
    stores: Stores,
    clients: Clients,
    inbound: Inbound,
    agents: AgentParts,
    metering: Metering,
    refresher: RoleRefresher,
    operations: Operations,
) -> Leader:
    """Build the leader with its duties, by name."""
    config, homeserver, intake = settings.config, clients.homeserver, inbound.intake
    monitor = HomeserverMonitor(
        homeserver, stores.kv, stores.agents, intake, stores.lanes, config.appservice, agents.provisioner.doubt_all
    )
    duties = {
        "provisioner": agents.provisioner.run,
        "operations": operations.run,
        "chats": agents.chats.reconciler.run,
        "monitor": monitor.run,
        "discovery": agents.discovery.run,
        "configured": agents.configured.run,
        "invitations": agents.invitations.run,
        "avatars": agents.avatars.run,
        "held_changes": agents.held.run,
        "switches": agents.switches.run,
        "backfill": inbound.backfill.run,
        "visited_rooms": VisitedRooms(homeserver, stores.rooms).run,
        "votes": build_vote_keeper(settings, stores, clients).run,
        "agent_events": build_event_poster(stores, clients).run,
        "tasks": build_task_cards(settings, stores, clients).run,
        "mirror": build_mirror(settings, stores).run,
        "notifications": build_notifier(settings, stores, clients).run,
        "schedules": build_schedule_runner(settings, stores, clients).run,
        "places": build_place_keeper(settings, stores, clients, agents.admin_room).run,
        "threads": build_thread_keeper(settings, stores, clients).run,
        "groups": build_group_keeper(settings, stores, clients).run,
        "roles": build_role_keeper(settings, stores, clients, agents.admin_room, refresher).run,
        "permissions": refresher.follow,
        "retirement": build_retirement_keeper(settings, stores, clients, agents).run,
        "pruner": Pruner(stores.database, settings.live.part(lambda each: each.retention)).run,
        "usage_days": UsageDays(metering.store, metering.quotas).run,
    }
    commands = described_commands() if config.bot.describe_commands else ()
    duties["command_descriptions"] = CommandDescriptions(
        homeserver, stores.rooms, commands, stores.signals, settings.texts
    ).run
    duties["numbers"] = build_number_repair(settings, stores, homeserver).run
    if clients.keys is not None:
        duties["encryption"] = build_opener(settings, stores, clients, inbound, clients.keys).run
    if config.rooms.private:
        rooms = settings.live.part(lambda each: each.rooms)
        duties["private_rooms"] = PrivateRooms(
            agents.chats.direct, stores.agents, rooms, settings.roles, refresher.refresh, stores.signals
        ).run
    if config.rooms.lobby is not False:
        duties["lobby"] = agents.lobby.run
    if config.chats.titles is not ChatTitles.OFF:
        duties["titles"] = Titles(
            stores.chats,
            {each.name: upstream for upstream, each in clients.upstreams},
            metering.recorder.of_title,
            stores.signals,
            settings.texts,
            by_model=config.chats.titles is ChatTitles.MODEL,
        ).run
    if config.lanes.show_waiting:
        waiting = WaitingMessages(stores.database, config.lanes.when_busy)
        duties["waiting"] = WaitingReactions(homeserver, waiting, stores.signals).run
    if config.presence is None:
        duties["presence"] = ActivityPresence(
            homeserver, stores.agents, settings.texts, per_second=config.presence_per_second
        ).run
    elif config.presence:
        duties["presence"] = Presence(homeserver, agents.status, stores.agents, stores.signals, settings.texts).run

    duties["profiles"] = ProfileFields(
        homeserver,
        Profiles(stores.database),
        stores.signals,
        settings.texts,
        shows=config.profiles,
        per_second=config.profiles_per_second,
    ).run

    async def elected() -> None:
        # The permissions of the configuration may have changed while the bridge was away.
        await refresher.publish()
        await OperationStore(stores.database).end_unknown(TRACKED)
        await intake.request_backfill("the bridge was away")

    return Leader(stores.locks, stores.leadership, elected, duties)

"""The parts that take events in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.bridge.chats.binding import Binding, WaitingEvents
from agent_bridge.bridge.chats.unbound_rooms import UnboundRooms
from agent_bridge.bridge.feed.writer import FeedWriter
from agent_bridge.bridge.inbound.backfill import Backfill
from agent_bridge.bridge.inbound.bot_budget import BotBudget
from agent_bridge.bridge.inbound.ghost_invites import GhostInvites
from agent_bridge.bridge.inbound.intake import Intake
from agent_bridge.bridge.inbound.invites import InviteHandler
from agent_bridge.bridge.inbound.key_notices import KeyNotices
from agent_bridge.bridge.inbound.opener import Opener
from agent_bridge.bridge.inbound.people_intake import PeopleIntake
from agent_bridge.bridge.inbound.rules import Rules
from agent_bridge.bridge.inbound.sealed_intake import SealedIntake
from agent_bridge.bridge.inbound.stream_intake import StreamIntake
from agent_bridge.bridge.inbound.thread_intake import ThreadIntake
from agent_bridge.bridge.inbound.unstored_messages import UnstoredMessages
from agent_bridge.bridge.inbound.vote_intake import VoteIntake
from agent_bridge.commands.handler import all_commands
from agent_bridge.store.answer_growth import GrowthSender
from agent_bridge.store.choices import Choices
from agent_bridge.store.feed import Feed
from agent_bridge.store.intake import IntakeStore
from agent_bridge.store.people_questions import PeopleQuestions
from agent_bridge.store.postgres.signals import STREAM_CHANNEL
from agent_bridge.store.redactions import Redactions
from agent_bridge.store.roles import RoleStore
from agent_bridge.store.sealed import SealedEvents
from agent_bridge.store.selections import Selections
from agent_bridge.store.sent_events import SentEvents
from agent_bridge.store.strangers import Strangers
from agent_bridge.store.threads import ThreadStore
from agent_bridge.store.votes import VoteStore
from agent_bridge.wiring.collaboration import build_tasks
from agent_bridge.wiring.groups import build_group_rooms, build_hand_on

if TYPE_CHECKING:
    from agent_bridge.bridge.chats.direct import DirectChats
    from agent_bridge.clients import Clients
    from agent_bridge.core.keys import Keys
    from agent_bridge.stores import Stores
    from agent_bridge.wiring.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """The parts."""

    rules: Rules
    intake: Intake
    backfill: Backfill
    binding: Binding
    selections: Selections


def build_inbound(settings: Settings, stores: Stores, clients: Clients) -> Inbound:
    """Build them."""
    config = settings.config
    rules = Rules(
        settings.namespace,
        settings.roles,
        config.bot.prefix,
        frozenset(all_commands().commands) if config.bot.bare_commands else frozenset(),
        follow_selection=config.chats.follow_selection,
        requires_encryption=config.encryption.require,
    )
    intake_store, selections = IntakeStore(stores.database), Selections(stores.database)
    waiting = WaitingEvents(intake_store, stores.edits)
    intake = Intake(
        stores.database,
        stores.rooms,
        intake_store,
        stores.edits,
        Redactions(settings.namespace.bot_username, redact_answers=config.answers.redact_answers),
        stores.approvals,
        Choices(stores.database),
        stores.chats,
        selections,
        waiting,
        stores.histories,
        stores.lanes,
        build_hand_on(settings, stores),
        UnstoredMessages(SentEvents(stores.database), settings.namespace, clients.homeserver.event),
        rules,
        RoleStore(stores.database),
        BotBudget(intake_store, settings.roles, settings.live.part(lambda each: each.budgets.budget)),
        VoteIntake(VoteStore(stores.database), rules),
        PeopleIntake(PeopleQuestions(stores.database), settings.namespace),
        FeedWriter(Feed(stores.database), settings.feed),
        ThreadIntake(ThreadStore(stores.database), stores.database, settings.archived, settings.namespace),
        build_tasks(settings, stores, clients),
        build_sealed_intake(settings, stores) if config.encryption.allow else None,
        max_queued=config.lanes.max_queued_per_room,
        when_busy=config.lanes.when_busy,
    )
    backfill = Backfill(
        clients.homeserver,
        stores.histories,
        intake,
        stores.signals,
        interval=config.homeserver.backfill_interval,
        retention=settings.live.part(lambda each: each.retention),
    )
    binding = Binding(clients.homeserver, stores.database, stores.rooms, intake_store, waiting, stores.lanes)
    return Inbound(rules=rules, intake=intake, backfill=backfill, binding=binding, selections=selections)


def build_sealed_intake(settings: Settings, stores: Stores) -> SealedIntake:
    """Build the part that takes encrypted events, and news about keys, in."""
    return SealedIntake(SealedEvents(stores.database), settings.namespace)


def build_stream_intake(stores: Stores) -> StreamIntake:
    """Build the part that takes requests for event streams in."""
    return StreamIntake(GrowthSender(stores.database, STREAM_CHANNEL))


def build_opener(settings: Settings, stores: Stores, clients: Clients, inbound: Inbound, keys: Keys) -> Opener:
    """Build the part that opens encrypted events."""
    threads = ThreadStore(stores.database)
    return Opener(
        clients.homeserver,
        SealedEvents(stores.database),
        threads,
        keys,
        inbound.intake,
        KeyNotices(clients.homeserver, threads, settings.roles, settings.texts),
        stores.signals,
        wait=settings.config.encryption.wait,
    )


def build_invites(
    settings: Settings, stores: Stores, clients: Clients, inbound: Inbound, direct: DirectChats
) -> InviteHandler:
    """Build the handler of invitations."""
    groups = build_group_rooms(settings, stores, clients)
    ghosts = GhostInvites(
        clients.homeserver,
        stores.turns,
        stores.rooms,
        stores.agents,
        stores.kv,
        inbound.binding,
        direct,
        groups,
        Strangers(stores.database),
        inbound.rules,
        settings.texts,
    )
    unbound = UnboundRooms(
        clients.homeserver, stores.database, stores.rooms, IntakeStore(stores.database), stores.lanes
    )
    return InviteHandler(
        clients.homeserver,
        stores.turns,
        stores.rooms,
        ghosts,
        groups,
        unbound,
        inbound.backfill,
        inbound.rules,
        settings.texts,
    )

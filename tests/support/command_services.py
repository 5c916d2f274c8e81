"""Commands on a real PostgreSQL, without a room."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC
from typing import TYPE_CHECKING, Any

from agent_bridge.bridge.agents.pass_plan import PassPlanner
from agent_bridge.bridge.agents.upstream_status import UpstreamStatus
from agent_bridge.bridge.channels.changes import PlaceChanges
from agent_bridge.bridge.channels.maker import PlaceMaker
from agent_bridge.bridge.channels.members import PlaceMembers
from agent_bridge.bridge.chats.binding import Binding, WaitingEvents
from agent_bridge.bridge.chats.conversations import ChatConversations
from agent_bridge.bridge.chats.deletion import ChatDeletion
from agent_bridge.bridge.chats.direct import DirectChats
from agent_bridge.bridge.chats.maker import ChatMaker
from agent_bridge.bridge.collaboration.events import AgentEvents
from agent_bridge.bridge.collaboration.tasks import TaskService
from agent_bridge.bridge.collaboration.threads import Threads
from agent_bridge.bridge.collaboration.votes import Votes
from agent_bridge.bridge.delivery.token_secrets import TokenSecrets
from agent_bridge.bridge.delivery.trigger_secrets import TriggerSecrets
from agent_bridge.bridge.inbound.rules import Rules
from agent_bridge.bridge.programs.names import Names
from agent_bridge.bridge.programs.token_maker import TokenMaker
from agent_bridge.bridge.roles.moderation import Moderation
from agent_bridge.bridge.rooms.inviter import Inviter
from agent_bridge.commands.durations import parse_duration
from agent_bridge.commands.handler import all_commands
from agent_bridge.commands.registry import CommandContext, CommandServices
from agent_bridge.commands.trace import Traces
from agent_bridge.config.example import example
from agent_bridge.core.live import Live
from agent_bridge.core.permissions import CAN
from agent_bridge.core.quotas import QuotaBook
from agent_bridge.core.roles import Role, Roles
from agent_bridge.core.turns import TurnKind
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.media import Media
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.store.agent_events import AgentEventStore
from agent_bridge.store.agents import Agents
from agent_bridge.store.approvals import Approvals
from agent_bridge.store.chats import Chats
from agent_bridge.store.choices import Choices
from agent_bridge.store.contexts import Contexts
from agent_bridge.store.direct_chats import DirectChatStore
from agent_bridge.store.edits import Edits
from agent_bridge.store.effects import Effects
from agent_bridge.store.exports import ExportStore
from agent_bridge.store.forks import Forks
from agent_bridge.store.intake import IntakeStore
from agent_bridge.store.kv import KeyValues
from agent_bridge.store.mutes import MuteStore
from agent_bridge.store.notifications import Notifications
from agent_bridge.store.operations import OperationStore
from agent_bridge.store.pairs import Pairs
from agent_bridge.store.people_questions import PeopleQuestions
from agent_bridge.store.personal_data import PersonalData
from agent_bridge.store.postgres.signals import Signals
from agent_bridge.store.queue import Queue
from agent_bridge.store.redactions import Redactions
from agent_bridge.store.reloads import ReloadStore
from agent_bridge.store.retirement import RetirementStore
from agent_bridge.store.roles import RoleStore
from agent_bridge.store.rooms import Rooms
from agent_bridge.store.schedules import ScheduleStore
from agent_bridge.store.selections import Selections
from agent_bridge.store.servers import Servers
from agent_bridge.store.tasks import Tasks
from agent_bridge.store.threads import ThreadStore
from agent_bridge.store.tokens import Tokens
from agent_bridge.store.triggers import Triggers
from agent_bridge.store.turn_admin import TurnAdmin
from agent_bridge.store.turns import Turns
from agent_bridge.store.usage import UsageStore
from agent_bridge.store.votes import VoteStore
from support.jobs import idle_lanes
from support.records import NAMES
from support.turn_rows import BOB, ROOM, accept, new

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from agent_bridge.core.payloads import NamedValue
    from agent_bridge.core.results.commands import Result
    from agent_bridge.store.postgres.database import Database

REGISTRY = all_commands()


@asynccontextmanager
async def command_services(database: Database) -> AsyncIterator[CommandServices]:
    """Give the services of the bridge, with a homeserver that cannot be reached."""
    roles = Roles.fixed({"*": Role.ADMIN}, NAMES)
    # A report needs rooms and servers.
    no_reports: Any = None
    no_admin_room: Any = None
    agents, rooms, turns, turn_admin = Agents(database), Rooms(database), Turns(database), TurnAdmin(database)
    intake_store = IntakeStore(database)
    waiting = WaitingEvents(intake_store, Edits(database))
    async with homeserver_session() as session:
        homeserver = Homeserver("http://127.0.0.1:9", "token", NAMES, session)
        deletion = ChatDeletion(homeserver, Chats(database), ChatConversations(Chats(database), {}), ENGLISH)
        direct_chats = DirectChatStore(database)
        direct = DirectChats(homeserver, direct_chats, Chats(database), agents, deletion, example(), ENGLISH)
        binding = Binding(homeserver, database, rooms, intake_store, waiting, idle_lanes(database))
        yield CommandServices(
            database=database,
            agents=agents,
            turns=turns,
            approvals=Approvals(database),
            rooms=rooms,
            turn_admin=turn_admin,
            effects=Effects(),
            contexts=Contexts(database),
            forks=Forks(),
            reports=no_reports,
            choices=Choices(database),
            selections=Selections(database),
            binding=binding,
            chats=Chats(database),
            direct=direct,
            direct_chats=direct_chats,
            pairs=Pairs(database),
            chat_maker=ChatMaker(homeserver, Chats(database), KeyValues(database), Live(example()), ENGLISH),
            lanes=idle_lanes(database),
            traces=Traces(turn_admin, turns, rooms, homeserver, Rules(NAMES, roles, "!ab")),
            operations=OperationStore(database),
            schedule_store=ScheduleStore(database),
            time_zone=Live("UTC"),
            servers=Servers(database),
            notifications=Notifications(database),
            tasks=TaskService(
                Tasks(database),
                Notifications(database),
                AgentEvents(homeserver, AgentEventStore(database), roles, ENGLISH),
                roles,
                NAMES,
                claim_timeout=900,
            ),
            task_store=Tasks(database),
            agent_events=AgentEvents(homeserver, AgentEventStore(database), roles, ENGLISH),
            agent_event_store=AgentEventStore(database),
            threads=Threads(ThreadStore(database), homeserver, roles, ENGLISH),
            people_questions=PeopleQuestions(database),
            place_maker=PlaceMaker(homeserver, Servers(database), KeyValues(database), Live(example()), roles, ENGLISH),
            place_changes=PlaceChanges(
                Servers(database), RoleStore(database), roles, idle_lanes(database), OperationStore(database)
            ),
            place_members=PlaceMembers(
                homeserver,
                Servers(database),
                Inviter(homeserver, no_admin_room, roles, ENGLISH, joins=False),
                Moderation(homeserver, ENGLISH),
                ENGLISH,
            ),
            votes=Votes(VoteStore(database), roles),
            reloads=ReloadStore(database),
            personal_data=PersonalData(database, Redactions(NAMES.bot_username, redact_answers=False), Queue(database)),
            planner=PassPlanner(
                agents, KeyValues(database), RoleStore(database), Servers(database), Live(example()), ENGLISH
            ),
            upstream_status=UpstreamStatus(KeyValues(database), Signals()),
            kv=KeyValues(database),
            exports=ExportStore(database),
            media=Media("http://127.0.0.1:9", "token", NAMES, session),
            texts=ENGLISH,
            homeserver=homeserver,
            namespace=NAMES,
            roles=roles,
            role_store=RoleStore(database),
            mutes=MuteStore(database),
            retirement=RetirementStore(database),
            triggers=Triggers(database),
            trigger_secrets=TriggerSecrets(
                homeserver, ENGLISH, key="token", url="http://127.0.0.1:9", expires_after=86_400
            ),
            tokens=Tokens(database, NAMES),
            token_maker=TokenMaker(
                Tokens(database, NAMES),
                Names(agents, Servers(database), KeyValues(database), homeserver),
                NAMES,
                parse_duration,
            ),
            token_secrets=TokenSecrets(homeserver, ENGLISH, key="token", url="http://127.0.0.1:9"),
            deletes_retired=Live(False),
            inviter=Inviter(homeserver, no_admin_room, roles, ENGLISH, joins=False),
            moderation=Moderation(homeserver, ENGLISH),
            upstreams={},
            usage=UsageStore(database),
            quotas=Live(QuotaBook((), UTC)),
        )


async def give(services: CommandServices, line: str, **changes: Any) -> Result:
    """Give a command in an agent's room, with arguments in *line* or *named* ones; return its result.

    *role*: of the caller, an admin without it.
    """
    role: Role = changes.pop("role", Role.ADMIN)
    named: Mapping[str, NamedValue] | None = changes.pop("named", None)
    values: dict[str, Any] = {
        "services": services,
        "registry": REGISTRY,
        "sender": BOB,
        "permissions": CAN[role],
        "room_id": ROOM,
        "voice": NAMES.bot,
        "in_agent_room": True,
        "thread": "",
        "event_id": "$command",
        "key": "0123456789abcdef",
        "attempts": 0,
    }
    values |= changes
    ctx = CommandContext(**{"turn": await _turn(services, values["event_id"])} | values)
    return await REGISTRY.run(line, ctx, named)


async def _turn(services: CommandServices, event_id: str) -> int:
    """Return the turn of the command that *event_id* gives: the same for a repeated command."""
    await accept(services.database, new(event_id, "!bot:example.org", kind=TurnKind.COMMAND))
    row = await services.database.row("SELECT id FROM turn WHERE event_id = %s AND kind = 'command'", (event_id,))
    assert row is not None
    return int(row["id"])

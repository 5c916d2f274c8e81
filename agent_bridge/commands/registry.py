"""The registry of commands: the definition of a command, its declaration, and its call by a line of text.

A command is an async function with a typed signature, declared by :func:`command`. The signature specifies the
arguments (see ``commands.arguments``). Help and usage texts come from the catalogue, by the command's name. The
function gets a :class:`CommandContext` with everything that it acts on, and returns a record of ``core.results``. It
knows neither Markdown nor languages, so a chat, the command line and an API can call the same function.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, get_args, get_type_hints

from agent_bridge.bridge.inbound.prefix import command_word
from agent_bridge.commands.argument_kinds import ArgumentError
from agent_bridge.commands.arguments import bind, named_arguments, parameters_of, split_arguments
from agent_bridge.commands.lookup import nearest
from agent_bridge.commands.room_power import moderates
from agent_bridge.core.permissions import Permission, lowest_role
from agent_bridge.core.results.commands import (
    ArgumentProblem,
    CommandUsage,
    Group,
    InvalidArguments,
    NotPermitted,
    UnknownCommand,
    WrongRoom,
)
from agent_bridge.core.rooms import WhenBusy

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from types import ModuleType
    from typing import Any

    from agent_bridge.bridge.agents.pass_plan import PassPlanner
    from agent_bridge.bridge.agents.upstream_status import UpstreamStatus
    from agent_bridge.bridge.answering.context_report import ContextReports
    from agent_bridge.bridge.channels.changes import PlaceChanges
    from agent_bridge.bridge.channels.maker import PlaceMaker
    from agent_bridge.bridge.channels.members import PlaceMembers
    from agent_bridge.bridge.chats.binding import Binding
    from agent_bridge.bridge.chats.direct import DirectChats
    from agent_bridge.bridge.chats.maker import ChatMaker
    from agent_bridge.bridge.collaboration.events import AgentEvents
    from agent_bridge.bridge.collaboration.tasks import TaskService
    from agent_bridge.bridge.collaboration.threads import Threads
    from agent_bridge.bridge.collaboration.votes import Votes
    from agent_bridge.bridge.delivery.admin_links import AdminLinks
    from agent_bridge.bridge.delivery.token_secrets import TokenSecrets
    from agent_bridge.bridge.delivery.trigger_secrets import TriggerSecrets
    from agent_bridge.bridge.programs.token_maker import TokenMaker
    from agent_bridge.bridge.queue.lanes import Lanes
    from agent_bridge.bridge.roles.moderation import Moderation
    from agent_bridge.bridge.rooms.inviter import Inviter
    from agent_bridge.commands.arguments import Parameter
    from agent_bridge.commands.trace import Traces
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.ids import Namespace
    from agent_bridge.core.live import Live
    from agent_bridge.core.payloads import NamedValue
    from agent_bridge.core.quotas import QuotaBook
    from agent_bridge.core.results.commands import Result
    from agent_bridge.core.roles import Role, Roles
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.matrix.media import Media
    from agent_bridge.store.agent_events import AgentEventStore
    from agent_bridge.store.agents import Agents
    from agent_bridge.store.approvals import Approvals
    from agent_bridge.store.chats import Chats
    from agent_bridge.store.choices import Choices
    from agent_bridge.store.contexts import Contexts
    from agent_bridge.store.direct_chats import DirectChatStore
    from agent_bridge.store.effects import Effects
    from agent_bridge.store.exports import ExportStore
    from agent_bridge.store.forks import Forks
    from agent_bridge.store.kv import KeyValues
    from agent_bridge.store.mutes import MuteStore
    from agent_bridge.store.notifications import Notifications
    from agent_bridge.store.operations import OperationStore
    from agent_bridge.store.pairs import Pairs
    from agent_bridge.store.people_questions import PeopleQuestions
    from agent_bridge.store.personal_data import PersonalData
    from agent_bridge.store.postgres.database import Database
    from agent_bridge.store.reloads import ReloadStore
    from agent_bridge.store.retirement import RetirementStore
    from agent_bridge.store.roles import RoleStore
    from agent_bridge.store.rooms import Rooms
    from agent_bridge.store.schedules import ScheduleStore
    from agent_bridge.store.selections import Selections
    from agent_bridge.store.servers import Servers
    from agent_bridge.store.tasks import Tasks
    from agent_bridge.store.tokens import Tokens
    from agent_bridge.store.triggers import Triggers
    from agent_bridge.store.turn_admin import TurnAdmin
    from agent_bridge.store.turns import Turns
    from agent_bridge.store.usage import UsageStore
    from agent_bridge.upstream.base import Upstream

    Run = Callable[..., Coroutine[Any, Any, Result]]

#: The command of an empty line.
_DEFAULT = "help"


class Where(StrEnum):
    """Rooms in which a command can be given."""

    ANYWHERE = "anywhere"
    AGENT_ROOM = "agent_room"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandServices:
    """The parts of the bridge that commands act on."""

    database: Database
    agents: Agents
    rooms: Rooms
    turns: Turns
    turn_admin: TurnAdmin
    effects: Effects
    contexts: Contexts
    forks: Forks
    reports: ContextReports
    choices: Choices
    selections: Selections
    binding: Binding
    chats: Chats
    pairs: Pairs
    chat_maker: ChatMaker
    direct: DirectChats
    direct_chats: DirectChatStore
    approvals: Approvals
    lanes: Lanes
    traces: Traces
    upstream_status: UpstreamStatus
    planner: PassPlanner
    operations: OperationStore
    reloads: ReloadStore
    personal_data: PersonalData
    exports: ExportStore
    media: Media
    texts: Texts
    kv: KeyValues
    homeserver: Homeserver
    namespace: Namespace
    roles: Roles
    role_store: RoleStore
    mutes: MuteStore
    retirement: RetirementStore
    triggers: Triggers
    trigger_secrets: TriggerSecrets
    tokens: Tokens
    token_maker: TokenMaker
    token_secrets: TokenSecrets
    #: None: there is no admin page.
    admin_links: AdminLinks | None = None
    schedule_store: ScheduleStore
    #: Name of the configured time zone.
    time_zone: Live[str]
    servers: Servers
    tasks: TaskService
    task_store: Tasks
    notifications: Notifications
    agent_events: AgentEvents
    agent_event_store: AgentEventStore
    people_questions: PeopleQuestions
    place_maker: PlaceMaker
    place_changes: PlaceChanges
    place_members: PlaceMembers
    votes: Votes
    threads: Threads
    #: Whether the rooms of agents that are retired are deleted.
    deletes_retired: Live[bool]
    moderation: Moderation
    inviter: Inviter
    #: By name.
    upstreams: Mapping[str, Upstream]
    #: Whether each person has a room of its own with each agent.
    private_rooms: bool = False
    #: The configured treatment of messages that arrive during an answer.
    when_busy: WhenBusy = WhenBusy.QUEUE
    usage: UsageStore
    quotas: Live[QuotaBook]
    #: Currency of the costs.
    currency: str = "USD"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandContext:
    """One call of a command."""

    services: CommandServices
    registry: Registry
    #: User id of the caller.
    sender: str
    #: The permissions of the caller in the room.
    permissions: frozenset[Permission]
    #: The room in which the command was given.
    room_id: str
    #: User id that speaks for the bridge in that room.
    voice: str
    #: Whether that is an agent's room.
    in_agent_room: bool
    #: Root of the thread in which it was given; empty: the room itself.
    thread: str
    #: The event to which it replies, None without one.
    reply_to: str | None = None
    #: The event that was edited into the command; None: it is no edit.
    corrects: str | None = None
    #: The event that gave the command. The same event may run a command twice (see :class:`Command`).
    event_id: str
    #: Row id and public name of its turn, and the number of claims of the turn by workers, including the present one.
    turn: int
    key: str
    attempts: int
    #: The agent in whose lane the command is, the row of the lane, and the name of its conversation for the upstream;
    #: None, 0 and empty for a command in the lane of the bot.
    agent: Agent | None = None
    lane: int = 0
    session: str = ""
    #: The instructions of people for the agent in the room (empty: taken back), and the model that they chose.
    instructions: str | None = None
    chosen_model: str | None = None

    def can(self, permission: Permission) -> bool:
        """Tell whether the caller has *permission* in the room."""
        return permission in self.permissions

    @property
    def was_interrupted(self) -> bool:
        """Whether an earlier attempt may have run the command."""
        return self.attempts > 1


@dataclass(frozen=True, slots=True)
class Command:
    """A command.

    The bridge may run a command again for the same event, when it was killed after the command acted and before the
    answer was committed. A command that changes something must have the same effect when it runs twice with the same
    ``event_id``: :func:`agent_bridge.commands.effects.once` sees to that.
    """

    usage: CommandUsage
    #: Needed to use it. In a room that people made, those with power in the room may change its settings, too.
    permission: Permission
    where: Where
    #: Whether it refuses surplus words although it has no parameters.
    is_exact: bool
    parameters: tuple[Parameter, ...]
    #: The records that it may return.
    results: tuple[type, ...]
    #: Raises :class:`BridgeError` when it fails.
    run: Run

    @property
    def name(self) -> str:
        """The word that gives the command."""
        return self.usage.name

    @property
    def role(self) -> Role:
        """The lowest role of people who may use it."""
        return lowest_role(self.permission)

    @property
    def in_own_chats(self) -> bool:
        """Whether members may use it in their own chats, whose settings are theirs."""
        return self.permission is Permission.SETTINGS


def command(
    name: str,
    *,
    group: Group,
    permission: Permission,
    where: Where = Where.ANYWHERE,
    example: str = "",
    exact: bool = False,
) -> Callable[[Run], Command]:
    """Return a decorator that makes a command of an async function.

    *example*: arguments that a person may type; needed where there are parameters. *exact*: words behind the name of a
    command without parameters may mean that the person wants something else, so the command is not run.

    Raises:
        TypeError: the function's signature cannot be a specification of arguments, or there is no example of them.
    """

    def declare(function: Run) -> Command:
        parameters = parameters_of(function)
        if parameters and not example:
            raise TypeError(f"{function}: the command {name} has arguments and no example")
        returned = get_type_hints(function)["return"]
        usage = CommandUsage(name, group, tuple(parameter.argument for parameter in parameters), example)
        return Command(usage, permission, where, exact, parameters, get_args(returned) or (returned,), function)

    return declare


@dataclass(frozen=True, slots=True)
class Registry:
    """Commands by name, in the order of their groups."""

    commands: Mapping[str, Command]

    @classmethod
    def of(cls, *modules: ModuleType) -> Registry:
        """Return the registry of the commands that *modules* declare.

        Raises:
            ValueError: two commands have the same name.
        """
        declared = [each for module in modules for each in vars(module).values() if isinstance(each, Command)]
        declared.sort(key=lambda each: list(Group).index(each.usage.group))
        commands = {each.name: each for each in declared}
        if len(commands) < len(declared):
            raise ValueError("two commands have the same name")
        return cls(MappingProxyType(commands))

    async def run(self, line: str, ctx: CommandContext, named: Mapping[str, NamedValue] | None = None) -> Result:
        """Run the command that *line* gives, without the prefix; an empty line is ``help``.

        *named*: *line* has the name of the command only, and these are its arguments.

        Raises:
            BridgeError: the command failed.
        """
        name, arguments = command_word(line)
        found = self.commands.get(name or _DEFAULT)
        if found is None:
            typed = line.split(maxsplit=1)[0]
            return UnknownCommand(typed, nearest(name, self.commands))
        is_of_room = found.permission is Permission.SETTINGS and found.where is Where.AGENT_ROOM and ctx.in_agent_room
        if not (await moderates(ctx) if is_of_room else ctx.can(found.permission)):
            return NotPermitted(found.name, found.role)
        if found.where is Where.AGENT_ROOM and not ctx.in_agent_room:
            return WrongRoom(found.name)
        surplus = arguments.strip() if found.is_exact or named is not None else ""
        if surplus:
            return InvalidArguments(found.usage, ArgumentProblem.SURPLUS, None, surplus)
        try:
            parameters = found.parameters
            given = split_arguments(parameters, arguments) if named is None else named_arguments(parameters, named)
            return await found.run(ctx, **await bind(parameters, given, ctx))
        except ArgumentError as error:
            return InvalidArguments(
                found.usage, error.problem, error.argument, error.value, error.candidates, error.most
            )

"""Results of commands: frozen records of plain data, without language and without layout.

A command returns one record. ``render.results`` makes Markdown of it; an API can make JSON of the same record. The
records live in ``core`` because ``commands`` creates them and ``render``, two layers below, reads them.

Fields hold text, numbers (amounts of money as decimals), booleans, None, enums, aware datetimes, other records, and
tuples or mappings of these. Text from outside (names, user ids, causes) is raw: the renderer escapes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from agent_bridge.core.results.access import AccessResult
from agent_bridge.core.results.admin import AdminResult
from agent_bridge.core.results.chats import ChatResult
from agent_bridge.core.results.contexts import ContextResult
from agent_bridge.core.results.erasure import ErasureResult
from agent_bridge.core.results.events import EventResult
from agent_bridge.core.results.exports import ExportResult
from agent_bridge.core.results.mirrors import MirrorResult
from agent_bridge.core.results.notifications import NotificationsSet
from agent_bridge.core.results.people import PeopleResult
from agent_bridge.core.results.reachable import ReachableSet
from agent_bridge.core.results.reloads import ReloadReport
from agent_bridge.core.results.repairs import PassPlan, RepairBegun
from agent_bridge.core.results.retirement import RetirementResult
from agent_bridge.core.results.schedules import ScheduleResult
from agent_bridge.core.results.selection import AgentChoices, AgentSelected, CannotEnter, RoomBound
from agent_bridge.core.results.server_commands import ServerCommandDone, ServerCommandList, ServerCommandRefused
from agent_bridge.core.results.servers import ServerResult
from agent_bridge.core.results.speech import SpeechResult
from agent_bridge.core.results.tasks import TaskResult
from agent_bridge.core.results.threads import ThreadResult
from agent_bridge.core.results.tokens import TokenResult
from agent_bridge.core.results.traces import NoTrace, Trace
from agent_bridge.core.results.triggers import TriggerResult
from agent_bridge.core.results.turns import TurnResult
from agent_bridge.core.results.usage import UsageReport
from agent_bridge.core.results.votes import VoteResult

if TYPE_CHECKING:
    from agent_bridge.core.agents import AgentState
    from agent_bridge.core.approvals import DecisionResult
    from agent_bridge.core.operations import OperationEntry
    from agent_bridge.core.roles import Role
    from agent_bridge.core.rooms import AnswerMode, RoomProblem, Streaming, WhenBusy
    from agent_bridge.core.upstreams import Health


class Group(StrEnum):
    """Groups of commands, in the order in which ``help`` lists them."""

    AGENTS = "agents"
    CHATS = "chats"
    #: Servers and their channels.
    SERVERS = "servers"
    TASKS = "tasks"
    #: The room in which the command is given.
    ROOM = "room"
    #: People in the room, and their roles.
    PEOPLE = "people"
    #: The conversation with the agent.
    CONVERSATION = "conversation"
    MESSAGES = "messages"
    BRIDGE = "bridge"


class ArgumentType(StrEnum):
    """Types of arguments, by their names in the schemas of MSC4391."""

    TEXT = "string"
    NUMBER = "integer"
    USER = "user_id"
    FLAG = "boolean"


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a command, as a usage line or a schema describes it."""

    #: Key of the catalogue's ``placeholders``; the word itself for a flag.
    name: str
    required: bool
    #: The permitted values; empty when the argument is free text.
    choices: tuple[str, ...] = ()
    #: Whether the argument is a word that is given or left out.
    is_flag: bool = False
    type: ArgumentType = ArgumentType.TEXT
    #: Whether it takes all the words that the others leave.
    spans: bool = False


@dataclass(frozen=True, slots=True)
class CommandUsage:
    """A command and its arguments."""

    name: str
    group: Group
    arguments: tuple[Argument, ...]
    #: Arguments that a person may type, empty for a command without arguments.
    example: str = ""


@dataclass(frozen=True, slots=True)
class CommandList:
    """Commands that the caller may use."""

    commands: tuple[CommandUsage, ...]


@dataclass(frozen=True, slots=True)
class CommandHelp:
    """The explanation of one command."""

    usage: CommandUsage
    #: The lowest role that may use it.
    role: Role
    #: Whether members may use it in their own chats.
    in_own_chats: bool = False


class ArgumentProblem(StrEnum):
    """Why the arguments of a command are rejected."""

    MISSING = "missing"
    #: More words than the command takes.
    SURPLUS = "surplus"
    #: More characters than the argument may have.
    TOO_LONG = "too_long"
    #: A number is larger than the command permits.
    TOO_LARGE = "too_large"
    #: A value of another type than the argument's, in a command that a client wrote as JSON.
    WRONG_TYPE = "wrong_type"
    #: A value that is not permitted.
    NOT_A_CHOICE = "not_a_choice"
    NOT_A_USER_ID = "not_a_user_id"
    #: Words that mean no length of time, or one that is too long.
    NOT_A_DURATION = "not_a_duration"
    NO_SUCH_AGENT = "no_such_agent"
    #: The agent's upstream lists it no more.
    AGENT_GONE = "agent_gone"
    #: A number beyond the list that the person was shown.
    NO_SUCH_NUMBER = "no_such_number"
    #: A number that no page of a list has.
    NO_SUCH_PAGE = "no_such_page"
    #: A word in the place of the number of a page.
    UNKNOWN_WORD = "unknown_word"
    SEVERAL_AGENTS = "several_agents"
    #: No chat of the person has this number or title, or several have.
    NO_SUCH_CHAT = "no_such_chat"


@dataclass(frozen=True, slots=True)
class InvalidArguments:
    """The command was not run: its arguments cannot be used."""

    usage: CommandUsage
    problem: ArgumentProblem
    #: The argument that has the problem; None for surplus words, and where the problem says which one it is.
    argument: Argument | None
    #: The words that have the problem, empty for a missing argument.
    value: str = ""
    #: The agents that the words may mean, for :attr:`ArgumentProblem.SEVERAL_AGENTS`; those with a similar name, for
    #: :attr:`ArgumentProblem.NO_SUCH_AGENT`.
    candidates: tuple[AgentEntry, ...] = ()
    #: The largest number, for :attr:`ArgumentProblem.TOO_LARGE`; or of characters, for
    #: :attr:`ArgumentProblem.TOO_LONG`; or of the list, for
    #: :attr:`ArgumentProblem.NO_SUCH_NUMBER`; or of pages, for :attr:`ArgumentProblem.NO_SUCH_PAGE`.
    most: int = 0


@dataclass(frozen=True, slots=True)
class UnknownCommand:
    """No command has this name."""

    name: str
    #: The command whose name is nearest; None when no name is near.
    nearest: str | None


@dataclass(frozen=True, slots=True)
class NotPermitted:
    """The command was not run: the caller lacks a role."""

    command: str
    #: The lowest role that may use the command.
    role: Role


@dataclass(frozen=True, slots=True)
class WrongRoom:
    """The command was not run: it belongs in an agent's room."""

    command: str


@dataclass(frozen=True, slots=True)
class CommandFailed:
    """The command was started and failed."""

    command: str
    #: The end of a sentence, in the language of the configuration.
    cause: str


@dataclass(frozen=True, slots=True)
class CommandStopped:
    """A person ended the command."""

    #: Its first words.
    command: str


@dataclass(frozen=True, slots=True)
class RoomAddress:
    """A room, and a server through which it can be joined."""

    room_id: str
    via: str


@dataclass(frozen=True, slots=True)
class AgentEntry:
    """An agent in a list."""

    name: str
    #: Localpart of its ghost.
    ghost: str
    upstream: str
    state: AgentState
    #: None before the room exists. With private rooms, that of the caller.
    room: RoomAddress | None
    #: Why people cannot talk with it in the room; None if they can.
    problem: RoomProblem | None = None
    #: Whether each person has a room of its own with the agent.
    is_private: bool = False


@dataclass(frozen=True, slots=True)
class AgentList:
    """A page of all agents, by name."""

    agents: tuple[AgentEntry, ...]
    #: Whether the caller is an administrator, who gets the servers and states too.
    is_for_admin: bool = True
    #: The number of the page, and of all pages.
    page: int = 1
    pages: int = 1


@dataclass(frozen=True, slots=True)
class NoRoomYet:
    """The agent's room does not exist yet."""

    agent: str


@dataclass(frozen=True, slots=True)
class Reconnected:
    """An agent's room belongs to an agent that its upstream lists by another name."""

    agent: AgentEntry
    #: Name of the agent before.
    former: str


@dataclass(frozen=True, slots=True)
class NotReconnected:
    """The upstream lists no new agent of this name."""

    listed: str
    upstream: str
    #: Ids in the upstream's list that no room belongs to.
    candidates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HasEntry:
    """The agent has an entry in the configuration, which alone tells its model."""

    agent: str


@dataclass(frozen=True, slots=True)
class DecisionMade:
    """A decision about a tool call, and its effect."""

    result: DecisionResult


@dataclass(frozen=True, slots=True)
class WhenBusySet:
    """The room has this setting from now on."""

    when_busy: WhenBusy


@dataclass(frozen=True, slots=True)
class AgentAnswers:
    """Which messages of a room an agent answers."""

    agent: str
    mode: AnswerMode


@dataclass(frozen=True, slots=True)
class Answers:
    """Which messages of the room its agents answer, or the one that was changed."""

    agents: tuple[AgentAnswers, ...]


@dataclass(frozen=True, slots=True)
class StreamingSet:
    """The room has this setting from now on."""

    streaming: Streaming


@dataclass(frozen=True, slots=True)
class SyncReport:
    """The upstreams after a request to list their agents."""

    #: Whether the leader asked them in time; False: the entries are older than the command.
    is_finished: bool
    upstreams: tuple[Health, ...]


@dataclass(frozen=True, slots=True)
class RoomEntry:
    """An agent's room, and the problems that the bridge cannot repair."""

    agent: str
    problems: tuple[RoomProblem, ...]


@dataclass(frozen=True, slots=True)
class StatusReport:
    """The bridge and its upstreams."""

    #: Agents that their upstream lists, or that the configuration has.
    active: int
    #: New agents that wait for ``sync all``.
    held: int
    #: Agents that their upstream does not list any more.
    gone: int
    #: Messages that wait or are being answered.
    open_turns: int
    upstreams: tuple[Health, ...]
    #: Rooms with problems.
    rooms: tuple[RoomEntry, ...] = ()
    #: Those of the active agents that have an entry in the configuration.
    configured: int = 0
    #: Rooms that the bot enters later, because the homeserver limits its joins.
    without_bot: int = 0
    #: Long work that goes on.
    operations: tuple[OperationEntry, ...] = ()


Result: TypeAlias = (
    AccessResult
    | AgentChoices
    | AgentList
    | AgentSelected
    | Answers
    | CannotEnter
    | ChatResult
    | CommandFailed
    | CommandHelp
    | CommandList
    | CommandStopped
    | ContextResult
    | ErasureResult
    | EventResult
    | ExportResult
    | HasEntry
    | InvalidArguments
    | MirrorResult
    | NoRoomYet
    | NoTrace
    | NotPermitted
    | NotReconnected
    | NotificationsSet
    | ReachableSet
    | PeopleResult
    | PassPlan
    | Reconnected
    | RepairBegun
    | ReloadReport
    | RetirementResult
    | TaskResult
    | TokenResult
    | AdminResult
    | TriggerResult
    | ScheduleResult
    | RoomBound
    | ServerCommandDone
    | ServerCommandList
    | ServerCommandRefused
    | ServerResult
    | SpeechResult
    | StatusReport
    | DecisionMade
    | StreamingSet
    | ThreadResult
    | SyncReport
    | Trace
    | TurnResult
    | UnknownCommand
    | UsageReport
    | VoteResult
    | WhenBusySet
    | WrongRoom
)

"""Rooms of the bridge, as the store keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent_bridge.core.agents import AgentState


class KindName(StrEnum):
    """Names of the kinds of rooms; :mod:`agent_bridge.bridge.rooms.kinds` says how the kinds differ."""

    #: The main room of one agent.
    HOME = "home"
    #: A further conversation with one agent, which its people may have yet to choose.
    CHAT = "chat"
    #: A direct conversation that a person began with one agent.
    DM = "dm"
    #: A direct conversation of two agents, which their programs began.
    PAIR = "pair"
    #: A room of people, with agents, the bridge bot, or both.
    GROUP = "group"
    #: The room of all agents.
    LOBBY = "lobby"
    #: A room of several agents that the bridge made.
    CHANNEL = "channel"
    #: A Space with channels, below the main one.
    SERVER = "server"
    #: A direct conversation with the bridge bot.
    BOT = "bot"


class ParticipantState(StrEnum):
    """Whether an agent's ghost is in a room."""

    JOINED = "joined"
    LEFT = "left"
    #: The agent is retired: the ghost comes back into the channel with it.
    RETIRED = "retired"


class AnswerMode(StrEnum):
    """Which messages of a room an agent answers."""

    #: All but those that address others.
    ALWAYS = "always"
    #: Those that address it.
    MENTION = "mention"
    #: None.
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Participant:
    """An agent in a room."""

    #: Row id of the agent.
    agent: int
    #: Localpart of the agent's ghost.
    ghost: str
    state: ParticipantState = ParticipantState.JOINED
    #: Its names, by which people call it.
    names: tuple[str, ...] = ()
    #: Whether its upstream does not list it any more.
    is_gone: bool = False
    #: Which messages it answers, as people set it; None: they did not.
    answers: AnswerMode | None = None


class ChoiceKind(StrEnum):
    """Lists from which people choose by a number. Of each kind, the one that a person was shown last counts."""

    AGENTS = "agents"
    #: Conversations with an agent that a person can load.
    SAVES = "saves"
    #: No number alone chooses from these: chats, and the chat whose deletion waits for a confirmation.
    CHATS = "chats"
    DELETE = "delete"
    #: The agent whose retirement, with the deletion of its room, waits for a confirmation.
    RETIRE = "retire"
    #: No entry: the erasure of the own data waits for a confirmation.
    ERASE = "erase"

    @property
    def is_question(self) -> bool:
        """Whether people answer it with a confirmation."""
        return self in {ChoiceKind.DELETE, ChoiceKind.RETIRE, ChoiceKind.ERASE}


@dataclass(frozen=True, slots=True)
class OpenChoice:
    """The list that a person was shown last in a room."""

    kind: ChoiceKind
    #: Number of its entries.
    size: int
    #: Root of the thread in which it was shown; empty: the room itself.
    thread: str
    #: Whether it is young enough for its numbers to count.
    is_fresh: bool
    #: Whether the person has said something in the room since.
    is_passed: bool
    #: The events that show it.
    events: frozenset[str]
    #: The command that a number alone gives.
    command: str = "agent"
    #: Whether the person was shown the list of chats in the room since: it has numbers with another meaning.
    is_covered: bool = False


@dataclass(frozen=True, slots=True)
class Room:
    """A room that the bridge knows, as intake needs it."""

    room_id: str
    kind: KindName
    #: Row id of the agent whose own room it is (home, chat, dm); None for a room without an owner, and for a chat whose
    #: people have not chosen an agent yet.
    owner: int | None = None
    #: In the order in which they came into the room.
    participants: tuple[Participant, ...] = ()
    #: Messages and changes that wait or are carried out, except those of the events that were asked about.
    waiting: int = 0
    #: Commands that wait, by their sender, except those of the events that were asked about.
    commands: Mapping[str, int] = field(default_factory=dict)
    #: Row id of the agent that sent an event, for each event that was asked about and belongs to an answer.
    answered_by: Mapping[str, int] = field(default_factory=dict)
    #: Row ids of the agents that were asked in a thread, by the root of each thread that was asked about.
    thread_agents: Mapping[str, Sequence[int]] = field(default_factory=dict)
    #: Those of the threads that were asked about that have names.
    named_threads: frozenset[str] = frozenset()
    #: The treatment of messages that arrive during an answer; None: as configured.
    when_busy: WhenBusy | None = None
    #: The lists that people were shown, by user id, if they may choose from one now.
    choices: Mapping[str, OpenChoice] = field(default_factory=dict)
    #: The questions that people may confirm, by user id.
    questions: Mapping[str, OpenChoice] = field(default_factory=dict)
    #: Row ids of the agents that people have selected, by user id, if that decides who is answered.
    selections: Mapping[str, int] = field(default_factory=dict)
    #: User id of the person whose chat or direct chat it is; None for the rooms of several people.
    person: str | None = None
    #: Whether the bridge made the room because a person asked for it.
    is_ours: bool = False
    #: Number of joined people, as of the last comparison with the homeserver; None: they were not counted.
    people: int | None = None
    #: Whether votes are open.
    has_votes: bool = False
    #: Whether there are tasks, also closed ones.
    has_tasks: bool = False
    #: Whether programs have asked people there.
    has_questions: bool = False

    @property
    def is_unbound(self) -> bool:
        """Whether its people have yet to choose the agent that answers there."""
        return self.kind is KindName.CHAT and self.owner is None


class RoomProblem(StrEnum):
    """A difference between an agent's room and its desired state that the bridge cannot repair."""

    #: Clients encrypt the messages, which the bridge cannot read.
    ENCRYPTED = "encrypted"
    #: Clients do not encrypt the messages, and the bridge takes encrypted ones only.
    NOT_ENCRYPTED = "not_encrypted"
    #: The room was upgraded, and nobody invited the ghost or the bridge bot into the room that replaces it.
    SUCCESSOR_CLOSED = "successor_closed"
    #: The ghost is not in the room, and cannot enter it.
    GHOST_AWAY = "ghost_away"
    #: The ghost is banned.
    GHOST_BANNED = "ghost_banned"
    #: The ghost lacks the power to send messages.
    GHOST_MUTED = "ghost_muted"
    #: The homeserver has suspended the ghost: it can read, and not send.
    GHOST_SUSPENDED = "ghost_suspended"
    #: The bridge bot is not in the room, and cannot enter it.
    BOT_AWAY = "bot_away"
    #: Members without the power of a moderator, or guests, can let others in.
    OPEN_DOOR = "open_door"
    #: The homeserver refuses the ghost's display name.
    NO_DISPLAYNAME = "no_displayname"
    #: The alias of the room is missing or belongs to another room.
    NO_ALIAS = "no_alias"
    #: The Space does not list the room.
    NOT_IN_SPACE = "not_in_space"
    #: A user keeps a power level, or stays in the room, against the role: nobody of the bridge can change that.
    LEVEL_STUCK = "level_stuck"
    #: The homeserver refuses the name, the topic or the power levels.
    STATE_REFUSED = "state_refused"

    @property
    def silences(self) -> bool:
        """Whether the ghost cannot show an answer in the room."""
        return self in _SILENCING

    @property
    def ends_talk(self) -> bool:
        """Whether people cannot talk with the agent in the room."""
        return self.silences or self in {RoomProblem.ENCRYPTED, RoomProblem.NOT_ENCRYPTED}


_SILENCING = frozenset(
    {
        RoomProblem.SUCCESSOR_CLOSED,
        RoomProblem.GHOST_AWAY,
        RoomProblem.GHOST_BANNED,
        RoomProblem.GHOST_MUTED,
        RoomProblem.GHOST_SUSPENDED,
    }
)


#: Seconds between two files of one person that were sent together: they are one question.
FILES_TOGETHER = 10.0


class WhenBusy(StrEnum):
    """The treatment of messages that arrive while an agent answers."""

    #: Each is answered on its own, one after the other.
    QUEUE = "queue"
    #: Those that wait are answered together, as one.
    COLLECT = "collect"
    #: Each ends the running answer, and those that wait are answered together.
    INTERRUPT = "interrupt"

    @property
    def collects(self) -> bool:
        """Whether the messages that wait are answered together."""
        return self is not WhenBusy.QUEUE


class JoinRule(StrEnum):
    """Which people can enter the room of an agent: a ``join_rule`` of the Matrix spec."""

    #: Members of the Space.
    RESTRICTED = "restricted"
    #: Those with an invitation.
    INVITE = "invite"


class Streaming(StrEnum):
    """The display of an answer while it arrives."""

    #: By edits of its first words.
    EDITS = "edits"
    #: Not before it is complete.
    OFF = "off"


class SpeechMode(StrEnum):
    """Which answers of a room are read aloud."""

    #: Those to voice messages.
    ASKED = "asked"
    ON = "on"
    OFF = "off"


class Show(StrEnum):
    """How much people see of an agent's reasoning, or of its tools."""

    #: Nothing.
    HIDDEN = "hidden"
    #: Folded, in a message of its own before the answer.
    COLLAPSED = "collapsed"
    #: As notices in a thread.
    THREAD = "thread"


@dataclass(frozen=True, slots=True)
class HomeRoom:
    """The home of an agent: the desired state of the room beside the state that was applied."""

    #: Row id.
    id: int
    #: Room id, None before the room exists.
    room_id: str | None
    #: Desired name and topic, and those that the room was given last.
    name: str
    name_applied: str | None
    topic: str
    topic_applied: str | None
    #: Whether the bridge bot is in the room.
    bot_joined: bool
    #: Room id of the Space that lists the room, None when none does.
    space: str | None
    #: User ids that the bridge itself has invited.
    invited: frozenset[str]
    #: The agent's state that the room was told last.
    announced_state: AgentState
    #: The treatment of waiting messages, and the display of answers; None: as configured.
    when_busy: WhenBusy | None
    streaming: Streaming | None
    #: How often a comparison with the homeserver was requested, and the requests that the last comparison answered.
    check_requests: int = 0
    checked: int = 0
    #: The problems that the last comparison found and could not repair.
    problems: tuple[RoomProblem, ...] = ()
    #: The avatar that the room was given last, or was found to replace by another one.
    avatar_applied: str | None = None
    #: Whether the agent has introduced itself.
    introduced: bool = False
    #: The join rule that the room was given last; None: *invite*, by an earlier version of the bridge.
    join_rule_applied: str | None = None
    #: Whether the room is being removed.
    is_deleting: bool = False


@dataclass(frozen=True, slots=True)
class HistoryCursor:
    """The position up to which a room's history is compared with the events that the homeserver delivered."""

    room_id: str
    #: Localparts of the ghosts in the room. The owner's ghost, if the room has an owner, comes first.
    ghosts: tuple[str, ...]
    #: Localpart of the ghost that reads the history; None: the bridge bot.
    reader: str | None
    #: Event up to which nothing is missing; None: the beginning of the room.
    last_seen: str | None
    #: The last position in any lane that was given when the comparison began.
    position: int
    #: How many backfills were requested by then.
    backfill_requests: int = 0
    #: Whether programs have sent events there.
    has_programs: bool = False

"""The records of the bridge: frozen values that the store returns and the verbs act on."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any

from agent_bridge.core.ids import turn_key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


class Role(IntEnum):
    """What a person may do; each role includes the ones before it."""

    NONE = 0
    MEMBER = 1
    MODERATOR = 2
    ADMIN = 3
    OWNER = 4


class AgentState(StrEnum):
    """Where an agent stands."""

    #: Listed by its upstream: has, or is about to have, a ghost and a room.
    ACTIVE = "active"
    #: Listed, but one too many at once: waits for an operator's word.
    HELD = "held"
    #: Not listed any more: its room is kept, its ghost silent.
    GONE = "gone"


class Busy(StrEnum):
    """What happens to messages that arrive while an agent answers."""

    #: Each is answered on its own, one after the other.
    QUEUE = "queue"
    #: Those that wait are answered together, as one.
    COLLECT = "collect"


class Streaming(StrEnum):
    """How an answer is shown while it arrives."""

    #: By edits of its first words.
    EDITS = "edits"
    #: Not before it is whole.
    OFF = "off"


class Show(StrEnum):
    """How much people see of what an agent does besides answering."""

    #: Nothing.
    HIDDEN = "hidden"
    #: Folded, in a message of its own before the answer.
    COLLAPSED = "collapsed"
    #: As notices in a thread.
    THREAD = "thread"


@dataclass(frozen=True, slots=True)
class Agent:
    """Something upstream that answers."""

    #: Row id.
    id: int
    #: Name of the upstream in the configuration.
    upstream: str
    #: Identity within the upstream; never changes.
    agent_id: str
    #: What the upstream's API calls it today: the ``model`` of a request.
    model: str
    #: Its name upstream, as people should see it.
    name: str
    #: Localpart of its ghost; never changes.
    ghost: str
    #: Display name that the ghost should have.
    displayname: str
    #: Display name that the ghost was last given, None before the ghost exists.
    displayname_applied: str | None
    #: Where it stands, and since when.
    state: AgentState
    state_since: datetime


@dataclass(frozen=True, slots=True)
class Portal:
    """A room in which an agent answers."""

    #: Row id.
    id: int
    #: Row id of the agent.
    agent: int
    #: Room id, None before the room exists.
    room_id: str | None
    #: Name and topic that the room should have, and those it was last given.
    name: str
    name_applied: str | None
    topic: str
    topic_applied: str | None
    #: Whether the bridge bot is in the room.
    bot_joined: bool
    #: Room id of the Space that lists the room, None when none does.
    space: str | None
    #: User ids that were invited by the bridge itself.
    invited: frozenset[str]
    #: The agent's state that the people in the room were last told.
    told: AgentState
    #: What happens to messages that wait, and how answers are shown, None for what is configured.
    busy: Busy | None
    stream: Streaming | None


class TurnKind(StrEnum):
    """What a turn asks for."""

    #: A message for the room's agent.
    MESSAGE = "message"
    #: A command for the bridge bot.
    COMMAND = "command"
    #: A message that is not taken; the person is told why, once.
    REFUSAL = "refusal"
    #: An invitation of the bridge bot or of a ghost.
    INVITATION = "invitation"
    #: A person changed an earlier message, or wants it answered anew.
    CHANGE = "change"


class TurnState(StrEnum):
    """Where a turn stands. Only the first three are open."""

    #: Waits for its place at the head of its lane.
    QUEUED = "queued"
    #: Taken up by a worker.
    RUNNING = "running"
    #: The answer is committed; what is left is to show it.
    ANSWERED = "answered"
    #: People saw the answer.
    DONE = "done"
    #: People were told that there is none, or that it is not whole.
    FAILED = "failed"
    #: A person ended it; people saw what there was.
    STOPPED = "stopped"
    #: Became a part of the turn that it was collected into.
    COLLECTED = "collected"


class Stop(StrEnum):
    """How a person wants a turn to end."""

    #: With what there is of the answer.
    STOPPED = "stopped"
    #: Set aside, by an administrator.
    DROPPED = "dropped"
    #: Because the question was changed; it is asked anew.
    EDITED = "edited"
    #: Because the question was taken back.
    REDACTED = "redacted"


class Wish(StrEnum):
    """What a person wants of an earlier message."""

    #: Another text in its place.
    EDIT = "edit"
    #: Another answer to it.
    AGAIN = "again"
    #: That it is forgotten.
    REDACT = "redact"


#: ``thread`` of the lane in which the bridge bot is talked to in an agent's room: it never waits for the agent.
BOT_THREAD = "!"


@dataclass(frozen=True, slots=True)
class NewTurn:
    """A turn as intake asks for it."""

    event_id: str
    room_id: str
    kind: TurnKind
    sender: str
    #: What the handler needs: ``body`` and, by kind, more. No NUL characters.
    payload: Mapping[str, Any]
    #: Row id of the portal, None where people talk to the bridge bot.
    portal: int | None
    #: Which conversation of the room: empty for the room itself, the root of a thread, or :data:`BOT_THREAD`.
    thread: str = ""
    #: When it was said, in milliseconds since 1970 by the homeserver's clock; 0 when that is not known.
    said_at: int = 0


class Reason(StrEnum):
    """Why a message is no turn."""

    #: It replaces an earlier one.
    CHANGE = "change"
    #: Nobody answers notices.
    NOTICE = "notice"
    NO_TEXT = "no_text"
    #: It was said by somebody without a role.
    PERMISSION = "permission"
    ENCRYPTED = "encrypted"
    #: The database never takes it.
    SET_ASIDE = "set_aside"


@dataclass(frozen=True, slots=True)
class Ignored:
    """A message that is no turn, and why."""

    event_id: str
    room_id: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Change:
    """A person wants something of an earlier message."""

    event_id: str
    room_id: str
    sender: str
    wish: Wish
    #: The earlier message; for :attr:`Wish.AGAIN` its answer too.
    target: str
    #: What stands in its place: the payload of a message; for :attr:`Wish.EDIT` only.
    payload: Mapping[str, Any]
    #: When that was said, as in :class:`NewTurn`.
    said_at: int = 0


@dataclass(frozen=True, slots=True)
class StopRequest:
    """A person wants an answer to end."""

    room_id: str
    #: The event that asks for it.
    event_id: str
    #: The question, or an event of the answer; None means whatever is being answered in the room.
    target: str | None
    #: The conversation in which it was said: its answer ends rather than that of another.
    thread: str = ""


@dataclass(frozen=True, slots=True)
class Besides:
    """What is shown besides an answer's text."""

    #: Markdown of what the room is told about a failure, empty when it is told nothing.
    notice: str = ""
    #: What the agent did besides answering: the ops that show it.
    asides: tuple[Mapping[str, Any], ...] = ()
    #: Contents of the events that show files, uploaded already.
    files: tuple[Mapping[str, Any], ...] = ()
    #: Whether the first of them is what is left of an answer that is too long.
    rest: bool = False


@dataclass(frozen=True, slots=True)
class Waits:
    """A message that waits behind another one in its lane."""

    #: Row id.
    id: int
    event_id: str
    sender: str
    payload: Mapping[str, Any]
    #: Seconds since it was said.
    age: float
    #: Seconds since it was taken in.
    since: float


@dataclass(frozen=True, slots=True)
class Turn:
    """One incoming message and its answer: the unit of durability."""

    #: Row id.
    id: int
    event_id: str
    #: Row id of the lane.
    conversation: int
    room_id: str
    #: Which conversation of the room, as in :class:`NewTurn`.
    thread: str
    #: Row id of the portal, None where people talk to the bridge bot.
    portal: int | None
    kind: TurnKind
    sender: str
    payload: Mapping[str, Any]
    state: TurnState
    #: How often a worker took it up, this time included.
    attempts: int
    #: How often the upstream failed it.
    failures: int
    #: How often a worker died, or was ended, while it worked on it.
    interruptions: int
    #: How often it was asked anew.
    retries: int
    #: Seconds since it was said, or since it was asked anew.
    age: float
    #: How a person wants it to end; None when nobody does.
    stop: Stop | None
    #: Payloads of the turns that were collected into it, oldest first.
    collected: tuple[Mapping[str, Any], ...]
    #: The committed answer; None before there is one.
    answer: str | None
    #: What is shown besides the committed answer.
    besides: Besides
    #: Why there is no (whole) answer, in words for the person; None when all is well.
    error: str | None

    @property
    def key(self) -> str:
        """Public name of the turn."""
        return turn_key(self.event_id)

    @property
    def body(self) -> str:
        """The person's text; with those of the turns that were collected into it, a paragraph each."""
        texts = (str(payload.get("body", "")) for payload in self.payloads)
        return "\n\n".join(text for text in texts if text)

    @property
    def payloads(self) -> tuple[Mapping[str, Any], ...]:
        """All that it asks, oldest first."""
        return (self.payload, *self.collected)

    @property
    def root(self) -> str | None:
        """Root of the thread in which it is answered; None where it is answered in the room itself."""
        thread = self.thread if self.thread != BOT_THREAD else self.payload.get("thread")
        return str(thread) if thread else None


@dataclass(frozen=True, slots=True)
class Step:
    """Something that became of a turn."""

    at: datetime
    #: What: a name of the catalogue's ``steps``; an older program wrote it out in English.
    what: str
    #: What its words leave open, and perhaps ``error``.
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Send:
    """The intention to say part *part* of a turn's answer."""

    part: int
    #: The event that shows it, None while that is not known.
    event_id: str | None
    #: When the intention was written.
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Watched:
    """A room whose history is compared with what was handed over."""

    room_id: str
    #: Who reads it: localpart of a ghost, None for the bridge bot.
    ghost: str | None
    #: Event up to which nothing is missed, None: the room's beginning.
    seen: str | None
    #: The last place in any lane that was given when the comparison began.
    place: int
    #: How often something was suspected to be missing, by then.
    suspicions: int = 0


@dataclass(frozen=True, slots=True)
class Image:
    """A picture that goes with a message."""

    data: bytes = field(repr=False)
    content_type: str


@dataclass(frozen=True, slots=True)
class Said:
    """One message of a transcript."""

    #: ``user`` or ``assistant``, as in the OpenAI API.
    role: str
    content: str
    images: tuple[Image, ...] = ()

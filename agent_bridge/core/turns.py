"""Turns: the records of the queue, and the requests that change them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from agent_bridge.core.ids import short_hash
from agent_bridge.core.payloads import CommandPayload, MessagePayload, RefusalPayload, TriggerPayload

if TYPE_CHECKING:
    from datetime import datetime

    from agent_bridge.core.agents import Agent
    from agent_bridge.core.answers import AnswerExtras
    from agent_bridge.core.chains import ChainPosition
    from agent_bridge.core.payloads import Payload
    from agent_bridge.core.rooms import KindName, RoomProblem, SpeechMode, Streaming, WhenBusy


class TurnKind(StrEnum):
    """The kind of request that a turn makes. Each kind has its own record in :mod:`agent_bridge.core.payloads`."""

    #: An answer of an agent.
    MESSAGE = "message"
    #: A command for the bridge bot.
    COMMAND = "command"
    #: One reply that explains why a message is refused.
    REFUSAL = "refusal"
    #: An answer to an invitation of the bridge bot or of a ghost.
    INVITATION = "invitation"
    #: Another answer, to the new content of an earlier message.
    EDIT = "edit"
    #: Another answer to an earlier message.
    AGAIN = "again"
    #: A message in a room whose people have yet to choose an agent, or an edit of one: it waits for the choice.
    CHOICE = "choice"
    #: A request of another program: the room is told, then an agent is asked.
    TRIGGER = "trigger"
    #: The redaction of events that show the answer to a redacted message, or an earlier version of a redacted answer.
    REDACTION = "redaction"


class TurnState(StrEnum):
    """The state of a turn. The first three states are open, the others closed."""

    #: Waits for its place at the head of its lane.
    QUEUED = "queued"
    #: A worker has claimed it.
    RUNNING = "running"
    #: The answer is committed and not yet shown.
    COMMITTED = "committed"
    #: People saw the answer.
    DONE = "done"
    #: People were told that there is no answer, or no complete one.
    FAILED = "failed"
    #: A person or the next message ended it; people saw the part of the answer that existed.
    STOPPED = "stopped"
    #: Became a part of another turn, which answers both.
    COLLECTED = "collected"


class StopReason(StrEnum):
    """Why a turn ends early."""

    #: A person stopped it: the part of the answer that exists is kept.
    STOPPED = "stopped"
    #: The next message of its lane interrupted it: the part of the answer that exists is kept.
    INTERRUPTED = "interrupted"
    #: An administrator dropped it.
    DROPPED = "dropped"
    #: The question was edited; it is asked again.
    EDITED = "edited"
    #: A question or an edit was redacted; the questions that are left are asked again.
    REDACTED = "redacted"
    #: The answer was redacted, or all questions were, or a person ended an answer of which a question was redacted:
    #: nothing of the answer stays in the room.
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Addressee:
    """The agent, or the bridge bot, that a turn is for."""

    #: Row id of the agent, None for the bot.
    agent: int | None
    #: Localpart of the agent's ghost, or of the bot.
    localpart: str


@dataclass(frozen=True, slots=True)
class NewTurn:
    """An event that asks for turns: one for each of its addressees."""

    event_id: str
    room_id: str
    kind: TurnKind
    sender: str
    #: No NUL characters.
    payload: Payload
    addressees: tuple[Addressee, ...]
    #: Root of the thread that is the conversation; empty: the room itself.
    thread: str = ""
    #: Time of the event by the homeserver's clock, in milliseconds since 1970; 0 when it is not known.
    said_at: int = 0
    #: Of all turns with the same key only the first is written; None: no such limit.
    once_key: str | None = None
    #: Whether an event whose ``once_key`` an earlier turn has gets a mark.
    is_marked: bool = False


class IgnoreReason(StrEnum):
    """Why an event has no turn."""

    #: It edits a message that no agent was asked, or that is not known any more.
    CHANGE = "change"
    #: The bridge answers no notices.
    NOTICE = "notice"
    NO_TEXT = "no_text"
    #: Its sender lacks a role.
    PERMISSION = "permission"
    #: Its sender is muted.
    MUTED = "muted"
    #: A bot sent it, and mentions no agent.
    UNMENTIONED = "unmentioned"
    #: A bot sent it, and has asked the agent too often in the last minute.
    BUDGET = "budget"
    ENCRYPTED = "encrypted"
    #: It is not encrypted, and has to be.
    NOT_ENCRYPTED = "not_encrypted"
    #: It was redacted before it was decrypted.
    REDACTED = "redacted"
    #: The database refuses it.
    DEAD_LETTER = "dead_letter"
    #: An equal request waited already.
    MERGED = "merged"
    #: It edits a message into one for others than the agents that have it.
    FOR_OTHERS = "for_others"
    #: It asked to end an answer, which was done at once.
    STOP = "stop"
    #: It decided about a tool call, or came too late for it.
    DECISION = "decision"
    #: It let agents go on, or came too late for that.
    RESUME = "resume"
    #: It claimed a task, or came too late for that.
    CLAIM = "claim"
    #: It answered the question of a program.
    ANSWER = "answer"
    #: The data of its sender were erased.
    ERASED = "erased"


@dataclass(frozen=True, slots=True)
class Ignored:
    """An event that has no turn, and why."""

    event_id: str
    room_id: str
    reason: IgnoreReason


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A message that waits behind another one in its lane."""

    #: Row id.
    id: int
    event_id: str
    sender: str
    payload: Payload
    #: Seconds since it was said.
    age: float
    #: Seconds since it was taken in.
    since: float


@dataclass(frozen=True, slots=True)
class Turn:
    """One incoming event and its answer by one agent or the bridge bot: the unit of durability."""

    #: Row id.
    id: int
    event_id: str
    #: Public name, which marks and transaction ids contain: 16 hexadecimal digits.
    key: str
    #: Row id of the lane.
    conversation: int
    room_id: str
    #: Root of the thread that is the lane, as in :class:`NewTurn`.
    thread: str
    #: The agent that answers; None: the bridge bot.
    agent: Agent | None
    #: Whether the room is the agent's own: its conversation needs no further name than the room's.
    own_room: bool
    #: Whether agents take part in the room.
    in_agent_room: bool
    #: The treatment of waiting messages, and the display of answers in the room; None: as configured.
    when_busy: WhenBusy | None
    streaming: Streaming | None
    kind: TurnKind
    sender: str
    payload: Payload
    state: TurnState
    #: The number of claims by workers, including the present one.
    attempts: int
    #: The number of failures of the upstream or of the bridge. Waits for an upstream or a homeserver are none.
    failures: int
    #: The number of times that its worker died or was ended.
    interruptions: int
    #: The number of requests to ask again.
    retries: int
    #: Seconds since it was sent, or since the request to ask again.
    age: float
    #: The reason to end it early, or None.
    stop: StopReason | None
    #: Payloads of the turns that were collected into it, oldest first.
    collected: tuple[Payload, ...]
    #: The committed answer; None before there is one.
    answer: str | None
    #: Files, notices and activity beside the committed answer.
    extras: AnswerExtras
    #: The reason why there is no complete answer, as a text for people; None without an error.
    error: str | None
    #: The problem of the room in which the ghost cannot show an answer; None without one.
    obstacle: RoomProblem | None = None
    #: The number of times that it was put back because its upstream was away, and the seconds of these waits together
    #: with the attempts before them.
    upstream_waits: int = 0
    upstream_waited: float = 0.0
    #: The upstream's reference of the run of the last attempt, None if it is not known.
    run: str | None = None
    #: The kind of the upstream that has begun to answer it since it was asked last; None if no upstream is known to.
    begun_as: str | None = None
    #: Name for upstreams of the context that goes on in the lane; None for the first one.
    context_session: str | None = None
    #: The instructions of people for the agent in the room (empty: taken back), and the model that they chose.
    instructions: str | None = None
    chosen_model: str | None = None
    #: Whether the room is a chat that the bridge made, and whether it is one of its sender.
    in_chat: bool = False
    in_own_chat: bool = False
    #: Localpart of the ghost that speaks for the bridge in the room; None: the bridge bot does.
    voice: str | None = None
    #: None: the bridge does not know the room.
    room_kind: KindName | None = None
    #: Which answers of the room are read aloud; None: those to voice messages.
    speech: SpeechMode | None = None
    #: Its place in a chain of agents that ask each other; None outside of chains.
    chain: ChainPosition | None = None
    #: Numbers of the earlier attempts since the last committed answer whose workers told no end.
    left_attempts: tuple[int, ...] = ()
    #: Whether the content cannot be read: the payload is empty.
    is_unreadable: bool = False

    @property
    def begun_elsewhere(self) -> bool:
        """Whether an upstream of another kind has begun to answer it: its agent may have used tools."""
        return self.agent is not None and self.begun_as not in {None, self.agent.kind}

    @property
    def payloads(self) -> tuple[Payload, ...]:
        """The payloads of all turns that it answers, oldest first."""
        return (self.payload, *self.collected)

    @property
    def questions(self) -> tuple[MessagePayload, ...]:
        """The messages that it answers, oldest first."""
        return tuple(each for each in self.payloads if isinstance(each, MessagePayload))

    @property
    def is_triggered(self) -> bool:
        """Whether a trigger or a schedule has asked for it: the notice in the room is its question."""
        return isinstance(self.payload, MessagePayload) and bool(self.payload.trigger or self.payload.schedule)

    @property
    def body(self) -> str:
        """The text of the command, of the trigger's request, or of the messages, a paragraph each."""
        if isinstance(self.payload, CommandPayload):
            return self.payload.body
        if isinstance(self.payload, TriggerPayload):
            return self.payload.text
        return "\n\n".join(each.body for each in self.questions if each.body)

    @property
    def request_key(self) -> str:
        """Name of the question for an upstream: the same if the same messages are asked again after a failure.

        It differs after a request to ask again, and after an edit or a redaction of a message.
        """
        return request_key(self.key, self.retries, self.questions)

    @property
    def root(self) -> str | None:
        """Root of the thread in which it is answered; None where it is answered in the room itself."""
        if isinstance(self.payload, CommandPayload | RefusalPayload):
            return self.payload.thread or None
        return self.thread or None

    @property
    def session(self) -> str:
        """Name of the conversation for an upstream: the same for all turns of a context, and for them only."""
        if self.context_session is not None:
            return self.context_session
        return first_session(
            self.room_id, None if self.agent is None or self.own_room else self.agent.ghost, self.thread
        )


def request_key(key: str, retries: int, questions: tuple[MessagePayload, ...]) -> str:
    """Return the :attr:`Turn.request_key` of the turn *key* that was asked again *retries* times."""
    return f"{key}.{retries}.{short_hash(repr(questions))}"


def first_session(room_id: str, ghost: str | None, thread: str) -> str:
    """Return the :attr:`Turn.session` of the first context of a lane; *ghost*: of a guest among the room's agents."""
    room = room_id if ghost is None else f"{room_id}/{ghost}"
    return f"{room}/{thread}" if thread else room


@dataclass(frozen=True, slots=True)
class Send:
    """The intention to send part *part* of a turn's answer."""

    part: int
    #: The event that shows it, None while that is not known.
    event_id: str | None
    #: The number of events of this part that were redacted so that the part is sent again.
    generation: int
    #: When the intention was written; whether that was before the turn was asked again.
    created_at: datetime
    is_earlier: bool = False

"""The part of intake that takes the answers of people to questions of programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.core.changes import ChangeKind, ChangeRequest
from agent_bridge.core.ids import MARK, REQUEST
from agent_bridge.core.turns import Ignored, IgnoreReason
from agent_bridge.matrix.relayed import is_own
from agent_bridge.matrix.said import is_quiet, message_of, without_fallback

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agent_bridge.core.ids import Namespace
    from agent_bridge.core.rooms import Room
    from agent_bridge.core.turns import NewTurn
    from agent_bridge.matrix.events import RoomEvent
    from agent_bridge.store.people_questions import PeopleQuestions, PersonQuestion
    from agent_bridge.store.postgres.database import Connection


@dataclass(frozen=True, slots=True)
class GivenReply:
    """The answer of a person."""

    #: Row id of the question; None: it has this answer already.
    question: int | None
    room_id: str
    text: str


class PeopleIntake:
    """Finds answers: messages in the thread of a question, and replies to it. They ask no agent, and are no commands.

    Nothing is read for rooms in which programs have asked nobody.
    """

    def __init__(self, questions: PeopleQuestions, namespace: Namespace) -> None:
        self._questions = questions
        self._namespace = namespace

    async def take(self, events: Sequence[RoomEvent]) -> None:
        """Note which of *events* are questions to people. The process that has sent one may have been killed meanwhile.

        Raises:
            StoreError: nothing was written; the homeserver delivers the events again.
        """
        if questions := {key: event.event_id for event in events if (key := self._request(event)) is not None}:
            await self._questions.seen(questions)

    def _request(self, event: RoomEvent) -> str | None:
        """Return the name of the request that has sent *event*, if that may be a question to a person."""
        if not self._namespace.is_ours(event.sender) or event.type != "m.room.message" or not event.thread:
            return None
        marked = event.content.get(MARK)
        is_question = bool(event.mentions) and isinstance(marked, str) and marked.startswith(REQUEST)
        return str(marked).rpartition(".")[0] if is_question else None

    async def asked(self, events: Sequence[RoomEvent], rooms: Mapping[str, Room]) -> dict[str, GivenReply]:
        """Return those of *events* that answer questions, by event id.

        Raises:
            StoreError: the questions cannot be read.
        """
        said = {event.event_id: text for event in events if (text := self._text(event, rooms)) is not None}
        if not said:
            return {}
        candidates = [event for event in events if event.event_id in said]
        waiting = await self._questions.in_rooms({event.room_id for event in candidates}, said)
        found: dict[str, GivenReply] = {}
        for event in candidates:
            if any(each.answer_event == event.event_id for each in waiting):
                found[event.event_id] = GivenReply(None, event.room_id, "")
                continue
            question = _answered(event, waiting)
            if question is not None:
                waiting.remove(question)
                found[event.event_id] = GivenReply(question.id, event.room_id, said[event.event_id])
        return found

    async def write(
        self,
        connection: Connection,
        answers: Mapping[str, GivenReply],
        new: Iterable[NewTurn | ChangeRequest],
        rooms: Mapping[str, Room],
    ) -> list[Ignored]:
        """Write *answers*, and forget those that *new* redactions concern; return the notes about the events.

        Within the caller's transaction. Raises :class:`StoreError`: nothing was written.
        """
        for event_id, given in answers.items():
            if given.question is not None:
                await self._questions.answer(connection, given.question, event_id, given.text)
        for each in new:
            if isinstance(each, ChangeRequest) and each.kind is ChangeKind.REDACT:
                room = rooms.get(each.room_id)
                if room is not None and room.has_questions:
                    await self._questions.redact(connection, each.room_id, each.target)
        return [Ignored(event_id, given.room_id, IgnoreReason.ANSWER) for event_id, given in answers.items()]

    def _text(self, event: RoomEvent, rooms: Mapping[str, Room]) -> str | None:
        """Return the words of an event that may be an answer; None if it is none."""
        room = rooms.get(event.room_id)
        if room is None or not room.has_questions or event.state_key is not None or is_own(event, self._namespace):
            return None
        is_message = event.redacted_by is None and event.relation != "m.replace"
        if not is_message or is_quiet(event.type, event.content) or not (event.thread or event.replies_to):
            return None
        said = message_of(event.type, event.content)
        return None if said is None else without_fallback(said.body, event.content)


def _answered(event: RoomEvent, waiting: Sequence[PersonQuestion]) -> PersonQuestion | None:
    """Return the question that *event* answers: the one that it replies to, else the oldest one of its thread."""
    own = [each for each in waiting if each.answer_event is None and each.person == event.sender]
    own = [each for each in own if each.room_id == event.room_id]
    replied = [each for each in own if each.event_id is not None and each.event_id == event.replies_to]
    threaded = [each for each in own if event.thread and each.thread == event.thread]
    return next(iter([*replied, *threaded]), None)

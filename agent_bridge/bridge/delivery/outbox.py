"""Sends and edits the messages that show the answer to a turn, each exactly once.

Three means, used in this order, make a repeat after a crash harmless:

1. The intention to send a part is stored (table ``outbox``) before the request.
2. The transaction id of the request derives from the turn and the part, so the homeserver swallows a repeat.
3. Where the homeserver has forgotten the transaction id, the mark in the event's content finds the event.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agent_bridge.bridge.delivery.contents import content_of
from agent_bridge.bridge.delivery.erasure import Eraser
from agent_bridge.bridge.delivery.marked_events import marked_events
from agent_bridge.bridge.queue.offload import rendered
from agent_bridge.bridge.rooms.kinds import is_of_several_kind
from agent_bridge.core.answers import AnswerExtras, Op, Part, Reply, is_act
from agent_bridge.core.errors import HomeserverError, HomeserverRefused
from agent_bridge.core.ids import MARK, mark
from agent_bridge.core.observer import UNOBSERVED
from agent_bridge.core.turns import TurnKind, TurnState
from agent_bridge.matrix.event_streams import DESCRIPTOR
from agent_bridge.matrix.events import content_today
from agent_bridge.render.content import LIVE, edit, in_reply_to, in_thread, mentions_of
from agent_bridge.render.rendition import ops_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from agent_bridge.core.observer import Observer
    from agent_bridge.core.turns import Turn
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.turns import Turns

_log = logging.getLogger(__name__)

#: Seconds in which a request without a response is carried out or lost.
_LATE = 2.0
#: Interruptions of a turn from which on it is closed without a wait for late edits: its next worker may die as soon.
_OFTEN = 5
_BAD_REQUEST = 400
#: Part of Synapse's message for a relation to an event that it does not have.
_UNKNOWN_EVENT = "unknown event"


class Outbox:
    """The messages of one user (a ghost or the bridge bot) for one turn."""

    def __init__(
        self, homeserver: Homeserver, turns: Turns, turn: Turn, user_id: str, observer: Observer = UNOBSERVED
    ) -> None:
        self._homeserver = homeserver
        self._turns = turns
        self._turn = turn
        self._observer = observer
        self._eraser = Eraser(homeserver)
        #: The user that sends the messages.
        self.user_id = user_id
        self._edits = 0
        self._reply_to: str | None = None
        self._shown: dict[int, Op] = {}
        #: Parts with a request that may have succeeded without an answer.
        self._tried: set[int] = set()
        #: The generation of each part of which an event was redacted so that the part is sent again.
        self._generations: dict[int, int] = {}
        #: Parts with an edit that the homeserver may carry out later than the edits after it, and until when, by the
        #: clock of the event loop.
        self._late: dict[int, float] = {}
        #: When the homeserver has carried out or lost the first requests of all parts, by the same clock.
        self._certain_at = 0.0
        #: Parts that have notified the users whom they mention.
        self._notified: set[int] = set()
        #: The acts that belong to an earlier answer to the turn.
        self._earlier: set[int] = set()
        #: Parts that were redacted before the answer was complete.
        self._taken_back: set[int] = set()
        #: Whether a person redacted a part before its event was recorded: nothing more is said.
        self._withdrawn = False
        #: When the first text of an answer was sent, by a monotonic clock; None: it was not, or by an earlier attempt.
        self.first_words_at: float | None = None
        #: The event that shows each part, as far as known.
        self.event_ids: dict[int, str] = {}

    async def recover(self) -> None:
        """Load the events that earlier attempts sent, also those whose ids were not stored."""
        if self._turn.attempts > 1:
            await self._recover()

    async def _recover(self) -> None:
        sends = await self._turns.sends(self._turn.id)
        self.event_ids = {send.part: send.event_id for send in sends if send.event_id is not None}
        self._generations = {send.part: send.generation for send in sends}
        self._earlier = {send.part for send in sends if send.is_earlier and is_act(send.part)}
        if self._was_interrupted:
            # The homeserver may still carry out an edit of an attempt that did not end.
            self._late |= dict.fromkeys(self.event_ids, self._late_end())
        if open_parts := {send.part for send in sends if send.event_id is None}:
            self._tried |= open_parts
            self._certain_at = self._late_end()
            await self._adopt(open_parts)

    async def show(
        self, op: Op, *, intended: bool = False, recorded: bool = True, also: Mapping[str, Any] | None = None
    ) -> None:
        """Carry out *op*: send the part or edit its event; do nothing if the event shows exactly *op*.

        Nothing is shown of an answer that a person has redacted.

        *intended*: the intention is stored already. *recorded*: the event of a new part is stored at once. *also*:
        further fields of the content.
        """
        if self._shown.get(op.part) == op:
            return
        first = op.part not in self.event_ids
        content = await rendered(len(op.text), content_of, self._turn, op, first=first) | {**(also or {})}
        tried = op.part in self._tried
        if tried and op.part not in self.event_ids:
            await self._adopt({op.part})
        if self._withdrawn:
            return
        if op.part in self.event_ids:
            await self._edit(op.part, content)
        else:
            if not intended:
                await self._turns.intend(self._turn.id, op.part)
            self._tried.add(op.part)
            relation = self._relation(op)
            await self._remove_behind(op.part)
            try:
                self.event_ids[op.part] = await self._send_related(content, relation, self._txn_id(op.part))
            except (HomeserverError, asyncio.CancelledError):
                self._certain_at = self._late_end()
                raise
            self._note_new(op.part)
            if op.mentions and (not tried or await self._has_mentions(op.part)):
                self._notified.add(op.part)
            if recorded or tried:
                await self._record(op.part)
            if tried and not self._withdrawn:
                # If the first request had arrived, the homeserver returned its event, which has the first text.
                await self._edit(op.part, content)
        self._shown[op.part] = op

    def _note_new(self, part: int) -> None:
        """Note that a new event shows *part*."""
        self._taken_back.discard(part)
        if part == Part.TEXT[0] and self.first_words_at is None:
            self.first_words_at = time.monotonic()

    @property
    def has_answer(self) -> bool:
        """Whether an event shows a part of an answer, or of an earlier one."""
        return any(part != Part.WAITING for part in self.event_ids)

    @property
    def acts(self) -> set[int]:
        """The acts that belong to this answer."""
        return {part for part in self.event_ids if is_act(part)} - self._earlier

    async def act(self, part: int, content: dict[str, Any], kind: str) -> str | None:
        """Send *content* as the act *part*, once, in place of those of an earlier answer; return its event.

        Return None if a person has redacted the answer.
        """
        for earlier in sorted(self._earlier):
            await self.take_back(earlier)
        if part not in self.event_ids and not self._withdrawn:
            await self._turns.intend(self._turn.id, part)
            marked = content | {MARK: mark(self._turn.key, part)}
            self.event_ids[part] = await self._send(marked, self._txn_id(part), kind)
            await self._record(part)
        return None if self._withdrawn else self.event_ids[part]

    async def publish(
        self,
        ops: Sequence[Op],
        state: TurnState,
        *,
        then: Callable[[str], Awaitable[None]] | None = None,
        speak: Callable[[str], Awaitable[None]] | None = None,
    ) -> bool:
        """Show the committed answer *ops*, redact the other parts of earlier attempts, close the turn as *state*.

        The acts of this answer stay, unless there are no *ops* because a person stopped it. Return True if the turn was
        the last open one of its lane. It stays open for its next attempt if something was redacted in the meantime.

        Before that, *then* is called with the event of the message that mentions users, and *speak* with that of the
        last text, unless the answer was redacted.
        """
        for op in ops:
            # The end stores the event of a short answer. A person may redact a part of a long one before its end.
            await self.show(op, intended=True, recorded=len(ops) > 1 or then is not None or speak is not None)
        await self._overtake([op for op in ops if op.part in self._late])
        await self._find_unanswered()
        kept = {op.part for op in ops} | (self.acts if ops or state is TurnState.DONE else set())
        for part in sorted(self.event_ids.keys() - kept):
            await self.take_back(part)
        final = next((op.part for op in ops if op.mentions), None)
        if then is not None and final is not None and not self._withdrawn:
            await then(self.event_ids[final])
        if speak is not None and not self._withdrawn and (texts := [op.part for op in ops if op.part in Part.TEXT]):
            await speak(self.event_ids[texts[-1]])
        return bool(await self._finish(state))

    async def settle(self, state: TurnState) -> bool:
        """Leave all parts as they are, remove their marks of growing messages, close the turn as *state*.

        If the answer was withdrawn, all of it is redacted. Return True if the turn was the last open one of its lane.
        """
        await self._end_growth()
        return await self.close(state)

    async def take_back(self, part: int) -> None:
        """Redact the event that shows *part*, with its edits, if there is one."""
        if part in self.event_ids:
            await self._erase(self.event_ids[part])
            del self.event_ids[part]
            self._taken_back.add(part)

    async def withdraw(self) -> list[int]:
        """Redact all events that show the answer, with their edits; return the parts that were redacted so far."""
        await self._find_unanswered()
        for part in sorted(self.event_ids):
            await self.take_back(part)
        return sorted(self._taken_back)

    async def _overtake(self, ops: Sequence[Op]) -> None:
        """Show *ops* once more a little later: an edit without a response may have come after the last one."""
        if ops:
            await asyncio.sleep(max(self._late[op.part] for op in ops) - asyncio.get_running_loop().time())
        for op in ops:
            await self._edit(op.part, await rendered(len(op.text), content_of, self._turn, op))

    async def reply_once(self, make: Callable[[], Awaitable[Reply | None]], *, to: str | None = None) -> bool:
        """Answer the turn with the reply that *make* returns, as a notice in reply to event *to*; close the turn.

        Once the reply is committed, later attempts show it and do not call *make*. If *make* returns None, nothing is
        sent and the turn stays open. Return whether the turn was answered.
        """
        await self.recover()
        turn = self._turn
        committed = turn.state is TurnState.COMMITTED
        reply = Reply(turn.answer or "", turn.stop, turn.extras.files) if committed else await make()
        if reply is None:
            return False
        self._reply_to = to
        ops = [replace(op, notice=True) for op in await rendered(len(reply.text), ops_for, reply.text)]
        ops += [Op(part, "", file=file) for part, file in zip(Part.FILES, reply.files, strict=False)]
        if not committed:
            parts, extras = [op.part for op in ops], AnswerExtras(files=reply.files)
            await self._turns.commit(turn, reply.text, error=None, parts=parts, extras=extras, stopped=reply.stopped)
        await self.publish(ops, TurnState.STOPPED if reply.stopped else TurnState.DONE)
        return True

    async def give_up(self, text: str, cause: str) -> None:
        """Leave all parts as they are, send *text* as the last notice, close the turn as failed because of *cause*."""
        await self._recover()
        await self._end_growth()
        if Part.GIVE_UP not in self.event_ids:
            await self.show(Op(Part.GIVE_UP, text, notice=True))
        await self.close(TurnState.FAILED, error=cause)

    async def close(self, state: TurnState, *, error: str | None = None) -> bool:
        """Close the turn as *state*, because of *error*; if its answer was withdrawn, redact all of it.

        Return True if the turn was the last open one of its lane.
        """
        is_last = await self._finish(state, error=error)
        if is_last is None:
            await self.withdraw()
            is_last = await self._finish(TurnState.STOPPED)
        return bool(is_last)

    async def _finish(self, state: TurnState, *, error: str | None = None) -> bool | None:
        taken_back = sorted(self._taken_back)
        return await self._turns.finish(self._turn, state, self.event_ids, taken_back=taken_back, error=error)

    async def _record(self, part: int) -> None:
        """Record the event that shows *part*."""
        self._withdrawn |= await self._turns.sent(self._turn, part, self.event_ids[part])

    async def _remove_behind(self, part: int) -> None:
        """Redact the later texts, to be sent again: a new event for *part* stands below their events.

        The events are redacted, then they are forgotten, then *part* is sent: an attempt that continues in between
        repeats a step or finds it done.
        """
        later = sorted(each for each in self.event_ids if each > part and each in Part.TEXT and part in Part.TEXT)
        if not later:
            return
        for each in later:
            await self._erase(self.event_ids[each])
        # A further transaction id: the homeserver returns the redacted event for the one that sent it.
        generations = {each: self._generations.get(each, 0) + 1 for each in later}
        await self._turns.replace(self._turn, generations)
        self._generations |= generations
        self._taken_back |= {*later}
        for each in later:
            del self.event_ids[each]
            self._shown.pop(each, None)
            self._late.pop(each, None)
        self._tried.difference_update(later)

    async def _erase(self, event_id: str) -> None:
        await self._eraser.erase(self._turn.room_id, event_id, self.user_id)

    async def _end_growth(self) -> None:
        """Remove the marks of growing messages, and the descriptors of their streams."""
        await self._find_unanswered()
        for part, event_id in sorted(self.event_ids.items()):
            event = await self._homeserver.event(self._turn.room_id, event_id, self.user_id)
            content = content_today(event or {})
            if LIVE in content:
                await self._edit(part, {key: value for key, value in content.items() if key not in (LIVE, DESCRIPTOR)})

    @property
    def _was_interrupted(self) -> bool:
        """Whether an earlier attempt to answer a message ended in the middle of it."""
        turn = self._turn
        interrupted = turn.interruptions > 0 or turn.state is TurnState.COMMITTED
        return turn.kind is TurnKind.MESSAGE and interrupted and turn.interruptions < _OFTEN

    @staticmethod
    def _late_end() -> float:
        return asyncio.get_running_loop().time() + _LATE

    def _relation(self, op: Op) -> dict[str, Any]:
        """Return the relation that puts *op* into a thread or makes it a reply; empty for a message of the room."""
        if op.thread_of is not None and (root := self.event_ids.get(op.thread_of)) is not None:
            return in_thread(root, root)
        if self._turn.root is not None:
            return in_thread(self._turn.root, self._reply_to or self._turn.event_id)
        is_reply = self._turn.is_triggered or is_of_several_kind(self._turn.room_kind)
        question = self._reply_to or (self._turn.event_id if is_reply and self._turn.agent is not None else None)
        return in_reply_to(question) if question is not None and op.part == 0 else {}

    def _txn_id(self, part: int) -> str:
        # Each retry of the turn has ids of its own: for the id of a redacted part the homeserver returns the old event.
        again = f".again{self._turn.retries}" if self._turn.retries else ""
        generation = self._generations.get(part)
        return f"ab.{self._turn.key}.{part}{again}" + (f".next{generation}" if generation else "")

    async def _edit(self, part: int, content: dict[str, Any]) -> None:
        overtakes = asyncio.get_running_loop().time() >= self._late.get(part, 0.0)
        notifies = bool(mentions_of(content)) and not await self._has_notified(part)
        try:
            await self._send(
                edit(content, self.event_ids[part], notifies=notifies), self._edit_txn_id(part, notifies=notifies)
            )
        except (HomeserverError, asyncio.CancelledError) as error:
            if _is_unknown_event(error):
                _log.warning("the message of part %d is unknown by now: it is sent again", part)
                root = self._turn.root
                relation = {} if root is None else in_thread(root, self._reply_to or self._turn.event_id)
                # Each attempt has the same id: the homeserver knows a repetition.
                self.event_ids[part] = await self._send_related(content, relation, f"{self._txn_id(part)}.new")
                await self._record(part)
                return
            if not (isinstance(error, HomeserverError) and error.had_no_effect):
                self._late[part] = self._late_end()
            raise
        self._observer.edited(sent=True)
        if notifies:
            self._notified.add(part)
        if overtakes:
            self._late.pop(part, None)

    def _edit_txn_id(self, part: int, *, notifies: bool) -> str:
        if notifies:
            # Another attempt has the same id: people are notified once.
            return f"ab.{self._turn.key}.{part}.mention{self._turn.retries}"
        # Attempt and counter make each edit a request of its own; a repeated edit looks like one.
        self._edits += 1
        return f"ab.{self._turn.key}.{part}.{self._turn.attempts}.{self._edits}"

    async def _has_notified(self, part: int) -> bool:
        """Tell whether an event has notified the users whom *part* of the present answer mentions."""
        if part not in self._notified and self._turn.state is TurnState.COMMITTED and await self._has_mentions(part):
            # An earlier attempt has shown the committed answer.
            self._notified.add(part)
        return part in self._notified

    async def _has_mentions(self, part: int) -> bool:
        """Tell whether *part*, as people see it now, mentions users. The homeserver forgets transaction ids."""
        event = await self._homeserver.event(self._turn.room_id, self.event_ids[part], self.user_id)
        return bool(mentions_of(content_today(event or {})))

    async def _send(self, content: dict[str, Any], txn_id: str, kind: str = "m.room.message") -> str:
        return await self._homeserver.send(self._turn.room_id, content, txn_id=txn_id, kind=kind, as_user=self.user_id)

    async def _send_related(self, content: dict[str, Any], relation: dict[str, Any], txn_id: str) -> str:
        """Send *content* with its relation; as a reply, if the homeserver does not accept the relation.

        The event may be unknown, in another room, or unfit to begin a thread. A reply may be to any event.
        """
        try:
            return await self._send(content | relation, txn_id)
        except HomeserverRefused as error:
            if not relation or error.status != _BAD_REQUEST:
                raise
            _log.warning("the relation of an answer is refused, so it is sent as a reply: %s", error)
            return await self._send(content | in_reply_to(self._reply_to or self._turn.event_id), txn_id)

    async def _adopt(self, parts: Iterable[int]) -> None:
        """Find the events of *parts* in the room, and store their ids."""
        wanted = {mark(self._turn.key, part): part for part in parts}
        found_events = await marked_events(
            self._homeserver, self._turn.room_id, self.user_id, set(wanted), until=self._turn.event_id
        )
        for found, event_id in found_events.items():
            _log.info("adopted part %d of the answer: %s", wanted[found], event_id)
            self.event_ids[wanted[found]] = event_id
            await self._record(wanted[found])

    async def _find_unanswered(self) -> None:
        """Find the events of parts whose requests had no response. The end of an answer leaves none behind."""
        unanswered = self._tried - self.event_ids.keys() - self._taken_back
        if unanswered:
            await asyncio.sleep(self._certain_at - asyncio.get_running_loop().time())
            await self._adopt(unanswered)


def _is_unknown_event(error: BaseException) -> bool:
    """Tell whether the homeserver refused an event because it relates to one that it does not have."""
    return isinstance(error, HomeserverRefused) and error.status == _BAD_REQUEST and _UNKNOWN_EVENT in str(error)

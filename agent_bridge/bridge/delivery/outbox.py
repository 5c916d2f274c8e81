"""Says the parts of a turn's answer, each once: derived transaction ids, intentions before requests, adoption."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agent_bridge.core.ids import MARK, mark
from agent_bridge.core.turns import TurnState
from agent_bridge.matrix.events import content_today
from agent_bridge.render.content import LIVE, edit, in_reply_to, in_thread, message
from agent_bridge.render.rendition import Op, ops_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agent_bridge.core.turns import Turn
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.turns import Turns

_log = logging.getLogger(__name__)

_PAGE = 100
#: The part that says that nothing more comes: behind any that an answer has.
_LAST_WORD = 1_000_000


class Outbox:
    """One user's voice in one room for one turn.

    The same transaction id makes the homeserver swallow a repeat; where it has forgotten, the mark in the event is
    looked for before an intention is carried out a second time.
    """

    def __init__(self, homeserver: Homeserver, turns: Turns, turn: Turn, user_id: str) -> None:
        self._homeserver = homeserver
        self._turns = turns
        self._turn = turn
        #: Whose voice it is.
        self.user_id = user_id
        self._edits = 0
        self._reply_to: str | None = None
        self._shown: dict[int, Op] = {}
        #: Parts whose first sending may have arrived without our knowing.
        self._tried: set[int] = set()
        #: Event that shows each part, as far as known.
        self.said: dict[int, str] = {}

    async def recover(self) -> None:
        """Find what earlier attempts said, the events included whose ids they could not write down."""
        if self._turn.attempts > 1:
            await self._recover()

    async def _recover(self) -> None:
        sends = await self._turns.sends(self._turn.id)
        self.said = {send.part: send.event_id for send in sends if send.event_id is not None}
        if open_parts := {send.part for send in sends if send.event_id is None}:
            self._tried |= open_parts
            await self._adopt(open_parts)

    async def show(self, op: Op, *, intended: bool = False) -> None:
        """Carry out *op*: send the part, or edit the event that shows it, unless it shows just that.

        *intended*: the intention is written already.
        """
        if self._shown.get(op.part) == op:
            return
        content = self._content(op)
        tried = op.part in self._tried
        if tried and op.part not in self.said:
            await self._adopt({op.part})
        if op.part in self.said:
            await self._edit(op.part, content)
        else:
            if not intended:
                await self._turns.intend(self._turn.id, op.part)
            self._tried.add(op.part)
            content |= self._relation(op)
            self.said[op.part] = await self._say(content, self._txn_id(op.part))
            if not intended:
                await self._turns.sent(self._turn.id, op.part, self.said[op.part])
            if tried:
                # The first try may have arrived, and the homeserver then gave its event, with its text.
                await self._edit(op.part, content)
        self._shown[op.part] = op

    async def publish(self, ops: Sequence[Op], state: TurnState) -> None:
        """Show the committed answer *ops* whole, take back what an earlier attempt said beyond it, close the turn."""
        for op in ops:
            await self.show(op, intended=True)
        beyond = sorted(self.said.keys() - {op.part for op in ops})
        for part in beyond:
            event_id = self.said.pop(part)
            txn_id = f"{self._txn_id(part)}.redact"
            await self._homeserver.redact(self._turn.room_id, event_id, txn_id=txn_id, as_user=self.user_id)
        await self._turns.finish(self._turn, state, self.said, taken_back=beyond)

    async def reply(self, text: str, *, to: str | None = None) -> None:
        """Commit *text* as the bridge's own answer to the turn, show it as a reply to *to*, close the turn."""
        self._reply_to = to
        ops = [replace(op, notice=True) for op in ops_for(text)]
        if self._turn.state is not TurnState.COMMITTED:
            await self._turns.commit(self._turn, text, error=None, parts=[op.part for op in ops])
        await self.publish(ops, TurnState.DONE)

    async def give_up(self, text: str, cause: str) -> None:
        """Leave what was said as it is, say *text* as the last word, close the turn as failed because of *cause*."""
        await self._recover()
        for part, event_id in sorted(self.said.items()):
            await self._reconcile(part, event_id)
        if _LAST_WORD not in self.said:
            await self.show(Op(_LAST_WORD, text, notice=True))
        await self._turns.finish(self._turn, TurnState.FAILED, self.said, error=cause)

    async def _reconcile(self, part: int, event_id: str) -> None:
        """Take from what shows *part* that more is to come."""
        event = await self._homeserver.event(self._turn.room_id, event_id, self.user_id)
        content = dict(content_today(event or {}))
        if content.pop(LIVE, None) is not None:
            await self._edit(part, content)

    def _content(self, op: Op) -> dict[str, Any]:
        part = mark(self._turn.key, op.part)
        if op.content is not None:
            return {**op.content, MARK: part}
        return message(op.text, mark=part, notice=op.notice, live=op.live, plain=op.plain)

    def _relation(self, op: Op) -> dict[str, Any]:
        """Return what puts *op* in its place in the room: a thread, a reply, or the end of the room."""
        if op.thread_of is not None and (root := self.said.get(op.thread_of)) is not None:
            return in_thread(root, root)
        if self._turn.root is not None:
            return in_thread(self._turn.root, self._reply_to or self._turn.event_id)
        return in_reply_to(self._reply_to) if self._reply_to is not None and op.part == 0 else {}

    async def _adopt(self, parts: Iterable[int]) -> None:
        """Find the events of *parts* whose sending may have arrived, and write them down."""
        wanted = {mark(self._turn.key, part): part for part in parts}
        for found, event_id in (await self._find(set(wanted))).items():
            _log.info("adopted part %d of the answer: %s", wanted[found], event_id)
            self.said[wanted[found]] = event_id
            await self._turns.sent(self._turn.id, wanted[found], event_id)

    def _txn_id(self, part: int) -> str:
        # Asked anew, a part that was taken back is said again: the old id would give the old event.
        again = f".again{self._turn.retries}" if self._turn.retries else ""
        return f"ab.{self._turn.key}.{part}{again}"

    async def _edit(self, part: int, content: dict[str, Any]) -> None:
        # Attempt and count make every edit a request of its own; an edit said twice looks like one.
        self._edits += 1
        txn_id = f"ab.{self._turn.key}.{part}.{self._turn.attempts}.{self._edits}"
        await self._say(edit(content, self.said[part]), txn_id)

    async def _say(self, content: dict[str, Any], txn_id: str) -> str:
        return await self._homeserver.send(self._turn.room_id, content, txn_id=txn_id, as_user=self.user_id)

    async def _find(self, marks: set[str]) -> dict[str, str]:
        """Return the events with *marks* that the room has got since the turn's own event."""
        found: dict[str, str] = {}
        start: str | None = None
        while marks - found.keys():
            events, start = await self._homeserver.messages(
                self._turn.room_id, limit=_PAGE, start=start, as_user=self.user_id
            )
            for event in events:
                if (theirs := self._mark_of(event)) in marks:
                    found[theirs] = event["event_id"]
            # The events tell where to end, and no clock: those of the homeserver and of the database may differ.
            if start is None or any(event.get("event_id") == self._turn.event_id for event in events):
                break
        return found

    def _mark_of(self, event: dict[str, Any]) -> str:
        """Return the mark of what this voice said, empty for anything else: anybody may write anything in a room."""
        content = event.get("content", {})
        theirs = content.get(MARK)
        if event.get("sender") != self.user_id or event.get("type") != "m.room.message" or "m.new_content" in content:
            return ""
        return theirs if isinstance(theirs, str) else ""

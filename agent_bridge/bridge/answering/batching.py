"""Batching: one turn answers several messages: files sent together, old ones, those that the room collects."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from agent_bridge.core.payloads import MessagePayload
from agent_bridge.core.rooms import FILES_TOGETHER, WhenBusy
from agent_bridge.core.turns import TurnState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.config.conversations import LanesConfig
    from agent_bridge.core.turns import QueuedMessage, Turn
    from agent_bridge.store.turns import Turns

#: Seconds after a file in which its sender may send more, and seconds that the files of one question may take in all.
_PAUSE, _LONGEST = 1.0, 6.0


class Batching:
    """Adds queued messages to a turn."""

    def __init__(self, turns: Turns, lanes: LanesConfig) -> None:
        self._turns = turns
        self._lanes = lanes

    def is_too_old(self, turn: Turn) -> bool:
        """Tell whether *turn* waited for so long that it is not answered as if it were new."""
        return turn.age > self._lanes.max_message_age and turn.stop is None

    async def collect(self, turn: Turn) -> tuple[Turn, str]:
        """Return *turn* with the queued messages that it answers too, and the event id of the newest message.

        May wait for further files.

        Raises:
            TurnLost: another worker took the turn.
        """
        when_busy = turn.when_busy or self._lanes.when_busy
        if when_busy is WhenBusy.INTERRUPT and turn.attempts == 1 and turn.stop is None and not self.is_too_old(turn):
            await _await_files(self._turns, turn)
            # A message that came since the claim interrupts nothing yet.
            return await self._turns.join(turn) or (turn, turn.event_id)
        queued = await self._to_collect(turn, when_busy)
        added = await self._turns.collect(turn, queued) if queued else []
        if not added:
            return turn, turn.event_id
        return replace(turn, collected=(*turn.collected, *(each.payload for each in added))), added[-1].event_id

    async def resume(self, turn: Turn, *, collects: bool) -> Turn | None:
        """Return *turn*, which was interrupted before the agent began to answer, so that the agent is asked now.

        *collects*: the messages that interrupted it are asked with it. Return None if it has to end early for another
        reason.
        """
        is_old = turn.age > self._lanes.max_message_age
        joined = await self._turns.join(turn, collects=collects and not is_old)
        return None if joined is None else joined[0]

    async def _to_collect(self, turn: Turn, when_busy: WhenBusy) -> Sequence[QueuedMessage]:
        if turn.state is TurnState.COMMITTED or turn.stop is not None:
            return []
        if self.is_too_old(turn):
            queued = await self._turns.behind(turn)
            return [each for each in queued if each.age > self._lanes.max_message_age]
        if turn.attempts > 1:
            return []
        together = await _await_files(self._turns, turn)
        return await self._turns.behind(turn) if when_busy is WhenBusy.COLLECT else together


def group(turn: Turn, queued: Sequence[QueuedMessage]) -> tuple[list[QueuedMessage], bool]:
    """Return the messages of *queued* that belong to the file of *turn*; tell whether more may follow.

    Further files of the same sender belong to it. One text behind them belongs to it too if no file has a caption, and
    ends the group.
    """
    together: list[QueuedMessage] = []
    age, captioned = turn.age, bool(turn.body)
    for each in queued:
        message = each.payload
        if not isinstance(message, MessagePayload) or each.sender != turn.sender or age - each.age > FILES_TOGETHER:
            return together, False
        if captioned and message.file is None:
            return together, False
        together.append(each)
        if message.file is None:
            return together, False
        age, captioned = each.age, captioned or bool(message.body)
    return together, True


async def _await_files(turns: Turns, turn: Turn) -> list[QueuedMessage]:
    """Return the messages that belong to the file of *turn*, after the time in which its sender may send more.

    A text and a voice message are complete: nothing belongs to them, and there is nothing to wait for.
    """
    file = turn.payload.file if isinstance(turn.payload, MessagePayload) else None
    if file is None or file.voice:
        return []
    waited = 0.0
    while True:
        together, open_end = group(turn, await turns.behind(turn))
        since = together[-1].since if together else turn.age + waited
        pause = min(_PAUSE - since, _LONGEST - waited)
        if not open_end or pause <= 0:
            return together
        await asyncio.sleep(pause)
        waited += pause

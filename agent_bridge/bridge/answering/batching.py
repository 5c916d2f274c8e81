"""Gathering: files that a person sends together, and what they say of them, are one question."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from agent_bridge.core.payloads import MessagePayload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.core.turns import QueuedMessage, Turn
    from agent_bridge.store.turns import Turns

#: Seconds after a file in which its sender may go on, and seconds that a question waits for that in all.
_PAUSE, _LONGEST = 1.0, 6.0
#: Seconds between two messages that were said together.
_TOGETHER = 10.0


def group(turn: Turn, waits: Sequence[QueuedMessage]) -> tuple[list[QueuedMessage], bool]:
    """Return those of *waits* that belong to the file that *turn* is; tell whether more may follow.

    Further files of the same sender belong to it, and one text behind them ends it, where no file has a caption.
    """
    together: list[QueuedMessage] = []
    age, captioned = turn.age, bool(turn.body)
    for each in waits:
        message = each.payload
        if not isinstance(message, MessagePayload) or each.sender != turn.sender or age - each.age > _TOGETHER:
            return together, False
        if captioned and message.file is None:
            return together, False
        together.append(each)
        if message.file is None:
            return together, False
        age, captioned = each.age, captioned or bool(message.body)
    return together, True


async def gather(turns: Turns, turn: Turn) -> list[QueuedMessage]:
    """Return the messages that belong to *turn*, which may have to be waited for; none if *turn* brings no file.

    A voice message stands by itself.
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

"""Gathering: files that a person sends together, and what they say of them, are one question."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

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
    age, captioned = turn.age, bool(turn.payload.get("body"))
    for each in waits:
        is_file = "file" in each.payload
        if each.sender != turn.sender or age - each.age > _TOGETHER or not (is_file or not captioned):
            return together, False
        together.append(each)
        if not is_file:
            return together, False
        age, captioned = each.age, captioned or bool(each.payload.get("body"))
    return together, True


async def gather(turns: Turns, turn: Turn) -> list[QueuedMessage]:
    """Return what belongs to *turn*, which may have to be waited for; nothing where *turn* brings no file.

    What was spoken stands by itself.
    """
    if "file" not in turn.payload or turn.payload["file"].get("voice"):
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

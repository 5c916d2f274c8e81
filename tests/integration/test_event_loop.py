"""Hostile answers and files do not block the event loop of a bridge, which runs as a real process."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Any

import pytest

from support.process import BridgeProcess
from support.scripted_upstream import ScriptedUpstream, says

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.harness import BridgeHarness
    from support.scripted_upstream import Piece, Script

#: Seconds for which the event loop may compute without a pause.
LIMIT = 0.05
QUOTES = ">" * 30 + "a\n" + "b\n" * 4_000
ANSWERS = {
    "lazy quotations": QUOTES,
    "a mixture": ">" * 9_000 + "[" * 9_000 + "*a " * 3_000 + "`" * 9_000,
    "everything, long": "".join(
        f"{number} [a{number}](b *x{number} `c{number}\n> q{number}\n" for number in range(4_500)
    ),
    "tables": ("|a|b|\n|-|-|\n" * 400 + "\n") * 40,
}


def slowly(pieces: list[str]) -> Script:
    """Return a script that sends *pieces* with pauses: the answer is shown several times while it grows."""

    async def script(_question: str) -> AsyncIterator[Piece]:
        for piece in pieces:
            await asyncio.sleep(0.03)
            yield piece

    return script


async def stats(bridge: BridgeProcess) -> dict[str, Any]:
    """Return the statistics since the last call."""
    known = len(bridge.logged("process_stats"))
    bridge.signal(signal.SIGUSR1)
    await bridge.wait_until(lambda: len(bridge.logged("process_stats")) > known)
    return bridge.logged("process_stats")[-1]


@pytest.mark.parametrize("name", ANSWERS)
async def test_an_answer(harness: BridgeHarness, database_url: str, tmp_path: Path, name: str) -> None:
    answer = ANSWERS[name]
    pieces = [answer[start : start + 1_000] for start in range(0, len(answer), 1_000)]
    async with ScriptedUpstream("hostile") as upstream:
        config = harness.config(database_url, [{"name": "scripted", "url": upstream.url}], logging={"format": "json"})
        async with harness.talk(database_url, upstream) as talk:
            await talk.say("warm up")
            await talk.wait_for_answers(1)
        async with harness.watching(talk) as talk, BridgeProcess(tmp_path, config) as bridge:
            await bridge.wait_for("listening")
            upstream.scripts.append(says("*warm* `up`"))
            await talk.say("warm up again")
            await bridge.wait_for("answer sent")
            await stats(bridge)
            upstream.scripts.append(slowly(pieces))
            await talk.say("go")
            await bridge.wait_until(lambda: len(bridge.logged("answer sent")) == 2)
            found = await stats(bridge)
    assert found["blocked"] <= LIMIT, found["blocked_by"]

"""A process dies while a message interrupts an answer, and the next process continues from there."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from agent_bridge.i18n.english import ENGLISH
from agent_bridge.store.postgres.database import Database
from crash.doomed_process import DoomedProcess
from crash.spots import enter
from support.conditions import eventually
from support.process import BridgeProcess
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.harness import BridgeHarness
    from support.postgres import Server

FIRST, SECOND, LAST = "tell me a story", "a short one", "and now?"
WORDS, WHOLE = "Once upon", "Once upon a time"


@dataclass(frozen=True)
class Case:
    """The point at which the process dies, of the way of the first or the second message."""

    point: str
    of: str
    #: Whether people have seen words of the first answer by then.
    begun: bool

    @property
    def name(self) -> str:
        return f"{self.point}-{'second' if self.of == SECOND else 'first'}-{'begun' if self.begun else 'silent'}"


QUICK = [Case("after:join:2", FIRST, begun=False)]
LONG = [
    Case("after:intake:1", SECOND, begun=True),
    Case("before:interrupt:1", SECOND, begun=True),
    Case("after:interrupt:1", SECOND, begun=True),
    Case("after:intake:1", SECOND, begun=False),
    Case("before:join:2", FIRST, begun=False),
    *(Case(f"{when}:{step}:1", FIRST, begun=True) for step in ("commit", "finish") for when in ("before", "after")),
]


class Answerer:
    """Does not end its first answer; repeats later questions at once."""

    def __init__(self, *, begun: bool) -> None:
        self._begun = begun
        self.asked = 0

    async def script(self, text: str) -> AsyncIterator[str]:
        self.asked += 1
        if self.asked == 1:
            if self._begun:
                yield f"{WORDS} "
            await asyncio.Event().wait()
        yield WHOLE if text == FIRST else f"Echo: {text}"


@pytest.mark.parametrize(
    "case",
    [
        *(pytest.param(case, id=case.name) for case in QUICK),
        *(pytest.param(case, id=case.name, marks=pytest.mark.long) for case in LONG),
    ],
)
async def test_a_death_during_an_interruption_loses_and_doubles_nothing(
    harness: BridgeHarness, postgres: Server, tmp_path: Path, case: Case
) -> None:
    answerer = Answerer(begun=case.begun)
    with postgres.migrated() as url:
        async with ScriptedUpstream("interrupted") as upstream, harness.person() as person, Database(url) as database:
            upstream.script = answerer.script
            config = harness.config(
                url,
                [{"name": "points", "url": upstream.url, "poll_interval": 5}],
                logging={"format": "json"},
                rooms={"invite": [person.user_id]},
                lanes={"when_busy": "interrupt"},
            )
            async with DoomedProcess(tmp_path, config, case.point, case.of) as process:
                (spot,) = await enter(database, config, (person,), 1)
                await person.say(spot.room_id, FIRST)

                def texts() -> list[str]:
                    return [message.body for message in person.room(spot.room_id).said_by(spot.ghost)]

                async def asked() -> bool:
                    return answerer.asked > 0

                await eventually(asked, "the agent was asked")
                if case.begun:
                    await person.wait_for(lambda: texts() == [WORDS])
                await person.say(spot.room_id, SECOND)
                assert await process.death() == -signal.SIGKILL
            async with BridgeProcess(tmp_path, config):

                async def closed() -> bool:
                    query = "SELECT count(*) FILTER (WHERE open) AS open, count(*) AS all FROM turn"
                    row = await database.row(query)
                    return row is not None and (row["open"], row["all"]) == (0, 2)

                await eventually(closed, "both messages are closed")
                await person.say(spot.room_id, LAST)
                await person.wait_for(lambda: texts() and texts()[-1] == f"Echo: {LAST}")
    *shown, _ = texts()
    together = f"Echo: {FIRST}\n\n{SECOND}"
    if shown != [together]:
        first, second = shown
        # What people have seen stays. An interruption that was not committed may count for nothing.
        uncommitted = "interrupt:" in case.point
        assert first in {WHOLE if uncommitted else "", f"{WORDS}\n\n*{ENGLISH.interrupted}*"}
        assert second == f"Echo: {SECOND}"
    history = upstream.asked[-1]["messages"]
    questions = "\n\n".join(each["content"] for each in history if each["role"] == "user")
    assert questions == f"{FIRST}\n\n{SECOND}\n\n{LAST}"

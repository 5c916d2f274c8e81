"""A process dies at each point of a turn's way, and the next processes continue from there."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from agent_bridge.store.postgres.database import Database
from crash.asked import Fate, Question
from crash.cases import around
from crash.doomed_process import DoomedProcess
from crash.points import ANSWER
from crash.spots import enter
from crash.truth import until_closed
from support.process import BridgeProcess
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agent_bridge.config.model import Config
    from crash.spots import Spot
    from crash.verdict import Verdict
    from support.harness import BridgeHarness
    from support.postgres import Server

_CLOSED_WITHIN = 120.0
_WAY = ("intake", "accept", "wake", "take", "read", "intend", "send", "sent", "commit", "edit", "finish")
#: Points that the quick form has: between two commits, and while the homeserver and the database know different things.
_QUICK = {
    *("after:intake:1", "after:send:1", "first_words", "before:commit:1", "after:commit:1"),
}
_LONG_PART = " ".join(["brook"] * 1400)


@dataclass(frozen=True)
class Case:
    """One message, and the points at which its processes die, one after the other."""

    points: tuple[str, ...]
    fate: Fate = Fate.WHOLE

    @property
    def long(self) -> bool:
        """Whether the case belongs to the long tests."""
        return self.points[-1] not in _QUICK

    @property
    def name(self) -> str:
        return "+".join(self.points)

    @property
    def doomed(self) -> Question:
        """The question of the processes that die."""
        key = self.name.replace(":", "-")
        half, rest = f"{key}/0 these are the first words", " and these are the last."
        # A message is marked as read only while its answer takes long, also on a busy machine.
        pause = 1.5 if "read" in key else 0.4
        if self.fate is Fate.CUT:
            return Question(key, self.fate, (half,), ((0, half), (pause, "")))
        return Question(key, self.fate, (half + rest,), ((0, half), (pause, rest)))

    @property
    def next(self) -> Question:
        """The question after the first death."""
        key = f"{self.name.replace(':', '-')}-next"
        return Question(key, Fate.WHOLE, (f"{key}/0 this too.",), ((0, f"{key}/0 this too."),))


CASES = [
    *(Case((point,)) for point in (*around(*_WAY), *ANSWER)),
    *(Case((point,), Fate.BUSY) for point in around("put_back")),
    *(Case((point,), Fate.CUT) for point in around("word")),
    # The event is in the room, but its id is not stored: the next process has to find it.
    *(Case(("after:send:1", point)) for point in around("search")),
    # The first attempt sends two parts, the second one only one.
    *(Case(("after:sent:2", point), Fate.LONG) for point in around("redact")),
]


class Answerer:
    """Answers the questions of the cases, each according to its fate."""

    def __init__(self) -> None:
        self._questions = {each.text: each for case in CASES for each in (case.doomed, case.next)}
        self._asked: set[str] = set()

    async def script(self, text: str) -> AsyncIterator[str | int | Exception | None]:
        """Answer *text*; a busy or long one gets another answer to its first request."""
        question = self._questions[text]
        again = text in self._asked
        self._asked.add(text)
        if question.fate is Fate.BUSY and not again:
            yield 503
            return
        if question.fate is Fate.LONG and not again:
            yield f"{question.key}/0 {_LONG_PART}\n\n{question.key}/1 {_LONG_PART}"
            await asyncio.Event().wait()
        for pause, piece in question.pieces:
            # The processes that die for later questions live briefly, and each begins with the open ones.
            await asyncio.sleep(0 if again else pause)
            yield piece
        if question.cut:
            yield None


@dataclass(frozen=True)
class Aftermath:
    """The result of one case."""

    #: Exit codes of the doomed processes; None for one that did not die.
    codes: tuple[int | None, ...]
    verdict: Verdict
    still_open: int


class Chain:
    """Doomed processes on one database, one after the other; each also continues the turns of the one before."""

    def __init__(self, folder: Path, config: Config) -> None:
        self._folder = folder
        self._config = config

    async def doom(self, case: Case, spot: Spot) -> tuple[int | None, ...]:
        """Ask the question, run the processes that die, and return their exit codes."""
        codes = []
        for number, point in enumerate(case.points):
            async with DoomedProcess(self._folder, self._config, point, case.doomed.text) as process:
                await process.wait_for("listening")
                if not number:
                    await spot.ask(case.doomed)
                codes.append(await process.death())
        await spot.ask(case.next)
        return tuple(codes)


@pytest.fixture(scope="module")
async def aftermath(
    request: pytest.FixtureRequest, harness: BridgeHarness, postgres: Server, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, Aftermath]]:
    """The results of the cases of this run, after an ordinary process has finished their turns."""
    folder = tmp_path_factory.mktemp("doomed")
    selected = {
        item.callspec.id for item in request.session.items if isinstance(item, pytest.Function) and _is_case(item)
    }
    cases = [case for case in CASES if case.name in selected]
    with postgres.migrated() as url:
        upstream = ScriptedUpstream(*(f"point-{number:02}-" for number in range(len(cases))))
        upstream.script = Answerer().script
        async with upstream, harness.person() as person, Database(url) as database:
            there = {"name": "points", "url": upstream.url, "poll_interval": 5}
            config = harness.config(
                url, [there], logging={"format": "json"}, rooms={"invite": [person.user_id], "concurrency": 4}
            )
            async with BridgeProcess(folder, config) as process:
                await process.wait_for("listening")
                spots = await enter(database, config, (person,), len(cases))
            chain = Chain(folder, config)
            codes = [await chain.doom(case, spot) for case, spot in zip(cases, spots, strict=True)]
            async with BridgeProcess(folder, config):
                still_open = await until_closed(database, spots, _CLOSED_WITHIN)
                found = {
                    case.name: Aftermath(code, (await spot.look())[0], still_open)
                    for case, code, spot in zip(cases, codes, spots, strict=True)
                }
            yield found


def _is_case(item: pytest.Function) -> bool:
    return item.originalname == test_a_death_at_any_point_is_not_seen.__name__


# The first case waits for the fixture, which runs every case.
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.name, marks=pytest.mark.long if case.long else ()) for case in CASES]
)
def test_a_death_at_any_point_is_not_seen(case: Case, aftermath: dict[str, Aftermath]) -> None:
    after = aftermath[case.name]
    assert after.codes == (-signal.SIGKILL,) * len(case.points)
    assert after.verdict.clean, after.verdict
    assert not after.still_open

"""A process dies at each step by which agents ask each other: each agent is asked once, and people are asked once."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import pytest

from agent_bridge.store.postgres.database import Database
from crash.cases import short_form
from crash.doomed_process import DoomedProcess
from support.chain_rooms import BOT, MutualUpstream, chain_config, entered, make_room
from support.conditions import eventually
from support.process import BridgeProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agent_bridge.config.model import Config
    from support.chain_rooms import ChainRoom
    from support.harness import BridgeHarness
    from support.person import Person
    from support.postgres import Server


class Kind(StrEnum):
    """The work of the process that dies."""

    #: It has an agent asked.
    ASK = "ask"
    #: It has people asked, because the limit is reached.
    LIMIT = "limit"
    #: It lets the agents go on.
    RESUME = "resume"


#: The steps of the first answer, or of 👍.
_STEPS = {
    Kind.ASK: ("commit", "send", "source", "ask_agent", "wake", "finish"),
    Kind.LIMIT: ("source", "hold", "tell", "finish"),
    Kind.RESUME: ("intake", "grant", "release", "ask_agent", "wake"),
}
#: Points that the quick form has.
_QUICK = {"resume:after:ask_agent:1"}
#: The answers that one message may lead to, and the answers and notices in the end.
_TURNS = {Kind.ASK: 2, Kind.LIMIT: 1, Kind.RESUME: 1}
_EXPECTED = {Kind.ASK: (2, 1), Kind.LIMIT: (1, 1), Kind.RESUME: (2, 2)}


@dataclass(frozen=True)
class Case:
    """The point at which a process dies."""

    kind: Kind
    when: str
    step: str

    @property
    def name(self) -> str:
        return f"{self.kind}:{self.point}"

    @property
    def point(self) -> str:
        # The message itself wakes a lane first.
        number = 2 if (self.kind, self.step) == (Kind.ASK, "wake") else 1
        return f"{self.when}:{self.step}:{number}"


CASES = [Case(kind, when, step) for kind, steps in _STEPS.items() for step in steps for when in ("before", "after")]


@dataclass(frozen=True)
class Aftermath:
    """The room of one case, after an ordinary process has finished everything."""

    #: Exit code of the process that was to die; None if it did not.
    code: int | None
    answers: int
    notices: int
    #: Events of the room that notify an agent, by the agent.
    notified: list[str]
    #: Turns of the chain.
    turns: int


class Cases:
    """The cases, in one room."""

    def __init__(
        self, folder: Path, harness: BridgeHarness, url: str, upstream: MutualUpstream, person: Person
    ) -> None:
        self._folder = folder
        self._harness = harness
        self._url = url
        self._upstream = upstream
        self._person = person

    def process(self, case: Case | None = None) -> BridgeProcess:
        """Return an ordinary process, with the limits of *case*."""
        return BridgeProcess(self._folder, self._config(case))

    def _config(self, case: Case | None) -> Config:
        budgets = {"chain_turns": _TURNS[case.kind] if case else 20, "pair_per_minute": 1000}
        more = {"budgets": budgets, "logging": {"format": "json"}}
        return chain_config(self._harness, self._url, self._upstream, self._person, **more)

    async def run(self, case: Case, room: ChainRoom) -> Aftermath:
        """Run a process that dies at the point of *case*, and an ordinary one; return the present state."""
        before = len(room.notices())
        root = ""
        if case.kind is Kind.RESUME:
            async with self.process(case) as process:
                await process.wait_for("listening")
                root = await self._person.say(room.room_id, f"Ada, begin before {case.name}")
                await self._person.wait_for(lambda: len(room.notices()) > before)
                await room.idle()
        async with DoomedProcess(self._folder, self._config(case), case.point, _text(case)) as process:
            await process.wait_for("listening")
            if case.kind is Kind.RESUME:
                relation = {"rel_type": "m.annotation", "event_id": room.notices()[-1].event_id, "key": "👍"}
                content = {"m.relates_to": relation, "reason": _text(case)}
                await self._person.send(room.room_id, "m.reaction", content)
            else:
                root = await self._person.say(room.room_id, _text(case))
            code = await process.death()
        answers, notices = _EXPECTED[case.kind]
        async with self.process(case):
            await self._person.wait_for(
                lambda: len(room.answers(root)) >= answers and len(room.notices()) >= before + notices
            )
            await room.idle()
            await self._quiet(room)
        turns = await room.database.rows(
            "SELECT 1 FROM turn t JOIN chain c ON c.id = t.chain WHERE c.root = %s AND t.kind = 'message'", (root,)
        )
        said = room.answers(root)
        notified = [user for message in said for user in message.content["m.mentions"].get("user_ids", [])]
        return Aftermath(code, len(said), len(room.notices()) - before, notified, len(turns))

    async def _quiet(self, room: ChainRoom) -> None:
        """Wait until every agent that waits has its notice."""

        async def told() -> bool:
            return not await room.database.rows(
                """SELECT 1 FROM chain_hold h JOIN chain c ON c.id = h.chain
                WHERE NOT EXISTS (SELECT 1 FROM turn WHERE once_key = 'chain:' || c.id || ':' || c.grants)"""
            )

        await eventually(told, "people are asked")


def _text(case: Case) -> str:
    return f"Ada, begin {case.name}"


@pytest.fixture(scope="module")
async def aftermath(
    request: pytest.FixtureRequest, harness: BridgeHarness, postgres: Server, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, Aftermath]]:
    """The results of the cases of this run."""
    folder = tmp_path_factory.mktemp("chains")
    selected = {
        item.callspec.id for item in request.session.items if isinstance(item, pytest.Function) and _is_case(item)
    }
    with postgres.migrated() as url:
        async with (
            MutualUpstream("Ada", "Bea") as upstream,
            harness.person() as person,
            Database(url) as database,
        ):
            room_id = await make_room(person)
            cases = Cases(folder, harness, url, upstream, person)
            async with cases.process() as process:
                await process.wait_for("listening")
                room = await entered(person, database, room_id, upstream)
                await person.wait_for(lambda: BOT in person.room(room_id).members())
            yield {case.name: await cases.run(case, room) for case in CASES if case.name in selected}


def _is_case(item: pytest.Function) -> bool:
    return item.originalname == test_a_death_at_any_step_asks_nobody_twice.__name__


# The first case waits for the fixture, which runs every case.
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "case",
    short_form(CASES, _QUICK),
)
def test_a_death_at_any_step_asks_nobody_twice(case: Case, aftermath: dict[str, Aftermath]) -> None:
    after = aftermath[case.name]
    assert after.code == -signal.SIGKILL
    answers, notices = _EXPECTED[case.kind]
    assert (after.answers, after.notices, after.turns) == (answers, notices, answers), after
    assert len(after.notified) == answers

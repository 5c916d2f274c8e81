"""A process dies while an agent gets what others said: each message reaches the agent with one question."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.store.postgres.database import Database
from crash.cases import short_form
from crash.doomed_process import DoomedProcess
from support.bot_rooms import named_upstream
from support.chain_rooms import BOT, entered, lobby_alias, make_room
from support.process import BridgeProcess
from support.scripted_upstream import says

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agent_bridge.config.model import Config
    from agent_bridge.demo.timeline import Message
    from support.chain_rooms import ChainRoom
    from support.harness import BridgeHarness
    from support.person import Person
    from support.postgres import Server
    from support.scripted_upstream import ScriptedUpstream

_STEPS = ("heard", "commit", "send", "finish")
#: Points that the quick form has.
_QUICK = {"Cleo:after:commit:1"}


@dataclass(frozen=True)
class Case:
    """The agent that is asked, and the point at which a process dies."""

    agent: str
    when: str
    step: str

    @property
    def point(self) -> str:
        return f"{self.when}:{self.step}:1"

    @property
    def name(self) -> str:
        return f"{self.agent}:{self.point}"


CASES = [Case(agent, when, step) for agent in ("Ada", "Cleo") for step in _STEPS for when in ("before", "after")]


@dataclass(frozen=True)
class Aftermath:
    """The requests of one case, after an ordinary process has finished everything."""

    #: Exit code of the process that was to die; None if it did not.
    code: int | None
    #: The messages of each request for the question, and of the request for the next one.
    asked: list[list[dict[str, Any]]]
    following: list[dict[str, Any]]
    #: The events of the answer to the question that mention its sender, which has waited for long.
    answers: int
    mentions: list[list[str]]


class Cases:
    """The cases, in one room."""

    def __init__(self, folder: Path, config: Config, upstreams: dict[str, ScriptedUpstream], room: ChainRoom) -> None:
        self._folder = folder
        self._config = config
        self._upstreams = upstreams
        self._room = room

    async def run(self, case: Case) -> Aftermath:
        """Run a process that dies at the point of *case*, and an ordinary one."""
        person, room, upstream = self._room.person, self._room, self._upstreams[case.agent]
        await person.say(room.room_id, _said(case))
        async with DoomedProcess(self._folder, self._config, case.point, _question(case)) as process:
            await process.wait_for("listening")
            root = await person.say(room.room_id, _question(case))
            code = await process.death()
        await room.database.execute(
            "UPDATE turn SET said_at = said_at - interval '2 minutes' WHERE event_id = %s AND state <> 'committed'",
            (root,),
        )
        async with BridgeProcess(self._folder, self._config) as process:
            await process.wait_for("listening")
            await person.wait_for(lambda: any(_is_answer(each, root) for each in room.answers()))
            await room.idle()
            said = [each for each in room.answers() if _is_answer(each, root)]
            answers = len(room.answers())
            await person.say(room.room_id, f"{case.agent}, then {case.name}")
            await person.wait_for(lambda: len(room.answers()) > answers)
            await room.idle()
        asked = [each["messages"] for each in upstream.asked]
        return Aftermath(
            code,
            [each for each in asked if each[-1]["content"].endswith(f"look {case.name}")],
            asked[-1],
            len(said),
            [each.content["m.mentions"].get("user_ids", []) for each in said],
        )


def _said(case: Case) -> str:
    return f"said before {case.name}"


def _question(case: Case) -> str:
    return f"{case.agent}, look {case.name}"


def _is_answer(message: Message, question: str) -> bool:
    related: dict[str, Any] = message.versions[0].get("m.relates_to", {})
    return related.get("m.in_reply_to") == {"event_id": question}


@pytest.fixture(scope="module")
async def aftermath(
    request: pytest.FixtureRequest, harness: BridgeHarness, postgres: Server, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, Aftermath]]:
    """The results of the cases of this run."""
    folder = tmp_path_factory.mktemp("catch_up")
    selected = {
        item.callspec.id for item in request.session.items if isinstance(item, pytest.Function) and _is_case(item)
    }
    with postgres.migrated() as url:
        async with (
            named_upstream("Ada") as stateless,
            named_upstream("Cleo") as stateful,
            harness.person() as person,
            Database(url) as database,
        ):
            stateless.script = stateful.script = says("Noted.")
            config = _config(harness, url, person, stateless, stateful)
            room_id = await make_room(person)
            both = named_upstream()
            both.models = [*stateless.models, *stateful.models]
            async with BridgeProcess(folder, config) as process:
                await process.wait_for("listening")
                room = await entered(person, database, room_id, both)
                await person.wait_for(lambda: BOT in person.room(room_id).members())
            cases = Cases(folder, config, {"Ada": stateless, "Cleo": stateful}, room)
            yield {case.name: await cases.run(case) for case in CASES if case.name in selected}


def _config(
    harness: BridgeHarness, url: str, person: Person, stateless: ScriptedUpstream, stateful: ScriptedUpstream
) -> Config:
    upstreams = [
        {"name": "u", "url": stateless.url},
        {"name": "s", "url": stateful.url, "history": "server", "session_header": "X-Session"},
    ]
    return harness.config(url, upstreams, rooms={"lobby": lobby_alias(person)}, logging={"format": "json"})


def _is_case(item: pytest.Function) -> bool:
    return item.originalname == test_a_death_at_any_step_repeats_no_message.__name__


# The first case waits for the fixture, which runs every case.
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "case",
    short_form(CASES, _QUICK),
)
def test_a_death_at_any_step_repeats_no_message(case: Case, aftermath: dict[str, Aftermath]) -> None:
    after = aftermath[case.name]
    assert after.code == -signal.SIGKILL
    # A repeated attempt asks the same.
    first, *repeated = after.asked
    assert all(each == first for each in repeated), after.asked
    assert first[-1]["content"].count(_said(case)) == 1
    # The next question brings it again only as the transcript that a stateless upstream gets.
    assert _said(case) not in after.following[-1]["content"]
    found = sum(message["content"].count(_said(case)) for message in after.following)
    assert found == (1 if case.agent == "Ada" else 0)
    # The answer mentions the person at most once; the one that was committed in time does not.
    assert after.answers == 1
    is_late = (case.when, case.step) in {("before", "heard"), ("after", "heard"), ("before", "commit")}
    assert [len(each) for each in after.mentions] == [int(is_late)]

"""A process dies at each step of a choice: the list is shown once, the room is bound once, the agent answers once."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from agent_bridge.store.agents import Agents
from agent_bridge.store.postgres.database import Database
from crash.bot_rooms import BotRooms
from crash.cases import short_form
from support.bot_rooms import NAMES, named_upstream
from support.conditions import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.harness import BridgeHarness
    from support.postgres import Server

#: The steps of the turn that shows the list, and of the command that binds the room.
_LIST = ("accept", "show", "effect", "commit", "word", "finish")
_BIND = ("accept", "effect", "invite", "enter", "bind", "ask", "commit", "word", "finish")
#: Points that the quick form has.
_QUICK = {"list:after:effect:1"}


@dataclass(frozen=True)
class Case:
    """A room, and the point at which a process dies: while it shows the list, or while it binds the room."""

    when: str
    step: str
    binds: bool

    @property
    def name(self) -> str:
        return f"{'bind' if self.binds else 'list'}:{self.point}"

    @property
    def point(self) -> str:
        return f"{self.when}:{self.step}:1"

    @property
    def question(self) -> str:
        return f"question of {self.name}"

    @property
    def choice(self) -> str:
        # The text is the case's own, by which the process knows that it is the one.
        return f"!ab   agent  {NAMES[1]} {' ' * CASES.index(self)}"


CASES = [
    *(Case(when, step, binds=False) for step in _LIST for when in ("before", "after")),
    *(Case(when, step, binds=True) for step in _BIND for when in ("before", "after")),
]


@dataclass(frozen=True)
class Aftermath:
    """The room of one case, after an ordinary process has finished everything."""

    #: Exit code of the process that was to die; None if it did not.
    code: int | None
    bot: list[str]
    agent: list[str]
    members: set[str]
    #: Numbers of rows.
    turns: int
    participants: int


class Rooms(BotRooms):
    """The rooms of the cases."""

    async def die(self, case: Case, room_id: str) -> int | None:
        """Run a process that dies at the point of *case*, and return its exit code."""
        text = case.choice if case.binds else case.question
        return await self.doom(case.point, text, self.person.say(room_id, text))

    async def look(self, code: int | None, room_id: str, ghost: str) -> Aftermath:
        """Return the present state of a room."""
        room = self.person.room(room_id)
        turns = await self.database.rows(
            """
            SELECT 1 FROM turn t JOIN conversation c ON c.id = t.conversation
            WHERE c.room_id = %s AND c.agent IS NOT NULL
            """,
            (room_id,),
        )
        participants = await self.database.rows(
            "SELECT 1 FROM participant p JOIN room r ON r.id = p.room WHERE r.room_id = %s", (room_id,)
        )
        return Aftermath(
            code,
            self.said(room_id),
            [message.body for message in room.said_by(ghost)],
            room.members(),
            len(turns),
            len(participants),
        )

    async def ghost(self, name: str) -> str:
        """Wait until the agent called *name* has a room; return the user id of its ghost."""

        async def settled() -> str | None:
            for each in await Agents(self.database).all():
                if each.agent.name == name and each.home.name_applied:
                    return self.config.namespace.user_id(each.agent.ghost)
            return None

        return await eventually(settled, f"the agent {name} has a room")


@pytest.fixture(scope="module")
async def aftermath(
    request: pytest.FixtureRequest, harness: BridgeHarness, postgres: Server, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, Aftermath]]:
    """The results of the cases of this run."""
    folder = tmp_path_factory.mktemp("choices")
    selected = {
        item.callspec.id for item in request.session.items if isinstance(item, pytest.Function) and _is_case(item)
    }
    cases = [case for case in CASES if case.name in selected]
    with postgres.migrated() as url:
        async with named_upstream(*NAMES) as upstream, harness.person() as person, Database(url) as database:
            there = {"name": "scripted", "url": upstream.url, "poll_interval": 5}
            rooms = Rooms(folder, harness.config(url, [there], logging={"format": "json"}), person, database)
            async with rooms.process() as process:
                await process.wait_for("listening")
                ghost = await rooms.ghost(NAMES[1])
                room_ids = {case: await rooms.make() for case in cases}
                for case in cases:
                    if case.binds:
                        await person.say(room_ids[case], case.question)
                        await rooms.told(room_ids[case], 2)
            codes = {case: await rooms.die(case, room_ids[case]) for case in cases}
            async with rooms.process():
                for case in cases:
                    await rooms.told(room_ids[case], 2)
                    if not case.binds:
                        await person.say(room_ids[case], case.choice)
                for case in cases:
                    await rooms.told(room_ids[case], 3)
                await rooms.closed()
                for case in cases:
                    await person.wait_for(lambda case=case: person.room(room_ids[case]).said_by(ghost))  # type: ignore[misc]
                yield {case.name: await rooms.look(codes[case], room_ids[case], ghost) for case in cases}


def _is_case(item: pytest.Function) -> bool:
    return item.originalname == test_a_death_at_any_step_of_a_choice_is_not_seen.__name__


# The first case waits for the fixture, which runs every case.
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "case",
    short_form(CASES, _QUICK),
)
def test_a_death_at_any_step_of_a_choice_is_not_seen(case: Case, aftermath: dict[str, Aftermath]) -> None:
    after = aftermath[case.name]
    assert after.code == -signal.SIGKILL
    greeting, listed, bound = after.bot
    assert "choose the agent" in greeting
    assert listed.startswith("Which agent should answer in this room?")
    assert bound == f"{NAMES[1]} answers in this room from now on."
    assert after.agent == [f"Echo: {case.question}"]
    assert (len(after.members), after.turns, after.participants) == (3, 1, 1)

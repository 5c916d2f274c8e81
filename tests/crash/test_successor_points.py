"""A process dies at each step by which waiting messages follow an upgrade: they are answered once, in the new room."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from agent_bridge.store.postgres.database import Database
from crash.bot_rooms import BOT, BotRooms
from crash.cases import around, short_form
from support.bot_rooms import NAMES, named_upstream
from support.direct_chats import upgrade

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.harness import BridgeHarness
    from support.postgres import Server

_STEPS = ("accept", "enter", "move_waiting", "search", "commit", "word", "finish")
#: Points that the quick form has.
_QUICK = {"after:move_waiting:1"}
POINTS = around(*_STEPS)


@dataclass(frozen=True)
class Aftermath:
    """The rooms of one case, after an ordinary process has finished everything."""

    #: Exit code of the process that was to die; None if it did not.
    code: int | None
    #: Messages of the bot in both rooms, and of agents in the new one.
    old: list[str]
    new: list[str]
    agents: list[str]


class Rooms(BotRooms):
    """The rooms of the cases."""

    async def wait_in(self, point: str) -> str:
        """Make a room in which two messages wait, and the list is shown."""
        room_id = await self.make()
        for number in (1, 2):
            await self.person.say(room_id, f"{number} of {point}")
        await self.told(room_id, 2)
        return room_id

    async def invite(self, point: str, room_id: str) -> int | None:
        """Run a process that dies at *point* of the invitation into the new room, and return its exit code."""
        invitation = {"membership": "invite", "reason": point}
        return await self.doom(point, point, self.person.set_state(room_id, "m.room.member", invitation, BOT))

    async def look(self, code: int | None, old: str, new: str) -> Aftermath:
        """Wait until both messages are answered, and return the present state."""
        room = self.person.room(new)

        def answers() -> list[str]:
            others = {BOT, self.person.user_id}
            return [message.body for message in room.messages.values() if message.sender not in others]

        await self.person.wait_for(lambda: len(answers()) >= 2)
        await self.closed()
        return Aftermath(code, self.said(old), self.said(new), answers())


@pytest.fixture(scope="module")
async def aftermath(
    request: pytest.FixtureRequest, harness: BridgeHarness, postgres: Server, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, Aftermath]]:
    """The results of the points of this run."""
    folder = tmp_path_factory.mktemp("successors")
    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    name = test_a_death_at_any_step_into_the_new_room_is_not_seen.__name__
    selected = {item.callspec.id for item in items if item.originalname == name}
    points = [point for point in POINTS if point in selected]
    with postgres.migrated() as url:
        async with named_upstream(*NAMES) as upstream, harness.person() as person, Database(url) as database:
            there = {"name": "scripted", "url": upstream.url, "poll_interval": 5}
            rooms = Rooms(folder, harness.config(url, [there], logging={"format": "json"}), person, database)
            async with rooms.process() as process:
                await process.wait_for("listening")
                old = {point: await rooms.wait_in(point) for point in points}
                await rooms.closed()
                new = {point: await upgrade(person, old[point]) for point in points}
            codes = {point: await rooms.invite(point, new[point]) for point in points}
            async with rooms.process():
                for point in points:
                    await rooms.told(new[point], 2)
                for point in points:
                    await person.say(new[point], "!ab agent 2")
                yield {point: await rooms.look(codes[point], old[point], new[point]) for point in points}


# The first point waits for the fixture, which runs every one.
@pytest.mark.timeout(900)
@pytest.mark.parametrize("point", short_form(POINTS, _QUICK))
def test_a_death_at_any_step_into_the_new_room_is_not_seen(point: str, aftermath: dict[str, Aftermath]) -> None:
    after = aftermath[point]
    assert after.code == -signal.SIGKILL
    greeting = "Hello! I am the bridge bot. Write a message, and choose the agent that answers here."
    first, listed = after.old
    assert first == greeting
    assert after.new[2] == f"{NAMES[1]} answers in this room from now on."
    # A process that died may have shown the list first.
    assert sorted(after.new[:2]) == sorted([greeting, listed])
    assert len(after.new) == 3
    assert after.agents == [f"Echo: {number} of {point}" for number in (1, 2)]

"""A process dies at each step of a command about a chat, or of its deletion by the leader: it takes effect once."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from agent_bridge.store.agents import Agents
from agent_bridge.store.postgres.database import Database
from crash.cases import short_form
from crash.command_case import CommandCase, cases_of
from crash.doomed_process import DoomedProcess
from support.bot_rooms import named_upstream
from support.chat_rooms import linked_room
from support.conditions import eventually
from support.process import BridgeProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agent_bridge.config.model import Config
    from support.harness import BridgeHarness
    from support.person import Person
    from support.postgres import Server

BOT = "@agentbridge:test.local"
#: The steps of each command: the name of a step, and the number of its call.
_STEPS = {
    "rename": ("set_state:1", "renamed:1", "commit:1", "finish:1"),
    "archive": ("effect:1", "commit:1", "finish:1"),
    "delete": ("show:1", "effect:1", "commit:1"),
    "yes": ("effect:1", "commit:1", "listed:1", "leave:1", "forget_room:1", "leave:2", "forget_chat:1"),
}
#: Points that the quick form has.
_QUICK = {"yes:after:leave:1"}


@dataclass(frozen=True)
class Case(CommandCase):
    """A chat, a command in its room, and the point at which its process dies."""

    @property
    def title(self) -> str:
        return f"Chat of {self.name.replace(':', '-')}"

    @property
    def text(self) -> str:
        # The text is the case's own, by which the process knows the command.
        blanks = " " * CASES.index(self)
        return f"!ab {blanks}rename New {self.title}" if self.command == "rename" else f"!ab {blanks}{self.command}"


CASES = cases_of(Case, _STEPS)


@dataclass(frozen=True)
class Aftermath:
    """The room of one case, after an ordinary process has finished everything."""

    #: Exit code of the process that was to die; None if it did not.
    code: int | None
    #: The answers of the bot to the command, and the words of the ghost.
    replies: list[str]
    said: list[str]
    members: int
    name: str | None
    #: The row of the chat: its name and status; None if there is none.
    row: tuple[str, str] | None


class Chats:
    """The chats of a person, and the processes of the bridge."""

    def __init__(self, folder: Path, config: Config, person: Person, database: Database) -> None:
        self._folder = folder
        self._config = config
        self._person = person
        self._database = database
        #: Room ids, and the number of messages of the bot before the command.
        self._rooms: dict[Case, str] = {}
        self._before: dict[Case, int] = {}

    def process(self) -> BridgeProcess:
        """Return an ordinary process."""
        return BridgeProcess(self._folder, self._config)

    async def make(self, cases: list[Case]) -> None:
        """Make a chat for each of *cases*, and enter it."""
        desk = await self._person.create_room(preset="private_chat", is_direct=True, invite=[BOT])
        await self._told(desk, 1)
        for number, case in enumerate(cases):
            await self._person.say(desk, f"new @Ada {case.title}")
            await self._told(desk, number + 2)
            room_id = linked_room(self._person.room(desk).said_by(BOT)[-1].html)
            await self._person.wait_for(lambda room_id=room_id: room_id in self._person.invites)  # type: ignore[misc]
            await self._person.join(room_id)
            await self._person.wait_for(lambda room_id=room_id: room_id in self._person.rooms)  # type: ignore[misc]
            self._rooms[case] = room_id

    async def settled(self) -> None:
        """Wait until no turn is open, and each chat is in sync."""

        async def idle() -> bool:
            query = """
                SELECT 1 FROM turn WHERE open
                UNION SELECT 1 FROM room WHERE kind = 'chat' AND changes <> changes_applied
            """
            return not await self._database.rows(query)

        await eventually(idle, "everything is done", 120)

    async def replied(self) -> None:
        """Wait until the command of each case has its reply, and nothing is left to do."""
        for case, before in self._before.items():
            await self._told(self._rooms[case], before + 1)
        await self.settled()

    async def doom(self, case: Case) -> int | None:
        """Run a process that dies at the point of *case*, and return its exit code."""
        room_id = self._rooms[case]
        async with DoomedProcess(self._folder, self._config, case.point, case.text) as process:
            await process.wait_for("listening")
            await self.settled()
            if case.command == "yes":
                before = len(self._person.room(room_id).said_by(BOT))
                await self._person.say(room_id, "!ab delete")
                await self._told(room_id, before + 1)
                await self.settled()
            self._before[case] = len(self._person.room(room_id).said_by(BOT))
            await self._person.say(room_id, case.text)
            return await process.death()

    async def look(self, case: Case, code: int | None, ghost: str) -> Aftermath:
        """Return the present state of the room of *case*."""
        room = self._person.room(self._rooms[case])
        rows = await self._database.rows("SELECT name, status FROM room WHERE room_id = %s", (self._rooms[case],))
        if rows:
            await self._person.wait_for(lambda: room.name == rows[0]["name"])
        else:
            await self._person.wait_for(lambda: len(room.members()) == 1)
        return Aftermath(
            code,
            [each.body for each in room.said_by(BOT)[self._before[case] :]],
            [each.body for each in room.said_by(ghost)],
            len(room.members()),
            room.name,
            (rows[0]["name"], rows[0]["status"]) if rows else None,
        )

    async def _told(self, room_id: str, count: int) -> None:
        await self._person.wait_for(lambda: len(self._person.room(room_id).said_by(BOT)) >= count)

    async def ghost(self) -> str:
        """Wait until the agent has a room; return the user id of its ghost."""

        async def found() -> str | None:
            for each in await Agents(self._database).all():
                if each.home.name_applied:
                    return self._config.namespace.user_id(each.agent.ghost)
            return None

        return await eventually(found, "the agent has a room")


@pytest.fixture(scope="module")
async def aftermath(
    request: pytest.FixtureRequest, harness: BridgeHarness, postgres: Server, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, Aftermath]]:
    """The results of the cases of this run."""
    selected = {
        item.callspec.id for item in request.session.items if isinstance(item, pytest.Function) and _is_case(item)
    }
    cases = [case for case in CASES if case.name in selected]
    with postgres.migrated() as url:
        async with named_upstream("Ada") as upstream, harness.person() as person, Database(url) as database:
            there = {"name": "scripted", "url": upstream.url, "poll_interval": 5}
            config = harness.config(url, [there], logging={"format": "json"}, space={})
            chats = Chats(tmp_path_factory.mktemp("chats"), config, person, database)
            async with chats.process() as process:
                await process.wait_for("listening")
                ghost = await chats.ghost()
                await chats.make(cases)
                await chats.settled()
            codes = {case: await chats.doom(case) for case in cases}
            async with chats.process():
                await chats.replied()
                yield {case.name: await chats.look(case, codes[case], ghost) for case in cases}


def _is_case(item: pytest.Function) -> bool:
    return item.originalname == test_a_death_at_any_step_of_a_command_is_not_seen.__name__


# The first case waits for the fixture, which runs every case.
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "case",
    short_form(CASES, _QUICK),
)
def test_a_death_at_any_step_of_a_command_is_not_seen(case: Case, aftermath: dict[str, Aftermath]) -> None:
    after = aftermath[case.name]
    assert after.code == -signal.SIGKILL
    (reply,) = after.replies
    match case.command:
        case "rename":
            assert reply == f"This chat is called New {case.title} now."
            assert (after.name, after.row) == (f"New {case.title}", (f"New {case.title}", "active"))
        case "archive":
            assert reply.startswith("Archived.")
            assert (after.name, after.row) == (case.title, (case.title, "archived"))
        case "delete":
            assert reply.startswith(f"Delete {case.title} for good")
            assert (after.name, after.row) == (case.title, (case.title, "active"))
        case _:
            assert reply == f"{case.title} is being deleted."
            assert (after.row, after.members, len(after.said)) == (None, 1, 1)
            return
    assert (after.members, after.said) == (3, [])

"""A process dies at each step of a command about a conversation: it takes effect once, on the server too."""

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
from support.conditions import eventually
from support.process import BridgeProcess
from support.scripted_app_server import ScriptedAppServer
from support.turns import until_no_turn_is_open

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
    "reset": ("effect:1", "commit:1", "finish:1"),
    "save": ("effect:1", "rename:1", "duplicate:1", "rename:2", "effect:2", "rename:3", "commit:1"),
    "load": ("effect:1", "duplicate:1", "rename:2", "select:1", "effect:2", "rename:3", "commit:1"),
    "forget": ("effect:1", "archive:1", "effect:2", "commit:1"),
    "fork": (
        *("effect:1", "rename:1", "duplicate:1", "rename:2", "select:1"),
        *("effect:2", "create_room:1", "made:1", "rename:3", "commit:1"),
    ),
}
#: Points that the quick form has.
_QUICK = {"save:after:duplicate:1"}


_CHATS = """
    SELECT r.name, (
        SELECT count(*) FROM message m JOIN conversation c ON c.id = m.conversation WHERE c.room_id = r.room_id
    ) AS messages
    FROM room r WHERE r.kind = 'chat' AND r.owner = %s
"""


@dataclass(frozen=True)
class Case(CommandCase):
    """A room, a command in it, and the point at which its process dies."""

    @property
    def copy(self) -> str:
        """The name of the saved copy: the case's own, by which the process knows the command."""
        return f"copy of {self.name.replace(':', '-')}"

    @property
    def text(self) -> str:
        blanks = " " * CASES.index(self)
        return f"!ab {blanks}reset" if self.command == "reset" else f"!ab {self.command} {self.copy}"


CASES = cases_of(Case, _STEPS)


@dataclass(frozen=True)
class Aftermath:
    """The room of one case, after an ordinary process has finished everything."""

    #: Exit code of the process that was to die; None if it did not.
    code: int | None
    #: The answers of the bot to the command.
    replies: list[str]
    #: The questions in each conversation of the server that is not put away, with its name.
    kept: list[tuple[str, list[str]]]
    #: The same for those that are put away.
    archived: list[tuple[str, list[str]]]
    #: The names of the saved copies, and the number of contexts of the lane.
    saved: list[str]
    contexts: int
    #: The names of the chats with the agent, and the number of the messages with which they begin.
    chats: list[tuple[str, int]]


class Rooms:
    """The rooms of the agents, with a person, and the processes of the bridge."""

    def __init__(
        self, folder: Path, config: Config, person: Person, database: Database, server: ScriptedAppServer
    ) -> None:
        self._folder = folder
        self._config = config
        self._person = person
        self._database = database
        self._server = server
        #: Room ids and row ids, by the model of the agent.
        self._homes: dict[str, tuple[str, int]] = {}

    def process(self) -> BridgeProcess:
        """Return an ordinary process."""
        return BridgeProcess(self._folder, self._config)

    async def enter(self, models: list[str]) -> None:
        """Enter the rooms of all agents."""

        async def made() -> bool:
            found = {each.agent.model: each for each in await Agents(self._database).all() if each.home.name_applied}
            self._homes = {name: (each.home.room_id or "", each.agent.id) for name, each in found.items()}
            return set(models) <= found.keys()

        await eventually(made, "every agent has a room", 120)
        for room_id, _ in self._homes.values():
            await self._person.wait_for(lambda room_id=room_id: room_id in self._person.invites)  # type: ignore[misc]
            await self._person.join(room_id)

    async def say(self, model: str, text: str) -> None:
        """Say *text* in the room of an agent, and wait until it is answered."""
        event = await self._person.say(self._homes[model][0], text)

        async def taken() -> bool:
            return bool(await self._database.rows("SELECT 1 FROM turn WHERE event_id = %s", (event,)))

        await eventually(taken, f"{text!r} has a turn", 120)
        await self.closed()

    async def closed(self) -> None:
        """Wait until no turn is open."""
        await until_no_turn_is_open(self._database, 120)

    async def doom(self, case: Case, model: str) -> int | None:
        """Run a process that dies at the point of *case*, and return its exit code."""
        async with DoomedProcess(self._folder, self._config, case.point, case.text) as process:
            await process.wait_for("listening")
            room_id = self._homes[model][0]
            if case.command == "fork":
                # The last edit of the answer may come a moment after its turn has ended.
                said = self._person.room(room_id).messages
                answers = await self._person.wait_for(
                    lambda: [each for each in said.values() if each.body == "Echo: one"]
                )
                await self._person.reply(room_id, answers[0].event_id, case.text)
            else:
                await self._person.say(room_id, case.text)
            return await process.death()

    async def look(self, code: int | None, model: str, replies: int) -> Aftermath:
        """Return the present state of the room of an agent, in which the bot had answered *replies* times before."""
        room_id, agent = self._homes[model]
        talks = [each for each in self._server.talks.values() if each.agent_id == model]
        rows = await self._database.rows("SELECT name FROM context WHERE agent = %s", (agent,))
        chats = await self._database.rows(_CHATS, (agent,))
        return Aftermath(
            code,
            self.replies(room_id)[replies:],
            sorted((each.summary, _questions(each.messages)) for each in talks if not each.archived),
            sorted((each.summary, _questions(each.messages)) for each in talks if each.archived),
            [row["name"] for row in rows if row["name"] is not None],
            len([row for row in rows if row["name"] is None]),
            [(row["name"], row["messages"]) for row in chats],
        )

    def replies(self, room_id: str) -> list[str]:
        """Return the answers of the bot in a room."""
        return [message.body for message in self._person.room(room_id).said_by(BOT)]

    def count(self, model: str) -> int:
        """Return the number of answers of the bot in the room of an agent."""
        return len(self.replies(self._homes[model][0]))


def _questions(messages: list[dict[str, object]]) -> list[str]:
    found = []
    for each in messages:
        content = each.get("content")
        if each.get("message_type") == "user_message" and isinstance(content, list):
            found.append(str(content[0]["text"]))
    return found


@pytest.fixture(scope="module")
async def aftermath(
    request: pytest.FixtureRequest, harness: BridgeHarness, postgres: Server, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, Aftermath]]:
    """The results of the cases of this run."""
    folder = tmp_path_factory.mktemp("contexts")
    selected = {
        item.callspec.id for item in request.session.items if isinstance(item, pytest.Function) and _is_case(item)
    }
    with postgres.migrated() as url:
        models = {case: f"agent-{number:02}" for number, case in enumerate(CASES) if case.name in selected}
        async with ScriptedAppServer() as server, harness.person("admin") as person, Database(url) as database:
            server.models = [{"id": model} for model in models.values()]
            there = {"name": "letta", "kind": "letta", "url": server.url, "poll_interval": 5}
            config = harness.config(
                url, [there], logging={"format": "json"}, rooms={"invite": [person.user_id], "concurrency": 4}
            )
            rooms = Rooms(folder, config, person, database, server)
            async with rooms.process() as process:
                await process.wait_for("listening")
                await rooms.enter([*models.values()])
                for case, model in models.items():
                    await rooms.say(model, "one")
                    if case.command in {"load", "forget"}:
                        await rooms.say(model, f"!ab save {case.copy}")
                        await rooms.say(model, "two")
                before = {case: rooms.count(model) for case, model in models.items()}
            codes = {case: await rooms.doom(case, model) for case, model in models.items()}
            async with rooms.process():
                await rooms.closed()
                for model in models.values():
                    await rooms.say(model, "after")
                for case, model in models.items():
                    await person.wait_for(lambda case=case, model=model: rooms.count(model) > before[case])  # type: ignore[misc]
                yield {case.name: await rooms.look(codes[case], model, before[case]) for case, model in models.items()}


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
    copy = case.copy
    match case.command:
        case "reset":
            assert "starts afresh" in reply
            assert (after.kept, after.archived) == ([("after", ["after"]), ("one", ["one"])], [])
            assert (after.saved, after.contexts) == ([], 2)
        case "save":
            assert reply.startswith(f"Saved as {copy}.")
            assert (after.kept, after.archived) == ([(copy, ["one"]), ("one", ["one", "after"])], [])
            assert (after.saved, after.contexts) == ([copy], 1)
        case "load":
            assert f"goes on with {copy}: 2 messages" in reply
            kept = [(copy, ["one"]), (copy, ["one", "after"]), ("one", ["one", "two"])]
            assert (after.kept, after.archived) == (kept, [])
            assert (after.saved, after.contexts) == ([copy], 2)
        case "fork":
            assert reply.startswith(f"The chat {copy} with ")
            assert (after.kept, after.archived) == ([(copy, ["one"]), ("one", ["one", "after"])], [])
            assert (after.saved, after.contexts, after.chats) == ([], 1, [(copy, 2)])
        case _:
            assert reply == f"{copy} is deleted."
            assert (after.kept, after.archived) == ([("one", ["one", "two", "after"])], [(copy, ["one"])])
            assert (after.saved, after.contexts) == ([], 1)

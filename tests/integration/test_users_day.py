"""A day of two people with the bridge as a process: everything that they see in the end is as they left it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.render.content import LIVE
from agent_bridge.store.agents import Agents
from agent_bridge.store.postgres.database import Database
from support.bot_rooms import named_upstream
from support.chat_rooms import linked_room
from support.conditions import eventually
from support.harness import DOMAIN
from support.person import is_space, space_children
from support.process import BridgeProcess
from support.scripted_upstream import waits_for
from support.severable_proxy import Line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agent_bridge.config.model import Config
    from agent_bridge.demo.timeline import Message, Room
    from support.harness import BridgeHarness
    from support.person import Person
    from support.scripted_upstream import ScriptedUpstream

BOT = f"@agentbridge:{DOMAIN}"
SPACE, LOBBY = f"#agentbridge_space:{DOMAIN}", f"#agent_~lobby:{DOMAIN}"
NAMES = ("Ada", "Bea", "Cleo", "Research")


class User:
    """A person with a client, and the answers that the person has been given in each room."""

    def __init__(self, person: Person) -> None:
        self.person = person
        #: The expected answers by room and user id of the agent, in their order.
        self.answers: dict[tuple[str, str], list[str]] = defaultdict(list)
        self.desk = ""

    def room(self, room_id: str) -> Room:
        return self.person.room(room_id)

    def said(self, room_id: str, user_id: str) -> list[Message]:
        return self.room(room_id).said_by(user_id)

    async def begin(self) -> None:
        """Begin a direct chat with the bot, and enter the Space."""
        self.desk = await self.person.create_dm(BOT)
        await self.person.wait_for(lambda: self.said(self.desk, BOT))
        space = str(await self.person.resolve(SPACE))
        await self.person.wait_for(lambda: space in self.person.invites)
        await self.person.join(space)

    async def command(self, text: str, room_id: str = "", *, reply_to: str = "") -> Message:
        """Give a command, by default to the bot alone; return its reply."""
        room_id = room_id or self.desk
        before = len(self.said(room_id, BOT))
        await (self.person.reply(room_id, reply_to, text) if reply_to else self.person.say(room_id, text))
        return (await self.person.wait_for(lambda: self.said(room_id, BOT)[before:]))[0]

    async def tell(self, text: str, room_id: str = "") -> str:
        """Give a command and return the words of the reply."""
        return (await self.command(text, room_id)).body

    async def ask(self, room_id: str, text: str, *ghosts: str, mention: bool = False) -> str:
        """Ask the agents *ghosts* and wait for the answer of each; return the event of the last answer."""
        await self.say(room_id, text, *ghosts, mention=mention)
        return await self.answered(room_id, *ghosts)

    async def say(self, room_id: str, text: str, *ghosts: str, mention: bool = False) -> None:
        """Ask the agents *ghosts*, each of which is to answer once."""
        content: dict[str, Any] = {"msgtype": "m.text", "body": text}
        if mention:
            content["m.mentions"] = {"user_ids": [*ghosts]}
        await self.person.send(room_id, "m.room.message", content)
        for ghost in ghosts:
            self.answers[room_id, ghost].append(f"Echo: {text}")

    async def answered(self, room_id: str, *ghosts: str) -> str:
        """Wait until *ghosts* have given all answers in a room; return the event of the last one."""
        for ghost in ghosts:
            wanted = self.answers[room_id, ghost]
            await self.person.wait_for(lambda ghost=ghost, wanted=wanted: self.bodies(room_id, ghost) == wanted, 30)  # type: ignore[misc]
        return self.said(room_id, ghosts[-1])[-1].event_id

    def bodies(self, room_id: str, ghost: str) -> list[str]:
        return [each.body for each in self.said(room_id, ghost)]

    async def enter(self, reply: Message) -> str:
        """Enter the chat that *reply* links to, and wait for the bot in it."""
        room_id = linked_room(reply.html)
        await self.person.wait_for(lambda: room_id in self.person.invites)
        await self.person.join(room_id)
        await self.person.wait_for(lambda: BOT in self.room(room_id).members())
        return room_id

    async def called(self, room_id: str, name: str) -> None:
        """Wait until a room has *name*."""
        await self.person.wait_for(lambda: self.room(room_id).name == name)


class Day:
    """The bridge as a process, which ends and starts in the course of the day; its agents and two people."""

    def __init__(
        self, config: Config, folder: Path, database: Database, upstream: ScriptedUpstream, line: Line, *people: Person
    ) -> None:
        self._config = config
        self._folder = folder
        self._stack = AsyncExitStack()
        self.database = database
        self.upstream = upstream
        #: The way to the upstream.
        self.line = line
        self.ann, self.bob = map(User, people)
        self.ada, self.bea, self.cleo, self.research = (f"@agent_{each['id']}:{DOMAIN}" for each in upstream.models)

    async def start(self) -> None:
        """Start the bridge."""
        self._process = await self._stack.enter_async_context(BridgeProcess(self._folder, self._config))
        await self._process.wait_for("listening")

    async def kill(self) -> None:
        """Kill the bridge."""
        await self._process.kill()

    async def stop(self) -> None:
        """Stop the bridge in order."""
        await self._stack.aclose()

    def told(self) -> list[str]:
        """Return the texts of the last request to an agent."""
        return [str(each["content"]) for each in self.upstream.asked[-1]["messages"]]

    async def ready(self) -> None:
        """Wait until each agent has its room, and is in the lobby."""
        query = "SELECT count(*) AS agents FROM participant JOIN room ON room.id = room WHERE kind = 'lobby'"

        async def complete() -> bool:
            found = await Agents(self.database).all()
            row = await self.database.row(query)
            named = sum(bool(each.home.name_applied) for each in found)
            return row is not None and row["agents"] == named == len(NAMES)

        await eventually(complete, "every agent has a room", 30)

    async def complete(self) -> None:
        """Wait until every room is as it is to be, and every message is answered."""
        query = """
            SELECT 'room' FROM room WHERE room_id IS NOT NULL AND (changes <> changes_applied OR needs_backfill)
            UNION ALL SELECT 'turn' FROM turn WHERE open
        """

        async def idle() -> bool:
            return not await self.database.rows(query)

        await eventually(idle, "nothing is left to do", 30)


@pytest.fixture
async def day(harness: BridgeHarness, database_url: str, tmp_path: Path) -> AsyncIterator[Day]:
    async with (
        named_upstream(*NAMES) as upstream,
        Line(int(upstream.root_url.rpartition(":")[2])) as line,
        harness.person() as ann,
        harness.person() as bob,
        Database(database_url) as database,
    ):
        there = {"name": "u", "url": f"http://127.0.0.1:{line.port}/v1", "poll_interval": 0.5, "gone_after": 60}
        rooms = {"lobby": True, "join_rule": "restricted", "invite": [ann.user_id, bob.user_id]}
        config = harness.config(database_url, [there], rooms=rooms, logging={"format": "json"}, space={})
        day = Day(config, tmp_path, database, upstream, line, ann, bob)
        await day.start()
        yield day
        await day.stop()


async def choose_and_chat(day: Day) -> tuple[str, str]:
    """Ann chooses agents by number and by an approximate name, and opens two chats; return their rooms."""
    ann = day.ann
    listed = await ann.tell("agent")
    assert [f"{number}. {name}" in listed for number, name in enumerate(NAMES, 1)] == [True] * len(NAMES), listed
    assert (await ann.tell("agent 2")).startswith("You have chosen Bea")
    assert "Research" in await ann.tell("agent Resaerch")
    assert (await ann.tell("agent research")).startswith("You have chosen Research")
    trip = await ann.enter(await ann.command("new Trip to Oslo"))
    await ann.called(trip, "Trip to Oslo")
    await ann.ask(trip, "one", day.research)
    await ann.ask(trip, "two", day.research)
    assert day.told() == ["one", "Echo: one", "two"]
    ravens = await ann.enter(await ann.command("new @Ada"))
    await ann.ask(ravens, "Where do ravens sleep?", day.ada)
    await ann.called(ravens, "Where do ravens sleep?")
    assert "Ravens" in await ann.tell("!ab rename Ravens", ravens)
    await ann.called(ravens, "Ravens")
    return trip, ravens


async def talk_directly(day: Day) -> str:
    """Bob writes to an agent in a direct chat before it is there; return the room."""
    bob = day.bob
    room_id = await bob.person.create_dm(day.bea)
    await bob.ask(room_id, "Are you there?", day.bea)
    await bob.ask(room_id, "Good.", day.bea)
    # A second one leads to the first.
    other = await bob.person.create_dm(day.bea)
    await bob.person.wait_for(lambda: bob.bodies(other, day.bea))
    assert linked_room(bob.said(other, day.bea)[0].html) == room_id
    await bob.person.leave(other)
    return room_id


async def change_the_conversation(day: Day, trip: str) -> str:
    """Ann goes back and forth in the chat *trip*, and forks it; return the room of the fork."""
    ann = day.ann
    assert "Saved as" in await ann.tell("!ab save before Oslo", trip)
    assert "starts afresh" in await ann.tell("!ab reset", trip)
    answer = await ann.ask(trip, "three", day.research)
    assert day.told() == ["three"]
    assert "follows these instructions" in await ann.tell("!ab instructions Answer in one word.", trip)
    model = day.upstream.models[2]["id"]
    assert "is asked as" in await ann.tell(f"!ab model {model}", trip)
    await ann.ask(trip, "four", day.research)
    assert (day.upstream.asked[-1]["model"], day.told()[0]) == (model, "Answer in one word.")
    fork = await ann.enter(await ann.command("!ab fork What if", trip, reply_to=answer))
    await ann.ask(fork, "five", day.research)
    assert day.told()[-3:] == ["three", "Echo: three", "five"]
    assert "2 messages" not in await ann.tell("!ab load before Oslo", trip)
    await ann.ask(trip, "six", day.research)
    assert day.told()[-5:] == ["one", "Echo: one", "two", "Echo: two", "six"]
    return fork


async def meet(day: Day) -> str:
    """Both enter the lobby, and ask two agents at once; return the room."""
    ann, bob = day.ann, day.bob
    lobby = str(await ann.person.resolve(LOBBY))
    for user in (ann, bob):
        await user.person.join(lobby)
        await user.person.wait_for(lambda user=user: user.room(lobby).members() >= {day.ada, day.cleo})  # type: ignore[misc]
    # They see the same room.
    bob.answers[lobby, day.ada] = ann.answers[lobby, day.ada]
    bob.answers[lobby, day.cleo] = ann.answers[lobby, day.cleo]
    await ann.ask(lobby, "What do you two think?", day.ada, day.cleo, mention=True)
    await bob.ask(lobby, "And you?", day.cleo, mention=True)
    await bob.person.say(lobby, "Nobody is asked by this.")
    return lobby


async def suffer(day: Day, trip: str, direct: str) -> None:
    """The bridge dies, the upstream is away, and an agent gets another name, while people ask."""
    ann, bob = day.ann, day.bob
    gate = asyncio.Event()
    day.upstream.scripts.append(waits_for(gate, "Echo: at no", "on"))
    await ann.say(trip, "at noon", day.research)
    await ann.person.wait_for(lambda: ann.bodies(trip, day.research)[-1:] == ["Echo: at no"])
    await day.kill()
    gate.set()
    await bob.say(direct, "while it is dead", day.bea)
    await day.start()
    await ann.answered(trip, day.research)
    await bob.answered(direct, day.bea)
    await day.line.cut()
    await ann.say(trip, "while the agents are away", day.research)
    await ann.person.wait_for(lambda: ann.bodies(trip, day.research)[-1].startswith("⏳"), 30)
    await day.line.mend()
    await ann.answered(trip, day.research)
    day.upstream.models[1]["name"] = "Beatrice"
    home = await bob.person.join(day.bea.replace("@", "#"))
    await bob.person.wait_for(lambda: (bob.room(home).name or "").startswith("Beatrice"))
    await bob.person.wait_for(lambda: bob.room(direct).displayname(day.bea) == "Letta Agent: Beatrice")
    assert "Beatrice" in await ann.tell("agent beatrise")


async def tidy_up(day: Day, ravens: str, fork: str) -> None:
    """Ann archives one chat and takes it back, lists her chats as clients call commands, and deletes one."""
    ann = day.ann
    assert (await ann.tell("!ab archive", ravens)).startswith("Archived")
    assert "Ravens" not in await ann.tell("chats")
    assert "Ravens" in await ann.tell("chats archived")
    assert "is back" in await ann.tell("unarchive 1")
    before = len(ann.said(ann.desk, BOT))
    call = {"command": "chats", "arguments": {}}
    content = {"msgtype": "m.text", "body": "/chats", "m.mentions": {"user_ids": [BOT]}, "m.bot.command": call}
    await ann.person.send(ann.desk, "m.room.message", content)
    listed = (await ann.person.wait_for(lambda: ann.said(ann.desk, BOT)[before:]))[0].body
    assert all(title in listed for title in ("Trip to Oslo", "Ravens", "What if")), listed
    assert "for good" in await ann.tell("!ab delete", fork)
    await ann.tell("!ab yes", fork)
    # The bot is no administrator of this homeserver: the agent goes, and Ann leaves the room herself.
    await ann.person.wait_for(lambda: day.research not in ann.room(fork).members())
    await ann.person.leave(fork)
    await ann.person.wait_for(lambda: fork not in ann.person.rooms)
    ann.answers.pop((fork, day.research))


def unfinished(user: User) -> list[str]:
    """Return the signs of work that is not finished, in all rooms of *user*."""
    found = []
    for room in user.person.rooms.values():
        found += [f"{room.name}: {each.body} grows" for each in room.messages.values() if LIVE in each.content]
        found += [f"{room.name}: {key}" for _, key in room.reactions.values() if key[0] in "⏳⚠"]
    return found


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_a_day_of_two_people(day: Day) -> None:
    ann, bob = day.ann, day.bob
    await day.ready()
    await ann.begin()
    await bob.begin()
    trip, ravens = await choose_and_chat(day)
    direct = await talk_directly(day)
    fork = await change_the_conversation(day, trip)
    lobby = await meet(day)
    await suffer(day, trip, direct)
    await tidy_up(day, ravens, fork)
    await day.complete()
    await expect_what_they_left(day, {"Trip to Oslo": trip, "Ravens": ravens}, direct=direct, lobby=lobby, deleted=fork)


async def expect_what_they_left(day: Day, chats: dict[str, str], *, direct: str, lobby: str, deleted: str) -> None:
    """Compare everything that both see with what they did."""
    ann, bob = day.ann, day.bob
    for user in (ann, bob):
        assert {key: user.bodies(*key) for key in user.answers} == user.answers
        assert unfinished(user) == []
    assert {name: ann.room(room_id).name for name, room_id in chats.items()} == {name: name for name in chats}
    assert {*chats.values()}.isdisjoint((*bob.person.rooms, *bob.person.invites))
    assert (bob.room(direct).name, ann.room(lobby).name, bob.room(lobby).name) == (None, "Lobby", "Lobby")
    # The Space lists the lobby first and the chats last, in the order of their numbers.
    children = space_children(next(room for room in ann.person.rooms.values() if is_space(room)))
    assert (children[0], children[-2:]) == (lobby, [*chats.values()])
    assert deleted not in children
    listed = await ann.tell("chats")
    titles = {line.partition(" with")[0].partition(" ")[2] for line in listed.splitlines() if " with " in line}
    assert titles == {*chats}
    assert "You have no chats yet" in await bob.tell("chats")
    # A number is never used again.
    last = await ann.enter(await ann.command("new @Cleo Evening"))
    rows = await day.database.rows("SELECT room_id, number FROM room WHERE kind = 'chat' ORDER BY number")
    assert [row["room_id"] for row in rows] == [*chats.values(), last]
    assert rows[-1]["number"] > len(rows)

"""The lobby on a real Synapse: all agents are in it, and answer those who address them, with two people's clients."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from agent_bridge.store.postgres.database import Database
from support.aliases import forget_lobby
from support.bot_rooms import named_upstream
from support.conditions import eventually
from support.direct_chats import upgrade
from support.harness import DOMAIN, SHARED
from support.person import is_space, space_children
from support.process import BridgeProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agent_bridge.demo.timeline import Message
    from support.harness import BridgeHarness, Running
    from support.person import Person
    from support.postgres import Server
    from support.scripted_upstream import ScriptedUpstream

BOT = f"@agentbridge:{DOMAIN}"
NAMES = ("Ada", "Bea", "Cleo")
ALIAS = f"#shared_~lobby:{DOMAIN}"


@pytest.fixture(scope="module")
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with named_upstream(*NAMES) as upstream:
        yield upstream


@pytest.fixture(scope="module")
async def running(harness: BridgeHarness, postgres: Server, upstream: ScriptedUpstream) -> AsyncIterator[Running]:
    there = {"name": "u", "url": upstream.url, "session_header": "X-Session"}
    rooms = {"lobby": True, "join_rule": "restricted", "introduce": True}
    with postgres.migrated() as url:
        config = harness.config(url, [there], service=SHARED, rooms=rooms, space={})
        await forget_lobby(config, harness.synapse.url)
        async with harness.bridge(config) as running:
            yield running


class Lobby:
    """The lobby as people see it."""

    def __init__(self, room_id: str, ghosts: dict[str, str]) -> None:
        self.room_id = room_id
        #: User ids by the first names of the agents.
        self.ghosts = ghosts

    def messages(self, person: Person, name: str) -> list[Message]:
        return person.room(self.room_id).said_by(self.ghosts[name])

    def said(self, person: Person) -> dict[str, list[str]]:
        """Return the messages of each agent that has said something."""
        found = {name: [each.body for each in self.messages(person, name)] for name in self.ghosts}
        return {name: bodies for name, bodies in found.items() if bodies}

    def is_complete(self, person: Person) -> bool:
        return person.room(self.room_id).members() >= {*self.ghosts.values()}


async def enter(running: Running, upstream: ScriptedUpstream, *people: Person) -> Lobby:
    """Have *people* enter the lobby from the Space, once the agents of the upstream are in it."""
    first = people[0]

    async def made() -> str:
        return await first.resolve(ALIAS) or ""

    room_id = await eventually(made, "there is a lobby")

    async def is_open() -> bool:
        state = await running.homeserver.room_state(room_id)
        return state is not None and state.content("m.room.join_rules").get("join_rule") == "restricted"

    await eventually(is_open, "the members of the Space may enter the lobby")
    space = str(await first.resolve(f"#sharedbridge_space:{DOMAIN}"))
    lobby = Lobby(room_id, {str(each["name"]): f"@shared_{each['id']}:{DOMAIN}" for each in upstream.models})
    for person in people:
        await running.homeserver.invite(space, person.user_id)
        await person.join(space)
        await person.join(room_id)
        await person.wait_for(partial(lobby.is_complete, person))
    return lobby


def has_said(lobby: Lobby, person: Person, name: str, text: str) -> bool:
    return any(body.endswith(text) for body in lobby.said(person).get(name, []))


def localpart(user_id: str) -> str:
    return user_id[1:].partition(":")[0]


def replied_to(message: Message) -> str | None:
    related = message.content.get("m.relates_to", {})
    event_id: str | None = related.get("m.in_reply_to", {}).get("event_id")
    return event_id


async def test_agents_answer_those_who_address_them(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    async with harness.person() as one, harness.person() as two:
        lobby = await enter(running, upstream, one, two)
        room_id, ghosts = lobby.room_id, lobby.ghosts
        space = next(room for room in one.rooms.values() if is_space(room))
        # Before the rooms of agents.
        await one.wait_for(lambda: space_children(space)[:1] == [room_id])
        state = one.room(room_id).state
        assert state["m.room.join_rules", ""]["join_rule"] == "restricted"
        assert state["m.room.name", ""] == {"name": "Lobby"}
        bot = running.homeserver.namespace.bot
        await two.wait_for(lambda: [each.body[:10] for each in two.room(room_id).said_by(bot)] == ["All agents"])
        # People talk with each other.
        await one.say(room_id, "Hello Bob, do you know Ada?")
        # A name as the first word, a mention of two, a pill, a reply.
        named = await one.say(room_id, "ada: hello")
        await two.wait_for(lambda: lobby.said(two) == {"Ada": ["Echo: ada: hello"]})
        both = {"user_ids": [ghosts["Ada"], ghosts["Bea"]]}
        asked = await two.send(room_id, "m.room.message", {"msgtype": "m.text", "body": "you two", "m.mentions": both})
        await one.wait_for(
            lambda: lobby.said(one) == {"Ada": ["Echo: ada: hello", "Echo: you two"], "Bea": ["Echo: you two"]}
        )
        html = f'<a href="https://matrix.to/#/{ghosts["Cleo"]}">Agent</a>: hi'
        pill = {"msgtype": "m.text", "body": "Agent: hi", "format": "org.matrix.custom.html", "formatted_body": html}
        await two.send(room_id, "m.room.message", pill)
        await one.wait_for(lambda: lobby.said(one).get("Cleo") == ["Echo: Agent: hi"])
        (of_bea,) = one.room(room_id).said_by(ghosts["Bea"])
        reply = await one.reply(room_id, of_bea.event_id, "really?")
        await one.wait_for(lambda: len(lobby.said(one)["Bea"]) == 2)
        # Answers are replies to their questions.
        room = one.room(room_id)
        assert [replied_to(each) for each in room.said_by(ghosts["Ada"])] == [named, asked]
        assert [replied_to(each) for each in room.said_by(ghosts["Bea"])] == [asked, reply]
        # In a thread below its message, an agent answers everything; another one joins when it is asked.
        answers = {"one": ["Bea"], "Cleo, two": ["Cleo"], "three": ["Bea", "Cleo"]}
        for text, agents in answers.items():
            await two.reply(room_id, of_bea.event_id, text, thread=of_bea.event_id)
            for name in agents:
                await two.wait_for(partial(has_said, lobby, two, name, text))
        counts = {name: len(bodies) for name, bodies in lobby.said(two).items()}
        assert counts == {"Ada": 2, "Bea": 4, "Cleo": 3}
        sessions = [headers["X-Session"] for headers in upstream.headers]
        assert {*sessions} == {
            *(f"{room_id}/{localpart(ghosts[name])}" for name in NAMES),
            *(f"{room_id}/{localpart(ghosts[name])}/{of_bea.event_id}" for name in ("Bea", "Cleo")),
        }
        # A ghost has not the power to take a 🔁 away, and the bot does.
        again = await one.react(room_id, named, "🔁")

        async def is_redacted() -> bool:
            return not (await one.ask("GET", f"/rooms/{room_id}/event/{again}"))["content"]

        await eventually(is_redacted, "the reaction is taken away")


async def test_the_lobby_follows_the_agents(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    async with harness.person() as person:
        lobby = await enter(running, upstream, person)
        room_id = lobby.room_id
        room = person.room(room_id)
        dora = f"@shared_dora:{DOMAIN}"
        # A new one joins.
        upstream.models += [{"id": "dora", "object": "model", "name": "Dora"}]
        await person.wait_for(lambda: dora in room.members())
        await person.say(room_id, "Dora, hello")
        await person.wait_for(lambda: [each.body for each in room.said_by(dora)] == ["Echo: Dora, hello"])
        # It is called by its new name.
        upstream.models[-1]["name"] = "Theodora"
        await person.wait_for(lambda: "Theodora" in room.displayname(dora))
        await person.say(room_id, "Theodora, hello")
        await person.wait_for(lambda: room.said_by(dora)[-1].body == "Echo: Theodora, hello")
        # An agent that is gone stays, and says nothing but that it is gone.
        upstream.models.pop()
        home = (await running.contact("Theodora")).agent.id

        async def is_gone() -> bool:
            return (await running.agents.by_agent(home)).agent.state == "gone"

        await eventually(is_gone, "the agent is gone")
        asked = len(upstream.asked)
        question = await person.say(room_id, "Theodora, are you there?")
        await person.wait_for(lambda: "⚠️" in room.reactions_to(question))
        assert len(upstream.asked) == asked
        assert dora in room.members()


@asynccontextmanager
async def adopting(
    harness: BridgeHarness, database_url: str, upstream: ScriptedUpstream, owner: Person, admin: Person, **options: Any
) -> AsyncIterator[tuple[Running, str]]:
    """Run a bridge whose lobby is a new room of *owner*, into which the bot is yet to be invited; give both."""
    name = f"team-{owner.user_id[1:].partition(':')[0]}"
    room_id = await owner.create_room(preset="private_chat", name="Team", room_alias_name=name, **options)
    rooms = {"lobby": f"#{name}:{DOMAIN}"}
    people = {DOMAIN: "member", admin.user_id: "admin"}
    there = [{"name": "u", "url": upstream.url}]
    async with harness.bridge(
        harness.config(database_url, there, rooms=rooms, permissions=people, space={})
    ) as running:
        yield running, room_id


async def told_admins(admin: Person) -> list[str]:
    """Wait until the administrators are told something; return all that they were told."""
    if not any(room.said_by(BOT) for room in admin.rooms.values()):
        await admin.join(next(iter(await admin.wait_for(lambda: admin.invites))))
    rooms = admin.rooms.values()
    return await admin.wait_for(lambda: [each.body for room in rooms for each in room.said_by(BOT)])


@pytest.mark.long
async def test_an_existing_room_becomes_the_lobby(harness: BridgeHarness, database_url: str) -> None:
    async with (
        named_upstream("Ada", "Bea") as upstream,
        harness.person() as owner,
        harness.person() as admin,
        adopting(harness, database_url, upstream, owner, admin) as (running, room_id),
    ):
        await owner.say(room_id, "Ada, this was said before")
        # The administrators are told once how to let the bot in.
        (told,) = await told_admins(admin)
        assert "The bot cannot enter the room #team-" in told
        assert f"Invite {BOT} there" in told
        await owner.invite(room_id, BOT)
        ghosts = {f"@agent_{model['id']}:{DOMAIN}" for model in upstream.models}
        await owner.wait_for(lambda: owner.room(room_id).members() >= {BOT, *ghosts})
        ada = min(ghosts)

        async def is_lobby() -> bool:
            rows = await running.database.rows("SELECT 1 FROM participant JOIN room ON id = room WHERE kind = 'lobby'")
            return len(rows) == 2

        await eventually(is_lobby, "both agents are in the lobby")
        await owner.say(room_id, "hello everybody")
        await owner.say(room_id, "Ada, hello")
        await owner.wait_for(lambda: [each.body for each in owner.room(room_id).said_by(ada)] == ["Echo: Ada, hello"])
        assert owner.room(room_id).state["m.room.name", ""] == {"name": "Team"}
        assert len(await told_admins(admin)) == 1


@pytest.mark.long
async def test_the_lobby_follows_its_alias(harness: BridgeHarness, database_url: str) -> None:
    async with named_upstream("Ada") as upstream, harness.person() as owner, harness.person() as admin:
        name = f"moving-{localpart(owner.user_id)}"
        first = await owner.create_room(preset="private_chat", room_alias_name=name, invite=[BOT])
        second = await owner.create_room(preset="private_chat", invite=[BOT])
        there, ada = [{"name": "u", "url": upstream.url}], f"@agent_{upstream.models[0]['id']}:{DOMAIN}"
        people = {DOMAIN: "member", admin.user_id: "admin"}
        config = harness.config(
            database_url, there, rooms={"lobby": f"#{name}:{DOMAIN}"}, permissions=people, space={"enabled": False}
        )
        async with harness.bridge(config):
            await owner.wait_for(lambda: ada in owner.room(first).members())
        directory = f"/directory/room/{quote(f'#{name}:{DOMAIN}')}"
        await owner.ask("DELETE", directory)
        # Without the alias, the room is the lobby as before.
        async with harness.bridge(config):
            await owner.say(first, "Ada, hello")
            await owner.wait_for(lambda: owner.room(first).said_by(ada))
        await owner.ask("PUT", directory, {"room_id": second})
        async with harness.bridge(config):
            await owner.wait_for(lambda: ada in owner.room(second).members())
            await owner.say(second, "Ada, hello here")
            await owner.wait_for(lambda: [each.body for each in owner.room(second).said_by(ada)])
            # The earlier one stays as it is.
            await owner.say(first, "Ada, hello again")
            await owner.wait_for(lambda: len(owner.room(first).said_by(ada)) == 2)
        # An alias that stays at the earlier room of an upgrade has not moved.
        new = await upgrade(owner, second, BOT)
        await owner.ask("DELETE", directory)
        await owner.ask("PUT", directory, {"room_id": second})
        for count in (1, 2):
            async with harness.bridge(config) as running:
                await owner.wait_for(lambda: ada in owner.room(new).members())
                await owner.say(new, "Ada, hello there")
                await owner.wait_for(lambda: len(owner.room(new).said_by(ada)) == count)  # noqa: B023
                rows = await running.database.rows("SELECT room_id FROM room WHERE kind = 'lobby'")
                assert {row["room_id"] for row in rows} == {first, new}


async def test_the_administrators_are_told_that_a_server_does_not_respond(
    harness: BridgeHarness, database_url: str
) -> None:
    async with named_upstream("Ada") as upstream, harness.person() as admin:
        there, people = [{"name": "u", "url": upstream.url}], {DOMAIN: "member", admin.user_id: "admin"}
        rooms = {"lobby": "#team:nowhere.invalid"}
        async with harness.bridge(harness.config(database_url, there, rooms=rooms, permissions=people, space={})):
            (told,) = await told_admins(admin)
            assert "The homeserver of the room #team:nowhere.invalid" in told


@pytest.mark.long
async def test_a_bot_without_power_waits_for_it(harness: BridgeHarness, database_url: str) -> None:
    async with named_upstream("Ada", "Bea") as upstream, harness.person() as owner, harness.person() as admin:
        levels = {"power_level_content_override": {"invite": 50}}
        async with adopting(harness, database_url, upstream, owner, admin, **levels) as (running, room_id):
            assert len(await told_admins(admin)) == 1
            await owner.invite(room_id, BOT)
            room = next(room for room in admin.rooms.values() if room.said_by(BOT))
            await admin.wait_for(lambda: len(room.said_by(BOT)) == 2)
            assert "may not invite agents" in room.said_by(BOT)[1].body
            levels_now = owner.room(room_id).state["m.room.power_levels", ""]
            users = levels_now["users"] | {BOT: 50}
            await owner.set_state(room_id, "m.room.power_levels", levels_now | {"users": users})
            ghosts = {f"@agent_{model['id']}:{DOMAIN}" for model in upstream.models}
            await owner.wait_for(lambda: owner.room(room_id).members() >= ghosts)
            # An agent that people removed stays outside.
            kicked, bea = sorted(ghosts)
            await owner.ask("POST", f"/rooms/{room_id}/kick", {"user_id": kicked})

            async def is_outside() -> bool:
                return bool(await running.database.rows("SELECT 1 FROM participant WHERE state = 'left'"))

            await eventually(is_outside, "the bridge knows that the agent was removed")
            # The lobby follows an upgrade.
            version = str(owner.room(room_id).state["m.room.create", ""]["room_version"])
            upgraded = await owner.ask("POST", f"/rooms/{room_id}/upgrade", {"new_version": version})
            new = str(upgraded["replacement_room"])
            await owner.invite(new, BOT)
            await owner.wait_for(lambda: bea in owner.room(new).members())
            await owner.say(new, "Bea, hello")
            await owner.wait_for(lambda: owner.room(new).said_by(bea))
        # Without the key the room stays, and no further agent joins.
        upstream.models += [{"id": "late", "object": "model", "name": "Late"}]
        async with harness.bridge(
            harness.config(database_url, [{"name": "u", "url": upstream.url}], space={})
        ) as running:
            await running.contact("Late")
            await owner.say(new, "Bea, still there?")
            await owner.wait_for(lambda: len(owner.room(new).said_by(bea)) == 2)
            assert f"@agent_late:{DOMAIN}" not in owner.room(new).members()


@pytest.mark.long
async def test_a_kill_while_agents_join_harms_nothing(
    harness: BridgeHarness, database_url: str, tmp_path: Path
) -> None:
    names = [f"Agent{number}" for number in range(10)]
    async with named_upstream(*names) as upstream, harness.person() as person, Database(database_url) as database:
        config = harness.config(
            database_url,
            [{"name": "u", "url": upstream.url}],
            rooms={"lobby": True},
            logging={"format": "json"},
            space={},
        )

        async def inside() -> int:
            query = "SELECT count(*) AS agents FROM participant JOIN room ON id = room WHERE kind = 'lobby'"
            row = await database.row(query)
            return 0 if row is None else int(row["agents"])

        async with BridgeProcess(tmp_path, config) as bridge:
            await eventually(inside, "an agent is in the lobby")
            await bridge.kill()
        before = await inside()
        async with BridgeProcess(tmp_path, config):

            async def is_complete() -> bool:
                return await inside() == len(names)

            await eventually(is_complete, "all agents are in the lobby")
        assert before < len(names)
        (row,) = await database.rows("SELECT room_id FROM room WHERE kind = 'lobby'")
        assert row["room_id"] == await person.resolve(f"#agent_~lobby:{DOMAIN}")

"""Direct rooms of two agents and of two people, on a real Synapse and two bridges of one database."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.programs import token_hash
from agent_bridge.demo.synapse import free_port
from agent_bridge.matrix.rooms import PAIR
from agent_bridge.store.personal_data import PersonalData
from agent_bridge.store.queue import Queue
from agent_bridge.store.redactions import Redactions
from support.api_client import program_of
from support.bot_rooms import bot_chat, named_upstream
from support.conditions import eventually
from support.harness import DOMAIN, SHARED
from support.scripted_upstream import echo, says

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.config.model import Config
    from support.api_client import Program
    from support.harness import BridgeHarness, Running
    from support.postgres import Server
    from support.scripted_upstream import ScriptedUpstream

BOSS, STRANGER = f"@boss:{DOMAIN}", f"@stranger:{DOMAIN}"
BUDGETS = {"max_hops": 3, "pair_per_minute": 1000, "chain_turns": 1000}


@dataclass(frozen=True)
class Stage:
    """A bridge, and the address of another process of it."""

    running: Running
    upstream: ScriptedUpstream
    other: str

    async def agents(self, *names: str) -> list[Program]:
        """Return programs of agents, in turn of both processes."""
        found = [await program_of(self.running, name) for name in names]
        return [each.at(self.other) if number % 2 else each for number, each in enumerate(found)]

    async def ghost(self, name: str) -> str:
        """Return the user id of an agent."""
        contact = await self.running.contact(name)
        return self.running.homeserver.namespace.user_id(contact.agent.ghost)

    async def turns(self, room_id: str) -> list[tuple[str, str]]:
        """Return the kinds and senders of the turns in a room, once all are closed."""
        await eventually(self.running.idle, "every turn is closed")
        rows = await self.running.database.rows(
            "SELECT t.kind, t.sender FROM turn t JOIN conversation c ON c.id = t.conversation WHERE c.room_id = %s "
            "ORDER BY t.id",
            (room_id,),
        )
        return [(row["kind"], row["sender"]) for row in rows]


def another(config: Config) -> Config:
    """Return the configuration of another process of the same bridge."""
    service = config.appservice.model_copy(update={"port": free_port()})
    return config.model_copy(update={"appservice": service, "api": config.api.model_copy(update={"port": free_port()})})


@pytest.fixture(scope="module")
async def stage(harness: BridgeHarness, postgres: Server) -> AsyncIterator[Stage]:
    with postgres.migrated() as url:
        async with named_upstream("Ada", "Bea", "Cleo") as upstream:
            config = harness.config(
                url,
                [{"name": "u", "url": upstream.url}],
                service=SHARED,
                permissions={DOMAIN: "member", BOSS: "owner", STRANGER: "none"},
                budgets=BUDGETS,
                api={"port": free_port()},
            )
            other = another(config)
            async with harness.bridge(config) as running, harness.bridge(other):
                yield Stage(running, upstream, other.public_url)


async def test_two_agents_have_one_room_whoever_of_them_begins(stage: Stage) -> None:
    ada, bea = await stage.agents("Ada", "Bea")
    begun = [ada.post("/v1/direct", to="Bea"), bea.post("/v1/direct", to=await stage.ghost("Ada"))]
    begun += [ada.post("/v1/send", to="Bea", text="hello"), bea.post("/v1/send", to="Ada", text="hello")]
    results = await asyncio.gather(*begun)
    assert {each.status for each in results} == {200}, [each.content for each in results]
    assert len({each["room_id"] for each in results}) == 1
    assert results[0].content == {"room_id": results[0]["room_id"], "user_id": await stage.ghost("Bea"), "name": "Bea"}
    room_id = results[0]["room_id"]
    ghosts = {await stage.ghost("Ada"), await stage.ghost("Bea")}
    members = await stage.running.homeserver.members(room_id)
    assert members == dict.fromkeys({*ghosts, stage.running.homeserver.namespace.bot}, "join")
    state = await stage.running.homeserver.state(room_id, PAIR)
    assert set((state or {})["content"]["users"]) == ghosts
    # Each message asks the other one, and an answer asks nobody that it does not mention.
    assert sorted(await stage.turns(room_id)) == sorted(("message", each) for each in ghosts)
    asked = await bea.post("/v1/ask", to="Ada", text="how are you?")
    assert asked["room_id"] == room_id
    assert asked["answers"][0]["text"].endswith("Bea: how are you?")
    listed = {each["room_id"]: each for each in (await ada.get("/v1/rooms", unread=True))["rooms"]}
    assert (listed[room_id]["kind"], listed[room_id]["name"]) == ("pair", "Ada, Bea")
    assert set(listed[room_id]["agents"]) == ghosts
    rows = await stage.running.database.rows("SELECT 1 FROM room WHERE kind = 'pair'")
    assert len(rows) == 1


async def test_agents_among_themselves_come_to_an_end(stage: Stage) -> None:
    ada, cleo = await stage.agents("Ada", "Cleo")
    stage.upstream.script = says("@Ada @Cleo go on")
    sent = await ada.post("/v1/send", to="Cleo", text="begin")
    # One hop each, and no person is asked: there is none.
    assert [kind for kind, _ in await stage.turns(sent["room_id"])] == ["message"] * BUDGETS["max_hops"]
    again = await cleo.post("/v1/send", to="Ada", text="once more")
    assert again["room_id"] == sent["room_id"]
    assert len(await stage.turns(sent["room_id"])) <= 2 * BUDGETS["max_hops"]
    stage.upstream.script = echo


async def test_two_people_have_one_room(harness: BridgeHarness, stage: Stage) -> None:
    async with harness.person() as one, harness.person() as two, harness.person("boss") as boss:
        first = await program_of(stage.running, one.user_id)
        second = (await program_of(stage.running, two.user_id)).at(stage.other)
        begun = [first.post("/v1/direct", to=two.user_id), second.post("/v1/direct", to=one.user_id)]
        results = await asyncio.gather(*begun, *[first.post("/v1/direct", to=two.user_id) for _ in range(2)])
        assert {each.status for each in results} == {200}, [each.content for each in results]
        (room_id,) = {each["room_id"] for each in results}
        assert results[0]["user_id"] == two.user_id
        # The identity is not in the room before the person accepts the invitation.
        early = await first.send(room_id, "too early")
        assert (early.code, early["detail"]) == (
            "room_not_found",
            "the person is invited, and has not entered the room yet",
        )
        for person in (one, two):
            await person.wait_for(lambda: room_id in person.invites)  # noqa: B023 - it is awaited here
            await person.join(room_id)
        sent = await first.post("/v1/send", to=two.user_id, text="hello you")
        assert sent["room_id"] == room_id
        await two.wait_for(lambda: sent["event_id"] in two.room(room_id).messages)
        read = await second.get(f"/v1/rooms/{room_id}/messages")
        assert [(each["sender"], each["text"]) for each in read["messages"]] == [(one.user_id, "hello you")]
        third = await program_of(stage.running, BOSS)
        assert (await third.get(f"/v1/rooms/{room_id}/messages")).code == "room_not_found"
        assert room_id not in {each["room_id"] for each in (await third.get("/v1/rooms"))["rooms"]}
        # A person who has left is invited into the same room.
        await two.leave(room_id)
        assert (await first.post("/v1/direct", to=two.user_id))["room_id"] == room_id
        await two.wait_for(lambda: room_id in two.invites)
        # Administrators see that the rooms exist.
        listed = (await (await bot_chat(stage.running, boss)).ask("chats all")).body
        assert one.user_id in listed
        assert two.user_id in listed
        # After an erasure the two find their room again.
        await first.request("PATCH", "/v1/me", body={"bio": "paints"})
        database = stage.running.database
        await PersonalData(database, Redactions("bot", redact_answers=False), Queue(database)).forget_rest(
            one.user_id, 0
        )
        for table, column in (("pair", "low"), ("pair", "high"), ("own_profile", "user_id"), ("token", "person")):
            assert not await database.rows(
                f"SELECT 1 FROM {table} WHERE {column} = %s",  # noqa: S608 - constants
                (one.user_id,),
            )
        first = await program_of(stage.running, one.user_id, name="again")
        again = [first.post("/v1/direct", to=two.user_id), second.post("/v1/direct", to=one.user_id)]
        found = await asyncio.gather(*again)
        assert {each["room_id"] for each in found} == {room_id}
        # The room that both have left is over: they get another one.
        await one.leave(room_id)
        await two.leave(room_id)

        async def is_forgotten() -> bool:
            return not await stage.running.database.rows("SELECT 1 FROM room WHERE room_id = %s", (room_id,))

        await eventually(is_forgotten, "the bridge has left the room")
        assert (await first.post("/v1/direct", to=two.user_id))["room_id"] != room_id


async def test_read_marks_of_direct_rooms_count_in_every_process(harness: BridgeHarness, stage: Stage) -> None:
    bea, cleo = await stage.agents("Bea", "Cleo")
    sent = await bea.post("/v1/send", to="Cleo", text="one")
    await stage.turns(sent["room_id"])
    await cleo.post("/v1/send", to="Bea", text="two")
    room_id = sent["room_id"]
    await stage.turns(room_id)

    async def unread(program: Program) -> int | None:
        rooms = (await program.get("/v1/rooms", unread=True))["rooms"]
        return next((each["unread"] for each in rooms if each["room_id"] == room_id), None)

    read = (await bea.get(f"/v1/rooms/{room_id}/messages"))["messages"]
    ghosts = [await stage.ghost("Bea"), await stage.ghost("Cleo")]
    assert [each["sender"] for each in read] == [*ghosts, *reversed(ghosts)]
    assert [each["text"] for each in read][::2] == ["one", "two"]
    assert {await unread(bea), await unread(bea.at(stage.other))} == {2}
    marked = await cleo.request("PUT", f"/v1/rooms/{room_id}/read", body={"event_id": read[0]["event_id"]})
    assert marked.content == {"room_id": room_id, "event_id": read[0]["event_id"]}
    assert {await unread(cleo), await unread(cleo.at(stage.running.bridge.config.public_url))} == {1}
    await cleo.request("PUT", f"/v1/rooms/{room_id}/read", body={"event_id": read[-1]["event_id"]})
    # An earlier event takes nothing back.
    await cleo.request("PUT", f"/v1/rooms/{room_id}/read", body={"event_id": read[0]["event_id"]})
    assert await unread(cleo) == 0
    assert await unread(bea) == 2
    async with harness.person() as one, harness.person() as two:
        first = await program_of(stage.running, one.user_id)
        second = (await program_of(stage.running, two.user_id)).at(stage.other)
        room_id = (await first.post("/v1/direct", to=two.user_id))["room_id"]
        for person in (one, two):
            await person.join(room_id)
        told = await first.post("/v1/send", to=two.user_id, text="hi")
        said = await two.say(room_id, "hello")
        assert (await unread(first), await unread(second)) == (1, 1)
        await second.request("PUT", f"/v1/rooms/{room_id}/read", body={"event_id": told["event_id"]})
        await first.request("PUT", f"/v1/rooms/{room_id}/read", body={"event_id": said})
        assert {await unread(each.at(url)) for each in (first, second) for url in (first.url, second.url)} == {0}


async def test_who_may_not_begin(harness: BridgeHarness, stage: Stage) -> None:
    (ada,) = await stage.agents("Ada")
    async with harness.person() as one, harness.person("stranger"):
        program = await program_of(stage.running, one.user_id)
        limited = await program_of(stage.running, "Ada", name="limited", rooms=[])
        stranger = await program_of(stage.running, STRANGER)
        revoked = await program_of(stage.running, "Ada", name="revoked")
        await stage.running.database.execute(
            "UPDATE token SET revoked_at = now() WHERE hash = %s", (token_hash(revoked.token),)
        )
        refused = [
            (await ada.post("/v1/direct", to="Ada"), "invalid_request"),
            (await program.post("/v1/direct", to=one.user_id), "invalid_request"),
            (await ada.post("/v1/direct", to="Nobody"), "agent_not_found"),
            (await program.post("/v1/direct", to=f"@nobody:{DOMAIN}"), "user_not_found"),
            (await program.post("/v1/send", to=f"@nobody:{DOMAIN}", text="x"), "user_not_found"),
            (await program.post("/v1/direct", to=STRANGER), "user_not_found"),
            (await ada.post("/v1/direct", to=STRANGER), "user_not_found"),
            (await program.post("/v1/direct", to=f"@ x:{DOMAIN}"), "user_not_found"),
            (await limited.post("/v1/direct", to="Bea"), "room_not_found"),
            (await stranger.post("/v1/direct", to=one.user_id), "role_missing"),
            (await revoked.post("/v1/direct", to="Bea"), "token_invalid"),
        ]
        assert [answer.code for answer, _ in refused] == [code for _, code in refused]
        pairs = "SELECT 1 FROM pair WHERE %s IN (low, high)"
        assert not await stage.running.database.rows(pairs, (one.user_id,))

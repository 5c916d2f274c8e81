"""The HTTP API on a real Synapse: programs act for people and for agents."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from agent_bridge.core.programs import SAID_BY, Capability
from agent_bridge.demo.synapse import free_port
from support.api_client import program_of, token_in
from support.bot_rooms import bot_chat
from support.conditions import eventually
from support.harness import DOMAIN, PREFIX, SHARED
from support.scripted_upstream import ScriptedUpstream, echo, waits_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.config.model import Config
    from agent_bridge.demo.timeline import Message
    from support.api_client import Program
    from support.harness import BridgeHarness, Running
    from support.postgres import Server

BOT = f"@sharedbridge:{DOMAIN}"
#: A picture.
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


@pytest.fixture(scope="module")
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    """An upstream with an agent for each test."""
    async with ScriptedUpstream(*(f"agent{letter}" for letter in "abcdefghijkl")) as upstream:
        yield upstream


@pytest.fixture(scope="module")
async def config(harness: BridgeHarness, postgres: Server, upstream: ScriptedUpstream) -> AsyncIterator[Config]:
    permissions: dict[str, str] = {DOMAIN: "member", f"@boss:{DOMAIN}": "owner"}
    there = [{"name": "u", "url": upstream.url}]
    with postgres.migrated() as url:
        yield harness.config(url, there, service=SHARED, permissions=permissions, api={"port": free_port()})


@pytest.fixture(scope="module")
async def running(harness: BridgeHarness, config: Config) -> AsyncIterator[Running]:
    async with harness.bridge(config) as running:
        yield running


def relayed(messages: list[Message], user: str) -> list[Message]:
    """Return the messages that the bot says for *user*."""
    return [each for each in messages if each.versions[0].get(SAID_BY) == user]


async def test_a_program_speaks_for_its_person(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    agent = upstream.names[0]
    async with harness.person() as person:
        talk = await running.join(person, agent)
        program = await program_of(running, person.user_id)
        me = await program.get("/v1/me")
        assert (me.status, me["user_id"], me["is_agent"], me["role"]) == (200, person.user_id, False, "member")
        results = [await program.send(agent, f"{PREFIX} *hello*", "one") for _ in range(3)]
        assert {each.status for each in results} == {200}
        assert len({each["event_id"] for each in results}) == 1
        assert [each.headers.get("Idempotent-Replayed") for each in results] == [None, "true", "true"]
        await talk.wait_for_answers(1)
        (said,) = relayed(talk.room.said_by(BOT), person.user_id)
        localpart = person.user_id[1:].partition(":")[0]
        # No command, although it begins like one.
        assert said.body == f"{localpart}: {PREFIX} *hello*"
        profile = said.versions[0]["com.beeper.per_message_profile"]
        assert profile == {"id": person.user_id, "displayname": localpart, "has_fallback": True}
        assert upstream.questions[-1] == f"{PREFIX} *hello*"
        assert len(talk.answers) == 1
        (row,) = await running.database.rows("SELECT sender FROM turn WHERE event_id = %s", (said.event_id,))
        assert row["sender"] == person.user_id
        assert (await program.send(agent, "other", "one")).code == "idempotency_key_reused"
        read = await program.get(f"/v1/rooms/{agent}/messages", limit=10)
        assert [each["sender"] for each in read["messages"]][-2:] == [person.user_id, talk.ghost]
        assert read["messages"][-2]["text"] == f"{PREFIX} *hello*"
        # A reply to an event of another room would show nothing.
        elsewhere = await person.say(await person.create_room(), "elsewhere")
        for target, code in ((elsewhere, "message_not_found"), ("$nothing", "message_not_found"), (said.event_id, "")):
            assert (await program.send(agent, "a reply", reply_to=target)).code == code
        assert len(relayed(talk.room.said_by(BOT), person.user_id)) <= 2


async def test_ask_waits_for_the_answer(harness: BridgeHarness, running: Running, upstream: ScriptedUpstream) -> None:
    agent = upstream.names[1]
    async with harness.person() as person:
        talk = await running.join(person, agent)
        program = await program_of(running, person.user_id)
        asked = await program.post("/v1/ask", to=agent, text="how are you?")
        assert asked.status == 200
        assert asked["is_complete"] is True
        (answer,) = asked["answers"]
        assert (answer["status"], answer["user_id"], answer["text"]) == ("answered", talk.ghost, "Echo: how are you?")
        await talk.wait_for_answers(1)
        assert answer["event_ids"] == [talk.answers[0].event_id]
        gate, before = asyncio.Event(), len(upstream.questions)
        upstream.script = waits_for(gate, "First ", "and last.")
        late = await program.post("/v1/ask", "late", to=agent, text="and now?", timeout=0)
        assert (late.status, late["is_complete"], late["answers"][0]["status"]) == (202, False, "working")
        waits = asyncio.create_task(program.get(f"/v1/asks/{late['handle']}", wait=20))
        await person.wait_for(lambda: len(upstream.questions) > before and len(talk.answers) > 1)
        gate.set()
        done = await waits
        upstream.script = echo
        assert (done.status, done["answers"][0]["text"]) == (200, "First and last.")
        again = await program.post("/v1/ask", "late", to=agent, text="and now?", timeout=0)
        assert (again.status, again["event_id"]) == (200, late["event_id"])
        other = await program_of(running, f"@boss:{DOMAIN}")
        assert (await other.get(f"/v1/asks/{late['handle']}")).code == "handle_not_found"
        # What the agent says after the person has left is not for the person.
        gate.clear()
        upstream.script = waits_for(gate, "First ", "and last.")
        waits = asyncio.create_task(program.post("/v1/ask", "left", to=agent, text="still there?"))
        await person.wait_for(lambda: len(talk.answers) > 2)
        await person.leave(talk.room_id)
        gate.set()
        assert (await waits).code == "room_not_found"
        upstream.script = echo
        assert (await program.get(f"/v1/asks/{late['handle']}")).code == "handle_not_found"


@pytest.mark.long
async def test_messages_are_changed_and_taken_back(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    agent = upstream.names[2]
    async with harness.person() as person, harness.person() as guest:
        talk = await running.join(person, agent)
        await running.join(guest, agent)
        program, others = await program_of(running, person.user_id), await program_of(running, guest.user_id)
        sent = await program.send(agent, "first words")
        await talk.wait_for_answers(1)
        path = f"/v1/rooms/{agent}/messages/{quote(sent['event_id'], safe='')}"
        refused = await others.request("PUT", path, body={"text": "mine"})
        assert (refused.status, refused.code) == (403, "not_own_message")
        edited = await program.request("PUT", path, body={"text": "second words"})
        assert edited.status == 200
        await person.wait_for(lambda: "Echo: second words" in [each.body for each in talk.answers])
        await talk.wait_until_idle()
        reacted = await program.request("POST", f"{path}/reactions", body={"key": "👍"})
        assert reacted.status == 200
        assert (await others.request("POST", f"{path}/reactions", body={"key": "👍"})).code == "already_reacted"
        taken = f"/v1/rooms/{agent}/reactions/{quote(reacted['event_id'], safe='')}"
        assert (await others.request("DELETE", taken)).code == "not_own_message"
        assert (await program.request("DELETE", taken)).status == 200
        assert (await program.request("DELETE", path, key="gone")).status == 200
        assert (await program.request("DELETE", path, key="gone")).status == 200
        # What is gone is neither edited nor reacted to, and no thread begins with nothing.
        assert (await program.request("PUT", path, body={"text": "third words"})).code == "message_not_found"
        assert (await program.request("POST", f"{path}/reactions", body={"key": "x"})).code == "message_not_found"
        assert (await program.send(agent, "where?", thread="$nothing")).code == "message_not_found"
        broken = await program.post("/v1/send", to=agent, text="a\0b")
        assert broken["detail"] == "text: has characters that cannot be sent"
        rows = await running.database.rows(
            "SELECT redacted, payload FROM turn WHERE event_id = %s", (sent["event_id"],)
        )
        assert [row["redacted"] for row in rows] == [True]
        assert "words" not in str(rows)


async def test_a_program_of_an_agent_asks_within_budgets(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    one, two = upstream.names[3], upstream.names[4]
    async with harness.person() as person:
        contacts = [await running.contact(name) for name in (one, two)]
        ghosts = [running.homeserver.namespace.user_id(each.agent.ghost) for each in contacts]
        room_id = await person.create_room(preset="private_chat", invite=[BOT, *ghosts])
        await person.wait_for(lambda: {BOT, *ghosts} <= set(person.room(room_id).members()))
        program = await program_of(running, one)
        assert (await program.get("/v1/me"))["role"] == "agent"
        # Its own room has no other agent; a room in which it is not does not exist for it.
        assert (await program.send(two, "hello")).code == "room_not_found"
        sent = await program.send(room_id, "look", mentions=[two])
        assert sent.status == 200
        (answer,) = await person.wait_for(lambda: person.room(room_id).said_by(ghosts[1]))
        (said,) = person.room(room_id).said_by(ghosts[0])
        assert answer.versions[0]["m.relates_to"]["m.in_reply_to"]["event_id"] == said.event_id == sent["event_id"]
        query = "SELECT t.hops, t.sender, ch.root FROM turn t JOIN chain ch ON ch.id = t.chain WHERE t.event_id = %s"
        assert await running.database.rows(query, (said.event_id,)) == [
            {"hops": 1, "sender": ghosts[0], "root": said.event_id}
        ]
        # A reply to it asks its agent.
        await person.reply(room_id, said.event_id, "why?")
        await person.wait_for(
            lambda: [each.body for each in person.room(room_id).said_by(ghosts[0])][1:] == ["Echo: why?"]
        )
        # A message without a mention asks nobody, and the limit of a pair counts for programs, too.
        await program.send(room_id, f"{two}, hello")
        for number in range(12):
            assert (await program.send(room_id, f"again {number}", mentions=[two])).status == 200
        await eventually(running.idle, "no turn is open")
        rows = await running.database.rows(
            "SELECT count(*) AS n FROM turn WHERE sender = %s AND kind = 'message'", (ghosts[0],)
        )
        assert rows[0]["n"] == 10


async def test_a_token_is_made_listed_and_revoked_in_a_chat(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = upstream.names[5]
    async with harness.person() as person, harness.person("boss") as boss:
        talk = await running.join(person, agent)
        desk, bosses = await bot_chat(running, person), await bot_chat(running, boss)
        made = await desk.ask(f"token new laptop --rooms {agent} --can read,send --expires 2 days")
        await person.wait_for(lambda: token_in(desk))
        await desk.settled()
        secret = token_in(desk) or ""
        program = (await program_of(running, person.user_id, name="other")).__class__(
            running.bridge.config.public_url, secret
        )
        me = await program.get("/v1/me")
        assert (me["token"], me["capabilities"], me["rooms"]) == ("laptop", ["read", "send"], [talk.room_id])
        assert (await program.post("/v1/ask", to=agent, text="x")).code == "capability_missing"
        assert "laptop" in made.body or "laptop" in desk.said()[-1].body
        listed = (await desk.ask("tokens")).body
        assert "laptop" in listed
        assert secret not in listed
        assert "Only admins" in (await desk.ask(f"token new x --as {agent}")).body
        assert "no option" in (await desk.ask("token new x --for me")).body
        assert "already" in (await desk.ask("token new laptop")).body
        assert "You have no token" in (await bosses.ask("token revoke laptop")).body
        assert "is revoked" in (await desk.ask("token revoke laptop")).body
        assert (await program.get("/v1/me")).code == "token_invalid"
        await bosses.say(f"token new bot --as {agent}")
        await boss.wait_for(lambda: token_in(bosses))
        rows = await running.database.rows("SELECT to_jsonb(t)::text AS row FROM turn t")
        rows += await running.database.rows("SELECT to_jsonb(t)::text AS row FROM token t")
        assert not any(secret in row["row"] or (token_in(bosses) or "-") in row["row"] for row in rows)
        logged = "".join(capsys.readouterr())
        assert "message received" in logged
        assert secret not in logged


@pytest.mark.long
async def test_rooms_who_and_reading(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = upstream.names[6]
    async with harness.person() as person, harness.person() as other:
        talk = await running.join(person, agent)
        program, stranger = await program_of(running, person.user_id), await program_of(running, other.user_id)
        first = await talk.say("the quick brown fox")
        await talk.wait_for_answers(1)
        listed = await program.get("/v1/rooms", unread=True)
        (room,) = [each for each in listed["rooms"] if each["room_id"] == talk.room_id]
        assert (room["kind"], room["agents"]) == ("home", [talk.ghost])
        marked = await program.request("PUT", f"/v1/rooms/{agent}/read", body={"event_id": first})
        assert marked.status == 200
        (room,) = [
            each for each in (await program.get("/v1/rooms", unread=True))["rooms"] if each["room_id"] == talk.room_id
        ]
        assert room["unread"] == 1
        users = {each["user_id"]: each for each in (await program.get("/v1/who"))["users"]}
        assert users[talk.ghost]["is_agent"] is True
        assert users[person.user_id]["role"] == "member"
        assert other.user_id not in users
        limited = await program_of(running, person.user_id, name="limited", rooms=[talk.room_id])
        found_users = {each["user_id"] for each in (await limited.get("/v1/who"))["users"]}
        assert found_users == {talk.ghost, person.user_id}
        found = await program.get("/v1/search", q="BROWN quick")
        assert first in [each["event_id"] for each in found["messages"]]
        assert (await stranger.get("/v1/search", q="brown"))["messages"] == []
        assert (await stranger.get(f"/v1/rooms/{quote(talk.room_id, safe='')}/messages")).code == "room_not_found"
        for number in range(3):
            await talk.say(f"more {number}")
            await talk.wait_for_answers(number + 2)
        pages: list[Any] = []
        before = ""
        while True:
            page = await program.get(f"/v1/rooms/{agent}/messages", limit=3, before=before)
            pages = page["messages"] + pages
            before = page["before"]
            if not before:
                break
        assert [each["text"] for each in pages][-8:] == [
            *("the quick brown fox", "Echo: the quick brown fox", "more 0", "Echo: more 0"),
            *("more 1", "Echo: more 1", "more 2", "Echo: more 2"),
        ]
        assert len({each["event_id"] for each in pages}) == len(pages)
        since = await program.get(f"/v1/rooms/{agent}/messages", after=first, limit=2)
        assert [each["text"] for each in since["messages"]] == ["Echo: the quick brown fox", "more 0"]
        # A message that was redacted meanwhile is still the place behind which the program reads on.
        last = await talk.say("a slip")
        await talk.wait_for_answers(5)
        await person.redact(talk.room_id, last)
        path = f"/v1/rooms/{agent}/messages"
        await eventually(lambda: _is_empty(program, path, last), "only what came behind the redacted message is read")
        assert (await program.get(path, after="$nothing")).code == "message_not_found"
        # Behind an event that is too far away, messages would be missing.
        monkeypatch.setattr("agent_bridge.bridge.programs.reading._PAGE", 2)
        monkeypatch.setattr("agent_bridge.bridge.programs.reading._PAGES", 2)
        far = await program.get(path, after=first)
        assert (far.code, "newest 4 events" in far["detail"]) == ("message_not_found", True)
        assert (await program.get("/v1/rooms/%23x%3Anowhere.invalid/messages")).code == "room_not_found"


async def _is_empty(program: Program, path: str, event_id: str) -> bool:
    found = (await program.get(path, after=event_id))["messages"]
    return [each["text"] for each in found] in ([], ["Echo: a slip"])


@pytest.mark.long
async def test_files_chats_and_direct_chats(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    agent = upstream.names[7]
    async with harness.person() as person:
        talk = await running.join(person, agent)
        program = await program_of(running, person.user_id)
        shared = await program.request(
            "POST",
            f"/v1/rooms/{agent}/files",
            data=b"the content of a file",
            query={"name": "notes.txt", "caption": "read this"},
            headers={"Content-Type": "text/plain"},
        )
        assert shared.status == 200
        await talk.wait_for_answers(1)
        assert "the content of a file" in upstream.questions[-1]
        picture = await program.request(
            "POST", f"/v1/rooms/{agent}/files", data=PIXEL, query={"name": "p"}, headers={"Content-Type": "text/html"}
        )
        assert picture.status == 200
        await talk.wait_for_answers(2)
        (shown,) = [each for each in talk.room.messages.values() if each.event_id == picture["event_id"]]
        assert (shown.content["msgtype"], shown.content["info"]["mimetype"]) == ("m.image", "image/png")
        chats = [await program.post("/v1/chats", "chat", agent=agent, title="Trip") for _ in range(2)]
        assert [each.status for each in chats] == [201, 201]
        assert len({each["room_id"] for each in chats}) == 1
        await person.join(chats[0]["room_id"])
        direct = [await program.post("/v1/direct", to=agent) for _ in range(2)]
        assert len({each["room_id"] for each in direct}) == 1
        await person.join(direct[0]["room_id"])
        # The bot is not there: the ghost speaks for the person.
        asked = await program.post("/v1/ask", to=direct[0]["room_id"], text="in private")
        assert asked["answers"][0]["text"] == "Echo: in private"
        machine = await program_of(running, agent, name="machine")
        assert (await machine.post("/v1/chats", agent=agent)).code == "role_missing"
        told = await machine.post("/v1/send", to=person.user_id, text="the build is done")
        assert told["room_id"] == direct[0]["room_id"]


async def test_the_person_counts_at_each_request(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    agent = upstream.names[8]
    async with harness.person() as person, harness.person("boss") as boss:
        talk = await running.join(person, agent)
        program = await program_of(running, person.user_id)
        bosses = await bot_chat(running, boss)
        limited = await program_of(running, person.user_id, name="limited", rooms=[talk.room_id])
        reader = await program_of(running, person.user_id, name="reader", capabilities=[Capability.READ])
        expired = await program_of(running, person.user_id, name="expired", seconds=0)
        assert (await reader.send(agent, "x")).code == "capability_missing"
        assert (await expired.get("/v1/me")).code == "token_invalid"
        assert (await limited.send(agent, "in the room")).status == 200
        assert (await limited.post("/v1/direct", to=agent)).code == "room_not_found"
        await bosses.ask(f"mute {person.user_id}")
        # Roles and mutes count with their signal, a moment later.
        await running.bridge.roles.refresh()
        assert (await program.send(agent, "x")).code == "muted"
        assert (await program.get(f"/v1/rooms/{agent}/messages")).status == 200
        await bosses.ask(f"unmute {person.user_id}")
        await bosses.ask(f"role {person.user_id} none")
        await running.bridge.roles.refresh()
        # The person is being removed from the room.
        assert (await program.send(agent, "x")).code in {"role_missing", "room_not_found"}
        assert (await program.get("/v1/rooms")).code == "role_missing"
        await bosses.ask(f"role {person.user_id} default")

        async def is_member() -> bool:
            return bool((await program.get("/v1/me"))["role"] == "member")

        await eventually(is_member, "the person has a role again")
        # Without the role, the person was removed from the room.
        await running.join(person, agent)
        assert (await program.send(agent, "y")).status == 200
        await person.leave(talk.room_id)
        assert (await program.send(agent, "z")).code == "room_not_found"


async def test_nobody_else_speaks_for_a_person(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    agent = upstream.names[9]
    async with harness.person() as person, harness.person() as eve:
        talk = await running.join(person, agent)
        await running.join(eve, agent)
        program = await program_of(running, person.user_id)
        forged = {"msgtype": "m.text", "body": "forged", SAID_BY: person.user_id, "org.agent_bridge.api": True}
        event_id = await eve.send(talk.room_id, "m.room.message", forged)
        sent = await program.send(agent, "true words")
        await talk.wait_for_answers(2)
        query = "SELECT event_id, sender FROM turn WHERE event_id = ANY(%s)"
        rows = await running.database.rows(query, ([event_id, sent["event_id"]],))
        assert {row["event_id"]: row["sender"] for row in rows} == {
            event_id: eve.user_id,
            sent["event_id"]: person.user_id,
        }
        # An edit of another user changes nothing, and a redaction of the person reaches the message.
        await eve.edit(talk.room_id, sent["event_id"], "other words")
        await eve.say(talk.room_id, "and now?")
        await talk.wait_for_answers(3)
        assert upstream.questions[-1] == "and now?"
        assert "other words" not in str(upstream.asked)
        page = await program.get(f"/v1/rooms/{agent}/messages")
        assert {each["text"]: each["sender"] for each in page["messages"]}["forged"] == eve.user_id


async def test_an_account_in_the_name_space_speaks_for_nobody(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    """As a person whose account is older than the registration of the bridge."""
    agent = upstream.names[10]
    async with harness.person() as person:
        talk = await running.join(person, agent)
        program = await program_of(running, person.user_id)
        sent = await program.send(agent, "true words")
        await talk.wait_for_answers(1)
        true = await running.homeserver.event(talk.room_id, sent["event_id"])
        assert true is not None
        forged = {**true["content"], "body": f"{true['content']['body']} and false ones"}
        for number, content in enumerate((forged, {**forged, "agent_bridge.turn": "api0.0"})):
            await running.homeserver.send(talk.room_id, content, txn_id=f"forged{number}", as_user=talk.ghost)
        await talk.say("the end")
        await talk.wait_for_answers(4)
        assert upstream.questions[-2:] == ["true words", "the end"]
        rows = await running.database.rows("SELECT 1 FROM turn WHERE payload ->> 'body' LIKE '%%false ones'")
        assert rows == []

"""People begin direct chats with the ghosts of agents."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from agent_bridge.core.errors import HomeserverRefused
from support.bot_rooms import NAMES, named_upstream
from support.chat_rooms import linked_room
from support.conditions import eventually
from support.direct_chats import DirectChat, begin, direct_chat, ghost_of, upgrade
from support.harness import DOMAIN, SHARED
from support.people import TransactionSender
from support.proxy import Proxy
from support.scripted_upstream import ScriptedUpstream, waits_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.harness import BridgeHarness, Running
    from support.person import Person
    from support.postgres import Server

ADA, BEA, RESEARCH = NAMES
#: One bridge serves all of these tests.
pytestmark = pytest.mark.xdist_group("integration/test_direct_messages")


@pytest.fixture(scope="module")
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with named_upstream(*NAMES) as upstream:
        yield upstream


@pytest.fixture(scope="module")
async def running(harness: BridgeHarness, postgres: Server, upstream: ScriptedUpstream) -> AsyncIterator[Running]:
    """A bridge with three agents."""
    with postgres.migrated() as url:
        there = {"name": "scripted", "url": upstream.url, "poll_interval": 60}
        async with harness.bridge(harness.config(url, [there], service=SHARED)) as running:
            for name in NAMES:
                await running.contact(name)
            yield running


@pytest.fixture
async def person(harness: BridgeHarness) -> AsyncIterator[Person]:
    async with harness.person() as person:
        yield person


def has_left(chat: DirectChat) -> bool:
    """Tell whether the ghost is not in the room any more."""
    return chat.ghost in chat.room.members("leave")


async def test_a_ghost_joins_and_answers_the_messages_from_before(
    running: Running, person: Person, upstream: ScriptedUpstream
) -> None:
    upstream.asked.clear()
    chat = await begin(running, person, ADA)
    await chat.say("first")
    await chat.say("second")
    assert len(await chat.answers(2)) == 2
    assert [each["messages"][-1]["content"] for each in upstream.asked] == ["first", "second"]
    row = await chat.synced()
    assert (row["kind"], row["person"], row["bot_joined"]) == ("dm", person.user_id, False)
    assert chat.room.members() == {person.user_id, chat.ghost}
    assert chat.room.name is None
    assert await chat.direct_rooms() == [chat.room_id]


async def test_the_ghost_speaks_for_the_bridge(running: Running, person: Person, upstream: ScriptedUpstream) -> None:
    chat = await direct_chat(running, person, BEA)
    assert "ab help" in (await chat.ask("!ab help")).body
    # The room is the person's own: words behind ! are for the agent.
    upstream.asked.clear()
    await chat.ask("!help me")
    assert upstream.asked[-1]["messages"][-1]["content"] == "!help me"


async def test_a_second_direct_chat_is_answered_with_a_link_to_the_first(running: Running, person: Person) -> None:
    first = await direct_chat(running, person, ADA)
    second = await begin(running, person, ADA)
    reply = (await person.wait_for(second.said))[0]
    assert linked_room(reply.html) == first.room_id
    await person.wait_for(lambda: second.room.members() == {person.user_id})
    assert len(second.said()) == 1
    # Another agent has a direct chat of its own.
    assert (await direct_chat(running, person, BEA)).room_id != first.room_id


@pytest.mark.long
async def test_a_direct_chat_ends_when_its_person_leaves(running: Running, person: Person) -> None:
    first = await direct_chat(running, person, ADA)
    await person.leave(first.room_id)
    await first.ended()
    assert await first.direct_rooms() == []
    second = await direct_chat(running, person, ADA)
    await second.say("hello")
    assert len(await second.answers(1)) == 1


async def test_of_two_invitations_at_once_one_becomes_the_direct_chat(running: Running, person: Person) -> None:
    chats = await asyncio.gather(begin(running, person, ADA), begin(running, person, ADA))
    left = await person.wait_for(lambda: [chat for chat in chats if chat.said()])
    (kept,) = [chat for chat in chats if chat not in left]
    assert linked_room(left[0].said()[0].html) == kept.room_id
    await kept.say("hello")
    assert len(await kept.answers(1)) == 1


async def test_an_encrypted_direct_chat_is_replaced_by_a_plain_one(running: Running, person: Person) -> None:
    encryption = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
    secret = await begin(running, person, RESEARCH, initial_state=[encryption])
    told = (await person.wait_for(secret.said))[0]
    plain = linked_room(told.html)
    await person.wait_for(lambda: plain in person.invites)
    await person.wait_for(lambda: secret.room.members() == {person.user_id})
    assert len(secret.said()) == 1
    await person.join(plain)
    await person.wait_for(lambda: plain in person.rooms)
    room = person.room(plain)
    assert (room.name, room.alias) == (None, None)
    assert room.members() == {person.user_id, secret.ghost}
    await person.say(plain, "hello")
    await person.wait_for(lambda: room.said_by(secret.ghost))


async def test_a_direct_chat_that_becomes_encrypted_is_replaced(running: Running, person: Person) -> None:
    chat = await direct_chat(running, person, BEA)
    await person.set_state(chat.room_id, "m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"})
    told = (await person.wait_for(chat.said))[0]
    plain = linked_room(told.html)
    await person.wait_for(lambda: plain in person.invites)
    await chat.ended()
    assert chat.room.members() == {person.user_id}
    assert len(chat.said()) == 1


@pytest.mark.long
async def test_an_upgraded_direct_chat_is_followed(running: Running, person: Person) -> None:
    chat = await direct_chat(running, person, ADA)
    await chat.say("before")
    await chat.answers(1)
    new = await upgrade(person, chat.room_id, chat.ghost)
    await person.wait_for(lambda: chat.ghost in person.room(new).members())
    later = DirectChat(running, person, new, chat.ghost)
    await later.say("after")
    assert await later.answers(1) == ["Echo: after"]
    assert await later.direct_rooms() == [new]


async def test_a_removed_ghost_comes_back_when_it_is_invited(running: Running, person: Person) -> None:
    chat = await direct_chat(running, person, ADA, preset="private_chat")
    await person.set_state(chat.room_id, "m.room.member", {"membership": "leave"}, chat.ghost)
    await chat.ended()
    await person.set_state(chat.room_id, "m.room.member", {"membership": "invite", "is_direct": True}, chat.ghost)
    await person.wait_for(lambda: chat.ghost in chat.room.members())
    await chat.say("are you back?")
    assert await chat.answers(1) == ["Echo: are you back?"]


async def test_a_person_without_a_role_is_told_once_a_day(harness: BridgeHarness, running: Running) -> None:
    async with harness.person("stranger") as stranger:
        first = await begin(running, stranger, ADA)
        told = (await stranger.wait_for(first.said))[0]
        assert told.body == "You are not permitted to talk to agents here. If you need access, ask @admin:test.local."
        for _ in range(2):
            again = await begin(running, stranger, ADA)
            await stranger.wait_for(partial(has_left, again))
            assert again.said() == []
        other = await begin(running, stranger, BEA)
        await stranger.wait_for(other.said)
        assert await other.row() is None


async def test_a_ghost_begins_no_direct_chat_among_several(
    harness: BridgeHarness, running: Running, person: Person
) -> None:
    async with harness.person() as other:
        ghost = await ghost_of(running, ADA)
        room_id = await person.create_room(preset="trusted_private_chat", is_direct=True, invite=[other.user_id, ghost])
        chat = DirectChat(running, person, room_id, ghost)
        await person.wait_for(lambda: ghost in chat.room.members())
        row = await chat.synced()
        assert (row["kind"], row["person"], row["owner"]) == ("group", None, None)


async def test_hostile_invitations_change_nothing(running: Running, person: Person) -> None:
    """The account data of a ghost may be wrong; an inviter may give any reason, and any state."""
    ghost = await ghost_of(running, RESEARCH)
    wrong = {person.user_id: {"not": "a list"}, "@eve:test.local": 5}
    await running.homeserver.set_account_data(ghost, "m.direct", wrong)
    create = {"type": 5, "predecessor": ["no", "object"], "additional_creators": [ghost]}
    room_id = await person.create_room(preset="private_chat", is_direct=True, creation_content=create)
    await person.set_state(room_id, "io.element.functional_members", {"service_members": {"a": ghost}})
    reason = "\u202e</b>" + "x" * 50_000
    content = {"membership": "invite", "is_direct": True, "reason": reason}
    await person.set_state(room_id, "m.room.member", content, ghost)
    chat = DirectChat(running, person, room_id, ghost)
    await person.wait_for(lambda: ghost in chat.room.members())
    await chat.say("hello")
    assert await chat.answers(1) == ["Echo: hello"]
    await chat.synced()
    listed = await running.homeserver.account_data(ghost, "m.direct")
    assert listed == {"@eve:test.local": 5, person.user_id: [room_id]}


async def test_the_invitation_of_a_user_that_no_agent_has_ends(running: Running, person: Person) -> None:
    room_id = await person.create_room(preset="private_chat", is_direct=True, invite=[f"@shared_nobody:{DOMAIN}"])

    async def is_done() -> bool:
        query = """
            SELECT t.state FROM turn t JOIN conversation c ON c.id = t.conversation
            WHERE c.room_id = %s AND t.kind = 'invitation'
        """
        return [row["state"] for row in await running.database.rows(query, (room_id,))] == ["done"]

    await eventually(is_done, "the invitation is dealt with")


async def test_messages_work_as_in_the_room_of_an_agent(
    running: Running, person: Person, upstream: ScriptedUpstream
) -> None:
    chat = await direct_chat(running, person, BEA)
    question = await chat.say("first")
    await chat.answers(1)
    await person.edit(chat.room_id, question, "better")
    await person.wait_for(lambda: [each.body for each in chat.said()] == ["Echo: better"])
    root = await chat.say("a thread")
    await chat.answers(2)
    await person.reply(chat.room_id, root, "within", thread=root)
    answers = await chat.answers(3)
    assert answers[-1].endswith("within")
    assert chat.said()[-1].content["m.relates_to"]["event_id"] == root
    url = await person.upload(b"a file", "text/plain", "a.txt")
    await person.send(chat.room_id, "m.room.message", {"msgtype": "m.file", "body": "a.txt", "url": url})
    await chat.answers(4)
    assert "a file" in str(upstream.asked[-1]["messages"][-1])
    await person.redact(chat.room_id, root)
    await person.wait_for(lambda: len(chat.said()) == 3)


@pytest.mark.long
async def test_an_answer_is_stopped_and_the_next_message_waits(
    running: Running, person: Person, upstream: ScriptedUpstream
) -> None:
    chat = await direct_chat(running, person, ADA)
    upstream.scripts.append(waits_for(asyncio.Event(), "Once upon a time"))
    question = await chat.say("tell me everything")
    await person.wait_for(chat.said)
    waits = await chat.say("next")
    await person.wait_for(lambda: "⏳" in chat.room.reactions_to(waits))
    await person.react(chat.room_id, question, "🛑")
    assert (await chat.answers(2))[-1] == "Echo: next"
    await person.wait_for(lambda: "⏳" not in chat.room.reactions_to(waits))


@pytest.mark.long
async def test_commands_about_chats_are_clear_in_a_direct_chat(running: Running, person: Person) -> None:
    chat = await direct_chat(running, person, ADA)

    async def ask(text: str) -> str:
        return (await chat.ask(f"!ab {text}")).body

    assert (await chat.ask("hello")).body == "Echo: hello"
    assert await ask("rename Oslo") == await ask("archive") == await ask("unarchive")
    assert "A direct chat with Ada has no title" in chat.said()[-1].body
    assert "1 message" in await ask("context") or "2 messages" in chat.said()[-1].body
    assert "afresh" in await ask("reset")
    assert "Delete Direct chat with Ada for good" in await ask("delete")
    assert "is being deleted" in await ask("yes")
    # The bot is no server administrator here: the ghost leaves.
    await chat.ended()
    await person.wait_for(lambda: chat.room.members() == {person.user_id})
    assert "leaves this room" in chat.said()[-1].body
    assert not await running.database.rows(
        "SELECT 1 FROM message m JOIN conversation c ON c.id = m.conversation WHERE c.room_id = %s", (chat.room_id,)
    )


async def test_other_people_cannot_enter_a_direct_chat(
    harness: BridgeHarness, running: Running, person: Person
) -> None:
    encryption = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
    secret = await begin(running, person, ADA, initial_state=[encryption])
    plain = linked_room((await person.wait_for(secret.said))[0].html)
    row = await running.database.row("SELECT request_key FROM room WHERE room_id = %s", (plain,))
    assert row is not None
    alias = running.homeserver.namespace.alias(running.homeserver.namespace.direct_alias_localpart(row["request_key"]))
    for name in (None, "admin"):
        async with harness.person(name) as other:
            assert await other.resolve(alias) == plain
            for room in (plain, secret.room_id):
                with pytest.raises(HomeserverRefused):
                    await other.join(room)


async def test_an_agent_that_is_renamed_or_gone(running: Running, person: Person, upstream: ScriptedUpstream) -> None:
    chat = await direct_chat(running, person, RESEARCH)
    model = next(each for each in upstream.models if each["name"] == RESEARCH)
    model["name"] = "Librarian"
    await running.bridge.discovery.sync()
    await person.wait_for(lambda: "Librarian" in chat.room.displayname(chat.ghost))
    upstream.models.remove(model)
    await running.database.execute("UPDATE agent SET state = 'gone' WHERE ghost = %s", (chat.ghost[1:].split(":")[0],))
    first = await chat.say("are you there?")
    second = await chat.say("and now?")
    await chat.settled()
    await person.wait_for(lambda: all("⚠️" in chat.room.reactions_to(each) for each in (first, second)))
    assert len(chat.said()) == 1


async def test_an_invitation_from_a_homeserver_that_is_out_of_reach_ends(running: Running, person: Person) -> None:
    """The events of remote people are sent as the homeserver delivers them."""
    ghost = await ghost_of(running, ADA)
    sender = TransactionSender(running.bridge.config)
    for number, is_direct in enumerate((True, "yes", {"a": 1}, None)):
        invitation = {
            "event_id": f"$far{number}",
            "room_id": f"!far{number}:elsewhere.example",
            "type": "m.room.member",
            "state_key": ghost,
            "sender": "@eve:elsewhere.example",
            "origin_server_ts": 1_700_000_000_000,
            "content": {"membership": "invite", "is_direct": is_direct, "reason": "x" * 60_000},
        }
        assert await sender.send(f"far-{number}", invitation) == 200
    chat = await direct_chat(running, person, ADA)
    await chat.say("hello")
    assert await chat.answers(1) == ["Echo: hello"]

    async def closed() -> bool:
        rows = await running.database.rows("SELECT state FROM turn WHERE event_id LIKE '$far%%'")
        return len(rows) == 4 and all(row["state"] in {"done", "failed"} for row in rows)

    await eventually(closed, "the invitations are answered")
    assert not await running.database.rows("SELECT 1 FROM room WHERE room_id LIKE '!far%%'")


async def test_the_homeserver_of_another_person_is_tried_for_an_hour(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("near") as upstream, Proxy(harness.synapse.url) as proxy:
        failure = {"errcode": "M_UNKNOWN", "error": "no server in the room responds"}
        proxy.refuses = lambda _number, _method, path: (
            web.json_response(failure, status=502) if ":elsewhere.example/" in path else None
        )
        there = {"address": proxy.url, "domain": "test.local"}
        config = harness.config(database_url, [{"name": "u", "url": upstream.url}], homeserver=there)
        async with harness.bridge(config) as running:
            ghost = await ghost_of(running, upstream.names[0])
            sender = TransactionSender(config)
            for name, minutes in (("new", 10), ("old", 70)):
                invitation = {
                    "event_id": f"${name}",
                    "room_id": f"!{name}:elsewhere.example",
                    "type": "m.room.member",
                    "state_key": ghost,
                    "sender": f"@{name}:elsewhere.example",
                    "origin_server_ts": int((time.time() - minutes * 60) * 1000),
                    "content": {"membership": "invite", "is_direct": True},
                }
                assert await sender.send(name, invitation) == 200

            async def tried() -> dict[str, str] | None:
                rows = await running.database.rows("SELECT event_id, state FROM turn WHERE attempts > 0")
                states = {row["event_id"]: row["state"] for row in rows}
                return states if states.get("$old") == "done" and states.get("$new") == "queued" else None

            await eventually(tried, "the old invitation is closed, and the new one waits")

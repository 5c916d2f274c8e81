"""Earlier messages of an agent's server are shown in rooms, with their authors and times."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.core.ids import IMPORTED
from support.conditions import eventually
from support.harness import Conversation, new_harness
from support.imports import BEGAN, events_of, imported, letta_of, remember, said
from support.scripted_app_server import ScriptedAppServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.harness import BridgeHarness
    from support.letta_server import LettaServer

YOU = "@agent_=imported:test.local"
HOSTILE = (
    "<img src=x onerror=alert(1)> @room @admin:test.local [x](javascript:alert(1))",
    "\u0000\u202e !ab retire Dora",
    "- " * 3_000,
    "```\nunclosed " + "x" * 20_000,
    "😀" * 500,
)


@pytest.fixture(scope="module")
async def noisy() -> AsyncIterator[BridgeHarness]:
    """A homeserver that notifies people, which the tests of this file share."""
    async with new_harness(notifies=True) as running:
        yield running


async def commanded(talk: Conversation, line: str) -> str:
    """Give a command, and return its answer once it shows a result."""
    before = len(said(talk))
    await talk.say(f"!ab {line}")
    return (await talk.person.wait_for(lambda: [each for each in said(talk)[before:] if "…" not in each]))[-1]


async def notified(talk: Conversation) -> int:
    """Return the number of events of the bridge that notified the person."""
    answer = await talk.person.ask("GET", "/notifications", query={"limit": "500"})
    events = [entry["event"] for entry in answer["notifications"] if entry["room_id"] == talk.room_id]
    return sum(IMPORTED in each["content"] for each in events)


async def test_a_command_shows_earlier_messages(noisy: BridgeHarness, database_url: str) -> None:
    async with ScriptedAppServer("Dora") as server, noisy.person("admin") as admin:
        remember(server, 30)
        async with noisy.bridge(noisy.config(database_url, letta_of(server))) as running:
            talk = await running.join(admin, server.names[0])
            assert await commanded(talk, "import 20") == "Imported 20 messages."
            found = await imported(admin, talk.room_id)
            # The newest ten questions with their answers, with their authors and times, oldest first.
            assert [each["content"]["body"] for each in found] == [
                f"{kind} {number}" for number in range(20, 30) for kind in ("question", "answer")
            ]
            assert [each["sender"] for each in found] == [YOU, talk.ghost] * 10
            minutes = [number for number in range(20, 30) for _ in range(2)]
            times = [int((BEGAN + timedelta(minutes=each)).timestamp() * 1000) for each in minutes]
            assert [each["origin_server_ts"] for each in found] == times
            assert {each["content"]["msgtype"] for each in found} == {"m.notice"}
            assert await notified(talk) == 0
            member = next(
                each
                for each in await events_of(admin, talk.room_id)
                if each.get("state_key") == YOU and each["content"]["membership"] == "join"
            )
            assert member["content"]["displayname"] == "You (imported)"
            assert member["content"]["avatar_url"].startswith("mxc://")

            # Only what is missing comes at the next import.
            assert await commanded(talk, "import 20") == "Imported 0 messages. Here already: 20."
            remember(server, 1, start=30)
            server.remember("default", "question of 9999", "answer of 9999", date="9999-12-31T23:59:59+00:00")
            assert await commanded(talk, "import all") == "Imported 44 messages. Here already: 20."
            assert await commanded(talk, "import all") == "Imported 0 messages. Here already: 64."
            found = await imported(admin, talk.room_id)
            assert len({each["content"]["body"] for each in found}) == len(found) == 64
            # A time that is yet to come would keep the room at the top of the lists of clients.
            assert max(each["origin_server_ts"] for each in found) <= time.time() * 1000

            # The user of the import is gone, and no agent was asked.
            assert YOU not in await running.homeserver.members(talk.room_id)
            assert server.asked == []
            assert await running.database.rows("SELECT 1 FROM turn WHERE kind = 'message'") == []
            # The conversation goes on, and the agent gets nothing of it.
            await talk.say("hello")
            await admin.wait_for(lambda: [each for each in talk.answers if each.body == "Echo: hello"])
            assert [each["messages"][-1]["content"] for each in server.asked] == ["hello"]


@pytest.mark.long
async def test_messages_of_the_bridge_are_skipped(noisy: BridgeHarness, database_url: str) -> None:
    """A chat and another client use the same conversation."""
    async with (
        ScriptedAppServer("Dora") as server,
        noisy.person("admin") as admin,
        noisy.bridge(noisy.config(database_url, letta_of(server))) as running,
    ):
        talk = await running.join(admin, server.names[0])
        before = {*admin.invites}
        await talk.say(f"!ab new @{server.names[0]} Trip to Oslo")
        (room_id,) = await admin.wait_for(
            lambda: [each for each, room in admin.invites.items() if room.name == "Trip to Oslo" and each not in before]
        )
        await admin.join(room_id)
        await admin.wait_for(lambda: room_id in admin.rooms)
        chat = type(talk)(running, admin, room_id, talk.ghost)
        refused = f"The conversation with {server.names[0]} here has no earlier messages."
        assert await commanded(chat, "import") == refused
        await chat.say("one")
        await chat.wait_for_answers(1)
        (conversation,) = [each for each in server.talks if each != "default"]
        remember(server, 2, conversation)
        await chat.say("two")
        await chat.wait_for_answers(2)
        remember(server, 1, conversation, start=2)
        assert await commanded(chat, "import 5") == "Imported 5 messages."
        bodies = [each["content"]["body"] for each in await imported(admin, room_id)]
        assert bodies == ["answer 0", "question 1", "answer 1", "question 2", "answer 2"]
        assert await commanded(chat, "import all") == "Imported 1 message. Here already: 5."


@pytest.mark.long
async def test_hostile_texts_are_shown_as_texts(noisy: BridgeHarness, database_url: str) -> None:
    async with ScriptedAppServer("Dora") as server, noisy.person("admin") as admin:
        for number, text in enumerate(HOSTILE):
            server.remember("default", text, text, date=(BEGAN + timedelta(minutes=number)).isoformat())
        async with noisy.bridge(noisy.config(database_url, letta_of(server))) as running:
            talk = await running.join(admin, server.names[0])
            assert await commanded(talk, "import") == "Imported 10 messages."
            found = await imported(admin, talk.room_id)
            assert {each["sender"] for each in found} == {YOU, talk.ghost}
            shown = json.dumps([each["content"] for each in found])
            assert "<img" not in "".join(each["content"].get("formatted_body", "") for each in found)
            assert "javascript:" not in "".join(each["content"].get("formatted_body", "") for each in found)
            assert "\\u202e" not in shown
            assert "\\u0000" not in shown
            assert all(each["content"]["m.mentions"] == {} for each in found)
            assert sum(each["content"]["body"].count("x" * 100) > 0 for each in found) >= 4
            assert await notified(talk) == 0
            assert await commanded(talk, "import") == "Imported 0 messages. Here already: 10."

            # Times of the future are present ones, and messages with one name are one.
            server.remember("default", "from the future", "late", date="9999-12-31T23:59:59-12:00")
            for _ in range(2):
                server.remember("default", "again", "and again", id="same")
            assert await commanded(talk, "import") == "Imported 4 messages. Here already: 10."
            found = (await imported(admin, talk.room_id))[-4:]
            assert [each["content"]["body"] for each in found] == ["from the future", "late", "again", "and again"]
            assert all(each["origin_server_ts"] <= time.time() * 1000 for each in found)


async def test_refusals(noisy: BridgeHarness, database_url: str) -> None:
    async with (
        ScriptedAppServer("Dora") as server,
        noisy.person("admin") as admin,
        noisy.person() as bob,
        noisy.bridge(noisy.config(database_url, letta_of(server))) as running,
    ):
        talk = await running.join(admin, server.names[0])
        usage = "Usage: !ab import [count|all]."
        assert await commanded(talk, "import 0") == f"The word 0 is unknown here. {usage}"
        assert (await commanded(talk, "import 10001")).startswith("[count|all] is at most 10000.")
        assert await commanded(talk, "import many") == f"The word many is unknown here. {usage}"
        # The agent has no main conversation: the server tells nothing.
        answer = await commanded(talk, "import")
        assert answer.startswith("Imported 0 messages. The import ended early: ")
        other = await running.join(bob, server.names[0])
        assert "moderators" in await commanded(other, "import")


@pytest.mark.long
async def test_a_new_room_has_them_before_people_are_invited(noisy: BridgeHarness, database_url: str) -> None:
    async with ScriptedAppServer("Dora", "Egon") as server, noisy.person("admin") as admin:
        remember(server, 40)
        rooms = {"invite": [admin.user_id], "introduce": True}
        config = noisy.config(database_url, letta_of(server, import_history=60), rooms=rooms)
        async with noisy.bridge(config) as running:
            room_id = (await running.contact(server.names[0])).home.room_id or ""
            await admin.wait_for(lambda: room_id in admin.invites)
            await admin.join(room_id)
            await admin.wait_for(lambda: room_id in admin.rooms)
            events = await events_of(admin, room_id)
            found = [each for each in events if IMPORTED in each["content"]]
            assert [each["content"]["body"] for each in found] == [
                f"{kind} {number}" for number in range(10, 40) for kind in ("question", "answer")
            ]
            assert {each["content"]["msgtype"] for each in found} == {"m.text"}
            # They come before the introduction and the invitation, and nobody is notified.
            order = [each["event_id"] for each in events]
            (invited,) = [
                each["event_id"]
                for each in events
                if each.get("state_key") == admin.user_id and each["content"]["membership"] == "invite"
            ]
            (hello,) = [each["event_id"] for each in events if each["content"].get("msgtype") == "m.notice"]
            assert order.index(found[-1]["event_id"]) < order.index(hello) < order.index(invited)
            talk = Conversation(running, admin, room_id, found[-1]["sender"])
            assert await notified(talk) == 0
            # The server does not tell the messages of the other agent, whose room is opened all the same.
            other = (await running.contact(server.names[1])).home.room_id or ""
            await admin.wait_for(lambda: other in admin.invites)
            # A room that exists gets nothing of its own accord.
            remember(server, 1, start=40)
            assert await commanded(talk, "import 62") == "Imported 2 messages. Here already: 60."
            assert len(await running.database.rows("SELECT 1 FROM operation")) == 3


@pytest.mark.long
async def test_a_new_room_is_no_part_of_the_space_before(noisy: BridgeHarness, database_url: str) -> None:
    """Members of the Space can enter: it lists the room afterwards."""
    async with ScriptedAppServer("Dora") as server, noisy.person("admin") as admin:
        remember(server, 3)
        server.silent.add("conversation_messages_list")
        rooms = {"join_rule": "restricted", "invite": [admin.user_id]}
        config = noisy.config(database_url, letta_of(server, import_history="all"), rooms=rooms, space={})
        async with noisy.bridge(config) as running:

            async def listed() -> list[str]:
                rows = await running.database.rows("SELECT space FROM room WHERE kind = 'home' AND space IS NOT NULL")
                return [row["space"] for row in rows]

            async def asked() -> bool:
                return any(each["type"] == "conversation_messages_list" for each in server.commands)

            await eventually(asked, "the history is read")
            agent = (await running.agents.all())[0].agent.id
            await running.bridge.provisioner._reconciler.reconcile(agent)
            assert await listed() == []
            server.silent.clear()
            server.cut()
            (space,) = await eventually(listed, "the Space lists the room")
            await admin.join(space)
            room_id = (await running.contact(server.names[0])).home.room_id or ""
            await admin.join(room_id)
            await admin.wait_for(lambda: room_id in admin.rooms)
            assert len(await imported(admin, room_id)) == 6


async def test_the_real_server(noisy: BridgeHarness, database_url: str, letta: LettaServer) -> None:
    async with noisy.person("admin") as admin:
        dora = await letta.create_agent("Dora")
        await letta.say(dora, "default", "hello")
        await letta.say(dora, "default", "and now?")
        there = [{"name": "letta", "kind": "letta", "url": letta.root}]
        async with noisy.bridge(noisy.config(database_url, there)) as running:
            talk = await running.join(admin, "Dora")
            began = time.time() * 1000
            assert await commanded(talk, "import all") == "Imported 4 messages."
            found = await imported(admin, talk.room_id)
            assert [(each["sender"], each["content"]["body"]) for each in found] == [
                (YOU, "hello"),
                (talk.ghost, "Echo: hello"),
                (YOU, "and now?"),
                (talk.ghost, "Echo: and now?"),
            ]
            times = [each["origin_server_ts"] for each in found]
            assert times == sorted(times)
            assert began - 600_000 < times[0] < times[-1] < began
            # The room has a conversation of its own, which is not the main one.
            await talk.say("who am I?")
            await admin.wait_for(lambda: talk.answers[-1].body == "Echo: who am I?")
            assert await commanded(talk, "import") == "Imported 0 messages. Here already: 4."
            twin = await letta.create_agent("Egon")
            assert twin
            other = await running.join(admin, "Egon")
            assert await commanded(other, "import") == "There are no earlier messages to import."


@pytest.mark.long
async def test_a_thousand_messages(noisy: BridgeHarness, database_url: str) -> None:
    """A conversation goes on meanwhile, and the progress is shown."""
    async with ScriptedAppServer("Dora", "Egon") as server, noisy.person("admin") as admin:
        remember(server, 500)
        async with noisy.bridge(noisy.config(database_url, letta_of(server))) as running:
            talk, other = [await running.join(admin, each) for each in server.names]
            await talk.say("!ab import all")
            for number in range(10):
                await other.say(f"hello {number}")
                await other.wait_for_answers(number + 1, 5)
            await admin.wait_for(lambda: "Imported 1000 messages." in said(talk))
            progress = [each["body"] for each in versions(talk) if "of 1000 messages" in each["body"]]
            assert progress
            found = await imported(admin, talk.room_id)
            assert [each["content"]["body"] for each in found] == [
                f"{kind} {number}" for number in range(500) for kind in ("question", "answer")
            ]
            assert await notified(talk) == 0


def versions(talk: Conversation) -> list[dict[str, Any]]:
    """Return the contents of all versions of the messages of bot and agent."""
    return [version for each in (*talk.answers, *talk.from_bot) for version in each.versions]


@pytest.mark.long
async def test_a_thread_has_a_conversation_of_its_own(noisy: BridgeHarness, database_url: str) -> None:
    async with (
        ScriptedAppServer("Dora") as server,
        noisy.person("admin") as admin,
        noisy.bridge(noisy.config(database_url, letta_of(server))) as running,
    ):
        remember(server, 3)
        talk = await running.join(admin, server.names[0])
        root = await talk.say("a root")
        await talk.wait_for_answers(1)
        await admin.reply(talk.room_id, root, "in a thread", thread=root)
        await talk.wait_for_answers(2)
        remember(server, 1, [*server.talks][-1], start=7)
        await admin.reply(talk.room_id, root, "!ab import", thread=root)
        await admin.wait_for(lambda: "Imported 2 messages." in said(talk))
        found = await imported(admin, talk.room_id)
        assert [each["content"]["body"] for each in found] == ["question 7", "answer 7"]
        assert {each["content"]["m.relates_to"]["event_id"] for each in found} == {root}


@pytest.mark.long
async def test_limits_of_the_homeserver_are_waited_out(database_url: str) -> None:
    """Each user sends ten messages at once, and one in five seconds."""
    async with (
        new_harness(limited=True) as limited,
        ScriptedAppServer("Dora") as server,
        limited.person("admin") as admin,
    ):
        remember(server, 12)
        async with limited.bridge(limited.config(database_url, letta_of(server))) as running:
            talk = await running.join(admin, server.names[0])
            await talk.say("!ab import")
            await admin.wait_for(lambda: "Imported 24 messages." in said(talk), 60)
            # A wait does not begin the work again.
            assert [each["type"] for each in server.commands].count("conversation_messages_list") < 5
            bodies = [each["content"]["body"] for each in await imported(admin, talk.room_id)]
            assert bodies == [f"{kind} {number}" for number in range(12) for kind in ("question", "answer")]

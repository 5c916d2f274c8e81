"""The command ``export``: a file with the conversation of a room, in both formats."""

from __future__ import annotations

import asyncio
import json
import re
import time
from itertools import dropwhile
from typing import TYPE_CHECKING, Any

import pytest

from support.bot_rooms import bot_chat, named_upstream
from support.chat_rooms import new_chat
from support.direct_chats import begin
from support.groups import group
from support.scripted_upstream import ScriptedUpstream, says

if TYPE_CHECKING:
    from support.harness import BridgeHarness, Conversation
    from support.person import Person
    from support.shared_bridge import SharedBridge

HOSTILE = (
    "<script>alert(1)</script>\n\n**Bob** (`@bob:x`), 2026-01-01T00:00:00Z\n\n> quoted\n```\n# no end",
    "\u202egnp.exe \u2067 שלום 😀\r\nsecond\rthird",
    '{"json": "\\\\"}, ],\u0001 \u2028 end',
)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


async def exported(talk: Conversation, form: str) -> tuple[dict[str, Any], bytes]:
    """Give the command in the room, and return the content of the event with the file, and the file."""
    return await file_of(talk.person, talk.room_id, f"!ab export {form}".strip())


async def file_of(person: Person, room_id: str, line: str) -> tuple[dict[str, Any], bytes]:
    """Send *line* to a room, and return the content of the event with the file, and the file."""
    sent = await person.say(room_id, line)
    # The person may not have seen the files of others before it yet.
    content = (await person.wait_for(lambda: files_in(person, room_id, behind=sent)))[0]
    return content, await person.download(content["url"])


def files_in(person: Person, room_id: str, behind: str | None = None) -> list[dict[str, Any]]:
    """Return the contents of the messages with files, of those *behind* a message or of all."""
    messages = [*person.room(room_id).messages.values()]
    if behind is not None:
        messages = [*dropwhile(lambda each: each.event_id != behind, messages)]
    return [each.content for each in messages if each.content.get("msgtype") == "m.file"]


async def test_both_formats_with_hostile_contents(shared: SharedBridge) -> None:
    async with ScriptedUpstream("ada") as upstream, shared.talk(upstream) as talk:
        for number, text in enumerate(HOSTILE, 1):
            upstream.scripts.append(says(f"answer {number}: {text}"))
            await talk.say(text)
            await talk.wait_for_answers(number)
        content, data = await exported(talk, "json")
        assert (content["info"]["mimetype"], content["info"]["size"]) == ("application/json", len(data))
        document = json.loads(data)
        agent = upstream.names[0]
        assert {key: document[key] for key in ("format", "version", "room_id", "thread", "agent")} == {
            "format": "agent-bridge-export",
            "version": 1,
            "room_id": talk.room_id,
            "thread": None,
            "agent": {"name": agent, "user_id": talk.ghost},
        }
        name = talk.person.user_id[1:].partition(":")[0]
        said = [(each["role"], each["author"], each["name"], each["text"]) for each in document["messages"]]
        wanted = []
        for number, text in enumerate(await stored(talk), 1):
            is_question = number % 2 == 1
            who = ("user", talk.person.user_id, name) if is_question else ("assistant", talk.ghost, agent)
            wanted.append((*who, text))
        assert said == wanted
        assert [each["text"] for each in document["messages"]][::2] == list(HOSTILE)
        assert all(_TIME.fullmatch(each["time"]) for each in document["messages"])
        content, data = await exported(talk, "")
        assert (content["info"]["mimetype"], content["msgtype"]) == ("text/markdown", "m.file")
        lines = data.decode().split("\n")
        # Every line of a message is a quotation, so no message imitates the head of another one.
        heads = [line for line in lines if line and not line.startswith(">")]
        assert heads[0] == f"# Conversation with {agent}"
        assert [line.partition("**")[2].partition("**")[0] for line in heads[2:]] == [name, agent] * 3
        assert "> <script>alert(1)</script>" in lines
        assert "\u202e" not in data.decode()
        assert "> second" in lines
        assert len([message for message in talk.from_bot if "6 messages" in message.body]) == 2


async def stored(talk: Conversation) -> list[str]:
    """Return the texts of the transcript of the room."""
    rows = await talk.running.database.rows(
        """
        SELECT m.content FROM message m JOIN conversation c ON c.id = m.conversation
        WHERE c.room_id = %s ORDER BY m.id
        """,
        (talk.room_id,),
    )
    return [row["content"] for row in rows]


@pytest.mark.long
async def test_a_long_conversation_blocks_nothing(shared: SharedBridge) -> None:
    async with ScriptedUpstream("ada") as upstream, shared.talk(upstream) as talk:
        await talk.say("one")
        await talk.wait_for_answers(1)
        await talk.running.database.execute(
            """
            INSERT INTO message (conversation, turn, role, content)
            SELECT m.conversation, m.turn, m.role, 'number ' || number || repeat(' 😀*<b>', 100)
            FROM generate_series(1, 10000) AS number, (
                SELECT m.* FROM message m JOIN conversation c ON c.id = m.conversation
                WHERE c.room_id = %s AND m.role = 'user') AS m
            ORDER BY number
            """,
            (talk.room_id,),
        )
        longest, over = 0.0, asyncio.Event()

        async def watch() -> None:
            nonlocal longest
            while not over.is_set():
                began = time.monotonic()
                await asyncio.sleep(0.005)
                longest = max(longest, time.monotonic() - began)

        watching = asyncio.create_task(watch())
        for form in ("json", "md"):
            _, data = await exported(talk, form)
            assert data.count(b"number ") == 10_000
        over.set()
        await watching
        assert longest < 0.5, f"the event loop stood still for {longest:.2f} s"


async def test_who_gets_which_messages(harness: BridgeHarness, database_url: str) -> None:
    async with named_upstream("Ada") as upstream, harness.person("admin") as ann, harness.person() as bob:
        config = harness.config(database_url, [{"name": "scripted", "url": upstream.url}])
        async with harness.bridge(config) as running, harness.person("stranger") as stranger:
            chat = await new_chat(await bot_chat(running, ann), "new @Ada Oslo")
            await chat.say("a secret")
            await chat.answers_of("Ada", 1)
            await chat.ask("!ab save secrets")
            _, data = await file_of(ann, chat.room_id, "!ab export json")
            assert texts(data) == ["a secret", "Echo: a secret"]
            direct = await begin(running, ann, "Ada")
            await direct.say("direct")
            await direct.answers(1)
            _, data = await file_of(ann, direct.room_id, "!ab export json")
            assert texts(data) == ["direct", "Echo: direct"]
            # A copy that the other has loaded from a chat stays with its person.
            talk = await running.join(ann, "Ada")
            await running.join(bob, "Ada")
            assert "goes on with secrets" in await talk.command("load secrets")
            await talk.say("shared")
            await ann.wait_for(lambda: "Echo: shared" in [message.body for message in talk.answers])
            await talk.wait_until_idle()
            _, data = await file_of(ann, talk.room_id, "!ab export json")
            assert texts(data) == ["a secret", "Echo: a secret", "shared", "Echo: shared"]
            _, data = await file_of(bob, talk.room_id, "!ab export json")
            assert texts(data) == ["shared", "Echo: shared"]
            # A person without a role gets nothing.
            await running.homeserver.invite(talk.room_id, stranger.user_id)
            await stranger.join(talk.room_id)
            files = len(files_in(ann, talk.room_id))
            before = len(talk.from_bot)
            await stranger.say(talk.room_id, "!ab export")
            await ann.wait_for(lambda: "not permitted" in "".join(each.body for each in talk.from_bot[before:]))
            await talk.wait_until_idle()
            assert len(files_in(ann, talk.room_id)) == files
            await talk.command("reset")
            assert "no conversation" in await talk.command("export")


@pytest.mark.parametrize("visibility", ["joined", pytest.param("shared", marks=pytest.mark.long)])
async def test_the_history_that_a_person_may_see(harness: BridgeHarness, database_url: str, visibility: str) -> None:
    async with named_upstream("Ada") as upstream, harness.person() as ann, harness.person() as bob:
        config = harness.config(database_url, [{"name": "scripted", "url": upstream.url}])
        async with harness.bridge(config) as running:
            state = {"type": "m.room.history_visibility", "content": {"history_visibility": visibility}}
            together = await group(running, ann, "Ada", initial_state=[state])
            await together.tell("before", "Ada")
            await together.see("Ada", "Echo: before")
            await ann.invite(together.room_id, bob.user_id)
            await bob.join(together.room_id)
            await together.synced(people=2)
            # Times have seconds.
            await together.tell("after", "Ada", person=bob)
            await ann.wait_for(lambda: len(together.said_by("Ada")) == 2)
            await together.settled()
            _, data = await file_of(bob, together.room_id, "!ab export json")
            assert ("before" in str(texts(data))) == (visibility == "shared")
            assert "after" in str(texts(data))


@pytest.mark.long
async def test_a_file_that_is_too_large(harness: BridgeHarness, database_url: str) -> None:
    """The homeserver of the tests takes 50 MB."""
    async with named_upstream("Ada") as upstream, harness.person() as ann:
        config = harness.config(database_url, [{"name": "scripted", "url": upstream.url}])
        async with harness.bridge(config) as running:
            talk = await running.join(ann, "Ada")
            await talk.say("one")
            await talk.wait_for_answers(1)
            await running.database.execute("UPDATE message SET content = repeat('x', 60000000) WHERE role = 'user'")
            assert "does not fit a file of" in await talk.command("export")
            assert not files_in(ann, talk.room_id)


def texts(data: bytes) -> list[str]:
    return [message["text"] for message in json.loads(data)["messages"]]

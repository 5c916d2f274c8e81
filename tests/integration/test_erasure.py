"""The erasure of a person's data: afterwards the database has no word of the person, and all of the others."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.cli.erase import ExitCode, erase, exit_code
from agent_bridge.config.source import ConfigSource
from agent_bridge.core.admin import AdminAction
from agent_bridge.core.notifications import Notification, NotificationKind
from agent_bridge.store.admin_sessions import AdminSessions
from agent_bridge.store.notifications import Notifications
from agent_bridge.store.postgres.database import Database
from support.api_client import program_of
from support.bot_rooms import bot_chat, named_upstream
from support.chat_rooms import new_chat
from support.conditions import eventually
from support.database_text import found_in
from support.direct_chats import begin
from support.groups import group
from support.process import run_command, write_config
from support.scripted_app_server import ScriptedAppServer
from support.scripted_letta_v1 import ScriptedLettaV1
from support.scripted_upstream import waits_for

if TYPE_CHECKING:
    from typing import LiteralString

    from agent_bridge.config.model import Config
    from agent_bridge.core.results.erasure import ErasureReport
    from support.harness import BridgeHarness, Running
    from support.person import Person
    from support.scripted_upstream import ScriptedUpstream

#: Columns with facts about rooms, and the operation itself.
ALLOWED = {"room.invited", "kv.value", "operation.params", "operation.requested_by", "operation.cursor"}


def configured(harness: BridgeHarness, database_url: str, upstream: ScriptedUpstream) -> Config:
    return harness.config(
        database_url, [{"name": "scripted", "url": upstream.url}], space={"per_user": True}, logging={"format": "json"}
    )


async def erased(config: Config, user: str, **options: Any) -> ErasureReport:
    """Have the data of *user* erased, by the bridge that runs, or without one."""
    values: dict[str, Any] = {"dry": False, "ask": None, "say": lambda _: None, "show": lambda *_: None}
    report = await erase(config, ConfigSource(Path("config.yaml")), user, **(values | options))
    assert report is not None
    return report


class Words:
    """Makes words that are found again."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.all: list[str] = []

    def new(self) -> str:
        """Return a new word."""
        self.all.append(f"{self._name}word{len(self.all)}x")
        return self.all[-1]


async def plant(running: Running, person: Person, other: Person, words: Words) -> None:
    """Have *person* use everything that stores words."""
    desk = await bot_chat(running, person)
    chat = await new_chat(desk, f"new @Ada {words.new()}")
    await chat.say(words.new())
    await chat.answers_of("Ada", 1)
    await chat.ask(f"!ab save {words.new()}")
    await chat.ask(f"!ab instructions Say {words.new()}")
    untitled = await new_chat(desk, "new @Bea")
    await untitled.say(words.new())
    await untitled.answers_of("Bea", 1)
    direct = await begin(running, person, "Ada")
    await direct.say(words.new())
    await direct.answers(1)
    talk = await running.join(person, "Ada")
    question = await talk.say(words.new())
    await talk.wait_for_answers(1)
    await person.edit(talk.room_id, question, words.new())
    await eventually(lambda: _has(talk.running, "turn", words.all[-1]), "the edit is taken")
    await talk.wait_until_idle()
    await talk.command(f"save {words.new()}")
    url = await person.upload(words.new().encode(), "text/plain", "x.txt")
    file = {"msgtype": "m.file", "body": f"{words.new()}.txt", "url": url, "info": {"mimetype": "text/plain"}}
    await person.send(talk.room_id, "m.room.message", file)
    await talk.say("what is in it?")
    await talk.wait_for_answers(2)
    await desk.ask(f"nonsense {words.new()}")
    await desk.ask("agent Bea")
    together = await group(running, person, "Ada", "Bea", others=(other.user_id,))
    await other.join(together.room_id)
    await together.synced(people=2)
    # Bea hears this, and the answer to it.
    await together.tell(words.new(), "Ada")
    await person.wait_for(lambda: together.said_by("Ada"))
    await together.settled()
    before = len(together.said_by("Ada"))
    await person.say(together.room_id, f"!ab instructions Mention {words.new()}")
    await chat.ask(f"!ab trigger new {words.new()}")
    await chat.ask(f"!ab schedule in 2 days {words.new()}")
    # As those of a moderator.
    for table in ("trigger", "schedule"):
        await running.database.execute(
            f"UPDATE {table} SET room = (SELECT id FROM room WHERE room_id = %s) WHERE owner = %s",  # noqa: S608
            (talk.room_id, person.user_id),
        )
    await program_of(running, person.user_id, name=f"program of {person.user_id}")
    await talk.command("task new Write")
    await _use_admin_page(running, person, words)
    async with running.database.transaction() as connection:
        for user, by in ((person, other), (other, person)):
            news = Notification(user.user_id, NotificationKind.TASK_ASSIGNED, None, {"by": by.user_id})
            await Notifications(running.database).add(connection, news)
    await person.wait_for(lambda: len(together.said_by("Ada")) > before)
    await person.say(together.room_id, f"{words.new()}, @nobody")
    await together.tell("and you?", "Bea", person=other)
    await person.wait_for(lambda: together.said_by("Bea"))
    await together.settled()


async def _use_admin_page(running: Running, person: Person, words: Words) -> None:
    sessions = AdminSessions(running.database)
    async with running.database.transaction() as connection:
        await sessions.add_link(connection, person.user_id, words.new(), "nonce")
        await sessions.begin(connection, person.user_id, words.new(), 3600)
        await sessions.note(connection, person.user_id, AdminAction.RETRY, words.new())


async def _has(running: Running, table: str, word: str) -> bool:
    return any(place.startswith(table) for place in (await found_in(running.database, [word])).get(word, ()))


async def rows_of_others(running: Running, user: str) -> dict[str, Any]:
    """Return the rows of people other than *user* that an erasure must not change."""
    queries: dict[str, LiteralString] = {
        "turns": "SELECT id, payload, answer FROM turn WHERE sender <> %(user)s AND asked_by IS NULL ORDER BY id",
        "saved": "SELECT id, name FROM context WHERE owner <> %(user)s ORDER BY id",
        "usage": "SELECT key, user_id FROM usage WHERE user_id <> %(user)s ORDER BY key",
        "tokens": "SELECT id, name FROM token WHERE person <> %(user)s ORDER BY id",
        "rooms": "SELECT id, person, name FROM room WHERE person <> %(user)s ORDER BY id",
        # Not those that the person has saved.
        "said": """
            SELECT m.id, m.content FROM message m JOIN turn t ON t.id = m.turn LEFT JOIN context x ON x.id = m.context
            WHERE t.sender <> %(user)s AND x.owner IS DISTINCT FROM %(user)s ORDER BY m.id
        """,
    }
    return {name: await running.database.rows(query, {"user": user}) for name, query in queries.items()}


@pytest.mark.long
async def test_no_word_of_the_person_is_left(harness: BridgeHarness, database_url: str) -> None:
    async with named_upstream("Ada", "Bea") as upstream, harness.person() as ann, harness.person() as bob:
        config = configured(harness, database_url, upstream)
        async with harness.bridge(config) as running:
            mine, theirs = Words("ann"), Words("bob")
            await plant(running, bob, ann, theirs)
            await plant(running, ann, bob, mine)
            columns = "(event_id, room_id, sender, session_id, event)"
            sealed = f"INSERT INTO sealed_event {columns} VALUES ('$a', '!a', %s, '', '')"  # noqa: S608  # of the test
            await running.database.execute(sealed, (ann.user_id,))
            found = await found_in(running.database, [*mine.all, ann.user_id])
            assert {*found} >= {*mine.all} - {mine.all[-9]}, found
            before = await rows_of_others(running, ann.user_id)
            planned = await erased(config, ann.user_id, dry=True)
            assert (planned.counts["chats"], planned.counts["direct_chats"], planned.counts["saved"]) == (2, 1, 2)
            assert exit_code(planned) == ExitCode.DONE
            assert await rows_of_others(running, ann.user_id) == before
            report = await erased(config, ann.user_id)
            assert exit_code(report) == ExitCode.DONE, report
            # The members of rooms that are deleted become entries, too.
            assert {**report.counts, "feed": 0} == {**planned.counts, "feed": 0}
            assert {kind for kind, number in report.counts.items() if not number} == {"dead_letters"}
            assert await found_in(running.database, [*mine.all, ann.user_id], ALLOWED) == {}
            assert await rows_of_others(running, ann.user_id) == before
            again = await erased(config, ann.user_id)
            assert not any(again.counts.values())
            # Later messages are taken as usual, and agents hear nothing of the old ones.
            talk = await running.join(ann, "Ada")
            await talk.say("it is me again")
            await ann.wait_for(lambda: "Echo: it is me again" in [message.body for message in talk.answers])
            asked = json.dumps(upstream.asked[-1])
            assert "it is me again" in asked
            assert not [word for word in mine.all if word in asked]


@pytest.mark.long
async def test_without_a_running_bridge_and_with_an_answer_under_way(harness: BridgeHarness, database_url: str) -> None:
    async with named_upstream("Ada") as upstream, harness.person() as ann:
        config = configured(harness, database_url, upstream)
        words = Words("ann")
        async with harness.bridge(config) as running:
            talk = await running.join(ann, "Ada")
            upstream.scripts.append(waits_for(asyncio.Event(), "never complete"))
            await talk.say(words.new())
            await talk.say(words.new())
            await ann.wait_for(lambda: talk.answers)
        async with Database(config.database.url) as database:
            assert await found_in(database, words.all)
            report = await erased(config, ann.user_id)
            assert exit_code(report) == ExitCode.DONE
            assert await found_in(database, [*words.all, ann.user_id], ALLOWED) == {}
        async with harness.bridge(config) as running:
            talk = replace(talk, running=running)
            await talk.say("and now?")
            await ann.wait_for(lambda: "Echo: and now?" in [message.body for message in talk.answers])
            # A backfill takes none of the erased messages again.
            assert [asked["messages"] for asked in upstream.asked[1:]] == [[{"role": "user", "content": "and now?"}]]


@pytest.mark.long
async def test_the_person_writes_meanwhile_and_two_erase_at_once(harness: BridgeHarness, database_url: str) -> None:
    async with named_upstream("Ada") as upstream, harness.person() as ann:
        config = configured(harness, database_url, upstream)
        async with harness.bridge(config) as running:
            talk = await running.join(ann, "Ada")
            upstream.scripts.append(waits_for(asyncio.Event(), "never complete"))
            first = await talk.say("the first")
            await ann.wait_for(lambda: talk.answers)
            over = asyncio.Event()

            async def write() -> list[str]:
                said: list[str] = []
                while not over.is_set():
                    said.append(await talk.say(f"number {len(said)}"))
                return said

            writing = asyncio.create_task(write())
            try:
                for report in await asyncio.gather(erased(config, ann.user_id), erased(config, ann.user_id)):
                    assert exit_code(report) == ExitCode.DONE
            finally:
                over.set()
                said = await writing
            last = await talk.say("the last")
            await ann.wait_for(lambda: "Echo: the last" in [message.body for message in talk.answers])
            await talk.wait_until_idle()
            known = await running.database.rows("SELECT event_id FROM turn WHERE sender = %s", (ann.user_id,))
            ignored = await running.database.rows("SELECT event_id FROM ignored WHERE reason = 'erased'")
            taken, erased_events = ({row["event_id"] for row in rows} for rows in (known, ignored))
            # Each message is either erased or taken, the older ones erased.
            assert taken | erased_events == {first, *said, last}
            assert not taken & erased_events
            assert first in erased_events
            assert last in taken


@pytest.mark.parametrize(
    ("kind", "server_type"),
    [("letta", ScriptedAppServer), pytest.param("letta_v1", ScriptedLettaV1, marks=pytest.mark.long)],
)
async def test_the_conversations_that_an_upstream_keeps(
    harness: BridgeHarness, database_url: str, kind: str, server_type: type[ScriptedAppServer | ScriptedLettaV1]
) -> None:
    async with server_type("Ada") as server, harness.person() as ann:
        server.models[0] |= {"name": "Ada"}
        there = [{"name": "letta", "kind": kind, "url": server.url}]
        config = harness.config(database_url, there)
        async with harness.bridge(config) as running:
            talk = await running.join(ann, "Ada")
            await talk.say("shared")
            await talk.wait_for_answers(1)
            chat = await new_chat(await bot_chat(running, ann), "new @Ada Mine")
            await chat.say("alone")
            await chat.answers_of("Ada", 1)
            rows = await running.database.rows("SELECT session, ref FROM upstream_conversation")
            refs = {row["session"]: row["ref"] for row in rows}
            report = await erased(config, ann.user_id)
            kept = {each.conversation for each in report.kept}
            # The App Server puts conversations away, and deletes none.
            assert kept == {refs[talk.room_id], *([refs[chat.room_id]] if kind == "letta" else [])}
            assert exit_code(report) == ExitCode.INCOMPLETE
            left = {row["ref"] for row in await running.database.rows("SELECT ref FROM upstream_conversation")}
            assert refs[chat.room_id] not in left


@pytest.mark.long
async def test_the_command_line(harness: BridgeHarness, database_url: str, tmp_path: Path) -> None:
    async with named_upstream("Ada") as upstream, harness.person() as ann:
        config = configured(harness, database_url, upstream)
        file = str(write_config(tmp_path, config))
        async with harness.bridge(config) as running:
            talk = await running.join(ann, "Ada")
            await talk.say("a message")
            await talk.wait_for_answers(1)
            code, output = await run_command("erase", ann.user_id, "--dry-run", "--json", "--config", file)
            assert (code, json.loads(output)["counts"]["messages"]) == (0, 1)
            code, output = await run_command("erase", ann.user_id, "--config", file)
            assert code == ExitCode.REFUSED
            assert "1 message or command" in output
            assert await running.database.rows("SELECT 1 FROM turn WHERE sender = %s", (ann.user_id,))
            code, output = await run_command("erase", ann.user_id, "--yes", "--config", file)
            assert (code, "are erased: 1 message or command" in output) == (0, True), output
            assert not await running.database.rows("SELECT 1 FROM turn WHERE sender = %s", (ann.user_id,))
            # The operator types the user id.
            assert exit_code(await erased(config, ann.user_id, ask=lambda _: f"{ann.user_id} ")) == ExitCode.DONE
            for wrong in ("ann", running.homeserver.namespace.bot):
                assert (await run_command("erase", wrong, "--yes", "--config", file))[0] == 2


async def test_a_person_has_the_own_data_erased(harness: BridgeHarness, database_url: str) -> None:
    async with named_upstream("Ada") as upstream, harness.person() as ann, harness.person() as bob:
        config = configured(harness, database_url, upstream)
        async with harness.bridge(config) as running:
            words = Words("ann")
            desk = await bot_chat(running, ann)
            chat = await new_chat(desk, f"new @Ada {words.new()}")
            await chat.say(words.new())
            await chat.answers_of("Ada", 1)
            assert "in your chat with the bot" in (await chat.ask("!ab forget me")).body
            assert (await desk.ask("forget Oslo")).body.startswith("Please send this command in an agent")
            assert (await desk.ask("forget me")).body.startswith("Erase everything")
            # Others confirm nothing, and neither does the person in another room.
            theirs = await bot_chat(running, bob)
            for room in (theirs, await bot_chat(running, ann)):
                assert (await room.ask("yes")).body.startswith("There is nothing to confirm.")
            assert await found_in(running.database, words.all)
            before = len(desk.said())
            await desk.say("yes")
            await ann.wait_for(lambda: "are erased: 1 chat" in "".join(each.body for each in desk.said()[before:]))
            assert await found_in(running.database, words.all) == {}
            turns = await running.database.rows("SELECT payload FROM turn WHERE sender = %s", (ann.user_id,))
            assert [row["payload"]["body"] for row in turns] == ["yes"]
            assert (await desk.ask("forget me")).body.startswith("Your data were erased today.")
            assert len(desk.said()) == before + 2
            # The person goes on with a new chat in a new Space.
            fresh = await new_chat(desk, "new @Ada again")
            assert (await fresh.synced())["space"] is not None
            await fresh.say("hello")
            assert await fresh.answers_of("Ada", 1) == ["Echo: hello"]


@pytest.mark.long
async def test_agents_hear_nothing_again_of_what_was_erased(harness: BridgeHarness, database_url: str) -> None:
    async with named_upstream("Ada", "Bea") as upstream, harness.person() as ann, harness.person() as bob:
        config = configured(harness, database_url, upstream)
        async with harness.bridge(config) as running:
            words = Words("ann")
            together = await group(running, bob, "Ada", "Bea", others=(ann.user_id,))
            await ann.join(together.room_id)
            await together.synced(people=2)
            await ann.say(together.room_id, f"{words.new()}, @nobody")
            await together.tell("what did she say?", "Ada")
            await bob.wait_for(lambda: together.said_by("Ada"))
            await together.settled()
            assert await _has(running, "message", words.all[-1])
            # A program of an earlier version did not record the speaker: the homeserver knows it.
            await running.database.execute("UPDATE message SET said_by = NULL")
            letter = json.dumps({"sender": ann.user_id, "content": {"body": words.new()}})
            await running.database.execute(
                "INSERT INTO dead_letter (transaction_id, reason, body) VALUES ('t', 'r', %s)", (letter,)
            )
            # An answer is under way whose question has the words.
            gate = asyncio.Event()
            upstream.scripts.append(waits_for(gate, "I heard ", "it"))
            await together.tell("and you?", "Bea")
            await bob.wait_for(lambda: together.said_by("Bea"))
            assert words.all[0] in json.dumps(upstream.asked[-1])
            report = await erased(config, ann.user_id)
            assert (report.counts["heard"], report.counts["dead_letters"]) == (1, 1)
            gate.set()
            await together.see("Bea", "I heard it")
            assert await found_in(running.database, [*words.all, ann.user_id], ALLOWED) == {}
            # Bob's words are there: the answer to him is not forgotten.
            assert await _has(running, "message", "and you?")
            # An agent that has yet to read the room gets what was said since.
            await running.database.execute("UPDATE conversation SET caught_up = NULL")
            await ann.say(together.room_id, "something new, @nobody")
            await together.tell("once more?", "Bea")
            await bob.wait_for(lambda: len(together.said_by("Bea")) == 2)
            asked = json.dumps(upstream.asked[-1])
            assert "something new" in asked
            assert not [word for word in words.all if word in asked]

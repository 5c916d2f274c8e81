"""Rows of every kind, written by a bridge on a real Synapse: the database of a release, to test later upgrades with."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psycopg
from psycopg import sql

from agent_bridge.store.rollups import RollupStore
from support.admin_page import visitor
from support.api_client import program_of
from support.bot_rooms import bot_chat, named_upstream
from support.conditions import eventually
from support.encrypted_person import ALGORITHM, ENCRYPTION
from support.harness import DOMAIN
from support.scripted_upstream import Reasoning, says, waits_for

if TYPE_CHECKING:
    from support.bot_rooms import BotRoom
    from support.harness import BridgeHarness, Conversation, Running
    from support.person import Person
    from support.scripted_upstream import ScriptedUpstream

_SECTIONS: dict[str, Any] = {
    "permissions": {DOMAIN: "member", f"@boss:{DOMAIN}": "owner"},
    "rooms": {"lobby": True, "introduce": True},
    "agents": [{"id": "poet", "label": "Poet", "model": "ada", "upstream": "scripted", "system_prompt": "In verse."}],
    "quotas": [{"per": "user", "messages_per_minute": 600}],
    "prices": {"models": [{"match": "*", "input": 1, "output": 2}]},
    "admin": {"enabled": True},
    # Long enough that the message without a key still waits at the end.
    "encryption": {"allow": True, "wait": 300},
}
#: Commands in the chat with the bot.
_DESK = (
    "agents",
    "agent",
    "new @Ada A title",
    "server new Lab",
    "channel new Lab/results announcement",
    "role @guest:test.local moderator",
    "token new laptop",
    "trigger new @Ada deploy",
    'schedule "every day 9:00" Ada What is new?',
    'schedule "in 20 hours" Bea Water the plants',
    "pause 2",
    "notify on",
    "usage",
    "reachable on",
    "channel new activity log",
    "channel mirror activity on",
    "invite * @guest:test.local",
    "task new Read the figures",
)
#: Commands in the room of an agent.
_ROOM = (
    "instructions Answer briefly.",
    "save before the reset",
    "reset",
    "busy collect",
    "answer always",
    "task new Collect the figures",
    "task claim 1",
    "task progress 1 50% half of them",
    'vote new "Lunch?" pizza | pasta until 18:00',
    "vote for pizza",
    "thread new Ideas",
    "event research_complete {subtask: 1, confidence: 0.5}",
    "mute @guest:test.local 30 min",
)


async def play(harness: BridgeHarness, database_url: str) -> None:
    """Run a bridge on *database_url* that does a bit of everything, and ends while turns are open."""
    async with named_upstream("Ada", "Bea") as upstream, harness.person("boss") as boss, harness.person("guest"):
        upstream.usage = lambda _: {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        config = harness.config(
            database_url, [{"name": "scripted", "url": upstream.url, "reasoning": "collapsed"}], **_SECTIONS
        )
        async with harness.bridge(config) as running:
            talk = await running.join(boss, "Ada")
            await _conversation(talk, upstream)
            for command in _ROOM:
                await talk.command(command)
            desk = await bot_chat(running, boss)
            for command in _DESK:
                await desk.ask(command)
            await _programs(running, talk)
            await _administration(running, config.appservice.url, boss.user_id)
            # A link that nobody opens: the sign-in has used the other one.
            await desk.ask("admin")
            await _encrypted_message(running, boss)
            await desk.settled()
            await talk.wait_until_idle()
            await _open_turns(talk, upstream, desk)


def empty_tables(uri: str) -> set[str]:
    """Return the tables of the bridge without rows, but for those of processes that run."""
    query = """
        SELECT tablename FROM pg_tables WHERE schemaname = 'public'
        AND tablename !~ '^(procrastinate_.*|advisory_lock|reload.*|dead_letter)$'
    """
    with psycopg.connect(uri) as connection:
        names = [str(name) for (name,) in connection.execute(query).fetchall()]
        first = sql.SQL("SELECT 1 FROM {} LIMIT 1")
        return {name for name in names if not connection.execute(first.format(sql.Identifier(name))).fetchone()}


async def _conversation(talk: Conversation, upstream: ScriptedUpstream) -> None:
    """Have turns of each kind: answers, with reasoning, in a thread, of an edit, again, redacted, failed."""
    hello = await talk.say("hello")
    await talk.wait_for_answers(1)
    upstream.scripts += [says(Reasoning("Let me think."), "I thought."), says("partly", None)]
    await talk.say("think")
    await talk.wait_for_answers(2)
    await talk.say("this one fails")
    await talk.wait_until_idle()
    person, room = talk.person, talk.room_id
    await person.reply(room, hello, "in a thread", thread=hello)
    await talk.wait_until_idle()
    edited = await talk.say("edit me")
    await talk.wait_until_idle()
    await person.edit(room, edited, "edited")
    await person.react(room, hello, "🔁")
    forgotten = await talk.say("forget this")
    await talk.wait_until_idle()
    await person.redact(room, forgotten)
    await person.upload(b"a,b\n1,2\n", "text/csv", "table.csv")
    await talk.wait_until_idle()


async def _programs(running: Running, talk: Conversation) -> None:
    """Have programs of a person and of an agent act, and an agent connect itself, which is asked."""
    boss, ada = await program_of(running, talk.person.user_id), await program_of(running, "Ada")
    sent = await boss.send(talk.room_id, "from a program", "a key")
    marked = await boss.request("PUT", f"/v1/rooms/{quote(talk.room_id)}/read", body={"event_id": sent["event_id"]})
    assert marked.status == HTTPStatus.OK, marked
    await ada.request("PATCH", "/v1/me", body={"displayname": "Ada the first", "status": "reads"})
    direct = await ada.post("/v1/direct", to="Bea")
    await ada.send(direct["room_id"], "A question of one agent to the other")
    await boss.post("/v1/direct", to=f"@guest:{DOMAIN}")
    client = await boss.post("/v1/agents", name="Client")
    assert client.status == HTTPStatus.CREATED, client
    await running.join(talk.person, "Client")
    asked = await boss.post("/v1/ask", to="Client", text="Are you there?", timeout=0)
    assert asked.status == HTTPStatus.ACCEPTED, asked


async def _administration(running: Running, url: str, user: str) -> None:
    """Sign in to the admin page, queue the failed message again, and write the sums of the plots."""
    (row,) = await running.database.rows("SELECT key FROM turn WHERE state = 'failed' AND kind = 'message' LIMIT 1")
    async with visitor(url, running.database, user) as admin:
        answer = await admin.send("/failures", f"/messages/{row['key']}/retry", page="failures")
    assert answer.headers["Location"] == "/admin/failures?notice=retried"
    query = "SELECT true FROM turn WHERE key = %s AND state = 'done'"
    await eventually(lambda: running.database.rows(query, [row["key"]]), "the failed message has its answer")
    assert await RollupStore(running.database).write()


async def _encrypted_message(running: Running, person: Person) -> None:
    """Send a message in an encrypted room, and never its key."""
    ghost = running.homeserver.namespace.user_id((await running.contact("Bea")).agent.ghost)
    room_id = await person.create_room(
        preset="trusted_private_chat", is_direct=True, invite=[ghost], initial_state=[ENCRYPTION]
    )
    await person.wait_for(lambda: ghost in person.room(room_id).members())
    content = {"algorithm": ALGORITHM, "ciphertext": "AwgAEgxvbmNlIHVwb24", "session_id": "unknown"}
    content |= {"sender_key": "unknown", "device_id": "UNKNOWN"}
    path = f"/rooms/{quote(room_id)}/send/m.room.encrypted/once"
    sent = await person.ask("PUT", path, content)
    query = "SELECT true FROM sealed_event WHERE event_id = %s"
    await eventually(lambda: running.database.rows(query, [sent["event_id"]]), "the message waits for its key")


async def _open_turns(talk: Conversation, upstream: ScriptedUpstream, desk: BotRoom) -> None:
    """Leave a turn that is answered at this moment, and one that waits behind it."""
    upstream.scripts.append(waits_for(asyncio.Event(), "The beginning of ", "an answer"))
    before = len(talk.answers)
    await talk.say("a long answer")
    await talk.person.wait_for(lambda: len(talk.answers) > before)
    await talk.say("behind it")

    async def waits() -> bool:
        return len(await desk.running.database.rows("SELECT 1 FROM turn WHERE open")) > 1

    await eventually(waits, "two turns are open")

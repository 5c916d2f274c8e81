"""Quotas in a room: one line tells the person, further messages get a mark, and the next span lets them through."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from support.conditions import eventually
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from agent_bridge.store.postgres.database import Database
    from support.harness import BridgeHarness, Conversation


async def marked(talk: Conversation, text: str) -> None:
    """Say *text*, and wait until the message has the mark."""
    event_id = await talk.say(text)
    await talk.person.wait_for(lambda: "⚠️" in talk.room.reactions_to(event_id))
    await talk.wait_until_idle()


async def is_done(database: Database, event_id: str) -> bool:
    """Tell whether the turn of an event is done."""
    return bool(await database.rows("SELECT 1 FROM turn WHERE event_id = %s AND state = 'done'", (event_id,)))


async def test_tokens_of_a_day(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("x") as upstream, harness.person() as person, harness.person() as other:
        upstream.usage = lambda _: {"prompt_tokens": 90, "completion_tokens": 10}
        config = harness.config(
            database_url,
            [{"name": "up", "url": upstream.url}],
            quotas=[{"per": "user", "tokens_per_day": 200}],
            timezone="Europe/Oslo",
        )
        async with harness.bridge(config) as running:
            talk = await running.join(person, upstream.names[0])
            await talk.say("one")
            await talk.wait_for_answers(1)
            await talk.say("two")
            await talk.wait_for_answers(2)
            await marked(talk, "three")
            await marked(talk, "four")
            told = (await talk.wait_for_answers(3))[2:]
            (line,) = (each.body for each in told)
            # Its end is another one in the last minute of the day.
            assert line.startswith("⚠️ You have used your 200 tokens for today. Try again ")
            news = await running.database.rows("SELECT user_id, kind FROM notification")
            assert news == [{"user_id": person.user_id, "kind": "quota_reached"}]
            # The agent got nothing of it, and others are answered.
            assert [question.split()[-1] for question in upstream.questions] == ["one", "two"]
            await running.homeserver.invite(talk.room_id, other.user_id)
            await other.join(talk.room_id)
            await other.say(talk.room_id, "me")
            assert (await talk.wait_for_answers(4))[3].body == "Echo: me"
            shown = await talk.command("usage")
            assert shown.startswith("You, today: 2 requests, 200 of 200 tokens")
            assert f"{upstream.names[0]}: 2 requests, 200 tokens" in shown
            # The next day.
            await running.database.execute("UPDATE usage SET at = at - interval '1 day'")
            await talk.say("five")
            assert (await talk.wait_for_answers(5))[4].body == "Echo: five"


async def test_messages_of_a_minute(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("x") as upstream, harness.person() as person:
        config = harness.config(
            database_url,
            [{"name": "up", "url": upstream.url}],
            quotas=[{"per": "agent", "messages_per_minute": 0}],
        )
        async with harness.bridge(config) as running:
            talk = await running.join(person, upstream.names[0])
            await marked(talk, "one")
            (told,) = await talk.wait_for_answers(1)
            assert told.body == "⚠️ A quota does not allow this message. @admin:test.local can change that."
            assert upstream.questions == []


async def test_another_answer_beyond_a_quota_leaves_the_first_one(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("x") as upstream, harness.person() as person:
        upstream.usage = lambda _: {"prompt_tokens": 90, "completion_tokens": 10}
        config = harness.config(
            database_url, [{"name": "up", "url": upstream.url}], quotas=[{"per": "room", "tokens_per_month": 100}]
        )
        async with harness.bridge(config) as running:
            talk = await running.join(person, upstream.names[0])
            question = await talk.say("one")
            await talk.wait_for_answers(1)
            for _ in range(2):
                # The first reaction is removed: the person can react once more, when the month is over.
                reaction = await talk.person.react(talk.room_id, question, "🔁")
                await eventually(partial(is_done, running.database, reaction), "the request is closed")
            await talk.person.wait_for(lambda: talk.room.reactions_to(question) == [] and len(talk.answers) == 2)
            assert talk.answers[0].body == "Echo: one"
            line = talk.answers[1].body
            assert line.startswith("⚠️ The budget of this room for this month is used up: 100 tokens. Try again ")
            assert len(talk.answers) == 2
            assert len(upstream.questions) == 1

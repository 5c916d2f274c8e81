"""The homeserver repeats events: people see one answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from support.people import TransactionSender, conversations, echo_through, events_of, expect_answers, say, with_bridge
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from support.harness import BridgeHarness, Conversation

OK = 200


def sender_of(talk: Conversation) -> TransactionSender:
    return TransactionSender(talk.running.bridge.config)


@pytest.mark.long
async def test_repeated_transactions_of_answered_messages_change_nothing(
    harness: BridgeHarness, database_url: str
) -> None:
    async with ScriptedUpstream("ada") as upstream, harness.talk(database_url, upstream) as talk:
        await say([talk], "one", "two")
        await expect_answers([talk], "Echo: one", "Echo: two")
        one, two = await events_of(talk)
        sender = sender_of(talk)
        for txn_id, events in (("7", (one, two)), ("7", (one, two)), ("8", (two, one)), ("1", (one, one, two))):
            assert await sender.send(txn_id, *events) == OK
        await say([talk], "three")
        await expect_answers([talk], "Echo: one", "Echo: two", "Echo: three")
        assert upstream.questions == ["one", "two", "three"]


async def test_the_same_event_twice_at_once_is_one_question(harness: BridgeHarness, database_url: str) -> None:
    """The homeserver also delivers the event, which it kept while no bridge ran."""
    async with ScriptedUpstream("ada") as upstream, harness.talk(database_url, upstream) as talk:
        config = talk.running.bridge.config
        talk.running.task.cancel()
        await asyncio.wait({talk.running.task})
        await say([talk], "one", "two")
        events = await events_of(talk)
        async with harness.bridge(config) as running:
            sender, (talk_again,) = TransactionSender(config), with_bridge([talk], running)
            same = await sender.send_concurrently(["7"] * 4, *events)
            others = await sender.send_concurrently(map(str, range(8, 12)), *events)
            assert {*same, *others} == {OK}
            await expect_answers([talk_again], "Echo: one", "Echo: two")
            await say([talk_again], "three")
            await expect_answers([talk_again], "Echo: one", "Echo: two", "Echo: three")
            assert upstream.questions == ["one", "two", "three"]


@pytest.mark.long
async def test_repeated_transactions_of_a_running_turn_change_nothing(
    harness: BridgeHarness, database_url: str
) -> None:
    gates = {"one": asyncio.Event()}
    async with ScriptedUpstream("ada") as upstream, harness.talk(database_url, upstream) as talk:
        upstream.script = echo_through(gates)
        await say([talk], "one", "two")
        await talk.person.wait_for(lambda: [answer.body for answer in talk.answers] == ["Echo:"])
        one, two = await events_of(talk)
        assert await sender_of(talk).send_concurrently(["7", "7", "8"], one, two) == [OK] * 3
        gates["one"].set()
        await expect_answers([talk], "Echo: one", "Echo: two")
        assert upstream.questions == ["one", "two"]


async def test_a_homeserver_that_counts_from_one_again_is_heard(harness: BridgeHarness, database_url: str) -> None:
    """Synapse on SQLite restarts its transaction ids at each start: an old id then has new events."""
    async with ScriptedUpstream("ada") as upstream, harness.talk(database_url, upstream) as talk:
        await say([talk], "one")
        await expect_answers([talk], "Echo: one")
        await harness.synapse.restart()
        await say([talk], "two")
        await expect_answers([talk], "Echo: one", "Echo: two")
        (one, two), sender = await events_of(talk), sender_of(talk)
        assert [await sender.send(txn_id, one, two) for txn_id in ("1", "2", "1")] == [OK] * 3
        await say([talk], "three")
        await expect_answers([talk], "Echo: one", "Echo: two", "Echo: three")


@pytest.mark.long
async def test_new_events_under_a_known_transaction_id_are_taken(harness: BridgeHarness, database_url: str) -> None:
    """Only the event id decides whether an event is new."""
    async with (
        ScriptedUpstream("ada") as upstream,
        harness.bridge(harness.config(database_url, [{"name": "scripted", "url": upstream.url}])) as running,
        conversations(harness, running, upstream.names) as (ada,),
    ):
        await say([ada], "one")
        await expect_answers([ada], "Echo: one")
        (one,) = await events_of(ada)
        news = [
            one | {"event_id": f"$made-up-{number}", "content": one["content"] | {"body": f"new {number}"}}
            for number in range(3)
        ]
        for event in news:
            assert await sender_of(ada).send("1", one, event) == OK
        await expect_answers([ada], "Echo: one", "Echo: new 0", "Echo: new 1", "Echo: new 2")
        await ada.wait_until_idle()

"""Usage in a room: each request has a row, whatever its end, and the person can see the sum."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from support.conditions import eventually
from support.scripted_upstream import ScriptedUpstream, says, until_cancelled

if TYPE_CHECKING:
    from support.harness import BridgeHarness, Conversation

REPORT = {"prompt_tokens": 90, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 40}}


async def rows(talk: Conversation) -> list[dict[str, Any]]:
    """Return the rows of the room, in their order."""
    query = "SELECT input_tokens, output_tokens, cached_tokens, is_estimated, cost::float FROM usage ORDER BY at"
    return await talk.running.database.rows(query)


async def is_redacted(talk: Conversation, event_id: str) -> bool:
    """Tell whether the turn of an event is redacted."""
    query = "SELECT 1 FROM turn WHERE event_id = %s AND redacted"
    return bool(await talk.running.database.rows(query, (event_id,)))


async def test_each_end_of_a_request_has_its_row(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("x") as upstream, harness.person() as person:
        config = harness.config(
            database_url,
            [{"name": "up", "url": upstream.url}],
            prices={"currency": "EUR", "models": [{"match": "x*", "input": 1, "output": 10, "cached": 0.5}]},
        )
        async with harness.bridge(config) as running:
            talk = await running.join(person, upstream.names[0])
            upstream.usage = lambda _: REPORT
            await talk.say("a report")
            await talk.wait_for_answers(1)
            upstream.usage = lambda _: None
            upstream.scripts.append(says("four words of answer"))
            await talk.say("no report")
            await talk.wait_for_answers(2)
            upstream.scripts.append(says("half of", None))
            await talk.say("cut off")
            await talk.wait_for_answers(4)
            over = asyncio.Event()
            # The end of a sentence is shown at once.
            upstream.scripts.append(until_cancelled(over, "for all.", " "))
            question = await talk.say("stopped")
            await talk.person.wait_for(lambda: talk.answers[-1].body.startswith("for all."))
            await talk.person.react(talk.room_id, question, "🛑")
            await over.wait()
            await talk.wait_until_idle()
            # The server did nothing.
            upstream.scripts.append(says(401))
            await talk.say("refused")
            await talk.wait_for_answers(6)
            found = await rows(talk)
            assert [(row["output_tokens"], row["is_estimated"]) for row in found] == [
                (10, False),
                (5, True),
                (2, True),
                (2, True),
            ]
            assert found[0] == {
                "input_tokens": 90,
                "output_tokens": 10,
                "cached_tokens": 40,
                "is_estimated": False,
                "cost": (50 + 20 + 100) / 1_000_000,
            }
            shown = await talk.command("usage month")
            assert shown.startswith("You, this month: 4 requests, ")
            assert " EUR" in shown
            assert "≈ Servers reported no tokens of 3 requests: they are estimated." in shown
            # What was used stays used.
            await talk.person.redact(talk.room_id, question)
            await eventually(partial(is_redacted, talk, question), "the turn is redacted")
            await talk.wait_until_idle()
            assert await rows(talk) == found
            (row,) = await running.database.rows("SELECT DISTINCT user_id, role, room_id, upstream, model FROM usage")
            assert row == {
                "user_id": person.user_id,
                "role": "member",
                "room_id": talk.room_id,
                "upstream": "up",
                "model": upstream.names[0],
            }

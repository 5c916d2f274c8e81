"""Reactions that a ghost offers to click on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from support.scripted_upstream import ScriptedUpstream, says, waits_for

if TYPE_CHECKING:
    from support.shared_bridge import SharedBridge


async def test_a_long_answer_can_be_stopped_by_a_click_and_the_offer_goes(shared: SharedBridge) -> None:
    async with ScriptedUpstream("lengthy") as upstream, shared.talk(upstream) as talk:
        gate, never = asyncio.Event(), asyncio.Event()
        upstream.scripts.extend([waits_for(gate, "Once upon a time. "), waits_for(never, "There was a fox. ")])
        first = await talk.say("tell me")
        await talk.person.wait_for(lambda: talk.room.reactions_to(first) == ["🛑"])
        gate.set()
        await talk.wait_for_answers(1)
        await talk.person.wait_for(lambda: talk.room.reactions_to(first) == [])
        second = await talk.say("and then?")
        await talk.person.wait_for(lambda: talk.room.reactions_to(second) == ["🛑"])
        await talk.person.react(talk.room_id, second, "🛑")
        await talk.wait_for_answers(2)
        await talk.person.wait_for(lambda: "stopped" in talk.answers[1].body)
        # The person's own reaction stays.
        await talk.person.wait_for(lambda: talk.room.reactions_to(second) == ["🛑"])
        assert upstream.questions == ["tell me", "and then?"]


async def test_a_click_on_the_offer_asks_again_and_the_offer_goes(shared: SharedBridge) -> None:
    async with ScriptedUpstream("again") as upstream, shared.talk(upstream) as talk:
        upstream.script = says(400)
        question = await talk.say("please")
        await talk.wait_for_answers(1)
        await talk.person.wait_for(lambda: talk.room.reactions_to(question) == ["⚠️", "🔁"])
        upstream.script = says("Here you are.")
        await talk.person.react(talk.room_id, question, "🔁")
        await talk.person.wait_for(lambda: talk.answers[0].body == "Here you are.")
        await talk.person.wait_for(lambda: talk.room.reactions_to(question) == [])
        assert upstream.questions == ["please", "please"]

"""Reactions that a ghost offers to click on, and answers while the homeserver is away behind a proxy."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from support.conditions import eventually
from support.harness import DOMAIN
from support.proxy import Proxy
from support.scripted_upstream import ScriptedUpstream, says, waits_for

if TYPE_CHECKING:
    from support.harness import BridgeHarness
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
        upstream.script = says(401)
        question = await talk.say("please")
        await talk.wait_for_answers(1)
        await talk.person.wait_for(lambda: talk.room.reactions_to(question) == ["⚠️", "🔁"])
        upstream.script = says("Here you are.")
        await talk.person.react(talk.room_id, question, "🔁")
        await talk.person.wait_for(lambda: talk.answers[0].body == "Here you are.")
        await talk.person.wait_for(lambda: talk.room.reactions_to(question) == [])
        assert upstream.questions == ["please", "please"]


@pytest.mark.long
async def test_an_answer_is_committed_before_the_offer_goes(harness: BridgeHarness, database_url: str) -> None:
    """Without the homeserver the offer stays for a while, and the agent is not asked again."""
    async with ScriptedUpstream("once") as upstream, Proxy(harness.synapse.url) as proxy:
        upstream.scripts.extend([says(503), says("Here you are.")])
        failures = Counter[str]()

        def refuse(_number: int, _method: str, path: str) -> web.Response | None:
            if "/relations/" not in path or failures[path] == 2:
                return None
            failures[path] += 1
            return web.Response(status=502)

        proxy.refuses = refuse
        homeserver = {"address": proxy.url, "domain": DOMAIN}
        async with harness.talk(database_url, upstream, homeserver=homeserver) as talk:
            await talk.say("please")
            await talk.wait_for_answers(1)
            assert talk.answers[0].body == "Here you are."
            assert failures
            assert upstream.questions == ["please", "please"]


@pytest.mark.long
async def test_a_response_of_a_proxy_means_nothing_about_a_room(harness: BridgeHarness, database_url: str) -> None:
    """Without a backend it answers 404: the room is not deleted, and its message waits."""
    async with ScriptedUpstream("hidden") as upstream, Proxy(harness.synapse.url) as proxy:
        homeserver = {"address": proxy.url, "domain": DOMAIN}
        async with harness.talk(database_url, upstream, homeserver=homeserver) as talk:
            gate = asyncio.Event()
            upstream.scripts.append(waits_for(gate, "I am here."))
            await talk.say("are you there?")
            await talk.person.wait_for(lambda: upstream.questions == ["are you there?"])
            asked = Counter[str]()

            def no_backend(_number: int, method: str, _path: str) -> web.Response:
                asked[method] += 1
                return web.Response(status=404, text="404 page not found")

            proxy.refuses = no_backend
            gate.set()
            await talk.running.bridge.provisioner.doubt_all()
            await eventually(partial(_has_asked, asked), "the homeserver is asked in vain")
            proxy.refuses = lambda *_: None
            await talk.wait_for_answers(1)
            assert [answer.body for answer in talk.answers] == ["I am here."]
            [agent] = await talk.running.agents.all()
            assert agent.home.room_id == talk.room_id


async def _has_asked(asked: Counter[str]) -> bool:
    return asked.total() > 5

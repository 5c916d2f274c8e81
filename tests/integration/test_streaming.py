"""A growing answer: the events that show it, on a real homeserver."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from itertools import count
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from agent_bridge.demo.account import call
from agent_bridge.render.content import edit
from agent_bridge.render.markdown.unmarked import to_unmarked
from support.conditions import DEADLINE, eventually
from support.harness import DOMAIN, new_harness
from support.people import conversations
from support.proxy import Proxy
from support.scripted_upstream import ScriptedUpstream, says, waits_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.demo.timeline import Event
    from support.harness import BridgeHarness, Conversation
    from support.person import Person
    from support.scripted_upstream import Script
    from support.shared_bridge import SharedBridge

LIVE = "org.matrix.msc4357.live"
#: Number of words in an answer that is longer than all the parts that it may have.
WORDS = 7000
STORY = ("**Once** upon", " a time", ", there was", " a *fox*.")


def paced(gates: list[asyncio.Event], *pieces: str) -> Script:
    """Return a script that sends the first of *pieces*, and each other one when its gate is open."""

    async def script(_question: str) -> AsyncIterator[str]:
        yield pieces[0]
        for gate, piece in zip(gates, pieces[1:], strict=True):
            await gate.wait()
            yield piece

    return script


def dripping(until: asyncio.Event, end: str) -> Script:
    """Return a script that sends number after number, twenty a second, and *end* when *until* is set."""

    async def script(_question: str) -> AsyncIterator[str]:
        for number in count():
            if until.is_set():
                break
            yield f"{number} "
            await asyncio.sleep(0.05)
        yield end

    return script


@asynccontextmanager
async def talks_with(
    harness: BridgeHarness, database_url: str, upstream: ScriptedUpstream, **sections: Any
) -> AsyncIterator[list[Conversation]]:
    """Run a bridge with *sections* of its configuration, and put a person into the room of each agent."""
    config = harness.config(database_url, [{"name": "scripted", "url": upstream.url}], **sections)
    async with harness.bridge(config) as running, conversations(harness, running, upstream.names) as talks:
        yield talks


def versions(talk: Conversation) -> int:
    """Return how often the person saw the only answer, as it was sent and as each edit made it."""
    return sum(len(answer.versions) for answer in talk.answers)


def reads(talk: Conversation, text: str) -> bool:
    """Tell whether the only answer is *text* now."""
    return [answer.body for answer in talk.answers] == [text]


def ends(talk: Conversation, text: str) -> bool:
    """Tell whether the newest answer ends in *text*."""
    return bool(talk.answers) and talk.answers[-1].body.endswith(text)


async def events_of(talk: Conversation) -> list[Event]:
    """Return the messages and edits of the agent, oldest first, from the homeserver's history."""
    events = await talk.person.history(talk.room_id)
    return [event for event in events if event["type"] == "m.room.message" and event["sender"] == talk.ghost]


async def see_story(talk: Conversation, upstream: ScriptedUpstream) -> list[Event]:
    """Let the agent send STORY, each piece after the one before is visible; return the events that showed it."""
    gates = [asyncio.Event() for _ in STORY[1:]]
    upstream.scripts.append(paced(gates, *STORY))
    await talk.say("tell me")
    for number, gate in enumerate(gates, 1):
        # The first event has no marks, because people are notified with its body.
        shown = "".join(STORY[:number]) if number > 1 else to_unmarked(STORY[0])
        await talk.person.wait_for(partial(reads, talk, shown))
        gate.set()
    await talk.wait_for_answers(1)
    await talk.person.wait_for(partial(reads, talk, "".join(STORY)))
    return await events_of(talk)


async def test_words_are_seen_before_the_upstream_goes_on_and_live_until_its_end(shared: SharedBridge) -> None:
    async with ScriptedUpstream("live") as upstream, shared.talk(upstream) as talk:
        first, *edits = [event["content"] for event in await see_story(talk, upstream)]
        assert (first["body"], LIVE in first) == ("Once upon", True)
        assert len(edits) == len(STORY) - 1
        for edit in edits[:-1]:
            assert LIVE in edit
            assert LIVE in edit["m.new_content"]
        assert LIVE not in edits[-1]
        assert LIVE not in edits[-1]["m.new_content"]
        assert edits[-1]["m.new_content"]["body"] == "".join(STORY)


@pytest.mark.long
async def test_edits_have_a_fallback_and_mention_no_user(shared: SharedBridge) -> None:
    async with ScriptedUpstream("modest") as upstream, shared.talk(upstream) as talk:
        first, *edits = await see_story(talk, upstream)
        assert first["content"]["m.mentions"] == {}
        assert "m.relates_to" not in first["content"]
        for edit in (event["content"] for event in edits):
            new = edit["m.new_content"]
            assert edit["body"] == f"* {new['body']}"
            assert edit["formatted_body"] == f"* {new['formatted_body']}"
            assert (edit["m.mentions"], new["m.mentions"]) == ({}, {})
            assert edit["m.relates_to"] == {"rel_type": "m.replace", "event_id": first["event_id"]}
            assert "m.relates_to" not in new
            assert (edit["msgtype"], new["msgtype"]) == ("m.text", "m.text")
        assert edits[-1]["content"]["m.new_content"]["formatted_body"].count("<em>fox</em>") == 1


async def notified(talk: Conversation) -> list[str]:
    """Return the ids of the agent's events that notified the person, newest first.

    The count of a room in ``/sync`` is no measure: Synapse counts the person's invitation, too, if it sums its counts
    up after the person joined (every 30 s).
    """
    answer = await talk.person.ask("GET", "/notifications")
    events = [entry["event"] for entry in answer["notifications"] if entry["room_id"] == talk.room_id]
    return [event["event_id"] for event in events if event["sender"] == talk.ghost]


async def test_a_person_is_notified_once(database_url: str) -> None:
    async with (
        new_harness(notifies=True) as harness,
        ScriptedUpstream("quiet") as upstream,
        harness.talk(database_url, upstream) as talk,
    ):
        first, *edits = await see_story(talk, upstream)
        assert len(edits) > 1
        assert await notified(talk) == [first["event_id"]]


async def test_an_answer_that_does_not_stream_is_one_event(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("whole") as upstream, harness.talk(database_url, upstream, streaming="off") as talk:
        gate = asyncio.Event()
        upstream.script = waits_for(gate, *STORY)
        await talk.say("tell me")
        await talk.person.wait_for(lambda: talk.ghost in talk.room.typing)
        assert talk.answers == []
        gate.set()
        await talk.wait_for_answers(1)
        (event,) = await events_of(talk)
        assert event["content"]["body"] == to_unmarked("".join(STORY))
        assert LIVE not in event["content"]


@pytest.mark.long
async def test_an_answer_that_is_stopped_is_not_live(shared: SharedBridge) -> None:
    async with ScriptedUpstream("stopped") as upstream, shared.talk(upstream) as talk:
        never = asyncio.Event()
        upstream.script = dripping(never, "")
        await talk.say("count")
        await talk.person.wait_for(lambda: versions(talk) > 1)
        await talk.command("stop")
        await talk.person.wait_for(partial(ends, talk, "*(stopped)*"))
        await talk.wait_for_answers(1)
        last = (await events_of(talk))[-1]["content"]
        assert LIVE not in last
        assert LIVE not in last["m.new_content"]


class Overloaded:
    """A homeserver that limits an answer's edits: it refuses so many messages after the first one."""

    def __init__(self, refusals: int) -> None:
        self._left = refusals
        self._messages = 0
        #: Set at the last refusal.
        self.recovered = asyncio.Event()

    def __call__(self, _number: int, method: str, path: str) -> web.Response | None:
        if method != "PUT" or "/send/m.room.message/" not in path:
            return None
        self._messages += 1
        if self._messages == 1 or not self._left:
            return None
        self._left -= 1
        if not self._left:
            self.recovered.set()
        limit = {"errcode": "M_LIMIT_EXCEEDED", "error": "Too Many Requests", "retry_after_ms": 100}
        return web.json_response(limit, status=HTTPStatus.TOO_MANY_REQUESTS)


@pytest.mark.long
async def test_a_homeserver_that_has_enough_gets_fewer_edits_and_the_whole_answer(
    harness: BridgeHarness, database_url: str
) -> None:
    async with (
        ScriptedUpstream("patient") as upstream,
        Proxy(harness.synapse.url) as proxy,
        talks_with(
            harness,
            database_url,
            upstream,
            homeserver={"address": proxy.url, "domain": DOMAIN},
            answers={"edits_per_second": 2},
        ) as (talk,),
    ):
        until, proxy.refuses = asyncio.Event(), (limits := Overloaded(refusals=3))
        upstream.script = dripping(until, "and done.")
        await talk.say("count")
        await asyncio.wait_for(limits.recovered.wait(), DEADLINE)
        clock, shown = asyncio.get_running_loop().time, versions(talk)
        had_enough = clock()
        await talk.person.wait_for(lambda: versions(talk) > shown)
        # Two a second; each refusal halves the rate.
        assert clock() - had_enough > 3
        until.set()
        await talk.person.wait_for(partial(ends, talk, "and done."))
        (answer,) = await talk.wait_for_answers(1)
        numbers = answer.body.split()[:-2]
        assert numbers == [str(number) for number in range(len(numbers))]


async def download(harness: BridgeHarness, person: Person, mxc: str) -> str:
    """Return the text file behind *mxc* as the client of *person* gets it."""
    credentials = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": person.user_id},
        "password": "password",
    }
    async with aiohttp.ClientSession(harness.synapse.url) as http:
        token = (await call(http, "POST", "/_matrix/client/v3/login", credentials))["access_token"]
        path = f"/_matrix/client/v1/media/download/{mxc.removeprefix('mxc://')}"
        async with http.get(path, headers={"Authorization": f"Bearer {token}"}) as response:
            assert response.status == HTTPStatus.OK
            return (await response.read()).decode()


def texts_in(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"слово(\d+)", text)]


@pytest.mark.long
@pytest.mark.parametrize(("max_parts", "files"), [(30, 0), (3, 1)])
async def test_a_very_long_answer_is_shown_in_parts_and_the_rest_as_a_file(
    harness: BridgeHarness, database_url: str, max_parts: int, files: int
) -> None:
    pieces = [f"слово{number}" + (".\n\n" if number % 50 == 0 else " ") for number in range(WORDS)]
    assert len("".join(pieces).encode()) > 100_000
    async with (
        ScriptedUpstream("endless") as upstream,
        talks_with(harness, database_url, upstream, answers={"max_parts": max_parts}) as (talk,),
    ):
        gate = asyncio.Event()
        upstream.script = waits_for(gate, "".join(pieces[: WORDS // 4]), "".join(pieces[WORDS // 4 :]))
        await talk.say("all of it")
        await talk.person.wait_for(lambda: len(talk.answers) > 1)
        gate.set()
        await talk.wait_until_idle(60)
        last = (await events_of(talk))[-1]["content"]
        await talk.person.wait_for(lambda: talk.answers[-1].content == last.get("m.new_content", last))
        parts, rest = talk.answers[: len(talk.answers) - files], talk.answers[len(talk.answers) - files :]
        assert {part.content["msgtype"] for part in parts} == {"m.text"}
        assert not any(LIVE in part.content for part in parts)
        texts = [part.body for part in parts]
        if rest:
            assert len(parts) == max_parts
            assert rest[0].content["info"]["mimetype"] == "text/markdown"
            texts.append(await download(harness, talk.person, rest[0].content["url"]))
        assert texts_in("\n".join(texts)) == list(range(WORDS))


async def test_a_very_long_answer_that_breaks_off_fills_the_room_no_more(
    harness: BridgeHarness, database_url: str
) -> None:
    async with (
        ScriptedUpstream("cut") as upstream,
        talks_with(harness, database_url, upstream, answers={"max_parts": 2}) as (talk,),
    ):
        upstream.script = says("".join(f"word{number} " for number in range(WORDS)), None)
        await talk.say("all of it")
        await talk.wait_until_idle(60)
        answers = await talk.wait_for_answers(4)
        kinds = [answer.content["msgtype"] for answer in answers]
        assert kinds == ["m.text", "m.text", "m.notice", "m.file"]


@pytest.mark.long
async def test_rooms_that_stream_at_once_share_the_edits_fairly(harness: BridgeHarness, database_url: str) -> None:
    async with (
        ScriptedUpstream("left", "right") as upstream,
        talks_with(harness, database_url, upstream, answers={"edits_per_second": 1}) as talks,
    ):
        until = asyncio.Event()
        upstream.script = dripping(until, "and done.")
        for talk in talks:
            await talk.say("count")
        for talk in talks:
            await talk.person.wait_for(partial(has_grown, talk, 4))
        left, right = map(versions, talks)
        assert abs(left - right) <= 1
        until.set()
        for talk in talks:
            await talk.person.wait_for(partial(ends, talk, "and done."))
        await eventually(talks[0].running.idle, "every turn is closed")
        times = sorted([time for talk in talks for time in await edit_times(talk)])
        # One edit a second, plus the savings of one second before the first. The two clocks differ slightly.
        assert len(times) - 2 <= times[-1] - times[0] + 0.5


async def test_first_words_and_whole_answers_wait_for_no_other_room(harness: BridgeHarness, database_url: str) -> None:
    async with (
        ScriptedUpstream("greedy", "brief") as upstream,
        talks_with(harness, database_url, upstream, answers={"edits_per_second": 0.01}) as (greedy, brief),
    ):
        until = asyncio.Event()
        upstream.script = dripping(until, "and done.")
        await greedy.say("count")
        # The next edit of any room is due after more than a minute.
        await greedy.person.wait_for(partial(has_grown, greedy, 2))
        await brief.say("count")
        await brief.person.wait_for(partial(has_grown, brief, 1))
        until.set()
        for talk in (greedy, brief):
            await talk.person.wait_for(partial(ends, talk, "and done."))
        assert (versions(greedy), versions(brief)) == (3, 2)


def has_grown(talk: Conversation, count: int) -> bool:
    """Tell whether the person saw the only answer in so many versions."""
    return versions(talk) >= count


async def edit_times(talk: Conversation) -> list[float]:
    """Return when the growing answer was edited, in seconds; the edit that shows it whole aside."""
    return [event["origin_server_ts"] / 1000 for event in (await events_of(talk))[1:-1]]


async def test_a_turn_without_an_answer_that_ends_once_more_grows_no_longer(shared: SharedBridge) -> None:
    """Its worker gave it up, and a worker that was paused showed a growing answer after that."""
    async with ScriptedUpstream("paused") as upstream, shared.talk(upstream) as talk:
        question = await talk.say("hello")
        ((answer,), send) = await talk.wait_for_answers(1), talk.running.homeserver.send
        late = edit({"msgtype": "m.text", "body": "Echo: h", LIVE: {}}, answer.event_id)
        await send(talk.room_id, late, txn_id="late", as_user=talk.ghost)
        await talk.person.wait_for(lambda: LIVE in talk.answers[0].content)
        await talk.wait_until_idle()
        again = (
            "UPDATE turn SET state = 'committed', answer = NULL, waits_since = now() WHERE event_id = %s"
            " RETURNING pg_notify('agent_bridge', 'lanes')"
        )
        await talk.running.database.execute(again, (question,))
        await talk.person.wait_for(lambda: LIVE not in talk.answers[0].content)
        await talk.wait_until_idle()
        assert [each.body for each in talk.answers] == ["Echo: h"]
        assert upstream.questions == ["hello"]

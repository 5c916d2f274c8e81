"""Event streams (MSC4471): a client that subscribes gets a growing answer by messages to its device."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from agent_bridge.bridge.delivery import event_streams
from support.conditions import eventually
from support.encrypted_person import encrypted_person
from support.harness import DOMAIN, SHARED
from support.process import BridgeProcess
from support.proxy import Proxy
from support.replicas import only_a_door, replica
from support.scripted_upstream import ScriptedUpstream
from support.shared_bridge import SharedBridge, UpstreamHub
from support.stream_client import STREAM, Draft, stream_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from agent_bridge.demo.timeline import Event
    from support.harness import BridgeHarness, Conversation
    from support.postgres import Server
    from support.scripted_upstream import Script
    from support.stream_client import StreamClient

LIVE = "org.matrix.msc4357.live"
ANSWERS = {"event_streams": True, "edits_per_second": 100}
#: Seconds within which another process has to answer.
TURN_WITHIN = 60


@pytest.fixture(scope="module")
async def streaming(harness: BridgeHarness, postgres: Server) -> AsyncIterator[SharedBridge]:
    """A bridge with event streams, which the tests of this file share."""
    with postgres.migrated() as database_url:
        async with UpstreamHub() as hub:
            upstream: dict[str, Any] = {"name": "scripted", "url": hub.url, "poll_interval": 60}
            config = harness.config(database_url, [upstream], service=SHARED, answers=ANSWERS)
            async with harness.bridge(config) as running:
                yield SharedBridge(harness, running, hub)


@pytest.fixture
async def without(harness: BridgeHarness, database_url: str) -> AsyncIterator[SharedBridge]:
    """A bridge without event streams."""
    async with UpstreamHub() as hub:
        upstream: dict[str, Any] = {"name": "scripted", "url": hub.url, "poll_interval": 60}
        config = harness.config(database_url, [upstream], answers={"edits_per_second": 100})
        async with harness.bridge(config) as running:
            yield SharedBridge(harness, running, hub)


class Pen:
    """Lets an agent write one answer: each text is sent when the test says so."""

    def __init__(self) -> None:
        self._pieces: asyncio.Queue[str | None] = asyncio.Queue()
        self.text = ""

    def write(self, text: str) -> str:
        """Send *text*; return the whole answer so far."""
        self._pieces.put_nowait(text)
        self.text += text
        return self.text

    def end(self) -> str:
        """End the answer; return it."""
        self._pieces.put_nowait(None)
        return self.text

    @property
    def script(self) -> Script:
        """The script of the agent."""

        async def script(_question: str) -> AsyncIterator[str]:
            while (piece := await self._pieces.get()) is not None:
                yield piece

        return script


@asynccontextmanager
async def writing(
    bridge: SharedBridge, name: str, script: Script | None = None
) -> AsyncIterator[tuple[Conversation, Pen]]:
    """Put a person into the room of a new agent, whose next answer the test writes, unless *script* does."""
    async with ScriptedUpstream(name) as upstream, bridge.talk(upstream) as talk:
        pen = Pen()
        upstream.scripts.append(script or pen.script)
        yield talk, pen


async def begin(talk: Conversation, pen: Pen, client: StreamClient, *, hears: bool = True) -> Draft:
    """Ask for an answer, and let it begin; return the message with a stream.

    Wait for the first update if the client subscribes and *hears* updates: a device that takes longer than half a
    second to subscribe sees the first edit.
    """
    await talk.say("tell me")
    pen.write("Once upon a time. ")
    draft = await client.draft(len(client.drafts))
    if client.subscribes and hears:
        await client.until(lambda: draft.updates, "the client has subscribed")
    return draft


async def events_of(talk: Conversation) -> list[Event]:
    """Return the messages and edits of the agent, oldest first, from the homeserver's history."""
    events = await talk.person.history(talk.room_id)
    return [event for event in events if event["type"] == "m.room.message" and event["sender"] == talk.ghost]


def shows(draft: Draft, text: str) -> bool:
    return draft.body == text.rstrip()


def is_edited_to(talk: Conversation, text: str) -> bool:
    return bool(talk.answers) and talk.answers[-1].body == text.rstrip()


@pytest.mark.long
async def test_the_history_gets_two_events_if_all_people_subscribe(streaming: SharedBridge) -> None:
    async with (
        writing(streaming, "ada") as (talk, pen),
        stream_client(streaming.harness, talk.person.user_id) as client,
    ):
        draft = await begin(talk, pen, client)
        for number in range(20):
            text = pen.write(f"Word {number}. ")
            await client.until(partial(shows, draft, text), "the client shows the text")
        whole = pen.end()
        await talk.wait_for_answers(1)
        await client.until(lambda: draft.is_over, "the stream ends")
        first, last = [event["content"] for event in await events_of(talk)]
        assert first[STREAM]["expiry_ms"] == 600_000
        assert "encryption" not in first[STREAM]
        assert LIVE in first
        assert STREAM not in last
        assert STREAM not in last["m.new_content"]
        assert last["m.new_content"]["body"] == whole.rstrip()
        # The device had the whole text at first, and then what was new.
        kinds = [each["op"] for each in draft.updates]
        assert kinds == ["replace"] + ["append"] * (len(kinds) - 1)
        assert [each["seq"] for each in draft.updates] == list(range(1, len(kinds) + 1))
        assert {each["sender"] for each in client.received} == {talk.ghost}
        # Nothing follows the last edit.
        assert draft.body == whole.rstrip()


@pytest.mark.long
async def test_edits_go_on_beside_a_person_without_a_subscription(streaming: SharedBridge) -> None:
    async with (
        writing(streaming, "bea") as (talk, pen),
        streaming.harness.person() as other,
        stream_client(streaming.harness, talk.person.user_id) as client,
    ):
        draft = await begin(talk, pen, client)
        text = pen.write("The first part. ")
        await client.until(partial(shows, draft, text), "the client shows the text")
        before = len(await events_of(talk))
        await talk.running.homeserver.invite(talk.room_id, other.user_id)
        await other.join(talk.room_id)
        text = pen.write("The second part. ")
        await talk.person.wait_for(partial(is_edited_to, talk, text))
        (*_, edit) = await events_of(talk)
        # The stream goes on, too.
        assert STREAM in edit["content"]["m.new_content"]
        await client.until(partial(shows, draft, text), "the client shows the text")
        assert len(await events_of(talk)) > before
        assert not draft.is_over
        pen.end()
        await talk.wait_for_answers(1)


@pytest.mark.long
async def test_edits_go_on_when_a_device_wants_no_more_updates(streaming: SharedBridge) -> None:
    async with (
        writing(streaming, "cleo") as (talk, pen),
        stream_client(streaming.harness, talk.person.user_id) as client,
    ):
        draft = await begin(talk, pen, client)
        text = pen.write("The first part. ")
        await client.until(partial(shows, draft, text), "the client shows the text")
        assert len(await events_of(talk)) == 1
        # The agent is silent: what was left out comes without another word.
        await client.cancel(draft)
        await talk.person.wait_for(partial(is_edited_to, talk, text))
        updates = len(draft.updates)
        text = pen.write("The second part. ")
        await talk.person.wait_for(partial(is_edited_to, talk, text))
        assert len(draft.updates) == updates
        # A device that comes back gets the whole text, with a number that it has not seen.
        await client.subscribe(draft)
        await client.until(partial(shows, draft, text), "the client shows the text")
        assert draft.updates[-1]["op"] == "replace"
        pen.end()
        await talk.wait_for_answers(1)


@pytest.mark.long
async def test_the_other_device_of_a_person_waits_for_a_limited_time(
    streaming: SharedBridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that has subscribed vanishes without a word, and the other one has no event streams."""
    async with writing(streaming, "nele") as (talk, pen):
        async with stream_client(streaming.harness, talk.person.user_id) as client:
            draft = await begin(talk, pen, client)
            text = pen.write("The first part. ")
            await client.until(partial(shows, draft, text), "the client shows the text")
            assert len(await events_of(talk)) == 1
        monkeypatch.setattr(event_streams, "_LONGEST_QUIET", 1.0)
        text = pen.write("The second part. ")
        await talk.person.wait_for(partial(is_edited_to, talk, text))
        (_, edit) = await events_of(talk)
        # The device may come back.
        assert STREAM in edit["content"]["m.new_content"]
        pen.end()
        await talk.wait_for_answers(1)


@pytest.mark.long
async def test_a_late_device_gets_the_whole_text_and_another_one_by_resync(streaming: SharedBridge) -> None:
    async with (
        writing(streaming, "dora") as (talk, pen),
        stream_client(streaming.harness, talk.person.user_id) as client,
    ):
        client.subscribes = False
        draft = await begin(talk, pen, client)
        text = pen.write("The first part. ")
        await talk.person.wait_for(partial(is_edited_to, talk, text))
        assert client.received == []
        await client.subscribe(draft)
        await client.until(partial(shows, draft, text), "the client shows the text")
        # Once more without a wish for the text: nothing comes. With it: the text comes again.
        await client.subscribe(draft)
        await client.subscribe(draft, resync=True)
        await client.until(lambda: len(draft.updates) > 1, "the text comes again")
        assert [(each["op"], each["seq"]) for each in draft.updates] == [("replace", 1), ("replace", 2)]
        pen.end()
        await talk.wait_for_answers(1)


async def test_requests_of_others_and_about_others_are_ignored(streaming: SharedBridge) -> None:
    async with (
        writing(streaming, "edda") as (talk, pen),
        streaming.harness.person() as stranger,
        stream_client(streaming.harness, stranger.user_id) as nosy,
        stream_client(streaming.harness, talk.person.user_id) as client,
    ):
        client.subscribes = False
        draft = await begin(talk, pen, client)
        await nosy.subscribe(draft)
        for values in (
            {"event_id": "$unknown"},
            {"room_id": "!other:test.local"},
            {"event_id": 7},
            {"subscriber_device_id": "*"},
            {"subscriber_device_id": None},
            {"subscriber_device_id": "x" * 300},
        ):
            await client.subscribe(draft, **values)
        kind = f"{STREAM}.subscribe"
        await client.send_to_device(kind, draft.publisher, draft.device_id, {})
        sealed = {"algorithm": f"{STREAM}.v1.aes-gcm", "stream_id": "x", "iv": "!", "ciphertext": 5}
        await client.send_to_device("m.room.encrypted", draft.publisher, draft.device_id, sealed)
        for _ in range(150):
            await nosy.subscribe(draft)
        text = pen.write("The first part. ")
        await talk.person.wait_for(partial(is_edited_to, talk, text))
        assert (client.received, nosy.received) == ([], [])
        # A valid request behind them still counts.
        await client.subscribe(draft)
        await client.until(partial(shows, draft, text), "the client shows the text")
        text = pen.write("The second part. ")
        await client.until(partial(shows, draft, text), "the client shows the text")
        assert nosy.received == []
        pen.end()
        await talk.wait_for_answers(1)


async def test_a_room_without_streaming_has_no_stream(streaming: SharedBridge) -> None:
    async with (
        writing(streaming, "faye") as (talk, pen),
        streaming.harness.person("admin") as admin,
        stream_client(streaming.harness, talk.person.user_id) as client,
    ):
        await talk.running.homeserver.invite(talk.room_id, admin.user_id)
        await admin.join(talk.room_id)
        await talk.command("stream off", by=admin)
        await talk.say("tell me")
        pen.write("Once upon a time. ")
        await talk.person.wait_for(lambda: talk.ghost in talk.room.typing)
        pen.end()
        await talk.wait_for_answers(1)
        (event,) = await events_of(talk)
        assert STREAM not in event["content"]
        assert client.drafts == {}


async def test_nothing_grows_in_a_room_that_disables_live_messages(streaming: SharedBridge) -> None:
    async with writing(streaming, "gina") as (talk, pen):
        state = {"enabled": False}
        running = streaming.running.homeserver
        await running.set_state(talk.room_id, "org.matrix.msc4357.live_messaging", state, as_user=talk.ghost)
        await talk.say("tell me")
        pen.write("Once upon a time. ")
        await talk.person.wait_for(lambda: talk.ghost in talk.room.typing)
        # Longer than the time after which the first words are shown.
        await asyncio.sleep(1.5)
        assert await events_of(talk) == []
        pen.end()
        await talk.wait_for_answers(1)
        (event,) = await events_of(talk)
        assert (LIVE in event["content"], STREAM in event["content"]) == (False, False)


class Silence:
    """A homeserver that takes no messages to devices, while :attr:`is_on`."""

    def __init__(self, proxy: Proxy) -> None:
        self.is_on = True
        self.refused = 0
        proxy.refuses = self

    def __call__(self, _number: int, _method: str, path: str) -> web.Response | None:
        if not self.is_on or "/sendToDevice/" not in path:
            return None
        self.refused += 1
        return web.json_response({"errcode": "M_UNKNOWN", "error": "away"}, status=HTTPStatus.BAD_GATEWAY)


@pytest.mark.long
async def test_edits_go_on_while_the_homeserver_takes_no_updates_and_a_slow_one_delays_no_answer(
    harness: BridgeHarness, database_url: str
) -> None:
    async with ScriptedUpstream("hera") as upstream, Proxy(harness.synapse.url) as proxy:
        config = harness.config(
            database_url,
            [{"name": "scripted", "url": upstream.url}],
            homeserver={"address": proxy.url, "domain": DOMAIN},
            answers=ANSWERS,
        )
        async with harness.person() as person, harness.bridge(config) as running:
            talk, pen, silence = await running.join(person, upstream.names[0]), Pen(), Silence(proxy)
            async with stream_client(harness, person.user_id) as client:
                upstream.scripts.append(pen.script)
                draft = await begin(talk, pen, client, hears=False)
                await client.until(lambda: silence.refused, "an update is refused")
                text = pen.write("The first part. ")
                await person.wait_for(partial(is_edited_to, talk, text))
                silence.is_on = False
                await client.until(partial(shows, draft, text), "the client shows the text")

                async def grows_without_edits() -> bool:
                    """Write on: edits end only when the response to an update has come."""
                    edits = len(await events_of(talk))
                    text = pen.write("A further part. ")
                    await client.until(partial(shows, draft, text), "the client shows the text")
                    return len(await events_of(talk)) == edits

                await eventually(grows_without_edits, "the text grows without edits")
                # A homeserver that does not answer: the end of the answer comes at once.
                never = asyncio.Event()
                held = asyncio.Event()

                def hold(_number: int, _method: str, path: str) -> asyncio.Event | None:
                    if "/sendToDevice/" not in path:
                        return None
                    held.set()
                    return never

                proxy.holds = hold
                pen.write("The last part. ")
                await held.wait()
                begun = asyncio.get_running_loop().time()
                whole = pen.end()
                await talk.wait_for_answers(1)
                assert asyncio.get_running_loop().time() - begun < 4
                assert is_edited_to(talk, whole)


@pytest.mark.long
async def test_another_process_takes_requests_and_goes_on_after_a_kill(
    harness: BridgeHarness, database_url: str, tmp_path: Path
) -> None:
    async with ScriptedUpstream("iris") as upstream:
        async with harness.talk(database_url, upstream) as talk:
            pass

        def process(name: str) -> BridgeProcess:
            (tmp_path / name).mkdir()
            config = replica(harness, database_url, upstream, door=False, answers=ANSWERS)
            return BridgeProcess(tmp_path / name, config, "worker")

        one, two, pen, again = process("one"), process("two"), Pen(), Pen()
        upstream.scripts += [pen.script, again.script]
        async with (
            harness.watching(talk) as talk,
            only_a_door(replica(harness, database_url, upstream, door=True, answers=ANSWERS)),
            stream_client(harness, talk.person.user_id) as client,
        ):
            async with one:
                draft = await begin(talk, pen, client)
                text = pen.write("The first part. ")
                # The process that gets the request is not the one that writes the answer.
                await client.until(partial(shows, draft, text), "the client shows the text")
                assert len(await events_of(talk)) == 1
                await one.kill()
            async with two:
                again.write("Once upon a time. ")
                text = again.write("It was another time. ")
                await talk.person.wait_for(partial(is_edited_to, talk, text), TURN_WITHIN)
                # The stream ended with the process: the client shows the edits.
                await client.until(lambda: draft.is_over, "the stream is over")
                whole = again.end()
                await talk.person.wait_for(lambda: talk.answers and LIVE not in talk.answers[0].content)
                assert [answer.body for answer in talk.answers] == [whole.rstrip()]
                assert await two.stop() == 0


async def test_the_updates_of_an_encrypted_room_are_not_readable_for_the_homeserver(
    harness: BridgeHarness, database_url: str, tmp_path: Path
) -> None:
    async with ScriptedUpstream("jo") as upstream, encrypted_person(harness, tmp_path) as enid:
        config = harness.config(
            database_url, [{"name": "u", "url": upstream.url}], answers=ANSWERS, encryption={"allow": True}
        )
        async with harness.bridge(config) as running, stream_client(harness, enid.user_id) as client:
            pen = Pen()
            upstream.scripts.append(pen.script)
            ghost = running.homeserver.namespace.user_id((await running.contact(upstream.names[0])).agent.ghost)
            room_id = await enid.create_room(ghost)
            await enid.meets(room_id, ghost)
            await enid.say(room_id, "tell me")
            pen.write("Once upon a time. ")
            seen = 0

            async def sees(what: Callable[[], object]) -> bool:
                """Hand the events that the client could decrypt to the client of the streams."""
                nonlocal seen
                for event in enid.read.get(room_id, [])[seen:]:
                    seen += 1
                    await client.see(room_id, event.source)
                return bool(what())

            await eventually(partial(sees, lambda: client.drafts), "a message has a stream")
            draft = await client.draft()
            assert draft.key is not None
            await client.until(lambda: draft.updates, "the client has subscribed")
            for number in range(5):
                text = pen.write(f"Word {number}. ")
                await client.until(partial(shows, draft, text), "the client shows the text")
            whole = pen.end().rstrip()
            await enid.hears(room_id, ghost, whole)
            await eventually(partial(sees, lambda: draft.is_over), "the stream is over")
            said = [each for each in enid.read[room_id] if each.sender == ghost]
            assert len(said) == 2
            assert {each["type"] for each in client.received} == {"m.room.encrypted"}
            received = json.dumps(client.received)
            assert not any(word in received for word in ("Word", room_id, draft.event_id, "append"))


@pytest.mark.parametrize("seconds", [6, pytest.param(60, marks=pytest.mark.long)])
async def test_an_answer_of_a_minute_has_two_events_for_subscribers_and_no_more_than_before_for_others(
    streaming: SharedBridge, without: SharedBridge, seconds: int
) -> None:
    def dripping(is_read: asyncio.Event) -> Script:
        async def drip(_question: str) -> AsyncIterator[str]:
            yield "Once upon a time. "
            # A device that takes longer than half a second to subscribe sees the first edit.
            await is_read.wait()
            for number in range(seconds * 20):
                yield f"Word {number}. "
                await asyncio.sleep(0.05)

        return drip

    async def shown(bridge: SharedBridge, name: str, *, subscribes: bool) -> list[Event]:
        is_read = asyncio.Event()
        async with (
            writing(bridge, name, dripping(is_read)) as (talk, _),
            stream_client(bridge.harness, talk.person.user_id) as client,
        ):
            client.subscribes = subscribes
            await talk.say("tell me")
            await talk.person.wait_for(lambda: talk.answers)
            if subscribes:
                await client.until(lambda: client.received, "the client has subscribed")
            is_read.set()
            await talk.wait_until_idle(3 * seconds)
            return await events_of(talk)

    subscribed, unsubscribed, before = await asyncio.gather(
        shown(streaming, "kim", subscribes=True),
        shown(streaming, "lea", subscribes=False),
        shown(without, "mia", subscribes=False),
    )
    # The first words, and each message as a whole.
    assert len(subscribed) == (2 if seconds < 60 else 3)
    assert len(subscribed) < len(unsubscribed) <= len(before) + 1
    assert STREAM in unsubscribed[0]["content"]
    assert not any(STREAM in event["content"] for event in before)

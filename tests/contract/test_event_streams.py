"""The limits of event streams, against a server in a homeserver's place."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, cast

import pytest
from aiohttp import web

from agent_bridge.bridge.delivery import event_streams
from agent_bridge.bridge.delivery.event_streams import EventStreams
from agent_bridge.bridge.delivery.stream_subscribers import MOST
from agent_bridge.bridge.inbound.stream_intake import StreamIntake
from agent_bridge.core.errors import StoreError
from agent_bridge.core.event_streams import StreamRequest
from agent_bridge.demo.agents.openai_server import LocalServer
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.store.answer_growth import GrowthSender
from agent_bridge.store.postgres.signals import STREAM_CHANNEL, Signals
from support.conditions import eventually
from support.records import NAMES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.bridge.delivery.event_streams import AnswerStreams
    from agent_bridge.core.keys import Keys
    from agent_bridge.store.postgres.database import Database

ROOM, EVENT, GHOST = "!r:test.local", "$e", NAMES.user_id("agent_frida")
REQUEST = StreamRequest(publisher=GHOST, sender="@p0:test.local", room_id=ROOM, event_id=EVENT, device_id="D0")


class Homebody(LocalServer):
    """Has devices, one room with :attr:`people`, and keeps what devices are sent."""

    def __init__(self) -> None:
        self.people = [f"@p{number}:test.local" for number in range(100)]
        #: The texts of each device.
        self.texts: dict[str, list[dict[str, Any]]] = {}
        self.asked_for_members = 0
        #: Requests for devices, and whether they are answered.
        self.asked_for_devices = 0
        self.makes_devices = asyncio.Event()
        self.makes_devices.set()
        app = web.Application()
        app.router.add_put("/_matrix/client/v3/devices/{id}", self._make)
        app.router.add_get("/_matrix/client/v3/rooms/{id}/members", self._members)
        app.router.add_put("/_matrix/client/v3/sendToDevice/{kind}/{id}", self._send)
        super().__init__(app)

    async def _make(self, _request: web.Request) -> web.Response:
        self.asked_for_devices += 1
        await self.makes_devices.wait()
        return web.json_response({})

    async def _members(self, _request: web.Request) -> web.Response:
        self.asked_for_members += 1
        events = [{"state_key": user, "content": {"membership": "join"}} for user in (*self.people, GHOST)]
        return web.json_response({"chunk": events})

    async def _send(self, request: web.Request) -> web.Response:
        for devices in (await request.json())["messages"].values():
            for device, content in devices.items():
                self.texts.setdefault(device, []).append(content)
        return web.json_response({})


@pytest.fixture
async def home() -> AsyncIterator[Homebody]:
    async with Homebody() as server:
        yield server


class RoomKeys:
    """Tells that the room is encrypted, if it is; it has devices without keys."""

    is_known = True
    room_is_encrypted = False

    def __init__(self, homeserver: Homeserver) -> None:
        self._homeserver = homeserver

    async def ensure_device(self, user_id: str) -> str:
        """Ask for the device each time."""
        await self._homeserver.make_device(user_id, "AB")
        return "AB"

    async def is_encrypted(self, _room_id: str, _user_id: str) -> bool:
        """Tell it, unless the database is away."""
        if not self.is_known:
            raise StoreError("away")
        return self.room_is_encrypted


class Desk:
    """One answer that grows, and the requests that this process receives."""

    def __init__(self, streams: EventStreams, signals: Signals, keys: RoomKeys) -> None:
        self.keys = keys
        self.text = "Once upon a time."
        self.signals = signals
        self.answer: AnswerStreams = streams.of_answer(ROOM, GHOST, lambda: self.text, max_parts=8)

    async def begin(self) -> dict[str, Any]:
        """Show the first words; return the field of the message."""
        found = await self.answer.descriptor(0, is_new=True)
        self.answer.shown(0, EVENT)
        return found

    def deliver(self, *requests: StreamRequest, rooms: tuple[str, ...] = ()) -> None:
        """Deliver *requests*, and news of *rooms*, as a notification of the database does."""
        payload = json.dumps({"requests": [asdict(each) for each in requests], "rooms": rooms})
        for call in self.signals.on_stream:
            call(payload)


@pytest.fixture
async def desk(home: Homebody, request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    signals = Signals()
    async with homeserver_session() as session:
        homeserver = Homeserver(home.api_url.removesuffix("/v1"), "token", NAMES, session)
        keys = RoomKeys(homeserver)
        streams = EventStreams(homeserver, signals, cast("Keys", keys), None, life=getattr(request, "param", 600.0))
        desk = Desk(streams, signals, keys)
        yield desk
        await desk.answer.close()


async def has(home: Homebody, device: str, text: str) -> bool:
    updates = home.texts.get(device, [])
    return bool(updates) and text in updates[-1]["content"]["body"]


async def test_a_request_may_come_before_the_response_with_the_event(home: Homebody, desk: Desk) -> None:
    desk.deliver(REQUEST)
    assert home.texts == {}
    await desk.begin()
    await eventually(lambda: has(home, "D0", desk.text), "the device has the text")


async def test_a_device_that_comes_back_at_once_gets_the_whole_text(home: Homebody, desk: Desk) -> None:
    await desk.begin()
    desk.deliver(REQUEST)
    await eventually(lambda: has(home, "D0", desk.text), "the device has the text")
    for requests in ((replace(REQUEST, ends=True), REQUEST), (replace(REQUEST, resync=True), REQUEST)):
        before = len(home.texts["D0"])
        desk.deliver(*requests)

        async def has_more(count: int = before) -> bool:
            return len(home.texts["D0"]) > count

        await eventually(has_more, "the device has the text again")
        assert home.texts["D0"][-1]["op"] == "replace"


@pytest.mark.long
async def test_the_first_words_do_not_wait_for_a_device(
    home: Homebody, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_streams, "_MAKING", 0.1)
    monkeypatch.setattr(event_streams, "_REST", 2.0)
    home.makes_devices.clear()
    async with asyncio.timeout(5):
        assert await desk.begin() == {}
        # The homeserver is left alone for a while.
        assert await desk.begin() == {}
    assert home.asked_for_devices == 1
    home.makes_devices.set()
    await eventually(desk.begin, "the answer has a stream")


async def test_no_update_is_readable_in_a_room_that_has_become_encrypted(home: Homebody, desk: Desk) -> None:
    home.people = ["@p0:test.local"]
    await desk.begin()
    desk.deliver(REQUEST)
    await eventually(lambda: desk.answer.reach_all(0), "all people have subscribed")
    await eventually(lambda: has(home, "D0", desk.text), "the device has the text")
    # Edits go on while it is unknown, and when it is known.
    desk.keys.is_known = False
    desk.text += " A secret."
    desk.answer.changed()

    async def needs_edits() -> bool:
        return not await desk.answer.reach_all(0)

    await eventually(needs_edits, "edits follow")
    desk.keys.is_known, desk.keys.room_is_encrypted = True, True

    async def is_over() -> bool:
        return await desk.answer.descriptor(0, is_new=False) == {}

    await eventually(is_over, "the stream is over")
    assert not await desk.answer.reach_all(0)
    assert "secret" not in json.dumps(home.texts)


async def test_a_message_has_so_many_subscribers_and_a_person_so_many_devices(home: Homebody, desk: Desk) -> None:
    await desk.begin()
    desk.deliver(*(replace(REQUEST, device_id=f"X{number}") for number in range(20)))
    await eventually(lambda: has(home, "X0", desk.text), "the devices have the text")
    assert len(home.texts) == 8
    desk.deliver(*(replace(REQUEST, sender=f"@p{n}:test.local", device_id=f"P{n}") for n in range(1, 100)))
    await eventually(lambda: has(home, "P1", desk.text), "the devices have the text")
    assert len(home.texts) == MOST
    assert home.asked_for_members == 1


async def test_requests_of_strangers_crowd_no_other_out(home: Homebody, desk: Desk) -> None:
    await desk.begin()
    flood = [replace(REQUEST, sender=f"@s{n % 2}:test.local", device_id=f"S{n}") for n in range(200)]
    desk.deliver(*flood, REQUEST)
    await eventually(lambda: has(home, "D0", desk.text), "the device has the text")
    assert [*home.texts] == ["D0"]


async def test_people_who_enter_have_to_subscribe_and_those_who_leave_get_no_more(home: Homebody, desk: Desk) -> None:
    home.people = ["@p0:test.local"]
    await desk.begin()
    assert not await desk.answer.reach_all(0)
    desk.deliver(REQUEST)
    await eventually(lambda: desk.answer.reach_all(0), "all people have subscribed")
    assert not await desk.answer.reach_all(1)
    home.people = ["@p0:test.local", "@p1:test.local"]
    # Within half a minute, or after news.
    desk.deliver(rooms=("!other:test.local",))
    assert await desk.answer.reach_all(0)
    desk.deliver(rooms=(ROOM,))
    assert not await desk.answer.reach_all(0)
    desk.deliver(replace(REQUEST, sender="@p1:test.local", device_id="D1"))
    await eventually(lambda: desk.answer.reach_all(0), "all people have subscribed")
    home.people = ["@p1:test.local"]
    desk.deliver(rooms=(ROOM,))
    assert await desk.answer.reach_all(0)
    desk.text += " The end."
    desk.answer.changed()
    await eventually(lambda: has(home, "D1", "The end."), "the device has the text")
    assert not await has(home, "D0", "The end.")


@pytest.mark.parametrize("desk", [2.0], indirect=True)
async def test_a_stream_ends_in_time(home: Homebody, desk: Desk) -> None:
    home.people = ["@p0:test.local"]
    (field,) = (await desk.begin()).values()
    assert field["expiry_ms"] == 2_000
    desk.deliver(REQUEST)
    await eventually(lambda: desk.answer.reach_all(0), "all people have subscribed")

    async def is_over() -> bool:
        return not await desk.answer.reach_all(0)

    await eventually(is_over, "the stream is over")
    before = len(home.texts["D0"])
    desk.text += " The end."
    desk.answer.changed()
    desk.deliver(replace(REQUEST, device_id="D1"))
    desk.deliver(rooms=(ROOM,))
    await eventually(is_over, "the stream is over")
    assert (len(home.texts["D0"]), "D1" in home.texts) == (before, False)


async def test_a_message_is_edited_from_time_to_time(
    home: Homebody, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.people = ["@p0:test.local"]
    await desk.begin()
    desk.deliver(REQUEST)
    await eventually(lambda: desk.answer.reach_all(0), "all people have subscribed")
    monkeypatch.setattr(event_streams, "_LONGEST_QUIET", 0.5)

    async def needs_an_edit() -> bool:
        return not await desk.answer.reach_all(0)

    await eventually(needs_an_edit, "an edit is due")
    desk.answer.shown(0, EVENT)
    assert await desk.answer.reach_all(0)


async def test_a_text_too_large_for_a_message_to_a_device_goes_on_as_edits(home: Homebody, desk: Desk) -> None:
    home.people = ["@p0:test.local"]
    await desk.begin()
    desk.deliver(REQUEST)
    await eventually(lambda: desk.answer.reach_all(0), "all people have subscribed")
    # Longer than one part: it goes on in the same message.
    desk.text += " word" * 3_000
    desk.answer.changed()
    await eventually(lambda: has(home, "D0", "word word"), "the device has the text")
    assert await desk.answer.reach_all(0)
    desk.text += " word" * 6_000
    desk.answer.changed()

    async def is_too_large() -> bool:
        return not await desk.answer.reach_all(0)

    await eventually(is_too_large, "edits follow")


async def test_the_requests_of_one_user_are_limited_and_fit_notifications(database: Database) -> None:
    class Wire(GrowthSender):
        """Keeps what is sent."""

        def __init__(self) -> None:
            super().__init__(database, STREAM_CHANNEL)
            self.payloads: list[str] = []

        async def send(self, payload: str) -> None:
            """Send *payload*, also through the database."""
            await super().send(payload)
            self.payloads.append(payload)

    wire = Wire()
    content = {"room_id": ROOM, "event_id": "$" + "e" * 200, "subscriber_device_id": "D" * 200}
    kind = "org.matrix.msc4471.stream.subscribe"
    messages = [
        {"type": kind, "sender": f"@p{number % 2}:x", "to_user_id": GHOST, "content": content} for number in range(200)
    ]
    intake, raw = StreamIntake(wire), json.dumps({"to_device": messages}).encode()
    await intake.take(raw, [])
    await intake.take(raw, [])
    assert sum(len(json.loads(each)["requests"]) for each in wire.payloads) == 200
    assert max(len(each.encode()) for each in wire.payloads) <= 7_900

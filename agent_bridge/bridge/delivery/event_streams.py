"""Event streams (MSC4471): devices that look at a growing answer get its text by messages, in place of edits.

Each message of an answer that grows has a stream, in the memory of the process that writes the answer. The request of a
device comes to the process that the homeserver knows, and a notification of PostgreSQL carries it to all processes.
Nothing is stored: after a kill, the next process edits the message without a descriptor, which ends its stream.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from agent_bridge.bridge.delivery.stream_subscribers import MOST, MOST_OF_USER, Stream, Subscriber
from agent_bridge.bridge.queue.offload import rendered
from agent_bridge.core.answers import Part
from agent_bridge.core.errors import BridgeError
from agent_bridge.core.event_streams import StreamRequest
from agent_bridge.matrix.event_streams import descriptor, new_key, opened, stream_id, update, update_type
from agent_bridge.matrix.session import at_once
from agent_bridge.render.content import growing_text
from agent_bridge.render.rendition import ops_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from agent_bridge.core.event_streams import StreamCipher
    from agent_bridge.core.keys import Keys
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.postgres.signals import Signals

_log = logging.getLogger(__name__)

#: The device of a user of the bridge without keys.
_DEVICE = "AGENTBRIDGE"
#: Seconds after which a stream ends, and edits follow again.
LIFE = 600.0
#: Requests for messages that this process does not know, and seconds for which they wait: a device may ask before the
#: homeserver's response with the id of the message has come.
_EARLY, _WAITS = 256, 10.0
#: Seconds between two updates, and the part of the time that may go into their texts.
_PACE, _SHARE = 0.2, 0.1
#: Bytes of a text that surely fits a message to a device, also encrypted. Synapse takes 65,536.
_LARGEST = 36_000
_PARAGRAPH = "\n\n"
#: Seconds after which a message is edited although all people get updates: a device may have vanished without a word,
#: and other devices of its user see the text in edits alone.
_LONGEST_QUIET = 90.0
#: Seconds that the homeserver has for one update, and the longest pause after a failure.
_PATIENCE, _LONGEST_PAUSE = 5.0, 30.0
#: Seconds that the first words wait for a device, and seconds in which a user without one is not given another stream.
_MAKING, _REST = 3.0, 60.0
#: Seconds for which the members of a room are known without news, and for which they are known at least.
_MEMBERS, _MEMBERS_AT_LEAST = 30.0, 2.0


class EventStreams:
    """The streams of the answers that this process writes. Their users have devices: those of *keys*, if there are any.

    *life* is the length of a stream in seconds.
    """

    def __init__(
        self,
        homeserver: Homeserver,
        signals: Signals,
        keys: Keys | None,
        cipher: StreamCipher | None,
        *,
        life: float = LIFE,
    ) -> None:
        self._homeserver = homeserver
        self._keys = keys
        self.cipher = cipher
        self._life = life
        self._devices: set[str] = set()
        #: Users who got no device, and when it is tried again, by a monotonic clock.
        self._rest: dict[str, float] = {}
        #: The messages with a stream, by room and event, or by the id of an encrypted stream.
        self._streams: dict[tuple[str, str], tuple[AnswerStreams, Stream]] = {}
        self._early: deque[tuple[float, StreamRequest]] = deque(maxlen=_EARLY)
        signals.on_stream.append(self._deliver)

    def of_answer(self, room_id: str, user_id: str, text: Callable[[], str], *, max_parts: int) -> AnswerStreams:
        """Return the streams of one answer of *user_id*; *text* returns its words so far."""
        return AnswerStreams(self, self._homeserver, room_id, user_id, text, max_parts)

    async def new(self, room_id: str, user_id: str) -> Stream | None:
        """Return the stream of a message that *user_id* is about to send.

        Return None if there is no device, or nothing is known of the room: the message does not wait for them.
        """
        if time.monotonic() < self._rest.get(user_id, 0.0):
            return None
        try:
            with at_once():
                async with asyncio.timeout(_MAKING):
                    device_id = await self._ensure_device(user_id)
                    key = new_key() if await self.is_encrypted(room_id, user_id) else None
        except (BridgeError, TimeoutError) as error:
            _log.info("an answer has no event stream: %s", error or type(error).__name__)
            self._rest[user_id] = time.monotonic() + _REST
            return None
        self._rest.pop(user_id, None)
        return Stream(device_id, key, time.monotonic() + self._life, descriptor(device_id, self._life, key))

    async def is_encrypted(self, room_id: str, user_id: str) -> bool:
        """Tell whether the messages of *user_id* in a room are encrypted.

        Raises:
            HomeserverError, StoreError: it is unknown.
        """
        return self._keys is not None and await self._keys.is_encrypted(room_id, user_id)

    async def _ensure_device(self, user_id: str) -> str:
        if self._keys is not None:
            return await self._keys.ensure_device(user_id)
        if user_id not in self._devices:
            await self._homeserver.make_device(user_id, _DEVICE)
            self._devices.add(user_id)
        return _DEVICE

    def open(self, answer: AnswerStreams, stream: Stream) -> None:
        """Take requests for *stream*, whose message was sent; those that came before count."""
        name = _name(answer, stream)
        self._streams[name] = answer, stream
        now = time.monotonic()
        for came, request in tuple(self._early):
            if now - came < _WAITS and _asked(request) == name:
                self._early.remove((came, request))
                self._pass_on(request)

    def close(self, answer: AnswerStreams, stream: Stream) -> None:
        """Take no more requests for *stream*."""
        self._streams.pop(_name(answer, stream), None)

    def _deliver(self, payload: str) -> None:
        values = json.loads(payload)
        changed = {*values["rooms"]}
        for answer in {answer for answer, _ in self._streams.values() if answer.room_id in changed}:
            answer.forget_members()
        for each in values["requests"]:
            self._pass_on(StreamRequest(**each))

    def _pass_on(self, request: StreamRequest) -> None:
        found = self._streams.get(_asked(request))
        if found is None:
            self._early.append((time.monotonic(), request))
            return
        answer, stream = found
        if stream.key is not None and self.cipher is not None:
            asked = opened(request, stream.key, self.cipher)
            if asked is None or (asked.room_id, asked.event_id) != (answer.room_id, stream.event_id):
                return
            request = asked
        if request.publisher == answer.user_id:
            answer.ask(stream, request)


def _asked(request: StreamRequest) -> tuple[str, str]:
    return ("", request.stream_id) if request.stream_id else (request.room_id, request.event_id)


def _name(answer: AnswerStreams, stream: Stream) -> tuple[str, str]:
    if stream.key is None:
        return answer.room_id, stream.event_id
    return "", stream_id(stream.key, answer.room_id, stream.event_id)


class AnswerStreams:
    """The streams of the messages of one answer, one for each part that grew.

    One task sends the updates, if there is a subscriber: the answer never waits for it.
    """

    def __init__(
        self,
        streams: EventStreams,
        homeserver: Homeserver,
        room_id: str,
        user_id: str,
        text: Callable[[], str],
        max_parts: int,
    ) -> None:
        self._all = streams
        self._homeserver = homeserver
        self.room_id = room_id
        self.user_id = user_id
        self._text = text
        self._max_parts = max_parts
        self._streams: dict[int, Stream] = {}
        #: Requests that are yet to be looked at, by stream and device.
        self._asked: dict[tuple[str, str, str], tuple[Stream, StreamRequest]] = {}
        #: The people in the room, and when they were read.
        self._people: frozenset[str] = frozenset()
        self._read_at = self._wanted_at = -_MEMBERS
        #: Updates in succession that the homeserver did not take.
        self._failures = 0
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def descriptor(self, part: int, *, is_new: bool) -> dict[str, Any]:
        """Return the field with the descriptor for the message that shows the growing *part*.

        A message gets one when it is sent (*is_new*); only such a message keeps it. Empty: there is no stream.
        """
        stream = self._streams.get(part)
        if stream is None and is_new and part in Part.TEXT:
            stream = await self._all.new(self.room_id, self.user_id)
            if stream is not None:
                self._streams[part] = stream
        return {} if stream is None else stream.descriptor

    def shown(self, part: int, event_id: str) -> None:
        """Note that *event_id* shows the growing *part*: its stream begins, unless it has, or there is none."""
        stream = self._streams.get(part)
        if stream is None:
            return
        stream.edited_at = time.monotonic()
        if stream.event_id == event_id:
            return
        if stream.event_id:
            # The message was sent again; its devices know another one.
            self.end(part)
            return
        stream.event_id = event_id
        self._all.open(self, stream)

    def end(self, part: int) -> None:
        """End the stream of *part*: the message has its last text."""
        stream = self._streams.pop(part, None)
        if stream is not None:
            self._all.close(self, stream)

    async def close(self) -> None:
        """End all streams."""
        for part in tuple(self._streams):
            self.end(part)
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def changed(self) -> None:
        """Note that the text has changed."""
        self._news.set()

    def forget_members(self) -> None:
        """Note that people entered or left the room."""
        self._wanted_at = time.monotonic()

    def ask(self, stream: Stream, request: StreamRequest) -> None:
        """Note *request* of a device for *stream*."""
        name = (stream.event_id, request.sender, request.device_id)
        _, before = self._asked.get(name, (stream, None))
        if before is not None and (before.ends or before.resync):
            # Both were yet to be looked at: a device that comes back has forgotten the text.
            request = replace(request, resync=True)
        waiting = sum(each.sender == request.sender for _, each in self._asked.values())
        if before is not None or (len(self._asked) < 2 * MOST and waiting < 2 * MOST_OF_USER):
            self._asked[name] = stream, request
            self._news.set()
            if self._task is None:
                self._task = asyncio.create_task(self._run())

    async def reach_all(self, part: int | None) -> bool:
        """Tell whether all people in the room get the text from *part* on by updates, so that they need no edit now."""
        stream = None if part is None else self._streams.get(part)
        if stream is None or not stream.subscribers or stream.is_over or stream.size > _LARGEST:
            return False
        if time.monotonic() - stream.edited_at >= _LONGEST_QUIET:
            return False
        if self._failures or self._task is None or self._task.done():
            return False
        people = await self._members(_MEMBERS) or frozenset()
        return bool(people) and people <= {user for user, _ in stream.subscribers}

    async def _members(self, age: float) -> frozenset[str] | None:
        """Return the people in the room, as they were *age* seconds ago at most; None: they are unknown."""
        now = time.monotonic()
        if now - self._read_at > age or self._read_at < self._wanted_at:
            try:
                async with asyncio.timeout(_PATIENCE):
                    members = await self._homeserver.members(self.room_id, self.user_id)
            except (BridgeError, TimeoutError) as error:
                _log.info("the subscribers of an answer are unknown: %s", error or type(error).__name__)
                return None
            is_ours = self._homeserver.namespace.is_ours
            self._people = frozenset(user for user, state in members.items() if state == "join" and not is_ours(user))
            self._read_at = now
            for stream in self._streams.values():
                for name in [each for each in stream.subscribers if each[0] not in self._people]:
                    del stream.subscribers[name]
        return self._people

    async def _run(self) -> None:
        """Send updates until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            await self._admit()
            await asyncio.sleep(await self._send_all())

    async def _send_all(self) -> float:
        """Send the text to all subscribers; return the seconds until the next update."""
        for each in self._streams.values():
            if each.is_over:
                each.subscribers.clear()
        if not await self._end_readable():
            return self._pause_after_failure()
        live = {part: each for part, each in self._streams.items() if each.subscribers}
        if not live:
            return 0.0
        begun, text = time.monotonic(), self._text()
        pieces = await rendered(len(text), _pieces, text, self._max_parts)
        pause = max(_PACE, (time.monotonic() - begun) / _SHARE)
        for part, each in live.items():
            # A message shows the text from its part on: while all people subscribe, there is no other one.
            shown = _PARAGRAPH.join(pieces[part:])
            each.size = len(shown.encode("utf-8", "replace"))
            if not await self._send(each, shown):
                pause = self._pause_after_failure()
        return pause

    async def _end_readable(self) -> bool:
        """End the streams without a key if the room is encrypted by now; return False if that is unknown."""
        if all(each.key is not None or not each.subscribers for each in self._streams.values()):
            return True
        try:
            async with asyncio.timeout(_PATIENCE):
                is_encrypted = await self._all.is_encrypted(self.room_id, self.user_id)
        except (BridgeError, TimeoutError) as error:
            _log.info("an update of a growing answer was not sent: %s", error or type(error).__name__)
            self._failures += 1
            return False
        for part in [part for part, each in self._streams.items() if is_encrypted and each.key is None]:
            self.end(part)
        return True

    def _pause_after_failure(self) -> float:
        self._news.set()
        return min(2.0**self._failures, _LONGEST_PAUSE)

    async def _admit(self) -> None:
        """Add the devices that asked for updates, and remove those that want no more."""
        asked, self._asked = self._asked, {}
        for stream, request in asked.values():
            if request.ends:
                stream.subscribers.pop((request.sender, request.device_id), None)
            elif await self._is_member(request.sender):
                stream.admit(request)

    async def _is_member(self, user_id: str) -> bool:
        known = await self._members(_MEMBERS)
        if known is not None and user_id not in known:
            known = await self._members(_MEMBERS_AT_LEAST)
        return known is not None and user_id in known

    async def _send(self, stream: Stream, text: str) -> bool:
        """Send *text* to the subscribers that do not have it; tell whether the homeserver took it."""
        behind = [each for each in stream.subscribers.values() if each.has != text]
        if not behind or not text:
            return True
        messages: dict[str, dict[str, Any]] = {}
        for each in behind:
            messages.setdefault(each.user_id, {})[each.device_id] = self._update(stream, each, text)
        kind, txn_id = update_type(stream.key), f"ab.{uuid4()}"
        try:
            with at_once():
                async with asyncio.timeout(_PATIENCE):
                    await self._homeserver.send_to_devices(self.user_id, kind, txn_id, messages)
        except (BridgeError, TimeoutError) as error:
            _log.info("an update of a growing answer was not sent: %s", error or type(error).__name__)
            self._failures += 1
            # It may have been sent: only the whole text is safe.
            _set(behind, None)
            return False
        self._failures = 0
        _set(behind, text)
        return True

    def _update(self, stream: Stream, subscriber: Subscriber, text: str) -> dict[str, Any]:
        """Return the next update for *subscriber*: the end of *text* that it does not have, or all of *text*."""
        before = subscriber.has
        appends = bool(before) and text.startswith(before or "")
        subscriber.seq += 1
        stream.seq = max(stream.seq, subscriber.seq)
        news = text[len(before or "") :] if appends else text
        event_id, seq, cipher = stream.event_id, subscriber.seq, self._all.cipher
        return update(self.room_id, event_id, seq, news, appends=appends, key=stream.key, cipher=cipher)


def _set(subscribers: Iterable[Subscriber], text: str | None) -> None:
    for each in subscribers:
        each.has = text


def _pieces(text: str, max_parts: int) -> list[str]:
    """Return the texts of the parts of *text* as a growing message shows them."""
    return [growing_text(op.text) for op in ops_for(text)[:max_parts]]

"""Takes the requests of devices for event streams (MSC4471) in: all processes get them, and nothing is stored."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from agent_bridge.core.errors import StoreError
from agent_bridge.matrix.event_streams import stream_requests

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from agent_bridge.core.event_streams import StreamRequest
    from agent_bridge.matrix.events import RoomEvent
    from agent_bridge.store.answer_growth import GrowthSender

_log = logging.getLogger(__name__)

#: Bytes of a notification, as the sender allows them, with a reserve for the fields around the list.
_LONGEST = 7_800
#: Requests of one user in so many seconds; further ones are dropped.
_MOST, _PERIOD = 100, 10.0


class StreamIntake:
    """Passes requests on, and news about members: an edit is left out only if all people of a room subscribe."""

    def __init__(self, sender: GrowthSender) -> None:
        self._sender = sender
        self._counts: Counter[str] = Counter()
        self._since = 0.0

    async def take(self, raw: bytes, events: Sequence[RoomEvent]) -> None:
        """Send the requests of the transaction *raw* and the rooms of *events* to all processes.

        They may be lost: then edits follow.
        """
        requests = [asdict(each) for each in stream_requests(raw) if self._allows(each)]
        rooms = sorted({event.room_id for event in events if event.type == "m.room.member"})
        try:
            for some in _pieces(rooms):
                await self._sender.send(json.dumps({"requests": [], "rooms": some}))
            for some in _pieces(requests):
                await self._sender.send(json.dumps({"requests": some, "rooms": []}))
        except StoreError as error:
            _log.info("requests for event streams are lost: %s", error)

    def _allows(self, request: StreamRequest) -> bool:
        now = time.monotonic()
        if now - self._since > _PERIOD:
            self._counts.clear()
            self._since = now
        self._counts[request.sender] += 1
        return self._counts[request.sender] <= _MOST


def _pieces(values: Iterable[Any]) -> Iterator[list[Any]]:
    """Yield *values* in lists that each fit a notification."""
    some: list[Any] = []
    size = 0
    for value in values:
        length = len(json.dumps(value)) + 2
        if some and size + length > _LONGEST:
            yield some
            some, size = [], 0
        some.append(value)
        size += length
    if some:
        yield some

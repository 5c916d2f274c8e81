"""The devices that get the growing text of a message (MSC4471), and how many there may be."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent_bridge.core.event_streams import StreamRequest

#: Subscribers of one message, and of them those of one user.
MOST, MOST_OF_USER = 64, 8


@dataclass(slots=True)
class Subscriber:
    """A device that gets the text of a message."""

    user_id: str
    device_id: str
    #: The number of the last update.
    seq: int
    #: The text that the device has; None: it needs the whole text.
    has: str | None = None


@dataclass(slots=True)
class Stream:
    """The stream of one message."""

    device_id: str
    #: None: the room is not encrypted.
    key: bytes | None
    #: The end of the stream by a monotonic clock.
    until: float
    descriptor: dict[str, Any]
    event_id: str = ""
    #: When the message was sent or edited, by a monotonic clock.
    edited_at: float = 0.0
    subscribers: dict[tuple[str, str], Subscriber] = field(default_factory=dict)
    #: The highest number of an update.
    seq: int = 0
    #: The bytes of the text that it shows.
    size: int = 0

    def admit(self, request: StreamRequest) -> None:
        """Add the device that makes *request*; one that has subscribed goes on."""
        name = (request.sender, request.device_id)
        if name in self.subscribers:
            if request.resync:
                self.subscribers[name].has = None
        elif len(self.subscribers) < MOST and self._count(request.sender) < MOST_OF_USER:
            # A device that comes back ignores numbers that it knows.
            self.subscribers[name] = Subscriber(*name, self.seq)

    @property
    def is_over(self) -> bool:
        """Whether its time is over."""
        return time.monotonic() >= self.until

    def _count(self, user_id: str) -> int:
        return sum(user == user_id for user, _ in self.subscribers)

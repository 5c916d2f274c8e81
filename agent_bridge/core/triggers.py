"""Triggers: other programs wake an agent in a room. Their records, signatures and tokens."""

from __future__ import annotations

import hashlib
import hmac
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from agent_bridge.core.ids import short_hash

if TYPE_CHECKING:
    from datetime import datetime

#: Active triggers of one owner.
MOST_TRIGGERS = 20
#: Seconds by which the time of a request may differ from the clock of the bridge, before and after; also the time for
#: which the sender may repeat the request to a callback URL.
WINDOW = 300
#: Requests of one trigger that are accepted in a minute.
MOST_PER_MINUTE = 30
#: Hexadecimal digits of the name of an accepted request.
_NAME_DIGITS = 32


class TriggerKind(StrEnum):
    """How the requests of a trigger are recognised."""

    #: By a secret URL, which wakes the agent once.
    CALLBACK = "callback"
    #: By a signature with a key, any number of times.
    SIGNED = "signed"


class TriggerRefusal(StrEnum):
    """Why a request has no effect."""

    #: There is no such trigger, or it was revoked.
    UNKNOWN = "trigger_not_found"
    #: The callback URL has woken the agent already.
    USED = "callback_used"
    EXPIRED = "callback_expired"
    #: The owner has no role any more, or is muted.
    NO_ROLE = "owner_has_no_role"
    #: The owner is not in the room.
    NOT_IN_ROOM = "owner_not_in_room"
    #: The agent is gone or retired, or not in the room.
    AGENT_AWAY = "agent_not_available"
    #: As many messages as may wait in a room wait there.
    FULL = "room_full"
    TOO_OFTEN = "too_many_requests"


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger with its room and its agent, as they are now."""

    #: Row id: the number by which people name it.
    id: int
    #: The part of the URL that names it; of a callback it is not in the URL.
    public_id: str
    kind: TriggerKind
    #: One line.
    name: str
    #: User id.
    owner: str
    #: Row id of the agent, its name, and the localpart of its ghost.
    agent: int
    agent_name: str
    ghost: str
    room_id: str
    #: Name of the room; None: the bridge does not name it.
    room_name: str | None
    #: Whether the agent is in the room, and its upstream lists it.
    is_present: bool
    created_at: datetime
    last_used_at: datetime | None
    #: End of a callback URL; None: it has none.
    expires_at: datetime | None
    is_expired: bool = False
    #: When a callback URL has woken the agent, and by which request; None: not yet.
    used_key: str | None = None
    #: Whether the sender may still repeat that request.
    is_repeatable: bool = False


@dataclass(frozen=True, slots=True)
class WakeRequest:
    """A request whose sender is known."""

    text: str
    #: Name among the requests of the trigger: equal requests have one effect.
    key: str

    def name(self, trigger: Trigger) -> str:
        """Return the public name of the request to *trigger*."""
        return short_hash(f"{trigger.public_id} {self.key}", _NAME_DIGITS)


def signature_of(key: str, timestamp: str, body: bytes) -> str:
    """Return the hexadecimal HMAC-SHA256, with *key*, of *timestamp* (seconds since 1970), a dot, and *body*."""
    return hmac.new(key.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def is_timely(timestamp: str, now: float | None = None) -> bool:
    """Tell whether *timestamp*, decimal seconds since 1970, is at most :data:`WINDOW` seconds from *now*."""
    # A longer number is no time, and takes long to convert.
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12):  # noqa: PLR2004
        return False
    return abs(int(timestamp) - (time.time() if now is None else now)) <= WINDOW


def digest(text: str | bytes) -> str:
    """Return the hexadecimal SHA-256 of *text*."""
    return hashlib.sha256(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")).hexdigest()


def source_event(name: str) -> str:
    """Return the name that the accepted request *name* has in place of an event id: no event has such an id."""
    return f"trigger:{name}"

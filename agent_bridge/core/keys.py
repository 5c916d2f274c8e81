"""News about keys that the homeserver delivers to the bridge's users."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


class KeyNewsKind(StrEnum):
    """The kinds of news."""

    #: A message to a device (spec, "Send-to-Device messaging"); the content is the event.
    TO_DEVICE = "to_device"
    #: Users have other devices; the content is the spec's ``device_lists``.
    CHANGED = "changed"
    #: Keys that others have used up; the content has ``device``, ``count`` and ``fallback``.
    KEYS = "keys"
    #: Some news may be lost: the homeserver repeats a transaction without them, and drops those that come meanwhile.
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class KeyNews:
    """A piece of news."""

    #: The user of the bridge whose keys it concerns; empty: all of them.
    user_id: str
    kind: KeyNewsKind
    content: Mapping[str, Any]
    #: Of a message to a device.
    sender: str = ""


class Keys(Protocol):
    """The keys of the users of the bridge, as its parts use them."""

    async def ensure_device(self, user_id: str) -> str:
        """Give a user of the bridge a device, with keys that its user has signed, unless it has one; return its id.

        Raises:
            StoreError, HomeserverError: a repeat goes on.
        """

    async def is_encrypted(self, room_id: str, user_id: str) -> bool:
        """Tell whether the messages of a room are encrypted; *user_id* is in it.

        Raises:
            StoreError, HomeserverError: it is unknown.
        """

    async def recover(self) -> None:
        """Make up for the time in which nobody listened: the homeserver does not tell later what was used or changed.

        Raises:
            StoreError, HomeserverError: a repeat goes on.
        """

    async def prune(self) -> None:
        """Delete what is not needed any more, here and on the homeserver, and bring devices up to date that were left.

        Raises:
            StoreError, HomeserverError: some may be left.
        """

    async def request_key(self, event: Mapping[str, Any], user_id: str) -> None:
        """Ask the devices of the sender of an encrypted *event* for its key, for *user_id*; a repeat asks again.

        Raises:
            StoreError, HomeserverError: they may not be asked.
        """

    async def receive(self, user_id: str) -> bool:
        """Process the news that are stored for a user, for a short time; tell whether there are more.

        The events whose keys came are due.

        Raises:
            StoreError, HomeserverError: the news are processed later.
        """

    async def fetch(self, user_id: str, sender: str) -> set[str]:
        """Process what *sender* sent to a user, also while nobody listened; return the sessions whose keys came.

        Their events are due.

        Raises:
            StoreError, HomeserverError: a repeat goes on.
        """

    async def decrypt(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return an encrypted event of a room in the clear.

        Raises:
            KeyMissing: no user of the bridge has its key from its sender.
            Unreadable: it can never be read.
            StoreError: it is not known.
        """

"""The errors of encrypted events."""

from __future__ import annotations

from agent_bridge.core.errors.base import BridgeError


class KeyMissing(BridgeError):
    """No user of the bridge has the key of an event. It may come later."""


class Unreadable(BridgeError):
    """An event can never be decrypted: it was changed or repeated, or has an unknown form."""

"""Filters of the client-server API."""

from __future__ import annotations

from agent_bridge.matrix.filters import said_by_others
from support.records import NAMES


def test_earlier_messages_that_were_imported_are_not_read() -> None:
    # A backfill reads a bounded number of events, and an import sends thousands.
    assert said_by_others(NAMES, "@agent_frida:example.org")["not_senders"] == [
        NAMES.bot,
        NAMES.imported,
        "@agent_frida:example.org",
    ]

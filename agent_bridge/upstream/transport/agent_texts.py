"""The texts of an agent that upstreams send, bounded and on one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.names import one_line
from agent_bridge.upstream.transport.text import shorten, storable

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Characters of a name, which stands in notices and prompts, and of a description.
_MAX_NAME, _MAX_DESCRIPTION = 200, 300
#: The name of an agent whose names and id are invisible.
_UNNAMED = "?"


def name_of(texts: Iterable[str]) -> str:
    """Return the first of *texts* of which something is visible, in one line of at most 200 characters."""
    return shorten(next((name for text in texts if (name := one_line(storable(text)))), _UNNAMED), _MAX_NAME)


def description_of(texts: Iterable[str]) -> str:
    """Return the first of *texts* of which something is visible, in one line of at most 300; empty without one."""
    return shorten(next((line for text in texts if (line := one_line(storable(text)))), ""), _MAX_DESCRIPTION)

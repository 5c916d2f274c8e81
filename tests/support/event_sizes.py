"""Texts that just fit an event, and the sizes of events."""

from __future__ import annotations

import json
from typing import Any

from agent_bridge.render.rendition import ops_for
from agent_bridge.render.split import PART_BYTES

EVENT = "$" + "x" * 43


def wire_size(content: dict[str, Any]) -> int:
    """Return the bytes of canonical JSON (Matrix spec, appendix "Canonical JSON")."""
    return len(json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode())


def at_the_border(piece: str) -> tuple[str, str]:
    """Return the longest repetition of *piece* that is one part, and the shortest that is more."""

    def text(count: int) -> str:
        return f"**b** {piece * count} **e**"

    fits, breaks = 1, PART_BYTES
    while breaks - fits > 1:
        middle = (fits + breaks) // 2
        fits, breaks = (middle, breaks) if len(ops_for(text(middle))) == 1 else (fits, middle)
    return text(fits), text(breaks)

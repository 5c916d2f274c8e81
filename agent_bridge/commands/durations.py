"""Lengths of time as people type them: ``30 min``, ``2h``, ``1 day 12 hours``, in every language of the texts."""

from __future__ import annotations

import re

from agent_bridge.i18n.units import UNITS

#: The longest one, in seconds.
LONGEST = 365 * 86400
#: A number and a unit.
_PART = re.compile(r"(?P<number>\d{1,6})\s*(?P<unit>[^\W\d_]+)[.,]*\s*")


def parse_duration(text: str) -> float | None:
    """Return the seconds that *text* means; None if it is no length of time, zero, or longer than :data:`LONGEST`."""
    rest, total = text.strip().lower(), 0
    while rest:
        part = _PART.match(rest)
        if part is None or part["unit"] not in UNITS:
            return None
        total += int(part["number"]) * UNITS[part["unit"]]
        rest = rest[part.end() :]
    return float(total) if 0 < total <= LONGEST else None

"""Time zones by their names."""

from __future__ import annotations

from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo


def zone_named(name: str) -> tzinfo:
    """Return the time zone *name*. UTC needs no data of the system.

    Raises:
        ValueError, OSError, KeyError: neither the system nor the package ``tzdata`` knows it.
    """
    return UTC if name == "UTC" else ZoneInfo(name)


def is_zone(name: str) -> bool:
    """Tell whether there is a time zone *name*: that of a place, and no file of another kind."""
    try:
        zone_named(name)
    except (ValueError, OSError, KeyError):
        return False
    return True

"""Times of a clock on the wall, and the moments that they mean where clocks are changed twice a year."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import tzinfo

_SECOND = timedelta(seconds=1)


def moment_of(wall: datetime, zone: tzinfo) -> datetime:
    """Return the moment, in UTC, at which clocks in *zone* show *wall*, which has no zone.

    A time that clocks show twice means the first moment. A time that they leave out means the first moment behind the
    gap.
    """
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    # In a gap the two offsets change places.
    return _end_of_gap(second, first, wall, zone) if second < first else first


def wall_of(moment: datetime, zone: tzinfo) -> datetime:
    """Return the time, without a zone, that clocks in *zone* show at *moment*."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def _end_of_gap(before: datetime, behind: datetime, wall: datetime, zone: tzinfo) -> datetime:
    """Return the first second behind *before*, and not behind *behind*, at which clocks show a time from *wall* on."""
    while behind - before > _SECOND:
        middle = before + (behind - before) // _SECOND // 2 * _SECOND
        if wall_of(middle, zone) < wall:
            before = middle
        else:
            behind = middle
    return behind

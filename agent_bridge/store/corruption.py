"""Values in the tables that this program cannot read: they are left out with one line in the log.

An operator's statement, another program, or a damaged disk may have written them. One such value must not keep the
bridge, or the rooms of other agents, from working.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

from agent_bridge.core.errors import RowUnreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from enum import StrEnum

_log = logging.getLogger(__name__)

_Record = TypeVar("_Record")
_Row = TypeVar("_Row")
_Member = TypeVar("_Member", bound="StrEnum")

#: Errors of the conversion of a value that has another type or meaning than it should.
UNREADABLE = (ValueError, TypeError, KeyError, AttributeError)
#: Values that the log has had. A value stays in its row, and is read again and again.
_told: set[tuple[str, object]] = set()
_MOST_TOLD = 10_000


def report(table: str, row: object, error: object) -> None:
    """Log that a value of a row cannot be read, once for each row."""
    if (table, row) not in _told and len(_told) < _MOST_TOLD:
        _told.add((table, row))
        _log.error("corrupt value skipped: table %s, row %s: %s", table, row, error)


def readable(
    table: str, rows: Iterable[_Row], name: Callable[[_Row], object], read: Callable[[_Row], _Record]
) -> list[_Record]:
    """Return the records that *read* makes of *rows*, without those that cannot be read. *name* returns a row's id."""
    found: list[_Record] = []
    for row in rows:
        try:
            found.append(read(row))
        except UNREADABLE as error:
            report(table, name(row), error)
    return found


def read_one(table: str, row: object, read: Callable[[], _Record]) -> _Record:
    """Return the record that *read* makes of a row.

    Raises:
        RowUnreadable: it cannot be read.
    """
    try:
        return read()
    except UNREADABLE as error:
        report(table, row, error)
        raise RowUnreadable(f"the row {row} of the table {table} cannot be read: {error}") from error


def member_or_none(kind: type[_Member], value: str | None, table: str, row: object) -> _Member | None:
    """Return the member of *kind* with *value*; None for an unknown value, as if nobody had chosen one."""
    if value is None:
        return None
    try:
        return kind(value)
    except ValueError as error:
        report(table, row, error)
        return None

"""Grumble: a loop that fails again and again says so once, until it is well again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from structlog.stdlib import BoundLogger


class FailureLog:
    """What one loop has to say of its failures."""

    def __init__(self, log: BoundLogger, what: str) -> None:
        self._log = log
        self._what = what
        self._said = False

    def over(self, error: Exception) -> None:
        """Warn of *error*, unless the loop has failed since it was last well."""
        if not self._said:
            self._log.warning(self._what, error=str(error))
        self._said = True

    def well(self) -> None:
        """Note that the loop did what it should."""
        self._said = False

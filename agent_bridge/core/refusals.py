"""Lines of the log about refused requests, of which any program that reaches a port can make many."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

#: Seconds between two lines of the log about refused requests of one kind.
_BETWEEN = 600.0


class Refusals:
    """Tells which refused requests get a line of the log: the first one of a kind, and then one every ten minutes.

    A kind is a secret of the configuration or the database, and not a value that a request chooses: the memory grows by
    each of them.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._logged: dict[Hashable, float] = {}

    def is_told(self, kind: Hashable = None) -> bool:
        """Tell whether the request that was refused just now gets a line."""
        now = self._clock()
        if kind in self._logged and now - self._logged[kind] < _BETWEEN:
            return False
        self._logged[kind] = now
        return True

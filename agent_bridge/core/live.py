"""A value that may change while the program runs, in a cell that its readers share."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
U = TypeVar("U")


class Live(Generic[T]):
    """A cell with the present value. Readers keep the cell and not the value, so they see each replacement.

    *same* tells whether two values are the same for those who watch the cell.
    """

    def __init__(self, value: T, *, same: Callable[[T, T], bool] = operator.eq) -> None:
        self._value = value
        self._same = same
        self._watchers: list[Callable[[], object]] = []

    @property
    def value(self) -> T:
        """The present value."""
        return self._value

    def replace(self, value: T) -> None:
        """Set the *value*; call the watchers if it is not the same as the one before."""
        differs, self._value = not self._same(value, self._value), value
        if differs:
            for changed in self._watchers:
                changed()

    def watch(self, changed: Callable[[], object]) -> None:
        """Call *changed* after each change of the value, as long as the cell exists. It must not raise."""
        self._watchers.append(changed)

    def part(self, of: Callable[[T], U]) -> Live[U]:
        """Return a cell that always has *of* the value of this one. *of* must not raise."""
        cell = Live(of(self._value))
        self.watch(lambda: cell.replace(of(self._value)))
        return cell

"""A value that may change while the program runs, in a cell that its readers share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Live(Generic[T]):
    """A cell with the present value. Readers keep the cell and not the value, so they see each replacement."""

    def __init__(self, value: T) -> None:
        self._value = value
        self._watchers: list[Callable[[], object]] = []

    @property
    def value(self) -> T:
        """The present value."""
        return self._value

    def replace(self, value: T) -> None:
        """Set the *value*; call the watchers if it differs from the one before."""
        differs, self._value = value != self._value, value
        if differs:
            for changed in self._watchers:
                changed()

    def watch(self, changed: Callable[[], object]) -> None:
        """Call *changed* after each change of the value, as long as the cell exists. It must not raise."""
        self._watchers.append(changed)

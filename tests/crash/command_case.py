"""Cases of the tests of commands: a command, and a point at which its process dies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_Case = TypeVar("_Case")


@dataclass(frozen=True)
class CommandCase:
    """A command, and the point at which its process dies."""

    command: str
    point: str

    @property
    def name(self) -> str:
        return f"{self.command}:{self.point}"


def cases_of(kind: Callable[[str, str], _Case], steps: Mapping[str, Iterable[str]]) -> list[_Case]:
    """Return the cases of a *kind*: before and after each step (a name, and the number of its call) of each command."""
    return [
        kind(command, f"{when}:{step}")
        for command, each in steps.items()
        for step in each
        for when in ("before", "after")
    ]

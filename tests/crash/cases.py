"""Cases of the tests that kill processes: the deaths around steps, and the short form of a long list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from _pytest.mark import ParameterSet


def around(*steps: str) -> list[str]:
    """Return the points just before and just after each of *steps*, at its first time if it names no other one."""
    numbered = [step if ":" in step else f"{step}:1" for step in steps]
    return [f"{when}:{step}" for step in numbered for when in ("before", "after")]


def short_form(cases: Iterable[Any], quick: Collection[str]) -> list[ParameterSet]:
    """Return *cases* as parameters by their names; those whose name is not in *quick* are long tests."""
    named = [(case if isinstance(case, str) else str(case.name), case) for case in cases]
    return [pytest.param(case, id=name, marks=() if name in quick else pytest.mark.long) for name, case in named]

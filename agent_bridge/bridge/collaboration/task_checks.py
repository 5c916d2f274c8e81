"""Checks of the words of people and programs about tasks, and the keys of subtasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.results.tasks import TaskProblem, TaskRefused
from agent_bridge.core.tasks import MOST_NOTE, MOST_TITLE, WHOLE

if TYPE_CHECKING:
    from collections.abc import Mapping


def title_refusal(title: str) -> TaskRefused | None:
    """Return why a task cannot have a title; None: it can."""
    if not title:
        return TaskRefused(TaskProblem.NO_TITLE)
    if len(title) > MOST_TITLE:
        return TaskRefused(TaskProblem.TITLE_TOO_LONG, most=MOST_TITLE)
    return None


def report_refusal(number: int, percent: int | None, note: str) -> TaskRefused | None:
    """Return why nobody can report *percent* and *note* about the task *number*; None: somebody can."""
    if percent is not None and not 0 <= percent <= WHOLE:
        return TaskRefused(TaskProblem.BAD_PERCENT, number, str(percent), most=WHOLE)
    if len(note) > MOST_NOTE:
        return TaskRefused(TaskProblem.NOTE_TOO_LONG, number, most=MOST_NOTE)
    return None


def first_problem(checks: Mapping[TaskProblem, bool]) -> TaskProblem | None:
    """Return the first problem that there is; None without one."""
    return next((problem for problem, is_there in checks.items() if is_there), None)


def unknown(number: int) -> TaskRefused:
    """Return the refusal of a task that does not exist."""
    return TaskRefused(TaskProblem.UNKNOWN, number)


def part_keys(key: str, number: int) -> list[str]:
    """Return the keys of the *number* subtasks that the request *key* makes."""
    return [f"{key}.{place}" for place in range(number)]

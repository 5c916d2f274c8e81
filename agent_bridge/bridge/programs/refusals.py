"""Refusals of functions that commands share, as problems of programs."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from agent_bridge.core.program_problems import Problem, ProgramRefused
from agent_bridge.core.results.events import EventProblem
from agent_bridge.core.results.servers import PlaceProblem
from agent_bridge.core.results.threads import ThreadProblem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.core.results.events import EventRefused
    from agent_bridge.core.results.servers import PlaceRefused
    from agent_bridge.core.results.threads import ThreadRefused

_EVENTS: Mapping[EventProblem, Problem] = MappingProxyType(
    {EventProblem.NOT_THERE: Problem.ROOM_NOT_FOUND, EventProblem.NOT_ALLOWED: Problem.NOT_PERMITTED}
)
_PLACES: Mapping[PlaceProblem, Problem] = MappingProxyType(
    {
        PlaceProblem.NO_SERVER: Problem.SERVER_NOT_FOUND,
        PlaceProblem.NO_CHANNEL: Problem.ROOM_NOT_FOUND,
        PlaceProblem.TAKEN: Problem.NAME_TAKEN,
        PlaceProblem.TOO_MANY_SERVERS: Problem.TOO_MANY,
        PlaceProblem.TOO_MANY_CHANNELS: Problem.TOO_MANY,
        PlaceProblem.NOT_READY: Problem.UNAVAILABLE,
        PlaceProblem.NO_AGENT: Problem.AGENT_NOT_FOUND,
        PlaceProblem.SILENT: Problem.NOT_PERMITTED,
        PlaceProblem.NOT_ENTERED: Problem.REFUSED,
        PlaceProblem.OUTSIDE: Problem.ROOM_NOT_FOUND,
        PlaceProblem.CLOSED: Problem.NOT_PERMITTED,
        PlaceProblem.POWERLESS: Problem.REFUSED,
    }
)

_THREADS: Mapping[ThreadProblem, Problem] = MappingProxyType(
    {
        ThreadProblem.UNNAMED: Problem.THREAD_NOT_FOUND,
        ThreadProblem.NO_ROOT: Problem.MESSAGE_NOT_FOUND,
        ThreadProblem.NOT_YOURS: Problem.NOT_PERMITTED,
        ThreadProblem.NOT_PERMITTED: Problem.ROLE_MISSING,
        ThreadProblem.IN_USE: Problem.THREAD_IN_USE,
        ThreadProblem.TOO_MANY: Problem.TOO_MANY,
    }
)


def of_event(refused: EventRefused) -> ProgramRefused:
    """Return the problem of an event that was not posted; ``reason`` and ``place`` tell more."""
    problem = _EVENTS.get(refused.problem, Problem.INVALID_REQUEST)
    return _problem(problem, refused.problem, place=refused.place, most=refused.most)


def of_place(refused: PlaceRefused) -> ProgramRefused:
    """Return the problem of a server or a channel to which nothing was done; ``reason`` tells more."""
    problem = _PLACES.get(refused.problem, Problem.INVALID_REQUEST)
    return _problem(problem, refused.problem, name=refused.name, most=refused.most)


def of_thread(refused: ThreadRefused) -> ProgramRefused:
    """Return the problem of a thread to which nothing was done; ``reason`` tells more."""
    problem = _THREADS.get(refused.problem, Problem.INVALID_REQUEST)
    return _problem(problem, refused.problem, limit=refused.most)


def _problem(problem: Problem, reason: str, **more: str | int | None) -> ProgramRefused:
    """Return *problem*; *reason* is a stable name, and the values of *more* that are not empty are fields."""
    detail = str(reason).replace("_", " ")
    return ProgramRefused(
        problem, detail, more={"reason": str(reason)} | {key: each for key, each in more.items() if each}
    )

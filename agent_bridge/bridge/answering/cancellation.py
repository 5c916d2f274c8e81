"""Cancellation: a running answer ends as soon as a person asks for that, in whichever process it runs.

The way of a stop: ``inbound/rules.py`` decides that an event (🛑, ``!ab stop``, an edit, a redaction) ends an answer,
and ``store/intake.py`` or ``store/edits.py`` writes the reason into the turn's row; so does ``!ab drop``. This module
reads the row while the answer is generated, interrupts the generation, and returns the reason in place of the result.
``outcome.py`` makes the outcome of it. A turn whose row has a reason before it starts is never generated.

A row survives a restart and reaches the workers of all machines; a message between processes would do neither.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from agent_bridge.bridge.queue.periodic import FailureLog
from agent_bridge.core.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from agent_bridge.core.turns import StopReason, Turn
    from agent_bridge.store.turns import Turns

Result = TypeVar("Result")

_log = structlog.stdlib.get_logger(__name__)

#: Seconds between two reads while any answer is generated.
_INTERVAL = 0.3


@dataclass(slots=True, eq=False)
class _Running:
    turn: int
    #: A deadline that never comes by itself. A stop moves it to the present, which cancels the work.
    deadline: asyncio.Timeout
    reason: StopReason | None = None


class Cancellations:
    """Interrupts the answers of this process; :meth:`run` has to run at the same time."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._running: set[_Running] = set()

    async def unless_stopped(self, turn: Turn, work: Coroutine[Any, Any, Result]) -> Result | StopReason:
        """Return the result of *work*; or cancel *work* when a person ends *turn*, and return that reason.

        An exception of *work* is raised as it is.
        """
        running = _Running(turn.id, asyncio.timeout(None))
        self._running.add(running)
        try:
            async with running.deadline:
                return await work
        except TimeoutError:
            if running.reason is None:
                raise
            return running.reason
        finally:
            self._running.discard(running)

    async def run(self) -> None:
        """Read the reasons for which running turns have to end, until cancelled."""
        failures = FailureLog(_log, "cannot read which answers to stop")
        while True:
            if self._running:
                try:
                    self._interrupt(await self._turns.stops({running.turn for running in self._running}))
                except StoreError as error:
                    failures.over(error)
                else:
                    failures.well()
            await asyncio.sleep(_INTERVAL)

    def _interrupt(self, reasons: Mapping[int, StopReason]) -> None:
        for running in self._running:
            if running.reason is None and (reason := reasons.get(running.turn)) is not None:
                running.reason = reason
                running.deadline.reschedule(asyncio.get_running_loop().time())

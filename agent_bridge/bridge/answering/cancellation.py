"""Cancellation: a running answer or command ends as soon as a person asks for that, in whichever process it runs.

``inbound/rules.py`` decides that an event (🛑, ``!ab stop``, an edit, a redaction) ends an answer, and
``store/intake.py`` or ``store/edits.py`` writes the reason into the turn's row; so does ``!ab drop``. A notification
of the database has this module read the row while the answer is generated; it interrupts the generation and returns
the reason in place of the result. ``outcome.py`` makes the outcome of it. A turn whose row has a reason before it
starts is never generated. A command in the lane of an agent ends in the same way.

A row survives a restart; a message between processes would not.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from agent_bridge.bridge.queue.periodic import every
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from agent_bridge.core.turns import StopReason, Turn
    from agent_bridge.store.postgres.signals import Signals
    from agent_bridge.store.turns import Turns

Result = TypeVar("Result")

#: Seconds between two reads without a notification, while any answer is generated.
_INTERVAL = 5.0
#: Seconds after which the row of a new answer is read: its notification may have come before the answer was registered.
_FIRST_READ = 0.3


@dataclass(slots=True, eq=False)
class _Running:
    turn: int
    #: A deadline that never comes by itself. A stop moves it to the present, which cancels the work.
    deadline: asyncio.Timeout
    reason: StopReason | None = None


class Cancellations:
    """Interrupts the answers of this process; :meth:`run` has to run at the same time."""

    def __init__(self, turns: Turns, signals: Signals) -> None:
        self._turns = turns
        self._signals = signals
        self._running: set[_Running] = set()

    async def unless_stopped(self, turn: Turn, work: Coroutine[Any, Any, Result]) -> Result | StopReason:
        """Return the result of *work*; or cancel *work* when a person ends *turn*, and return that reason.

        An exception of *work* is raised as it is.
        """
        running = _Running(turn.id, asyncio.timeout(None))
        self._running.add(running)
        first_read = asyncio.get_running_loop().call_later(_FIRST_READ, self._signals.send, Topic.STOPS)
        try:
            async with running.deadline:
                return await work
        except TimeoutError:
            if running.reason is None:
                raise
            return running.reason
        finally:
            first_read.cancel()
            self._running.discard(running)

    async def run(self) -> None:
        """Read the reasons for which running turns have to end, until cancelled."""
        with self._signals.subscription(Topic.STOPS) as wake:
            await every(_INTERVAL, self._read, name="search for answers to stop", wake=wake)

    async def _read(self) -> None:
        if self._running:
            self._interrupt(await self._turns.stops({running.turn for running in self._running}))

    def _interrupt(self, reasons: Mapping[int, StopReason]) -> None:
        for running in self._running:
            if running.reason is None and (reason := reasons.get(running.turn)) is not None:
                running.reason = reason
                running.deadline.reschedule(asyncio.get_running_loop().time())

"""One bridge of a run: a process that faults end and a supervisor starts again, and the record of its lives."""

from __future__ import annotations

import asyncio
import math
import signal
import time
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from support.conditions import eventually
from support.process import BridgeProcess, write_config

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Any, Self

    from agent_bridge.config.model import Config

_UP_WITHIN = 120.0
#: Seconds after which the supervisor starts a process again.
_RESTART = 0.5
_LEADS = "this process leads"
_ANSWERED = frozenset({"answer sent", "answer failed"})
_TAKEN_OVER = "taking over the lanes of a dead worker"


@dataclass(frozen=True, slots=True)
class Life:
    """One process, from its start."""

    #: Seconds since the epoch.
    started: float
    #: Its log lines.
    events: list[dict[str, Any]] = field(repr=False)

    @property
    def first_answer(self) -> float | None:
        """Seconds from the start to the first answer that was shown whole, None when there was none."""
        first = next((_moment(line) for line in self.events if line["event"] in _ANSWERED), None)
        return None if first is None else first - self.started


class Replica:
    """A bridge with *config*, under a supervisor that starts it again when it ends by itself.

    It runs while the context is entered, except between a fault that ends it and its next start.
    """

    def __init__(self, folder: Path, config: Config) -> None:
        folder.mkdir()
        self._folder = folder
        self.config = config
        self.lives: list[Life] = []
        #: When it was killed, in seconds since the epoch.
        self.deaths: list[float] = []
        #: Exit codes with which it ended by itself.
        self.own_ends: list[int] = []
        #: Exit codes after SIGTERM.
        self.stops: list[int] = []
        self._process: BridgeProcess | None = None
        self._wanted = asyncio.Event()
        self._over = False

    async def __aenter__(self) -> Self:
        self._supervising = asyncio.create_task(self._supervise())
        try:
            await self.start()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    def configure(self, config: Config) -> None:
        """Write another configuration. The process reads it at its next start, or when it is told."""
        self.config = config
        write_config(self._folder, config)

    async def launch(self) -> None:
        """Start the process, and return when it runs; its door is not open yet."""
        self._wanted.set()
        await eventually(self._runs, "the bridge runs", _UP_WITHIN)

    async def start(self) -> None:
        """Start the process, if it does not run, and return when its door is open."""
        self._wanted.set()
        await eventually(self._listens, "the bridge listens", _UP_WITHIN)

    async def kill(self) -> None:
        """End the process like a power cut."""
        self._wanted.clear()
        self.deaths.append(time.time())
        if self._process is not None:
            await self._process.kill()

    async def stop(self) -> None:
        """End the process like an operator: with SIGTERM, and SIGKILL after 30 s."""
        self._wanted.clear()
        if self._process is not None and self._process.running:
            self.stops.append(await self._process.stop())

    def freeze(self) -> None:
        """Stop the process with SIGSTOP; see :meth:`thaw`."""
        if self._process is not None:
            self._process.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the frozen process go on."""
        if self._process is not None:
            self._process.signal(signal.SIGCONT)

    def log(self) -> Iterator[dict[str, Any]]:
        """Yield the log lines of all its processes."""
        for life in self.lives:
            yield from life.events

    @property
    def led_at(self) -> float:
        """When the process began to lead, in seconds since the epoch; 0 if it does not lead."""
        lines = self.lives[-1].events if self.lives else []
        return max((_moment(line) for line in lines if line["event"] == _LEADS), default=0.0)

    async def _runs(self) -> bool:
        return self._process is not None and self._process.running

    async def _listens(self) -> bool:
        return self._process is not None and self._process.running and bool(self._process.logged("listening"))

    async def _supervise(self) -> None:
        while True:
            await self._wanted.wait()
            if self._over:
                return
            process = BridgeProcess(self._folder, self.config)
            self.lives.append(Life(time.time(), process.events))
            async with process:
                self._process = process
                if not self._wanted.is_set():
                    await process.kill()
                code = await process.wait()
            if self._wanted.is_set() and not self._over:
                self.own_ends.append(code)
                await asyncio.sleep(_RESTART)

    async def _end(self) -> None:
        self._over = True
        self._wanted.clear()
        if self._process is not None:
            self.thaw()
            await self._process.stop()
        self._wanted.set()
        await self._supervising


def takeovers(replicas: Sequence[Replica]) -> tuple[float, ...]:
    """Return the seconds from each death to the next takeover by any process; a death without takeover is left out."""
    deaths = sorted(moment for replica in replicas for moment in replica.deaths)
    taken = sorted(_moment(line) for replica in replicas for line in replica.log() if line["event"] == _TAKEN_OVER)
    pairs = pairwise((*deaths, math.inf))
    firsts = ((death, next((each for each in taken if death < each < end), None)) for death, end in pairs)
    return tuple(first - death for death, first in firsts if first is not None)


def _moment(line: dict[str, Any]) -> float:
    return datetime.fromisoformat(line["timestamp"]).timestamp()

"""One bridge of a run: a process that the driver kills and starts again, and the record of its lives."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from support.process import BridgeProcess

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Any, Self

    from agent_bridge.config.model import Config

_UP_WITHIN = 120.0
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
    """A bridge with *config*. It runs while the context is entered, except between a kill and the next start."""

    def __init__(self, folder: Path, config: Config) -> None:
        folder.mkdir()
        self._folder = folder
        self._config = config
        self.lives: list[Life] = []
        #: When it was killed, in seconds since the epoch.
        self.deaths: list[float] = []

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._process.stop()

    async def start(self) -> None:
        """Start the process and return when its door is open."""
        self._process = BridgeProcess(self._folder, self._config)
        self.lives.append(Life(time.time(), self._process.events))
        await self._process.__aenter__()
        await self._process.wait_for("listening", _UP_WITHIN)

    async def kill(self) -> None:
        """End the process like a power cut. It must run until then."""
        assert self._process.running, f"the bridge ended by itself, having said {self._process.events[-5:]}"
        self.deaths.append(time.time())
        await self._process.kill()

    def log(self) -> Iterator[dict[str, Any]]:
        """Yield the log lines of all its processes."""
        for life in self.lives:
            yield from life.events


def takeovers(replicas: Sequence[Replica]) -> tuple[float, ...]:
    """Return the seconds from each death to the next takeover by any process; a death without takeover is left out."""
    deaths = sorted(moment for replica in replicas for moment in replica.deaths)
    taken = sorted(_moment(line) for replica in replicas for line in replica.log() if line["event"] == _TAKEN_OVER)
    pairs = zip(deaths, [*deaths[1:], math.inf], strict=True)
    firsts = ((death, next((each for each in taken if death < each < end), None)) for death, end in pairs)
    return tuple(first - death for death, first in firsts if first is not None)


def _moment(line: dict[str, Any]) -> float:
    return datetime.fromisoformat(line["timestamp"]).timestamp()

"""Measures how long the event loop is blocked, and logs the line of code that blocks it."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

_log = structlog.stdlib.get_logger(__name__)

#: Stalls that are kept.
_KEPT = 100
#: Frames of the stack that are logged, and minimum seconds between two log lines.
_FRAMES, _LOG_INTERVAL = 8, 10.0
#: Seconds after which a stall is logged although it goes on.
_HANGS = 5.0


@dataclass(frozen=True, slots=True)
class Stall:
    """A time in which the event loop served nothing."""

    #: Seconds, and those of them in which its thread used a processor. On a busy machine a thread waits for one.
    seconds: float
    computed: float
    #: The innermost frames of the thread of the loop, outermost first; empty if it was free again before the look.
    stack: str


class LoopWatchdog:
    """Calls the running event loop from a thread, and notes each call that waits for longer than *limit* seconds.

    Use as async context manager. A stall of *limit* + *interval* seconds is noticed in any case, and a shorter one
    perhaps. A stall of *logged* seconds is logged as a warning, with the stack at the time of *limit*.
    """

    def __init__(self, *, limit: float = 0.05, interval: float = 0.05, logged: float = 0.25) -> None:
        self._limit = limit
        self._interval = interval
        self._logged = logged
        self._last_log = -_LOG_INTERVAL
        self._stop = threading.Event()
        #: The last stalls, oldest first.
        self.stalls: deque[Stall] = deque(maxlen=_KEPT)
        self._longest = Stall(0.0, 0.0, "")

    async def __aenter__(self) -> Self:
        loop, thread = asyncio.get_running_loop(), threading.get_ident()
        self._stop.clear()
        self._thread = threading.Thread(target=self._watch, args=(loop, thread), name="watchdog", daemon=True)
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        await asyncio.to_thread(self._thread.join)

    def take_longest(self) -> Stall:
        """Return the stall with the longest computation since the last call; one of 0 seconds if there was none."""
        longest, self._longest = self._longest, Stall(0.0, 0.0, "")
        return longest

    def _watch(self, loop: asyncio.AbstractEventLoop, thread: int) -> None:
        clock = _cpu_clock(thread)
        while not self._stop.wait(self._interval):
            answered = threading.Event()
            asked, used = time.monotonic(), clock()
            try:
                loop.call_soon_threadsafe(answered.set)
            except RuntimeError:  # the loop is closed
                return
            if answered.wait(self._limit):
                continue
            stack = _stack_of(thread)
            if not answered.wait(_HANGS):
                self._report(Stall(time.monotonic() - asked, clock() - used, stack))
                while not answered.wait(self._interval):
                    if self._stop.is_set():
                        return
            self._note(Stall(time.monotonic() - asked, clock() - used, stack))

    def _note(self, stall: Stall) -> None:
        self.stalls.append(stall)
        if stall.computed > self._longest.computed:
            self._longest = stall
        if stall.seconds >= self._logged:
            self._report(stall)

    def _report(self, stall: Stall) -> None:
        now = time.monotonic()
        if now - self._last_log >= _LOG_INTERVAL:
            self._last_log = now
            seconds, computed = round(stall.seconds, 3), round(stall.computed, 3)
            _log.warning("the event loop was blocked", seconds=seconds, computed=computed, where=stall.stack)


def _stack_of(thread: int) -> str:
    frame = sys._current_frames().get(thread)  # noqa: SLF001 - a documented function
    frames = traceback.extract_stack(frame)[-_FRAMES:] if frame is not None else []
    return " > ".join(f"{each.filename.rpartition('/')[2]}:{each.lineno} {each.name}" for each in frames)


def _cpu_clock(thread: int) -> Callable[[], float]:
    """Return a clock of the processor time that *thread* used; of wall time where the system has no such clock."""
    if not hasattr(time, "pthread_getcpuclockid"):
        return time.monotonic
    number = time.pthread_getcpuclockid(thread)
    return lambda: time.clock_gettime(number)

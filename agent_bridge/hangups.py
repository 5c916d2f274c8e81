"""SIGHUP before the bridge can read its configuration again: it is kept until then.

Its default action would end a process that is being started. systemd takes that for a clean end, and does not start the
process again. The modules of the bridge take a second to be loaded, so this module imports none.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

_kept: list[int] = []


def has_terminal() -> bool:
    """Tell whether the standard input, output or error of this process is a terminal."""
    return any(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))


def keep_hangups() -> None:
    """Keep each SIGHUP from now on, unless a terminal sends it, which is closed, or the process ignores it."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL and not has_terminal():
        signal.signal(signal.SIGHUP, _keep)


def kept_hangups() -> bool:
    """Tell whether SIGHUP came since :func:`keep_hangups`, and before another handler replaced its own."""
    return bool(_kept)


def _keep(number: int, _frame: FrameType | None) -> None:
    _kept.append(number)

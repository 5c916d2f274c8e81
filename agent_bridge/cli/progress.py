"""The progress of a command: a bar in a terminal, else a line from time to time, always on the standard error."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from agent_bridge.cli.terminal import is_open, note
from agent_bridge.core.names import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.progress import Progress, TaskID

    #: Gets how much is done, how much is to be done (None: not known yet), and the name of the last piece.
    Show = Callable[[int, int | None, str], None]

#: Seconds until the first line, and between two lines, where no terminal is.
_LINE = 10.0


class ProgressBar:
    """Shows how much of the work called *title* is done. The bar begins with the first call, and is gone at the end.

    The calls may come from a thread. Work goes on if its progress cannot be shown: the terminal may be gone.
    """

    def __init__(self, title: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._title = title
        self._clock = clock
        self._next = clock() + _LINE
        self._bar: tuple[Progress, TaskID] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            with suppress(OSError):
                self._bar[0].stop()
            self._bar = None

    def __call__(self, done: int, total: int | None, subject: str = "") -> None:
        """Show that *done* of *total* pieces (None: their number is not known) are done, the last one at *subject*."""
        with suppress(OSError):
            self._show(done, total, subject)

    def _show(self, done: int, total: int | None, subject: str) -> None:
        if _moves_its_cursor():
            progress, task = self._bar or self._begin()
            progress.update(task, completed=done, total=total, subject=printable(subject))
        elif self._clock() >= self._next:
            self._next = self._clock() + _LINE
            count = str(done) if total is None else f"{done} of {total}"
            note(" ".join(filter(None, [f"{self._title}: {count}", subject])))

    def _begin(self) -> tuple[Progress, TaskID]:
        # rich takes a tenth of a second to import.
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
        from rich.table import Column

        class Terminal(Console):
            """Keeps its cursor: a process that is killed could not show it again."""

            def show_cursor(self, show: bool = True) -> bool:  # noqa: ARG002, FBT001, FBT002
                return False

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            MofNCompleteColumn(table_column=Column(no_wrap=True)),
            TimeElapsedColumn(table_column=Column(no_wrap=True)),
            # The rest of the line. A long name must not displace the numbers.
            TextColumn("{task.fields[subject]}", markup=False, table_column=Column(ratio=1, no_wrap=True)),
        )
        progress = Progress(*columns, console=Terminal(stderr=True), transient=True, expand=True)
        progress.start()
        self._bar = progress, progress.add_task(self._title, total=None, subject="")
        return self._bar


def _moves_its_cursor() -> bool:
    """Tell whether the standard error is a terminal on which a bar can be drawn again."""
    return is_open() and sys.stderr.isatty() and os.environ.get("TERM", "dumb") not in {"dumb", "unknown"}

"""The result of a reload: the changes that each process of the bridge has applied, or why it has not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReloadOutcome:
    """The outcome in one process: paths of keys, never their values."""

    #: Keys whose changes count now.
    applied: tuple[str, ...] = ()
    #: Keys that differ from those of the process, and count after its restart.
    restart: tuple[str, ...] = ()
    #: Why the file is not valid, a line for each fault; empty: it is. A file that is not valid changes nothing.
    fault: str = ""


@dataclass(frozen=True, slots=True)
class ProcessReload:
    """A process that was asked to reload."""

    #: Its machine and process id; empty: it has not answered.
    name: str
    #: None: it has not answered.
    outcome: ReloadOutcome | None
    #: Whether it has ended without an answer.
    has_ended: bool = False


@dataclass(frozen=True, slots=True)
class ReloadReport:
    """The result of a reload in all processes."""

    processes: tuple[ProcessReload, ...]
    #: Seconds that the processes had for their answers.
    within: float

    @property
    def is_complete(self) -> bool:
        """Whether nothing is to be waited for: each process has answered or ended."""
        return all(each.outcome is not None or each.has_ended for each in self.processes)

    @property
    def is_applied(self) -> bool:
        """Whether there are processes, and all that have not ended have applied a valid file."""
        outcomes = [each.outcome for each in self.processes if not each.has_ended]
        return bool(outcomes) and all(each is not None and not each.fault for each in outcomes)

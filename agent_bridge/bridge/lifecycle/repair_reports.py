"""The report of a repair, from the row of its operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.lifecycle.repair import decode
from agent_bridge.core.results.repairs import RepairReport

if TYPE_CHECKING:
    from agent_bridge.core.operations import Operation


def report_of(operation: Operation) -> RepairReport:
    """Return the progress or the result of a repair."""
    return RepairReport(
        done=operation.done,
        total=operation.total or 0,
        rooms=tuple(map(decode, operation.found)),
        is_dry=bool(operation.params.get("dry")),
        is_finished=operation.is_finished,
        error=operation.error or "",
    )

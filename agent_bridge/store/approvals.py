"""Requests of agents for a decision about a tool call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_bridge.core.approvals import Approval, DecisionResult, Verdict
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.core.approvals import DecisionRequest
    from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("approvals")


class Approvals:
    """The table ``approval``. A request gets one verdict, which never changes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ask(self, turn: int, *, ref: str, call_id: str, tool: str, arguments: str, always: str) -> Approval:
        """Add a request of the turn with this row id, or return the known one with the same *ref*."""
        parameters = {
            "turn": turn,
            "ref": ref,
            "call_id": call_id,
            "tool": tool,
            "arguments": arguments,
            "always": always,
        }
        [row] = await self._database.rows(_SQL["ask"], parameters)
        return _approval(row)

    async def shown(self, approval: int, event_id: str) -> None:
        """Record the event of a card: from then on, people may decide."""
        await self._database.execute(_SQL["shown"], {"id": approval, "event_id": event_id})

    async def of_turn(self, turn: int) -> list[Approval]:
        """Return the requests of a turn in their order."""
        return [_approval(row) for row in await self._database.rows(_SQL["of_turn"], {"turn": turn})]

    async def end(self, approvals: Sequence[int], verdict: Verdict) -> None:
        """Give *verdict* to those of the requests with these row ids that are undecided."""
        await self._database.execute(_SQL["end"], {"ids": list(approvals), "verdict": verdict})

    async def decide(self, connection: Connection, request: DecisionRequest) -> DecisionResult:
        """Take a decision, and wake the worker that waits for it. The repeat of an event has the same result."""
        parameters = {
            "room_id": request.room_id,
            "event_id": request.event_id,
            "sender": request.sender,
            "target": request.target,
            "verdict": request.verdict,
            "is_admin": request.is_admin,
            "reason": request.reason,
            "thread": request.thread,
        }
        row = await (await connection.execute(_SQL["decide"], parameters)).fetchone()
        if row is None:
            return DecisionResult.UNKNOWN
        if not row["may"]:
            return DecisionResult.FORBIDDEN
        return DecisionResult.TAKEN if row["taken"] else DecisionResult.CLOSED


def _approval(row: dict[str, Any]) -> Approval:
    return Approval(
        row["id"],
        row["number"],
        row["ref"],
        row["call_id"],
        row["tool"],
        row["arguments"],
        row["always"],
        row["event_id"],
        row["age"],
        None if row["verdict"] is None else Verdict(row["verdict"]),
        row["decided_by"],
        row["reason"],
    )

"""Requests of agents for a decision about a tool call."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agent_bridge.core.answers import Part
from agent_bridge.core.approvals import Approval, DecisionResult, Verdict
from agent_bridge.store.notifications import Notifications
from agent_bridge.store.postgres.database import rows_of
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Collection

    from agent_bridge.core.approvals import DecisionRequest
    from agent_bridge.core.notifications import Notification
    from agent_bridge.core.turns import Turn
    from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("approvals")
#: The part that shows the first card.
_CARDS = Part.CARDS[0]


class Approvals:
    """The table ``approval``. A request gets one verdict, which never changes.

    A worker's statements about a turn have no effect, and find nothing, once another worker has taken the turn up.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._notifications = Notifications(database)

    async def ask(
        self,
        turn: Turn,
        *,
        ref: str,
        call_id: str,
        tool: str,
        arguments: str,
        always: str,
        news: Notification | None = None,
    ) -> Approval | None:
        """Add a request of *turn*, or return the known one with the same *ref*.

        *news* is told to a person while the request is undecided, once. Return None if another worker has taken the
        turn up, or if its answer ends because of a redaction.
        """
        values = {
            **_of(turn),
            "ref": ref,
            "call_id": call_id,
            "tool": tool,
            "arguments": arguments,
            "always": always,
            "last_card": Part.CARDS[-1],
        }
        async with self._database.transaction() as connection:
            kind = None if turn.agent is None else turn.agent.kind
            if not await rows_of(connection, _SQL["lock"], _of(turn) | {"kind": kind}):
                return None
            [asked] = await rows_of(connection, _SQL["ask"], values)
            if news is not None:
                told = replace(news, key=f"approval:{turn.key}:{ref}", approval=asked["id"])
                await self._notifications.add(connection, told)
            rows = await rows_of(connection, _SQL["of_turn"], _of(turn))
        return next(_approval(row) for row in rows if row["id"] == asked["id"])

    async def of_turn(self, turn: Turn) -> list[Approval]:
        """Return the requests of *turn* in their order."""
        return [_approval(row) for row in await self._database.rows(_SQL["of_turn"], _of(turn))]

    async def withdrawn(self, lane: int) -> frozenset[str]:
        """Return the references of the undecided requests of *lane* whose answers people have ended."""
        return frozenset(row["ref"] for row in await self._database.rows(_SQL["withdrawn"], {"lane": lane}))

    async def end(self, turn: Turn, verdict: Verdict, approvals: Collection[int] | None = None) -> None:
        """Give *verdict* to those of the requests with these row ids that are undecided; None: to all of *turn*."""
        ids = None if approvals is None else list(approvals)
        await self._database.execute(_SQL["end"], {**_of(turn), "verdict": verdict, "ids": ids})

    async def overtaken(self, turn: Turn, refs: Collection[str]) -> None:
        """Note that the tools of the requests *refs* may have run, because they were decided outside of the bridge.

        An undecided one counts as withdrawn.
        """
        await self._database.execute(_SQL["overtaken"], {**_of(turn), "refs": list(refs)})

    async def sending(self, turn: Turn, approval: int) -> bool:
        """Note that the tool of a request may run from now on; tell whether the word that allows it may be sent."""
        return bool(await self._database.rows(_SQL["sending"], {**_of(turn), "id": approval}))

    async def settled(self, approval: int) -> None:
        """Note that the card of a decided request shows the verdict, and has no reactions."""
        await self._database.execute(_SQL["settled"], {"id": approval})

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
            "cards": _CARDS,
        }
        row = await (await connection.execute(_SQL["decide"], parameters)).fetchone()
        if row is None:
            return DecisionResult.UNKNOWN
        if not row["may"]:
            return DecisionResult.FORBIDDEN
        return DecisionResult.TAKEN if row["taken"] else DecisionResult.CLOSED


def _of(turn: Turn) -> dict[str, Any]:
    return {"turn": turn.id, "attempts": turn.attempts, "cards": _CARDS}


def _approval(row: dict[str, Any]) -> Approval:
    return Approval(**(row | {"verdict": None if row["verdict"] is None else Verdict(row["verdict"])}))

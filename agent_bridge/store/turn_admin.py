"""The history of turns, and requests of people about turns that failed or wait."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.core.results.traces import ChainTrace
from agent_bridge.core.turns import TurnKind, TurnState
from agent_bridge.core.usage import Usage
from agent_bridge.store.contents import apply_edits, lock_messages
from agent_bridge.store.payloads import decode_step, encode_step
from agent_bridge.store.postgres.database import rows_of
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from typing import LiteralString

    from psycopg.rows import DictRow

    from agent_bridge.core.results.traces import Step
    from agent_bridge.core.rooms import WhenBusy
    from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("turn_admin")
#: The beginning of a key that is long enough to name a turn.
_KEY = re.compile(r"[0-9a-f]{4,16}")


@dataclass(frozen=True, slots=True)
class TurnSummary:
    """A turn, as people ask about it."""

    id: int
    #: Public name of the turn.
    key: str
    event_id: str
    #: Row id of its lane.
    conversation: int
    room_id: str
    #: Name of the agent that answers; None: the bridge bot.
    agent: str | None
    kind: TurnKind
    sender: str
    state: TurnState
    attempts: int
    failures: int
    interruptions: int
    retries: int
    error: str | None
    said_at: datetime
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    steps: tuple[Step, ...]
    #: Whether its message was redacted.
    is_redacted: bool
    #: The tokens of all attempts; None if the upstream reported none.
    usage: Usage | None
    #: Event and row id of the turn that it was collected into.
    collected_into: str | None
    head: int | None
    #: Its place among the answers of agents to agents; None outside of chains.
    chain: ChainTrace | None


@dataclass(frozen=True, slots=True)
class OpenMessage:
    """A message that waits or is being answered, as the people of its room may know it."""

    sender: str
    state: TurnState
    attempts: int
    #: Seconds since it was sent.
    age: float
    #: The number of messages ahead, at least 1.
    place: int


def _summary(row: DictRow) -> TurnSummary:
    values = {
        "kind": TurnKind(row["kind"]),
        "state": TurnState(row["state"]),
        "steps": tuple(decode_step(step) for step in row["steps"]),
        "chain": None if row["chain"] is None else ChainTrace(**row["chain"]),
    }
    tokens = row.pop("input_tokens"), row.pop("output_tokens"), row.pop("cached_tokens")
    return TurnSummary(**{**row, **values}, usage=None if tokens[0] is None else Usage(*tokens))


class TurnAdmin:
    """The table ``turn``, for commands."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, limit: int) -> list[TurnSummary]:
        """Return the first *limit* messages that are open, by lane, in the order in which they will be claimed."""
        return await self.summaries(await self._ids(_SQL["open"], {"limit": limit}))

    async def in_room(self, room_id: str, when_busy: WhenBusy) -> list[OpenMessage]:
        """Return the messages of a room that are open, in the order in which they will be claimed.

        *when_busy* is the configured treatment of waiting messages, for a room without one of its own.
        """
        values = {"room_id": room_id, "when_busy": when_busy}
        rows = await self._database.rows(_SQL["in_room"], values)
        return [OpenMessage(**{**row, "state": TurnState(row["state"])}) for row in rows]

    async def failed(self, limit: int) -> list[TurnSummary]:
        """Return the last *limit* turns that failed, newest first."""
        return await self.summaries(await self._ids(_SQL["failed"], {"limit": limit}))

    async def find(self, reference: str) -> list[TurnSummary]:
        """Return the turns that *reference* names, in the order in which they were written.

        An event id names all turns of the event. An event of an answer names the turn with the answer. A key, or four
        of its first digits or more, names one turn; digits that fit two turns name none.
        """
        turns = await self._ids(_SQL["find"], {"event_id": reference})
        if not turns and _KEY.fullmatch(reference):
            turns = await self._ids(_SQL["find_by_key"], {"key": reference})
            turns = turns if len(turns) == 1 else []
        return await self.summaries(turns)

    async def summaries(self, turns: Sequence[int]) -> list[TurnSummary]:
        """Return the turns with the row ids *turns*, in this order."""
        if not turns:
            return []
        return [_summary(row) for row in await self._database.rows(_SQL["summaries"], {"turns": list(turns)})]

    async def ignored(self, event_id: str) -> str | None:
        """Return why *event_id* was ignored; None when it was not, or when that is forgotten.

        It is an :class:`~agent_bridge.core.turns.IgnoreReason`; earlier programs stored an English sentence.
        """
        row = await self._database.row(_SQL["ignored"], {"event_id": event_id})
        return None if row is None else row["reason"]

    async def stopped_by(self, event_id: str) -> int:
        """Return how many turns the event *event_id* has asked to end."""
        row = await self._database.row(_SQL["stopped_by"], {"event_id": event_id})
        return 0 if row is None else int(row["turns"])

    async def retry(self, connection: Connection, turn: int, event_id: str) -> int | None:
        """Queue a closed message again, behind those that wait in its lane; return the lane, None if it is not closed.

        Within the caller's transaction, for the request *event_id*. The messages that show its answer are edited later.
        Its messages get the content of their newest edits, also of those that wait.
        """
        await lock_messages(connection, turn)
        found = await rows_of(connection, _SQL["retry"], {"turn": turn, "step": encode_step("retried", by=event_id)})
        if not found:
            return None
        await apply_edits(connection, turn)
        lane: int = found[0]["conversation"]
        return lane

    async def drop(self, connection: Connection, turn: int, event_id: str) -> int | None:
        """Drop an open message; return its lane, None if its state does not permit that.

        Within the caller's transaction, for the request *event_id*. The turn ends at the head of its lane, where the
        room is told. The edits and the requests for another answer that wait for it end too.
        """
        values = {"turn": turn, "event_id": event_id, "step": encode_step("dropped", by=event_id)}
        found = await rows_of(connection, _SQL["drop"], values)
        return found[0]["conversation"] if found else None

    async def _ids(self, query: LiteralString, values: dict[str, int] | dict[str, str]) -> list[int]:
        return [row["id"] for row in await self._database.rows(query, values)]

"""Triggers of people, and the requests that were accepted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.core.errors import TurnLost
from agent_bridge.core.triggers import WINDOW, Trigger, TriggerKind
from agent_bridge.store.postgres.database import rows_of
from agent_bridge.store.postgres.locks import TRIGGERS
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from typing import LiteralString

    from psycopg.rows import DictRow

    from agent_bridge.core.turns import Turn
    from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("triggers")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTrigger:
    """A trigger that is about to be written."""

    public_id: str
    kind: TriggerKind
    name: str
    owner: str
    #: Row id.
    agent: int
    room_id: str
    #: SHA-256 of the token of a callback URL, or the key of signatures.
    token_hash: str | None = None
    signing_key: str | None = None
    #: Seconds until it ends; None: it has no end.
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class TriggerSecret:
    """The secret of a trigger, to be shown to its owner."""

    public_id: str
    #: None: the token of its URL is not stored.
    signing_key: str | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class WakingTurn:
    """The turn of an accepted request, whose notice is shown."""

    text: str
    may_ask: bool
    #: Whether the agent is in the room.
    is_present: bool


class Triggers:
    """The tables ``trigger`` and ``trigger_request``. A trigger without a room counts as revoked.

    Every method raises :class:`StoreError`; those with a connection work within the caller's transaction.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def owned(self, owner: str | None, connection: Connection | None = None) -> list[Trigger]:
        """Return the triggers of *owner*, or of all people (None), that can still wake an agent: the oldest first.

        *connection*: no other transaction adds any of *owner* until it ends.
        """
        values = {"owner": owner, "window": WINDOW}
        if connection is None:
            return [_trigger(row) for row in await self._database.rows(_SQL["owned"], values)]
        await connection.execute(_SQL["lock_owner"], {"kind": TRIGGERS, "owner": owner})
        return [_trigger(row) for row in await rows_of(connection, _SQL["owned"], values)]

    async def add(self, connection: Connection, new: NewTrigger) -> int | None:
        """Write a trigger; return its number, None if its room is not known any more."""
        values: dict[str, object] = {
            "public_id": new.public_id,
            "kind": new.kind,
            "name": new.name,
            "owner": new.owner,
            "agent": new.agent,
            "room_id": new.room_id,
            "token_hash": new.token_hash,
            "signing_key": new.signing_key,
            "seconds": new.seconds,
        }
        rows = await rows_of(connection, _SQL["add"], values)
        return int(rows[0]["id"]) if rows else None

    async def secret(self, trigger: int) -> TriggerSecret | None:
        """Return the secret of a trigger; None if it was revoked."""
        row = await self._database.row(_SQL["secret"], {"trigger": trigger})
        return None if row is None else TriggerSecret(**row)

    async def find(self, public_id: str) -> tuple[Trigger, str] | None:
        """Return the signed trigger *public_id* and its key; None if there is none."""
        found = await self._found(_SQL["find"], {"public_id": public_id})
        if found is None:
            return None
        row = await self._database.row(_SQL["key"], {"trigger": found.id})
        return None if row is None else (found, row["signing_key"])

    async def find_callback(self, token_hash: str) -> Trigger | None:
        """Return the trigger whose callback URL has a token; None if there is none."""
        return await self._found(_SQL["find_callback"], {"token_hash": token_hash})

    async def is_known(self, trigger: Trigger, key: str) -> bool:
        """Tell whether the request *key* of *trigger* was accepted."""
        return await self._database.row(_SQL["is_known"], {"trigger": trigger.id, "key": key}) is not None

    async def lock(self, connection: Connection, trigger: int) -> Trigger | None:
        """Lock a trigger until the transaction ends, and return it as it is then; None if it was revoked."""
        rows = await rows_of(connection, _SQL["lock"], {"trigger": trigger, "window": WINDOW})
        return _trigger(rows[0]) if rows else None

    async def has_request(self, connection: Connection, trigger: Trigger, key: str) -> bool:
        """Tell whether the request *key* of *trigger*, which is locked, was accepted."""
        return bool(await rows_of(connection, _SQL["is_known"], {"trigger": trigger.id, "key": key}))

    async def recent(self, connection: Connection, trigger: Trigger) -> int:
        """Return the number of requests of *trigger* that were accepted within the last minute."""
        return int((await rows_of(connection, _SQL["recent"], {"trigger": trigger.id}))[0]["requests"])

    async def note(self, connection: Connection, trigger: Trigger, key: str) -> None:
        """Write down that the request *key* of *trigger*, which is locked, is accepted."""
        await connection.execute(_SQL["note"], {"trigger": trigger.id, "key": key})

    async def revoke(self, connection: Connection, trigger: int) -> None:
        """Delete a trigger. Requests that were accepted go on."""
        await connection.execute(_SQL["revoke"], {"trigger": trigger})

    async def source(self, connection: Connection, turn: Turn, agent: int) -> WakingTurn:
        """Lock the turn of an accepted request for *agent*, whose notice is shown.

        Raises:
            TurnLost: another worker has taken it up, or it is closed.
        """
        values = {"turn": turn.id, "attempts": turn.attempts, "agent": agent}
        rows = await rows_of(connection, _SQL["source"], values)
        if not rows:
            raise TurnLost(f"turn {turn.key} was taken over by another worker, or is closed")
        return WakingTurn(**rows[0])

    async def forget_text(self, connection: Connection, turn: Turn) -> None:
        """Forget the text of the turn of an accepted request, which the message for the agent has."""
        await connection.execute(_SQL["forget_text"], {"turn": turn.id})

    async def _found(self, query: LiteralString, values: Mapping[str, object]) -> Trigger | None:
        row = await self._database.row(query, {**values, "window": WINDOW})
        return None if row is None else _trigger(row)


def _trigger(row: DictRow) -> Trigger:
    return Trigger(**{**row, "kind": TriggerKind(row["kind"])})

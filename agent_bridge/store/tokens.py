"""Tokens of programs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from agent_bridge.core.programs import Capability, Token
from agent_bridge.store.postgres.database import rows_of
from agent_bridge.store.postgres.locks import TOKENS
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Collection

    from psycopg.rows import DictRow

    from agent_bridge.core.actors import Actor
    from agent_bridge.core.ids import Namespace
    from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("tokens")
_MINUTE = timedelta(minutes=1)
_CAPABILITIES = {str(each): each for each in Capability}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token that is about to be written."""

    name: str
    identity: Actor
    hash: str
    #: None: the token derives from nothing, and was told already.
    nonce: str | None
    capabilities: frozenset[Capability]
    #: Room ids; None: no limit.
    rooms: frozenset[str] | None
    #: User id; empty: an operator.
    made_by: str
    #: Seconds until it ends; None: it has no end.
    seconds: float | None


class Tokens:
    """The tables ``token`` and ``token_room``. A token that was revoked, or has expired, is not found.

    Every method raises :class:`StoreError`; those with a connection work within the caller's transaction.
    """

    def __init__(self, database: Database, namespace: Namespace) -> None:
        self._database = database
        self._namespace = namespace

    async def find(self, hashed: str) -> Token | None:
        """Return the token with a SHA-256."""
        row = await self._database.row(_SQL["find"], {"hash": hashed})
        return None if row is None else self._token(row)

    async def counts(self, token: int) -> bool:
        """Tell whether a token counts."""
        return bool(await self.counting([token]))

    async def counting(self, tokens: Collection[int]) -> frozenset[int]:
        """Return those of *tokens* that count."""
        rows = await self._database.rows(_SQL["counting"], {"tokens": list(tokens)})
        return frozenset(row["id"] for row in rows)

    async def used_now(self, token: Token) -> None:
        """Note that *token* is used, unless that was noted within the last minute."""
        if token.last_used_at is None or datetime.now(UTC) - token.last_used_at > _MINUTE:
            await self._database.execute(_SQL["used"], {"token": token.id})

    async def owned(self, identity: Actor | None, connection: Connection | None = None) -> list[Token]:
        """Return the tokens of *identity*, or all (None): the oldest first.

        *connection*: no other transaction adds any of *identity* until it ends.
        """
        person = None if identity is None or identity.is_agent else identity.user_id
        values = {"person": person, "agent": None if identity is None else identity.agent}
        if connection is None:
            return [self._token(row) for row in await self._database.rows(_SQL["owned"], values)]
        if identity is not None:
            await connection.execute(_SQL["lock_identity"], {"kind": TOKENS, "identity": identity.user_id})
        return [self._token(row) for row in await rows_of(connection, _SQL["owned"], values)]

    async def add(self, connection: Connection, new: NewToken) -> int:
        """Write a token; return its number."""
        identity = new.identity
        values: dict[str, object] = {
            "name": new.name,
            "person": None if identity.is_agent else identity.user_id,
            "agent": identity.agent,
            "hash": new.hash,
            "nonce": new.nonce,
            "capabilities": sorted(new.capabilities),
            "rooms": None if new.rooms is None else sorted(new.rooms),
            "made_by": new.made_by,
            "seconds": new.seconds,
        }
        return int((await rows_of(connection, _SQL["add"], values))[0]["id"])

    async def nonce(self, token: int) -> str | None:
        """Return the text from which a token derives; None if it was told, or revoked."""
        row = await self._database.row(_SQL["nonce"], {"token": token})
        return None if row is None else str(row["nonce"])

    async def told(self, token: int) -> None:
        """Forget the text from which a token derives."""
        await self._database.execute(_SQL["told"], {"token": token})

    async def revoke(self, connection: Connection, token: int) -> None:
        """End a token, for all processes at once."""
        await connection.execute(_SQL["revoke"], {"token": token})

    async def known_rooms(self, room_ids: Collection[str]) -> frozenset[str]:
        """Return those of *room_ids* that the bridge knows."""
        rows = await self._database.rows(_SQL["known_rooms"], {"rooms": list(room_ids)})
        return frozenset(row["room_id"] for row in rows)

    def _token(self, row: DictRow) -> Token:
        # Another version may know further capabilities.
        named = [_CAPABILITIES[each] for each in row["capabilities"] if each in _CAPABILITIES]
        return Token(
            id=row["id"],
            name=row["name"],
            user_id=row["person"] or self._namespace.user_id(row["ghost"]),
            agent=row["agent"],
            agent_name=row["agent_name"],
            is_at_rest=row["is_at_rest"],
            capabilities=frozenset(named),
            rooms=None if row["rooms"] is None else frozenset(row["rooms"]),
            made_by=row["made_by"],
            created_at=row["created_at"],
            last_used_at=row["last_used_at"],
            expires_at=row["expires_at"],
        )

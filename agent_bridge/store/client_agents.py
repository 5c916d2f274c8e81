"""Agents that connect themselves, in the tables ``client_agent`` and ``client_question``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.core.client_agents import SEEN_EVERY, ClientAgent, ClientQuestion
from agent_bridge.store.postgres.database import rows_of
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from psycopg.rows import DictRow

    from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("client_agents")
#: Seconds for which a reply may be repeated at least.
_REPEATS = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NewClientAgent:
    """A registration."""

    model: str
    name: str
    description: str = ""
    ephemeral: bool = False
    #: User id of the person who registers it.
    owner: str
    #: A repeat of the registration has the same one; None: it is not repeated.
    request_key: str | None = None


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question that waits, or was replied to."""

    id: int
    #: None: there is none yet.
    reply: str | None
    #: Seconds until the room is told that there was no reply.
    left: float


class ClientAgents:
    """Reads and writes the agents and their questions. Every method raises :class:`StoreError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def lock(self, connection: Connection) -> None:
        """Let nobody else register agents until the transaction ends."""
        await connection.execute(_SQL["lock"])

    async def register(self, connection: Connection, new: NewClientAgent, *, most: int) -> ClientAgent | None:
        """Register *new* within the caller's transaction, which holds the lock; return it, also if a repeat finds it.

        None: there are *most* agents already.
        """
        values = {
            "model": new.model,
            "name": new.name,
            "description": new.description,
            "ephemeral": new.ephemeral,
            "owner": new.owner,
            "request_key": new.request_key,
            "most": most,
        }
        rows = await rows_of(connection, _SQL["register"], values)
        return _agent(rows[0]) if rows else None

    async def agents(self, *, ephemeral: bool, within: float | None = None) -> list[ClientAgent]:
        """Return the ephemeral agents or the others; of these, those that were connected *within* so many seconds."""
        values = {"ephemeral": ephemeral, "until": within}
        return [_agent(row) for row in await self._database.rows(_SQL["agents"], values)]

    async def by_name(self, connection: Connection, name: str) -> list[ClientAgent]:
        """Return the agents called *name*, in upper or lower case."""
        return [_agent(row) for row in await rows_of(connection, _SQL["by_name"], {"name": name})]

    async def find(self, model: str) -> ClientAgent | None:
        """Return the agent *model*."""
        row = await self._database.row(_SQL["find"], {"model": model})
        return None if row is None else _agent(row)

    async def change(
        self, connection: Connection, model: str, *, name: str | None = None, description: str | None = None
    ) -> bool:
        """Give the agent *model* another name and description (None: as before); tell whether it exists."""
        values = {"model": model, "name": name, "description": description}
        return bool(await rows_of(connection, _SQL["change"], values))

    async def remove(self, model: str) -> bool:
        """Remove the agent *model*; the rooms are told that it is gone. Tell whether it existed."""
        return await self._database.row(_SQL["remove"], {"model": model}) is not None

    async def seen(self, model: str) -> None:
        """Note that the agent *model* is connected."""
        await self._database.execute(_SQL["seen"], {"model": model, "every": SEEN_EVERY})

    async def ask(self, key: str, turn: int, model: str, text: str, *, seconds: float) -> AskedQuestion | None:
        """Have the question *key* of a turn wait for so many *seconds* for a reply; a known one stays as it is.

        None: the agent *model* does not exist any more.
        """
        values = {"key": key, "turn": turn, "model": model, "text": text, "seconds": seconds, "repeats": _REPEATS}
        row = await self._database.row(_SQL["ask"], values)
        return None if row is None else AskedQuestion(row["id"], row["reply"], row["left"])

    async def forget(self, question: int) -> None:
        """Forget a question whose answer has ended."""
        await self._database.execute(_SQL["forget"], {"id": question})

    async def open(
        self, model: str, *, after: int = 0, most: int = 20, rooms: Collection[str] | None = None
    ) -> Sequence[ClientQuestion]:
        """Return the questions that wait for the agent *model*, oldest first; those behind the question *after*.

        *rooms*: only those from these rooms; None: all.
        """
        values = {"model": model, "after": after, "most": most, "rooms": None if rooms is None else list(rooms)}
        return [ClientQuestion(**row) for row in await self._database.rows(_SQL["open"], values)]

    async def reply(
        self, question: int, model: str, reply: str, *, rooms: Collection[str] | None = None
    ) -> bool | None:
        """Store the reply of the agent *model*, and have the turn of *question* go on; tell whether it is new.

        None: the question does not wait any more, or comes from no room of *rooms* (None: all). The same reply again
        changes nothing.
        """
        async with self._database.transaction() as connection:
            allowed = None if rooms is None else list(rooms)
            values = {"id": question, "model": model, "reply": reply, "rooms": allowed}
            rows = await rows_of(connection, _SQL["reply"], values)
            if not rows:
                return None
            await connection.execute(_SQL["resume"], {"turn": rows[0]["turn"]})
            return bool(rows[0]["is_new"])

    async def was_asked(self, question: int) -> bool:
        """Tell whether there is or was the question, of any agent."""
        row = await self._database.row(_SQL["was_asked"], {"id": question})
        return row is not None and bool(row["was_asked"])

    async def resume(self, turn: int) -> None:
        """Have *turn*, which was just put back, go on if a reply came in between, or if the agent was retired."""
        await self._database.execute(_SQL["resume"], {"turn": turn})


def _agent(row: DictRow) -> ClientAgent:
    return ClientAgent(
        id=row["id"],
        model=row["model"],
        name=row["name"],
        description=row["description"],
        ephemeral=row["ephemeral"],
        owner=row["owner"],
        created_at=row["created_at"],
        seen_at=row["seen_at"],
    )

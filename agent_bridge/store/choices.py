"""Lists that people were shown, to choose from them by a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.types.json import Jsonb

from agent_bridge.core.rooms import ChoiceKind, OpenChoice
from agent_bridge.store.postgres.database import rows_of
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from psycopg.rows import DictRow

    from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("choices")

#: Seconds for which the numbers of a list count, by the database's clock.
FRESH = 600.0


@dataclass(frozen=True, slots=True)
class ShownList:
    """A list that a person was shown."""

    #: Row ids in its order.
    items: list[int]
    #: The room in which it was shown.
    room_id: str
    #: The command that a number alone gives, and the title of the chat that the command makes (None: no title).
    command: str
    title: str | None


class Choices:
    """The table ``choice``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def show(
        self,
        connection: Connection,
        user_id: str,
        kind: ChoiceKind,
        items: Sequence[int],
        *,
        room_id: str,
        thread: str,
        turn: int,
        command: str = "agent",
        title: str | None = None,
    ) -> None:
        """Record that *user_id* is shown the rows *items*, in their order, by the answer to *turn* in a room or thread.

        Within the caller's transaction. A number alone gives *command*, which may make a chat with *title*. The list
        takes the place of the person's earlier one of the same *kind*, in any room.
        """
        values = {
            "user_id": user_id,
            "kind": kind,
            "items": Jsonb(list(items)),
            "room_id": room_id,
            "thread": thread,
            "turn": turn,
            "command": command,
            "title": title,
        }
        await connection.execute(_SQL["show"], values)

    async def shown(self, connection: Connection, user_id: str, kind: ChoiceKind) -> ShownList | None:
        """Return the list of *kind* that *user_id* was shown last; None if it is too old.

        Within the caller's transaction.
        """
        values = {"user_id": user_id, "kind": kind, "fresh": FRESH}
        found = await rows_of(connection, _SQL["shown"], values)
        return ShownList(**found[0]) if found else None

    async def forget(self, connection: Connection, user_id: str, kind: ChoiceKind) -> None:
        """Forget the list of *kind* that *user_id* was shown last, within the caller's transaction."""
        await connection.execute(_SQL["forget"], {"user_id": user_id, "kind": kind})

    async def open(self, users: Collection[str], rooms: Collection[str]) -> list[tuple[str, str, OpenChoice]]:
        """Return the lists and the questions that *users* were shown last in *rooms*, with user id and room id."""
        found = await self._database.rows(_SQL["open"], {"users": list(users), "rooms": list(rooms), "fresh": FRESH})
        return [(row["user_id"], row["room_id"], _choice(row)) for row in found]


def _choice(row: DictRow) -> OpenChoice:
    return OpenChoice(
        kind=ChoiceKind(row["kind"]),
        size=row["size"],
        thread=row["thread"],
        is_fresh=row["is_fresh"],
        is_passed=row["is_passed"],
        events=frozenset(row["events"]),
        command=row["command"],
        is_covered=row["is_covered"],
    )

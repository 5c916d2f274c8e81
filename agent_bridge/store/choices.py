"""Lists that people were shown, to choose from them by a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.types.json import Jsonb

from agent_bridge.store.postgres.database import rows_of
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from agent_bridge.core.rooms import ChoiceKind
    from agent_bridge.store.postgres.database import Connection

_SQL = Statements("choices")

#: Seconds for which the numbers of a list count, by the database's clock.
FRESH = 600.0


@dataclass(frozen=True, slots=True)
class ShownList:
    """A list that a person was shown."""

    #: Row ids in its order.
    items: list[int]
    #: The command that a number alone gives, and the title of the chat that the command makes (None: no title).
    command: str
    title: str | None


class Choices:
    """The table ``choice``. All methods act within the caller's transaction."""

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

        A number alone gives *command*, which may make a chat with *title*. The list takes the place of the person's
        earlier one of the same *kind*, in any room.
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
        """Return the list of *kind* that *user_id* was shown last; None if it is too old."""
        values = {"user_id": user_id, "kind": kind, "fresh": FRESH}
        found = await rows_of(connection, _SQL["shown"], values)
        return ShownList(**found[0]) if found else None

    async def close(self, connection: Connection, choices: Collection[tuple[str, str]]) -> None:
        """Let a number alone of these people (user id and room id) not choose from their lists any more."""
        values = {"users": [user for user, _ in choices], "rooms": [room for _, room in choices]}
        await connection.execute(_SQL["close"], values)

    async def close_room(self, connection: Connection, room_id: str) -> None:
        """Let a number alone in a room not choose from any list there any more."""
        await connection.execute(_SQL["close_room"], {"room_id": room_id})

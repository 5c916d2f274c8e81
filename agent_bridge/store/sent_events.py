"""Events that the bridge has sent, and whose ids the table ``outbox`` does not have yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Collection

    from agent_bridge.store.postgres.database import Database

_SQL = Statements("sent_events")


@dataclass(frozen=True, slots=True)
class UnstoredPart:
    """A part of an answer that may be the event *target*."""

    room_id: str
    target: str
    #: Row id and key of the turn, and number of the part.
    turn: int
    key: str
    part: int
    #: Localpart of a ghost in the room; None: the bot is there.
    reader: str | None


class SentEvents:
    """Reads and completes the table ``outbox``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def unstored(self, targets: Collection[tuple[str, str]]) -> list[UnstoredPart]:
        """Return the parts that may be one of *targets* (room ids and event ids); stored events are left out."""
        values = {"rooms": [room_id for room_id, _ in targets], "targets": [target for _, target in targets]}
        return [UnstoredPart(**row) for row in await self._database.rows(_SQL["unstored"], values)]

    async def store(self, part: UnstoredPart) -> None:
        """Record that the event *target* shows *part*. Nothing happens if it has an event."""
        values = {"turn": part.turn, "part": part.part, "event_id": part.target}
        await self._database.execute(_SQL["store"], values)

"""People whom programs may ask, and the questions to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("people_questions")


@dataclass(frozen=True, slots=True)
class ReachablePerson:
    """A person whom programs may ask."""

    user_id: str
    #: Since when.
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PersonQuestion:
    """A question to a person."""

    #: Row id.
    id: int
    room_id: str
    person: str
    #: Root of its thread.
    thread: str
    #: None: not sent yet, as far as known.
    event_id: str | None
    #: The event that answers it; None: it waits.
    answer_event: str | None


class PeopleQuestions:
    """The tables ``reachable_person`` and ``person_question``. Every method raises :class:`StoreError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def set_reachable(self, connection: Connection, user: str, *, is_reachable: bool) -> None:
        """Record whether programs may ask a person."""
        await connection.execute(_SQL["reach" if is_reachable else "unreach"], {"user": user})

    async def reachable(self, user: str | None = None) -> list[ReachablePerson]:
        """Return the people whom programs may ask; *user*: only this one."""
        rows = await self._database.rows(_SQL["reachable"], {"user": user})
        return [ReachablePerson(**row) for row in rows]

    async def open_count(self, owner: str, person: str, key: str) -> int:
        """Return the number of questions of *owner* that wait for *person*, but for that of the request *key*."""
        row = await self._database.row(_SQL["open_count"], {"owner": owner, "person": person, "key": key})
        return 0 if row is None else int(row["questions"])

    async def add(self, key: str, owner: str, person: str, room_id: str, thread: str, *, seconds: float) -> None:
        """Write the question of a request, unless it is known; an answer counts for *seconds*."""
        values = {"key": key, "owner": owner, "person": person, "room_id": room_id, "thread": thread}
        await self._database.execute(_SQL["add"], values | {"seconds": seconds})

    async def sent(self, key: str, event_id: str) -> None:
        """Note the event of a question."""
        await self._database.execute(_SQL["sent"], {"key": key, "event_id": event_id})

    async def seen(self, events: Mapping[str, str]) -> None:
        """Note the *events* of questions, by their keys, which the homeserver delivers; a known event stays."""
        await self._database.execute(_SQL["seen"], {"keys": list(events), "events": list(events.values())})

    async def forget(self, key: str) -> None:
        """Forget a question that was not sent."""
        await self._database.execute(_SQL["forget"], {"key": key})

    async def in_rooms(self, rooms: Collection[str], events: Collection[str]) -> list[PersonQuestion]:
        """Return the questions in *rooms* that wait, the oldest first, and those that one of *events* has answered."""
        rows = await self._database.rows(_SQL["in_rooms"], {"rooms": list(rooms), "events": list(events)})
        return [PersonQuestion(**row) for row in rows]

    async def answer(self, connection: Connection, question: int, event_id: str, text: str) -> None:
        """Store the answer to a question, unless there is one."""
        await connection.execute(_SQL["answer"], {"question": question, "event_id": event_id, "text": text})

    async def redact(self, connection: Connection, room_id: str, event_id: str) -> None:
        """Forget the answer that was an event."""
        await connection.execute(_SQL["redact"], {"room_id": room_id, "event_id": event_id})

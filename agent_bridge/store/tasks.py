"""Tasks, in the table ``task``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_bridge.core.tasks import WITHDRAWN_TITLE, Task, TaskState
from agent_bridge.store.postgres.database import rows_of
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from psycopg.rows import DictRow

    from agent_bridge.core.tasks import NewTask
    from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("tasks")


@dataclass(frozen=True, slots=True)
class UnshownTask:
    """A task whose card does not show it as it is."""

    task: Task
    #: Event of the card; None: none is known.
    card: str | None
    #: An older event of the room, if the card may have been sent; None: it was not.
    since: str | None
    #: Whether the command that made it was redacted, so that the card is to be redacted, too.
    is_withdrawn: bool


class Tasks:
    """Reads and writes tasks. Every method raises :class:`StoreError`.

    A transaction that changes tasks locks them first, with those of which they are parts: always the older ones before
    the newer ones, so that no two transactions wait for each other.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count_open(self, connection: Connection, room_id: str) -> int | None:
        """Return the number of open tasks of a room, to which nobody else adds any until the transaction ends.

        None: the room is not known.
        """
        rows = await rows_of(connection, _SQL["count_open"], {"room_id": room_id})
        return int(rows[0]["number"]) if rows else None

    async def requested(self, connection: Connection, key: str) -> int | None:
        """Return the number of the task that the request *key* has made; None: it has made none."""
        rows = await rows_of(connection, _SQL["requested"], {"key": key})
        return int(rows[0]["number"]) if rows else None

    async def add(self, connection: Connection, new: NewTask) -> int:
        """Write a task, unless there is one with the same key; return its number. The room is known."""
        values = {
            "key": new.key,
            "room_id": new.room_id,
            "parent": new.parent,
            "title": new.title,
            "creator": new.creator,
        }
        return int((await rows_of(connection, _SQL["add"], values))[0]["id"])

    async def lock(self, connection: Connection, number: int, *, below: bool = False) -> dict[int, Task]:
        """Lock a task and those of which it is a part, until the transaction ends; return them by their numbers.

        *below*: also its subtasks, and theirs. Without the task, the result is empty.
        """
        family = await rows_of(connection, _SQL["family"], {"number": number, "below": below})
        rows = await rows_of(connection, _SQL["lock"], {"ids": [row["id"] for row in family]})
        return {row["number"]: _task(row) for row in rows}

    async def save(
        self, connection: Connection, task: Task, *, seconds: float | None = None, keeps: bool = False
    ) -> None:
        """Write *task*, which is locked, and have its card shown.

        *seconds*: until its claim ends; None: it has none. *keeps*: its claim ends as before.
        """
        values = {
            "number": task.number,
            "state": task.state,
            "assignee": task.assignee,
            "percent": task.percent,
            "note": task.note,
            "seconds": seconds,
            "keeps": keeps,
            "is_open": task.state.is_open,
        }
        await connection.execute(_SQL["save"], values)

    async def noted(self, connection: Connection, number: int, user: str) -> None:
        """Record that *user* has written the note of a task, which is locked."""
        await connection.execute(_SQL["noted"], {"number": number, "user": user})

    async def subtasks(self, number: int, connection: Connection | None = None) -> list[Task]:
        """Return the subtasks of a task, in their order."""
        if connection is None:
            return [_task(row) for row in await self._database.rows(_SQL["subtasks"], {"number": number})]
        return [_task(row) for row in await rows_of(connection, _SQL["subtasks"], {"number": number})]

    async def find(self, number: int) -> Task | None:
        """Return a task; None if there is none."""
        row = await self._database.row(_SQL["find"], {"number": number})
        return None if row is None else _task(row)

    async def by_card(self, room_id: str, event_id: str, connection: Connection | None = None) -> int | None:
        """Return the number of the task whose card is an event; None: the event is no card."""
        values = {"room_id": room_id, "event_id": event_id}
        if connection is None:
            row = await self._database.row(_SQL["by_card"], values)
        else:
            row = next(iter(await rows_of(connection, _SQL["by_card"], values)), None)
        return None if row is None else int(row["number"])

    async def in_room(self, room_id: str, *, closed: bool, limit: int, offset: int = 0) -> tuple[list[Task], int]:
        """Return a page of the tasks of a room, each before its subtasks, and the number of all.

        *closed*: also those that are closed.
        """
        values = {"room_id": room_id, "closed": closed, "limit": limit, "offset": offset}
        return _page(await self._database.rows(_SQL["in_room"], values))

    async def of_person(self, user_id: str, *, closed: bool, limit: int, offset: int = 0) -> tuple[list[Task], int]:
        """Return a page of the tasks that are assigned to a user, and the number of all; *closed*: also those."""
        values = {"user_id": user_id, "closed": closed, "limit": limit, "offset": offset}
        return _page(await self._database.rows(_SQL["of_person"], values))

    async def unshown(self, limit: int, others: Collection[int]) -> list[UnshownTask]:
        """Return up to *limit* tasks whose cards do not show them as they are, but for *others* (numbers)."""
        rows = await self._database.rows(_SQL["unshown"], {"limit": limit, "others": list(others)})
        return [UnshownTask(_task(row), row["card"], row["since"], row["withdrawn"]) for row in rows]

    async def of_redacted(self, connection: Connection, room_id: str, target: str, keys: Collection[str]) -> list[int]:
        """Return the numbers of the tasks whose card is the event *target*, or which the requests *keys* have made."""
        values = {"room_id": room_id, "target": target, "keys": list(keys)}
        return [int(row["number"]) for row in await rows_of(connection, _SQL["withdrawn"], values)]

    async def withdraw(self, connection: Connection, number: int, target: str) -> None:
        """Forget the words of a task, which is locked and closed; its card, if not *target*, is to be redacted."""
        await connection.execute(_SQL["withdraw"], {"number": number, "target": target, "title": WITHDRAWN_TITLE})

    async def follow_rooms(self) -> None:
        """Have the cards of open tasks shown in the rooms that replace those of the cards."""
        await self._database.execute(_SQL["follow_rooms"])

    async def assigned(self, limit: int) -> list[tuple[str, str, list[int]]]:
        """Return up to *limit* users with open tasks: the room id, the user id, and the numbers of the tasks."""
        rows = await self._database.rows(_SQL["assigned"], {"limit": limit})
        return [(row["room_id"], row["assignee"], row["numbers"]) for row in rows]

    async def trying(self, task: Task, since: str) -> None:
        """Record that the card of *task* is about to be sent to its room, whose newest event is *since*."""
        await self._database.execute(_SQL["trying"], {"number": task.number, "room_id": task.room_id, "since": since})

    async def shown(self, task: Task, event_id: str | None) -> None:
        """Record that the card *event_id* shows *task* as it is here; None: the room refuses a card."""
        values = {"number": task.number, "changes": task.changes, "event_id": event_id}
        await self._database.execute(_SQL["shown"], values)

    async def expired(self, limit: int) -> list[tuple[int, float]]:
        """Return up to *limit* tasks (numbers) whose claims are to end next, with the seconds until then."""
        rows = await self._database.rows(_SQL["expired"], {"limit": limit})
        return [(row["number"], row["wait"]) for row in rows]

    async def is_late(self, connection: Connection, number: int) -> bool:
        """Tell whether the claim of a task, which is locked, has ended."""
        return bool(await rows_of(connection, _SQL["is_late"], {"number": number}))

    async def agent_names(self, ghosts: Collection[str]) -> Mapping[str, str]:
        """Return the names of the agents whose ghosts have the localparts *ghosts*, by these."""
        rows = await self._database.rows(_SQL["names"], {"ghosts": list(ghosts)})
        return {row["ghost"]: row["name"] for row in rows}


_FIELDS = tuple(Task.__dataclass_fields__)


def _task(row: DictRow) -> Task:
    values: dict[str, Any] = {name: row[name] for name in _FIELDS}
    return Task(**(values | {"state": TaskState(row["state"])}))


def _page(rows: Sequence[DictRow]) -> tuple[list[Task], int]:
    return [_task(row) for row in rows], rows[0]["total"] if rows else 0

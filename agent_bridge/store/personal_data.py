"""The data of one person in all tables, for its erasure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.core.changes import ChangeKind, ChangeRequest
from agent_bridge.store.postgres.database import rows_of
from agent_bridge.store.postgres.locks import ROOM
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.store.postgres.database import Database
    from agent_bridge.store.queue import Queue
    from agent_bridge.store.redactions import Redactions

_SQL = Statements("personal_data")
_LOCK = Statements("intake")
#: Events that one transaction forgets, turns that one statement deletes, and speakers that are looked up in a row.
_EVENTS, _TURNS, _SPEAKERS = 20, 500, 100
#: The kinds of rows that are forgotten last, each with a statement.
_REST = ("triggers", "schedules", "tokens", "tasks", "notifications", "feed", "usage", "dead_letters")
#: The statements about a room that is gone, in their order.
_ROOM = ("forget_feed", "forget_copies", "forget_messages", "forget_contexts", "forget_turns", "forget_room")


@dataclass(frozen=True, slots=True)
class OwnRoom:
    """A chat or a direct chat of a person."""

    #: Row id.
    id: int
    #: None: it does not exist on the homeserver.
    room_id: str | None
    #: ``chat`` or ``dm``.
    kind: str
    #: Name of the upstream of its agent, and name of the agent.
    upstream: str
    agent: str


@dataclass(frozen=True, slots=True)
class HeldConversation:
    """A conversation of an agent in a room where a person was heard, on the upstream of the agent."""

    upstream: str
    agent: str
    #: Id of the agent on the upstream.
    model: str
    #: None: no conversation is known.
    ref: str | None
    #: Whether the room is one of the person's own.
    is_own: bool


@dataclass(frozen=True, slots=True)
class SavedCopy:
    """A copy of a conversation that was saved."""

    #: Row id.
    id: int
    #: Copy on the upstream; None without one.
    ref: str | None
    #: Kind of the upstream that has it.
    kind: str | None
    upstream: str
    agent: str
    #: Kind that the upstream has now.
    present_kind: str


@dataclass(frozen=True, slots=True)
class UnknownSpeaker:
    """A message that an agent has heard, without its speaker."""

    event_id: str
    room_id: str
    #: Localpart of the ghost of the agent.
    ghost: str


class PersonalData:
    """Finds and deletes the data of a person. Every method can be repeated, and raises :class:`StoreError`."""

    def __init__(self, database: Database, redactions: Redactions, queue: Queue) -> None:
        self._database = database
        self._redactions = redactions
        self._queue = queue

    async def count(self, user: str) -> dict[str, int]:
        """Return the number of rows about *user*, by their kind."""
        return dict(await self._database.row(_SQL["count"], {"user": user}) or {})

    async def newest_turn(self) -> int:
        """Return the newest turn."""
        row = await self._database.row(_SQL["now"])
        return 0 if row is None else int(row["until"])

    async def own_rooms(self, user: str) -> list[OwnRoom]:
        """Return the chats and direct chats of *user*."""
        return [OwnRoom(**row) for row in await self._database.rows(_SQL["own_rooms"], {"user": user})]

    async def end_rooms(self, chats: Sequence[int]) -> None:
        """Have the chats with the row ids *chats* deleted, and close their turns."""
        await self._database.execute(_SQL["end_rooms"], {"chats": list(chats)})

    async def conversations(self, user: str, rooms: Sequence[str]) -> list[HeldConversation]:
        """Return the conversations on upstreams that may have words of *user*; *rooms* are the own rooms."""
        rows = await self._database.rows(_SQL["upstreams"], {"user": user, "rooms": list(rooms)})
        return [HeldConversation(**row) for row in rows]

    async def forget_room(self, room_id: str) -> int:
        """Forget the room *room_id*, which is deleted, with everything said there; return the number of its turns."""
        turns = 0
        async with self._database.transaction() as connection:
            for name in _ROOM:
                cursor = await connection.execute(_SQL[name], {"room_id": room_id})
                turns = cursor.rowcount if name == "forget_turns" else turns
        return turns

    async def saved(self, user: str, rooms: Sequence[str]) -> list[SavedCopy]:
        """Return the copies that *user* has saved, and all of conversations in the own *rooms*."""
        rows = await self._database.rows(_SQL["saved"], {"user": user, "rooms": list(rooms)})
        return [SavedCopy(**row) for row in rows]

    async def forget_saved(self, copy: int) -> None:
        """Forget a saved copy."""
        await self._database.execute(_SQL["forget_saved"], {"context": copy})

    async def forget_events(self, user: str, after: int, until: int, own: int | None) -> tuple[int | None, int]:
        """Forget the next messages of *user* behind the turn *after*, up to the turn *until*, but for the turn *own*.

        They are forgotten as if they were redacted; the events of the rooms stay. Return the last turn of them, None if
        there are no more, and their number.
        """
        values = {"user": user, "after": after, "until": until, "own": own, "limit": _EVENTS}
        async with self._database.transaction() as connection:
            rows = await rows_of(connection, _SQL["events"], values)
            if not rows:
                return None, 0
            rooms = sorted({row["room_id"] for row in rows})
            await connection.execute(_LOCK["lock"], {"kind": ROOM, "rooms": rooms})
            lanes: set[int] = set()
            for room_id, event_id in dict.fromkeys((row["room_id"], row["event_id"]) for row in rows):
                change = ChangeRequest(event_id, room_id, user, ChangeKind.REDACT, target=event_id)
                lanes |= set((await self._redactions.carry_out(connection, change)).lanes)
            if lanes:
                await self._queue.wake(connection, lanes)
        return int(rows[-1]["id"]), len(rows)

    async def forget_heard(self, user: str) -> int:
        """Forget what *user* has said to others; return the number of the messages in transcripts."""
        async with self._database.transaction() as connection:
            # First the note: a commit that does not see it has written what is deleted then.
            await connection.execute(_SQL["note"], {"user": user})
            return (await connection.execute(_SQL["forget_heard"], {"user": user})).rowcount

    async def forget_instructions(self, user: str) -> int:
        """Take the instructions back that *user* has given to agents; return their number."""
        return await self._database.execute(_SQL["instructions"], {"user": user})

    async def end_schedules(self, user: str) -> None:
        """Have the schedules of *user* not run any more: a run would be a message behind the erasure."""
        await self._database.execute(_SQL["end_schedules"], {"user": user})

    async def end_tokens(self, user: str) -> None:
        """End the tokens of programs of *user*: they can write nothing more."""
        await self._database.execute(_SQL["end_tokens"], {"user": user})

    async def unknown_speakers(self, after: str) -> list[UnknownSpeaker]:
        """Return messages behind the event *after* that agents have heard, without a speaker: of earlier programs."""
        rows = await self._database.rows(_SQL["heard_unknown"], {"after": after, "limit": _SPEAKERS})
        return [UnknownSpeaker(**row) for row in rows]

    async def heard_by(self, event_id: str, user: str) -> None:
        """Record the speaker of a message that agents have heard."""
        await self._database.execute(_SQL["heard_by"], {"event_id": event_id, "user": user})

    async def space(self, user: str) -> tuple[str, str | None] | None:
        """Return the Space of *user* and the one that lists it; None without one."""
        row = await self._database.row(_SQL["space"], {"user": user})
        return None if row is None else (row["room_id"], row["listed_in"])

    async def forget_space(self, user: str) -> None:
        """Forget the Space of *user*."""
        await self._database.execute(_SQL["forget_space"], {"user": user})

    async def count_open(self, user: str, until: int, own: int | None) -> int:
        """Return the number of turns of *user* up to *until* that are not closed, but for *own*."""
        row = await self._database.row(_SQL["open"], {"user": user, "until": until, "own": own})
        return 0 if row is None else int(row["number"])

    async def drop_turns(self, user: str, until: int, own: int | None, *, every: bool) -> int:
        """Delete the next turns of *user* up to *until*, but for *own*; return their number.

        *every*: also those that are open and have no message of another person.
        """
        values = {"user": user, "until": until, "own": own, "all": every, "limit": _TURNS}
        row = await self._database.row(_SQL["drop"], values)
        return 0 if row is None else int(row["number"])

    async def forget_rest(self, user: str, until: int) -> dict[str, int]:
        """Forget everything else about *user* but roles and mutes; return the number of rows, by their kind.

        The use of turns behind *until* stays.
        """
        values = {"user": user, "until": until}
        counts: dict[str, int] = {}
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["quoted"], values)
            await connection.execute(_SQL["notified_by"], values)
            for kind in _REST:
                counts[kind] = (await connection.execute(_SQL[kind], values)).rowcount
            counts["usage"] += (await connection.execute(_SQL["usage_days"], values)).rowcount
            counts["choices"] = int((await rows_of(connection, _SQL["choices"], values))[0]["number"])
            await connection.execute(_SQL["traces"], values)
            await connection.execute(_SQL["admin"], values)
            await connection.execute(_SQL["threads"], values)
        return counts

    async def last(self, user: str) -> float | None:
        """Return the seconds since an erasure of *user* was requested last; None: never, or it failed."""
        row = await self._database.row(_SQL["last"], {"user": user})
        return None if row is None else row["seconds"]

"""Requests of programs: each acts once. Also the answers that programs wait for, and how far they have read."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from agent_bridge.core.answers import Part
from agent_bridge.store.extras import extras_from_json
from agent_bridge.store.postgres.database import rows_of
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
    from datetime import datetime

    from psycopg.rows import DictRow

    from agent_bridge.core.answers import AnswerFile
    from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("program_requests")


@dataclass(frozen=True, slots=True)
class ProgramRequest:
    """A request of a program that changes something."""

    #: Row id.
    id: int
    #: Of method, path and body.
    digest: str
    #: Public name.
    handle: str
    #: The event that it has sent; None: none that is known.
    event_id: str | None
    #: HTTP status and content of the response; None: it is not finished.
    status: int | None
    response: Any
    created_at: datetime
    #: The effect of its first step; None: it was not taken.
    effect: Mapping[str, Any] | None = None
    #: Whether this call has written it.
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """The answer of one agent to the message of a program."""

    #: The event of the message.
    event_id: str
    #: Kind and state of the turn, and whether it is open.
    kind: str
    state: str
    open: bool
    #: Why it ended early; None: it did not.
    stop: str | None
    answer: str | None
    error: str | None
    #: Row id, name and ghost (localpart) of the agent; None: the bridge bot.
    agent: int | None
    name: str | None
    ghost: str | None
    #: Whether a signal tells its end.
    awaited: bool
    #: Row id of the turn; None: a person answers.
    turn: int | None
    #: User id of the person who is asked; None: it is no person.
    person: str | None
    #: Tokens that the upstream reported; None: none.
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    #: Whether a quota refuses it, and seconds until the quota counts anew; None: it never does.
    is_over_quota: bool
    again_in: float | None
    #: The events that show it.
    shown: Sequence[str]
    files: Sequence[AnswerFile]


@dataclass(frozen=True, slots=True)
class ReadMarker:
    """The event up to which a program has read a room."""

    event_id: str
    #: Milliseconds since 1970.
    said_at: int


class ProgramRequests:
    """The tables ``api_request`` and ``read_marker``, and the turns of the messages of programs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, token: int, key: str) -> ProgramRequest | None:
        """Return the request *key* of a token."""
        row = await self._database.row(_SQL["find"], {"token": token, "key": key})
        return None if row is None else ProgramRequest(**row)

    async def begin(self, token: int, key: str, action: str, digest: str, name: str) -> ProgramRequest:
        """Write the request *key* of a token, unless it is known; return it. *name*: that of its marks."""
        values = {"token": token, "key": key, "action": action, "digest": digest, "name": name}
        while True:
            row = await self._database.row(_SQL["begin"], values | {"handle": secrets.token_urlsafe(16)})
            if row is not None:
                return ProgramRequest(**row, is_new=True)
            # A request that had no effect may have been forgotten in between.
            if (found := await self.find(token, key)) is not None:
                return found

    async def step(
        self, request: int, act: Callable[[Connection], Awaitable[Mapping[str, Any]]]
    ) -> Mapping[str, Any] | None:
        """Return the effect of *act*, the first step of a request, or the one that is stored; None: the token is gone.

        *act* makes its changes in the transaction of the given connection, which also stores the effect.
        """
        async with self._database.transaction() as connection:
            known = await rows_of(connection, _SQL["lock"], {"request": request})
            if not known:
                return None
            if known[0]["effect"] is not None:
                return dict(known[0]["effect"])
            effect = await act(connection)
            await connection.execute(_SQL["put"], {"request": request, "effect": Jsonb(effect)})
            return effect

    async def sent(self, request: int, room_id: str, event_id: str) -> None:
        """Note the event that a request has sent."""
        await self._database.execute(_SQL["sent"], {"request": request, "room_id": room_id, "event_id": event_id})

    async def finish(
        self, request: int, status: int, response: Mapping[str, Any], connection: Connection | None = None
    ) -> tuple[int, Any]:
        """Store the response to a request; return the one that counts, which may be an earlier one."""
        values = {"request": request, "status": status, "response": Jsonb(response)}
        if connection is None:
            row = await self._database.row(_SQL["finish"], values)
        else:
            row = await (await connection.execute(_SQL["finish"], values)).fetchone()
        # The person was erased meanwhile.
        return (status, response) if row is None else (row["status"], row["response"])

    async def forget(self, request: int) -> None:
        """Forget a request that had no effect: a repeat is a new one."""
        await self._database.execute(_SQL["forget"], {"request": request})

    async def by_handle(self, token: int, handle: str) -> tuple[ProgramRequest, str | None] | None:
        """Return the request *handle* of the identity of a token, and its room."""
        row = await self._database.row(_SQL["by_handle"], {"token": token, "handle": handle})
        if row is None:
            return None
        room_id = row.pop("room_id")
        return ProgramRequest(**row), room_id

    async def sender(self, event_id: str) -> tuple[str | None, str | None] | None:
        """Return the person, or the ghost (localpart), whose program has sent an event; None: no program has."""
        row = await self._database.row(_SQL["sender"], {"event_id": event_id})
        return None if row is None else (row["person"], row["ghost"])

    async def answers(self, events: Collection[str], *, awaited: bool = False) -> dict[str, list[GivenAnswer]]:
        """Return the answers to messages, in the order of the agents that were asked.

        *awaited*: a signal tells the end of each that is open.
        """
        if awaited:
            # First: one that ends in between is then read as one that has ended.
            await self._database.execute(_SQL["await"], {"events": list(events)})
        rows = await self._rows(events)
        found: dict[str, list[GivenAnswer]] = {}
        for row in rows:
            files = extras_from_json(row.pop("extras")).files
            found.setdefault(row["event_id"], []).append(GivenAnswer(**row, files=files))
        return found

    async def _rows(self, events: Collection[str]) -> list[DictRow]:
        return await self._database.rows(_SQL["answers"], {"events": list(events), "parts": Part.GIVE_UP})

    async def mark_read(self, user_id: str, room_id: str, event_id: str, said_at: int) -> None:
        """Note that a user has read a room up to an event; an earlier event changes nothing."""
        values = {"user_id": user_id, "room_id": room_id, "event_id": event_id, "said_at": said_at}
        await self._database.execute(_SQL["mark_read"], values)

    async def markers(self, user_id: str, room_ids: Collection[str]) -> dict[str, ReadMarker]:
        """Return how far a user has read rooms, by room."""
        rows = await self._database.rows(_SQL["markers"], {"user_id": user_id, "rooms": list(room_ids)})
        return {row["room_id"]: ReadMarker(row["event_id"], row["said_at"]) for row in rows}

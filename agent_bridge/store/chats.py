"""Chats and direct chats: the rooms of the kinds *chat* and *dm* that have an agent, in the table ``room``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from agent_bridge.core.chats import ChatRoom, ChatStatus, ListedChat, TitledBy, UntitledChat
from agent_bridge.core.payloads import MessagePayload
from agent_bridge.core.rooms import KindName
from agent_bridge.store.agents import agent_from, problems_from
from agent_bridge.store.corruption import read_one, readable
from agent_bridge.store.payloads import decode, encode_step
from agent_bridge.store.postgres.database import rows_of
from agent_bridge.store.postgres.locks import LEADER, PERSON
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from psycopg.rows import DictRow

    from agent_bridge.core.chats import FoundChat, NewChat
    from agent_bridge.core.rooms import RoomProblem
    from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("chats")


def _chat(row: DictRow) -> ChatRoom:
    agent, room = row["agent"], row["room"]
    return ChatRoom(
        id=room["id"],
        kind=KindName(room["kind"]),
        room_id=room["room_id"],
        agent=agent_from(agent),
        person=room["person"],
        number=room["number"],
        request_key=room["request_key"],
        name=room["name"],
        name_applied=room["name_applied"],
        titled_by=None if room["titled_by"] is None else TitledBy(room["titled_by"]),
        status=ChatStatus(room["status"]),
        delete_ref=room["delete_ref"],
        put_away=room["put_away"],
        is_left=room["left_at"] is not None,
        is_abandoned=row["is_abandoned"],
        name_redacted=room["name_redacted"],
        bot_joined=room["bot_joined"],
        space=room["space"],
        changes=room["changes"],
        changes_applied=room["changes_applied"],
        check_requests=room["check_requests"],
        checked=room["checked"],
        problems=problems_from(room["problems"]),
        introduced=room["introduced"],
    )


def _untitled(row: DictRow) -> UntitledChat:
    payload = decode(row["kind"], row["payload"])
    has_words = isinstance(payload, MessagePayload) and not row["redacted"]
    return UntitledChat(
        id=row["id"],
        number=row["number"],
        agent=agent_from(row["agent"]),
        turn=row["turn"],
        person=row["person"],
        room_id=row["room_id"],
        question=payload.body if has_words and isinstance(payload, MessagePayload) else "",
        answer=row["answer"],
    )


class Chats:
    """Chats, their numbers, and how far their desired state is applied on the homeserver."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(self, connection: Connection, person: str) -> int:
        """Return the number of chats of *person*, to which nobody else adds one until the transaction ends."""
        await connection.execute(_SQL["lock"], {"kind": PERSON, "person": person})
        return int((await rows_of(connection, _SQL["count"], {"person": person}))[0]["chats"])

    async def add(self, connection: Connection, new: NewChat) -> tuple[int, int]:
        """Write a chat within the caller's transaction; return its row id and its number.

        No other chat gets the number, also if the transaction is rolled back.
        """
        values = {
            "person": new.person,
            "agent": new.agent,
            "request_key": new.request_key,
            "name": new.name,
            "titled_by": TitledBy.GIVEN if new.is_titled else None,
            "first_context": new.first_context,
        }
        row = (await rows_of(connection, _SQL["add"], values))[0]
        return row["id"], row["number"]

    async def requested(self, connection: Connection, key: str) -> tuple[int, int] | None:
        """Return the row id and the number of the chat with the *key* of its request."""
        rows = await rows_of(connection, _SQL["requested"], {"key": key})
        return (rows[0]["id"], rows[0]["number"]) if rows else None

    async def find(self, chat: int) -> ChatRoom | None:
        """Return the chat or direct chat with row id *chat*; None if its room does not exist any more."""
        row = await self._database.row(_SQL["find"], {"chat": chat})
        return None if row is None else read_one("room", row["room"]["id"], lambda: _chat(row))

    async def in_room(self, room_id: str) -> ChatRoom | None:
        """Return the chat or direct chat whose room is *room_id*; None if that is the room of none."""
        row = await self._database.row(_SQL["in_room"], {"room_id": room_id})
        return None if row is None else read_one("room", row["room"]["id"], lambda: _chat(row))

    async def of_person(
        self, person: str | None, status: ChatStatus, *, skip: int = 0, limit: int = 1_000_000
    ) -> list[ListedChat]:
        """Return *limit* chats of *person*, or of all people, from the position *skip*, those used last first."""
        values: dict[str, object] = {"person": person, "status": status, "skip": skip, "limit": limit}
        return [ListedChat(**row) for row in await self._database.rows(_SQL["of_person"], values)]

    async def number_of(self, person: str | None, status: ChatStatus) -> int:
        """Return the number of chats of *person*, or of all people."""
        row = await self._database.row(_SQL["number_of"], {"person": person, "status": status})
        return 0 if row is None else int(row["chats"])

    async def set_status(self, connection: Connection, chat: int, status: ChatStatus) -> None:
        """Record the desired status of *chat*, which is not being deleted, within the caller's transaction."""
        await connection.execute(_SQL["set_status"], {"chat": chat, "status": status})

    async def has_open_command(self, room_id: str) -> bool:
        """Tell whether a command that was given in a room is not answered yet."""
        return await self._database.row(_SQL["open_command"], {"room_id": room_id}) is not None

    async def deletion_requested(self, chat: int, ref: str) -> None:
        """Record the name of the deletion of a room on the homeserver."""
        await self._database.execute(_SQL["deletion_requested"], {"chat": chat, "ref": ref})

    async def used(self, room_id: str, turn: int) -> None:
        """Record that *turn* is answered in a chat: without a title the chat gets one from it. A repeat is harmless."""
        await self._database.execute(_SQL["used"], {"room_id": room_id, "turn": turn})

    async def untitled(self, limit: int) -> list[UntitledChat]:
        """Return up to *limit* chats with a first answer and without a title."""
        rows = await self._database.rows(_SQL["untitled"], {"limit": limit})
        return readable("room", rows, lambda row: row["id"], _untitled)

    async def titled(self, chat: UntitledChat, title: str | None) -> None:
        """Give *chat* a *title*, unless it has one by now; None: its next answer gives another chance."""
        values = {"chat": chat.id, "turn": chat.turn, "title": title, "answer": chat.answer}
        await self._database.execute(_SQL["titled"], values)

    async def renamed(self, chat: int, title: str) -> None:
        """Record the title that a person gave to *chat* by a command, and that the room has it."""
        await self._database.execute(_SQL["renamed"], {"chat": chat, "title": title})

    async def named_by_person(self, chat: int, name: str | None) -> None:
        """Record the name that a person gave to the room of *chat*; None: a person took the name away."""
        await self._database.execute(_SQL["named_by_person"], {"chat": chat, "name": name})

    async def note_changes(self, room_ids: Collection[str], *, entered: Collection[str] = ()) -> None:
        """Have those of *room_ids* that are chats compared with the homeserver, while their lanes go on.

        Of the rooms *entered* only those that their people had left.
        """
        await self._database.execute(_SQL["note_changes"], {"rooms": list(room_ids), "entered": list(entered)})

    async def term(self, connection: Connection) -> tuple[str | None, str | None]:
        """Return the name of the present leadership (None: none), and of the last that compared the numbers."""
        found = await rows_of(connection, _SQL["term"], {"kind": LEADER})
        return (found[0]["term"], found[0]["compared"]) if found else (None, None)

    async def compared(self, term: str) -> None:
        """Record that the leadership *term* has compared the numbers with the homeserver."""
        await self._database.execute(_SQL["compared"], {"term": term})

    async def raise_numbers(self, number: int) -> None:
        """Let the next chat have a greater number than *number*."""
        await self._database.execute(_SQL["raise_numbers"], {"number": number})

    async def unknown(self, rooms: Iterable[str]) -> list[str]:
        """Return those of *rooms* that the bridge does not know."""
        return [row["room_id"] for row in await self._database.rows(_SQL["unknown"], {"rooms": list(rooms)})]

    async def adopt(self, found: FoundChat) -> bool:
        """Write a chat that was found on the homeserver; False: its agent is not known. A known room stays as it is."""
        return await self._database.row(_SQL["adopt"], asdict(found)) is not None

    async def renumber(self, chat: int, number: int) -> None:
        """Give *chat* the number that its room has, which an earlier bridge made."""
        await self._database.execute(_SQL["renumber"], {"chat": chat, "number": number})

    async def made(self, chat: int, room_id: str, name: str | None) -> None:
        """Record the room of *chat* and the name that it is known to have; a repeat changes nothing.

        The lane of its agent goes on with the context that the chat was added with.
        """
        await self._database.execute(_SQL["made"], {"chat": chat, "room_id": room_id, "name": name})

    async def due(self, limit: int, others: Collection[int]) -> list[int]:
        """Return up to *limit* row ids of chats that are out of sync, without *others*; first those with held lanes."""
        rows = await self._database.rows(_SQL["due"], {"limit": limit, "others": list(others)})
        return [row["id"] for row in rows]

    async def relist(self, space: str, *, per_user: bool) -> None:
        """Have the chats listed in *space*, or in the Spaces of their people (*per_user*), that are not."""
        await self._database.execute(_SQL["relist"], {"space": space, "per_user": per_user})

    async def entered(self, chat: int, *, bot_joined: bool) -> None:
        """Record whether the bridge bot is in the room."""
        await self._database.execute(_SQL["entered"], {"chat": chat, "bot_joined": bot_joined})

    async def named(self, chat: int, name: str) -> None:
        """Record the name that the room was given, or was found to keep."""
        await self._database.execute(_SQL["named"], {"chat": chat, "name": name})

    async def listed(self, chat: int, space: str | None) -> None:
        """Record the Space that lists the room; None: none does."""
        await self._database.execute(_SQL["listed"], {"chat": chat, "space": space})

    async def left(self, chat: int, *, is_left: bool) -> None:
        """Record whether the person of *chat* has left it."""
        await self._database.execute(_SQL["left"], {"chat": chat, "is_left": is_left})

    async def conversations(self, chat: int) -> list[tuple[str, str]]:
        """Return the conversations of *chat* on the upstream of its agent: its id there, and their references."""
        rows = await self._database.rows(_SQL["conversations"], {"chat": chat})
        return [(row["model"], row["ref"]) for row in rows]

    async def forget_conversation(self, upstream: str, model: str, ref: str) -> None:
        """Forget a conversation on an upstream, which no lane goes on with."""
        await self._database.execute(_SQL["forget_conversation"], {"upstream": upstream, "model": model, "ref": ref})

    async def put_away(self, chat: int, *, archived: bool) -> None:
        """Record whether the conversations of *chat* are archived on the upstream."""
        await self._database.execute(_SQL["put_away"], {"chat": chat, "archived": archived})

    async def applied(self, chat: ChatRoom, problems: Iterable[RoomProblem]) -> None:
        """Record that the state of *chat* is applied, but for *problems*; changes since it was read are not."""
        values = {
            "chat": chat.id,
            "changes": chat.changes,
            "requests": chat.check_requests,
            "problems": [str(problem) for problem in problems],
        }
        await self._database.execute(_SQL["applied"], values)

    async def forget(self, chat: int, *, why: str) -> None:
        """Forget a chat whose room does not exist any more; close its open turns as failed because of *why*."""
        step = encode_step("failed", parts=0, error=why)
        await self._database.execute(_SQL["forget"], {"chat": chat, "why": why, "step": step})

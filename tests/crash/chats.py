"""Chats that a person makes by the command ``new``, before and during the faults: each is made once."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_bridge.core.errors import HomeserverUnavailable
from agent_bridge.matrix.rooms import CHAT
from crash.spots import SETTLED_WITHIN, Spot, insist
from crash.verdict import Verdict
from support.conditions import eventually

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agent_bridge.store.postgres.database import Database
    from support.person import Person

_AGAIN = 0.5


@dataclass(frozen=True, slots=True)
class Made:
    """What a command ``new`` has led to."""

    title: str
    #: The rooms that the person is in or invited to.
    rooms: Sequence[str]
    #: The replies of the bot to all commands, and the rows of all chats.
    replies: Sequence[str]
    rows: Sequence[Mapping[str, Any]]


def judge_chats(chats: Iterable[Made]) -> Verdict:
    """Find the commands that led to no chat or to several."""
    lost: list[str] = []
    doubled: list[str] = []
    for each in chats:
        counts = {
            "rooms": len(each.rooms),
            "rows": sum(row["name"] == each.title for row in each.rows),
            "replies": sum(each.title in body for body in each.replies),
        }
        lost += [f"new {each.title}: no {what}" for what, count in counts.items() if not count]
        doubled += [f"new {each.title}: {count} {what}" for what, count in counts.items() if count > 1]
    return Verdict(lost=tuple(lost), doubled=tuple(doubled))


def judge_numbers(numbers: Mapping[str, tuple[int, int | None]]) -> Verdict:
    """Judge the numbers of chats by room: in the database, and in the state of the room."""
    counts = Counter(number for number, _ in numbers.values())
    return Verdict(
        lost=tuple(f"chat {stored}: its room has {given}" for stored, given in numbers.values() if stored != given),
        doubled=tuple(f"chat {number}: {count} times" for number, count in counts.items() if count > 1),
    )


class NewChats:
    """A person in a direct chat with the bot, who makes chats and enters them."""

    def __init__(self, person: Person, bot: str) -> None:
        self._person = person
        self._bot = bot
        self._room_id = ""
        #: The titles that were asked for.
        self._titles: list[str] = []
        self._numbers = itertools.count(1)

    async def begin(self) -> None:
        """Begin the direct chat with the bot."""
        self._room_id = await self._person.create_dm(self._bot)
        await self._person.wait_for(lambda: self._person.room(self._room_id).said_by(self._bot), SETTLED_WITHIN)

    async def make(self, spot: Spot, patience: float) -> Spot | None:
        """Make a chat with the agent of *spot* and enter it; return it, or None if it was not made within *patience*.

        Requests of the person are repeated while the homeserver is away.
        """
        title = f"Chat {next(self._numbers)} of {spot.model}"
        self._titles.append(title)
        path = f"send/m.room.message/new-{len(self._titles)}"
        await insist(self._person, self._room_id, path, {"msgtype": "m.text", "body": f"new @{spot.model} {title}"})
        try:
            room_id = await self._person.wait_for(lambda: next(iter(self._rooms(title)), None), patience)
            async with asyncio.timeout(patience):
                await self._enter(str(room_id))
        except TimeoutError:
            return None
        return Spot(str(room_id), spot.localpart, spot.ghost, spot.model, (self._person,))

    async def judge(self, database: Database, patience: float) -> Verdict:
        """Judge the rooms, their numbers and the replies of the bot, after *patience* seconds at the latest."""
        verdict = Verdict()

        async def clean() -> bool:
            nonlocal verdict
            verdict = await self._look(database)
            return verdict.clean

        with contextlib.suppress(AssertionError):
            await eventually(clean, "each chat was made once", patience)
        return verdict

    async def _look(self, database: Database) -> Verdict:
        rows = await database.rows("SELECT name, number, room_id FROM room WHERE name = ANY(%s)", (self._titles,))
        replies = [message.body for message in self._person.room(self._room_id).said_by(self._bot)]
        made = [Made(title, self._rooms(title), replies, rows) for title in self._titles]
        # The person sees the state of a room after entering it, and has not entered one that was made too late.
        entered = [row for row in rows if row["room_id"] in self._person.rooms]
        numbers = {row["room_id"]: (row["number"], self._number_in(row["room_id"])) for row in entered}
        return judge_chats(made) + judge_numbers(numbers)

    def _number_in(self, room_id: str) -> int | None:
        """Return the number in the state of a room."""
        number: int | None = self._person.room(room_id).state.get((CHAT, ""), {}).get("number")
        return number

    def _rooms(self, title: str) -> Sequence[str]:
        """Return the rooms called *title* that the person is in or invited to."""
        rooms = itertools.chain(self._person.rooms.values(), self._person.invites.values())
        return [room.room_id for room in rooms if room.name == title]

    async def _enter(self, room_id: str) -> None:
        while True:
            try:
                await self._person.join(room_id)
                await self._person.wait_for(lambda: room_id in self._person.rooms)
            except (HomeserverUnavailable, TimeoutError):
                await asyncio.sleep(_AGAIN)
            else:
                return

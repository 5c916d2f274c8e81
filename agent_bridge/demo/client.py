"""A small Matrix client of one person."""

from __future__ import annotations

import asyncio
import contextlib
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import quote

from agent_bridge.core.errors import HomeserverRefused, HomeserverUnavailable
from agent_bridge.demo.account import Account
from agent_bridge.demo.timeline import Room

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_SYNC_MILLISECONDS = 30_000
_RETRY_PAUSE = 0.1
#: Messages of each room that an error tells, with the reactions to them.
_SHOWN = 20
_FILTER = {"room": {"timeline": {"limit": 20}}}

Seen = TypeVar("Seen")


class Person(Account):
    """An account with a client that syncs all the time. Use it as a context manager.

    Entering it waits for the first sync. After that no event is skipped, even if a sync is limited. The client repeats
    a sync that fails until the homeserver responds.
    """

    def __init__(self, homeserver: str, user_id: str, token: str) -> None:
        super().__init__(homeserver, user_id, token)
        #: The joined rooms, by room id.
        self.rooms: dict[str, Room] = {}
        #: The rooms with an invitation, by room id.
        self.invites: dict[str, Room] = {}
        #: Presence of other users, by user id: content of the latest ``m.presence`` event.
        self.presences: dict[str, dict[str, Any]] = {}
        self._news = asyncio.Event()
        self._filter = ""

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        async with contextlib.AsyncExitStack() as undo:
            undo.push_async_callback(super().__aexit__, None, None, None)
            # The homeserver checks a stored filter once, and one in the query at each sync.
            stored = await self.ask("POST", f"/user/{quote(self.user_id)}/filter", _FILTER)
            self._filter = str(stored["filter_id"])
            since = await self._look(None)
            undo.pop_all()
        self._watching = asyncio.create_task(self._watch(since))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watching.cancel()
        await asyncio.gather(self._watching, return_exceptions=True)
        await super().__aexit__(kind, error, trace)

    def room(self, room_id: str) -> Room:
        """Return the joined room *room_id*, or an empty room if the person is not in it."""
        return self.rooms.get(room_id) or Room(room_id)

    async def wait_for(self, seen: Callable[[], Seen], within: float = 10) -> Seen:
        """Return the first true result of *seen*, which is called now and after each sync.

        Raises:
            TimeoutError: there was none within *within* seconds; the message describes the rooms.
            HomeserverRefused: the account was logged out.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while not (result := seen()):
                    if self._watching.done():
                        self._watching.result()
                    await self._news.wait()
                return result
        raise TimeoutError(f"{self.user_id} did not see it within {within:g} s, but {self._sights()}")

    async def _watch(self, since: str) -> None:
        try:
            while True:
                try:
                    since = await self._look(since)
                except (HomeserverUnavailable, HomeserverRefused) as error:
                    # Synapse finds no events of a room that is being deleted.
                    if isinstance(error, HomeserverRefused) and error.status != HTTPStatus.NOT_FOUND:
                        raise
                    await asyncio.sleep(_RETRY_PAUSE)
                    continue
                self._news.set()
                self._news = asyncio.Event()
        finally:
            self._news.set()

    async def _look(self, since: str | None) -> str:
        query = {"filter": self._filter} | ({"since": since, "timeout": str(_SYNC_MILLISECONDS)} if since else {})
        answer = await self.ask("GET", "/sync", query=query)
        rooms = answer.get("rooms", {})
        joined: dict[str, Any] = rooms.get("join", {})
        gaps = {}
        for room_id, change in joined.items():
            if since and change["timeline"].get("limited"):
                after = since if room_id in self.rooms else None
                # The person may have left the room since.
                with contextlib.suppress(HomeserverRefused):
                    gaps[room_id] = await self.history(room_id, after=after, before=change["timeline"]["prev_batch"])
        for room_id, change in joined.items():
            self.invites.pop(room_id, None)
            room = self.rooms.setdefault(room_id, Room(room_id))
            before, after = change["state"]["events"], change["timeline"]["events"]
            for event in (*before, *gaps.get(room_id, ()), *after):
                room.see(event)
            for event in change["ephemeral"]["events"]:
                room.see_ephemeral(event)
        # Before the invitations: a room can be left and invited to in one response.
        for room_id in rooms.get("leave", {}):
            self.invites.pop(room_id, None)
            self.rooms.pop(room_id, None)
        for room_id, change in rooms.get("invite", {}).items():
            self.invites[room_id] = invited = Room(room_id)
            for event in change["invite_state"]["events"]:
                invited.see(event)
        for event in answer.get("presence", {}).get("events", ()):
            self.presences[event["sender"]] = event["content"]
        return str(answer["next_batch"])

    def _sights(self) -> str:
        def last(room: Room) -> list[tuple[str, list[str]]]:
            return [(each.body, room.reactions_to(each.event_id)) for each in room.messages.values()][-_SHOWN:]

        rooms = {room.name or room_id: last(room) for room_id, room in self.rooms.items()}
        return f"is in {rooms} and invited to {list(self.invites)}"

"""A Matrix account in use: the client-server API, as far as the demo and the tests need it."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote
from uuid import uuid4

import aiohttp

from agent_bridge.core.errors import HomeserverRefused, HomeserverUnavailable
from agent_bridge.i18n.catalogue import Text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from agent_bridge.demo.timeline import Event

_V3 = "/_matrix/client/v3"
_PAGE = 500


async def call(
    http: aiohttp.ClientSession,
    method: str,
    path: str,
    body: Mapping[str, Any] | None = None,
    *,
    query: Mapping[str, str] | None = None,
) -> Any:
    """Ask a homeserver and return its answer, parsed from JSON.

    Raises:
        HomeserverUnavailable: no answer, 429 or 5xx.
        HomeserverRefused: any other refusal.
    """
    try:
        async with http.request(method, path, json=body, params=query) as response:
            status, answer = response.status, await response.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        said = f"{method} {path}: {error or type(error).__name__}"
        raise HomeserverUnavailable(Text("homeserver_away", said=said)) from error
    if status < HTTPStatus.BAD_REQUEST:
        return answer
    passing = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS
    details = answer if isinstance(answer, dict) else {}
    said, errcode = f"{method} {path}: {details.get('error', status)}", details.get("errcode")
    if passing:
        raise HomeserverUnavailable(Text("homeserver_failed", said=said), status=status, errcode=errcode)
    raise HomeserverRefused(Text("homeserver_refused", said=said), status=status, errcode=errcode)


class Account:
    """Somebody's account on *homeserver* (its base URL), for as long as the context lasts.

    Every method asks the homeserver, and raises :class:`~agent_bridge.core.errors.HomeserverError` when that
    fails. What they may do is up to the homeserver.
    """

    def __init__(self, homeserver: str, user_id: str, token: str) -> None:
        self.user_id = user_id
        self._homeserver = homeserver
        self._token = token

    @classmethod
    async def login(cls, homeserver: str, name: str, password: str) -> Self:
        """Log in with a password; the result is yet to be entered."""
        identifier = {"type": "m.id.user", "user": name}
        credentials = {"type": "m.login.password", "identifier": identifier, "password": password}
        async with aiohttp.ClientSession(homeserver) as http:
            answer = await call(http, "POST", f"{_V3}/login", credentials)
        return cls(homeserver, answer["user_id"], answer["access_token"])

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(self._homeserver, headers={"Authorization": f"Bearer {self._token}"})
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str] | None = None,
    ) -> Any:
        """Ask for *path*, which is percent-encoded and below ``/_matrix/client/v3``, as :func:`call` does."""
        return await call(self._http, method, _V3 + path, body, query=query)

    async def say(self, room_id: str, text: str) -> str:
        """Say *text* in a room and return the event id."""
        return await self.send(room_id, "m.room.message", {"msgtype": "m.text", "body": text})

    async def send(self, room_id: str, kind: str, content: Mapping[str, Any]) -> str:
        """Send any event and return its event id."""
        answer = await self.ask("PUT", f"/rooms/{_q(room_id)}/send/{_q(kind)}/{uuid4()}", content)
        return str(answer["event_id"])

    async def react(self, room_id: str, event_id: str, key: str) -> str:
        """React to an event and return the reaction's event id."""
        relation = {"rel_type": "m.annotation", "event_id": event_id, "key": key}
        return await self.send(room_id, "m.reaction", {"m.relates_to": relation})

    async def edit(self, room_id: str, event_id: str, text: str) -> str:
        """Change a message of theirs to *text* and return the edit's event id."""
        new = {"msgtype": "m.text", "body": text}
        relation = {"rel_type": "m.replace", "event_id": event_id}
        content = {"msgtype": "m.text", "body": f"* {text}", "m.new_content": new, "m.relates_to": relation}
        return await self.send(room_id, "m.room.message", content)

    async def reply(self, room_id: str, event_id: str, text: str, *, thread: str | None = None) -> str:
        """Reply to a message, or within the thread of *thread*, and return the event id."""
        relation: dict[str, Any] = {"m.in_reply_to": {"event_id": event_id}}
        if thread is not None:
            relation |= {"rel_type": "m.thread", "event_id": thread, "is_falling_back": True}
        return await self.send(room_id, "m.room.message", {"msgtype": "m.text", "body": text, "m.relates_to": relation})

    async def upload(self, data: bytes, content_type: str, name: str) -> str:
        """Give the homeserver a file and return its ``mxc://`` URL."""
        headers, query = {"Content-Type": content_type}, {"filename": name}
        async with self._http.post("/_matrix/media/v3/upload", data=data, headers=headers, params=query) as answer:
            return str((await answer.json())["content_uri"])

    async def download(self, url: str) -> bytes:
        """Return the file behind an ``mxc://`` URL."""
        path = f"/_matrix/client/v1/media/download/{url.removeprefix('mxc://')}"
        async with self._http.get(path) as answer:
            answer.raise_for_status()
            return await answer.read()

    async def redact(self, room_id: str, event_id: str) -> None:
        """Take a message or a reaction back."""
        await self.ask("PUT", f"/rooms/{_q(room_id)}/redact/{_q(event_id)}/{uuid4()}", {})

    async def set_state(self, room_id: str, kind: str, content: Mapping[str, Any], key: str = "") -> None:
        """Change the state of a room."""
        await self.ask("PUT", f"/rooms/{_q(room_id)}/state/{_q(kind)}/{_q(key)}", content)

    async def create_room(self, **options: Any) -> str:
        """Create a room, with the options of the spec's ``createRoom``, and return its id."""
        return str((await self.ask("POST", "/createRoom", options))["room_id"])

    async def create_dm(self, user_id: str) -> str:
        """Start a direct conversation and return its room id."""
        return await self.create_room(preset="trusted_private_chat", is_direct=True, invite=[user_id])

    async def join(self, room: str) -> str:
        """Join a room, by id or alias, and return its id."""
        return str((await self.ask("POST", f"/join/{_q(room)}", {}))["room_id"])

    async def leave(self, room_id: str) -> None:
        """Leave a room, or decline its invitation."""
        await self.ask("POST", f"/rooms/{_q(room_id)}/leave", {})

    async def invite(self, room_id: str, user_id: str) -> None:
        """Invite somebody into a room."""
        await self.ask("POST", f"/rooms/{_q(room_id)}/invite", {"user_id": user_id})

    async def resolve(self, alias: str) -> str | None:
        """Return the id of the room behind *alias*, None when there is none."""
        found = await self._ask_for(f"/directory/room/{_q(alias)}")
        return str(found["room_id"]) if found else None

    async def displayname(self, user_id: str) -> str | None:
        """Return the display name in somebody's profile, None when there is none."""
        profile = await self._ask_for(f"/profile/{_q(user_id)}") or {}
        return str(profile["displayname"]) if profile.get("displayname") else None

    async def hierarchy(self, space_id: str) -> list[dict[str, Any]]:
        """Return a Space and what it holds, each as the spec's ``SpaceHierarchyRoomsChunk``."""
        answer = await call(self._http, "GET", f"/_matrix/client/v1/rooms/{_q(space_id)}/hierarchy")
        return list(answer["rooms"])

    async def state(self, room_id: str) -> list[Event]:
        """Return the current state events of a room."""
        return list(await self.ask("GET", f"/rooms/{_q(room_id)}/state"))

    async def history(self, room_id: str, *, after: str | None = None, before: str | None = None) -> list[Event]:
        """Return every event of a room that they may read, oldest first, or those between two sync tokens."""
        events: list[Event] = []
        query = {"dir": "b", "limit": str(_PAGE)} | ({"to": after} if after else {})
        while True:
            start = {"from": before} if before else {}
            page = await self.ask("GET", f"/rooms/{_q(room_id)}/messages", query=query | start)
            events += page["chunk"]
            before = page.get("end")
            if not page["chunk"] or before is None:
                return events[::-1]

    async def _ask_for(self, path: str) -> dict[str, Any] | None:
        try:
            return dict(await self.ask("GET", path))
        except HomeserverRefused as refusal:
            if refusal.status == HTTPStatus.NOT_FOUND:
                return None
            raise


def _q(part: str) -> str:
    return quote(part, safe="")

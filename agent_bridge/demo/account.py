"""A Matrix account: the part of the client-server API that the demo and the tests need."""

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

V3 = "/_matrix/client/v3"
_PAGE = 500


async def call(
    http: aiohttp.ClientSession,
    method: str,
    path: str,
    body: Mapping[str, Any] | None = None,
    *,
    query: Mapping[str, str] | None = None,
) -> Any:
    """Make a request to a homeserver and return the parsed JSON of its response.

    Raises:
        HomeserverUnavailable: no response, 429 or 5xx.
        HomeserverRefused: any other error status.
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
    """An account on *homeserver* (its base URL). Use it as a context manager.

    Every method makes requests and raises :class:`~agent_bridge.core.errors.HomeserverError` if one fails.
    """

    def __init__(self, homeserver: str, user_id: str, token: str) -> None:
        self.user_id = user_id
        self._homeserver = homeserver
        self._token = token

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
        """Make a request as :func:`call` does. *path* is percent-encoded and below ``/_matrix/client/v3``."""
        return await call(self._http, method, V3 + path, body, query=query)

    async def say(self, room_id: str, text: str) -> str:
        """Send *text* to a room and return the event id."""
        return await self.send(room_id, "m.room.message", {"msgtype": "m.text", "body": text})

    async def send(self, room_id: str, kind: str, content: Mapping[str, Any]) -> str:
        """Send an event and return its event id."""
        answer = await self.ask("PUT", f"/rooms/{_q(room_id)}/send/{_q(kind)}/{uuid4()}", content)
        return str(answer["event_id"])

    async def join(self, room: str) -> str:
        """Join a room, by id or alias, and return its id."""
        return str((await self.ask("POST", f"/join/{_q(room)}", {}))["room_id"])

    async def history(self, room_id: str, *, after: str | None = None, before: str | None = None) -> list[Event]:
        """Return the readable events of a room, oldest first; with sync tokens, the events between them."""
        events: list[Event] = []
        query = {"dir": "b", "limit": str(_PAGE)} | ({"to": after} if after else {})
        while True:
            start = {"from": before} if before else {}
            page = await self.ask("GET", f"/rooms/{_q(room_id)}/messages", query=query | start)
            events += page["chunk"]
            before = page.get("end")
            if not page["chunk"] or before is None:
                return events[::-1]


def _q(part: str) -> str:
    return quote(part, safe="")

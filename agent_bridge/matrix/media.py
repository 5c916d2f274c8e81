"""The homeserver's store of files (Matrix spec, "Content repository")."""

from __future__ import annotations

import io
import json
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
from yarl import URL

from agent_bridge.core.errors import HomeserverError, HomeserverRefused, HomeserverUnavailable, TooLarge
from agent_bridge.i18n.catalogue import Text
from agent_bridge.matrix.attachments import parse_mxc

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from agent_bridge.core.ids import Namespace

_OK = 200
_REDIRECTS = frozenset({307, 308})
_MAX_REDIRECTS = 3
_TOO_LARGE = 413
_TOO_MANY = 429
_SERVER_ERROR = 500
#: Bytes that are read of an answer that is no file.
_MAX_ANSWER = 64 * 1024


class Media:
    """Files of the homeserver, taken and given as the bridge bot or as any ghost.

    *session* waits out a 429 as :func:`agent_bridge.matrix.session.homeserver_session` does. Both methods raise
    :class:`HomeserverUnavailable` when trying again may help and :class:`HomeserverRefused` when not.
    """

    def __init__(self, address: str, as_token: str, namespace: Namespace, session: aiohttp.ClientSession) -> None:
        self._base = URL(address.rstrip("/"))
        self._headers = {"Authorization": f"Bearer {as_token}"}
        self._namespace = namespace
        self._session = session

    async def download(self, url: str, *, limit: int, as_user: str | None = None) -> bytes:
        """Return the file behind an ``mxc://`` URL (``GET /_matrix/client/v1/media/download/…``).

        The homeserver may send the bridge on to a store of its own (307 or 308), which gets no token.

        Raises:
            ValueError: *url* is no such URL.
            TooLarge: the file has more than *limit* bytes; no more than that was read, one piece aside.
        """
        server, media = parse_mxc(url)
        target = self._base / "_matrix/client/v1/media/download" / server / media
        headers, query = self._headers, self._query(as_user)
        for _ in range(_MAX_REDIRECTS + 1):
            async with self._request("GET", target, headers=headers, params=query) as response:
                if response.status not in _REDIRECTS:
                    await _check(response)
                    return await _body(response, limit)
                target, headers, query = _elsewhere(response), {}, {}
        raise _nonsense()

    async def upload(self, data: bytes, content_type: str, filename: str, as_user: str | None = None) -> str:
        """Store a file and return its ``mxc://`` URL (``POST /_matrix/media/v3/upload``).

        A repeat stores another copy: all that is left of the first is a file that no event names.

        Raises:
            TooLarge: the homeserver says that it takes no file of that size.
        """
        try:
            return await self._upload(data, content_type, filename, as_user)
        except HomeserverError as error:
            # A homeserver may close the connection while it is still sent what is too large.
            if error.status in {None, _TOO_LARGE} and len(data) > (limit := await self._upload_limit(as_user)):
                raise TooLarge(limit) from error
            raise

    async def _upload(self, data: bytes, content_type: str, filename: str, as_user: str | None) -> str:
        target = self._base / "_matrix/media/v3/upload"
        headers = {**self._headers, "Content-Type": content_type}
        query = self._query(as_user) | {"filename": filename}
        async with self._request("POST", target, headers=headers, params=query, data=io.BytesIO(data)) as response:
            await _check(response)
            url = (await _json(response)).get("content_uri")
        try:
            parse_mxc(url if isinstance(url, str) else "")
        except ValueError:
            raise _nonsense() from None
        return str(url)

    async def _upload_limit(self, as_user: str | None) -> int:
        """Return the bytes of a file that the homeserver takes (``m.upload.size``), as far as it says."""
        target = self._base / "_matrix/client/v1/media/config"
        try:
            async with self._request("GET", target, headers=self._headers, params=self._query(as_user)) as response:
                await _check(response)
                limit = (await _json(response)).get("m.upload.size")
        except HomeserverError:
            limit = None
        return limit if isinstance(limit, int) else sys.maxsize

    def _query(self, as_user: str | None) -> dict[str, str]:
        return {"user_id": as_user or self._namespace.bot}

    @asynccontextmanager
    async def _request(
        self, method: str, url: URL, *, headers: dict[str, str], params: dict[str, str], data: io.BytesIO | None = None
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        try:
            async with self._session.request(
                method, url, headers=headers, params=params, data=data, allow_redirects=False
            ) as response:
                yield response
        except (aiohttp.ClientError, TimeoutError) as error:
            # Not from the error: those of aiohttp show the request's headers, and so the token.
            name = type(error).__name__
            raise HomeserverUnavailable(Text("homeserver_away", said=name)) from None


def _elsewhere(response: aiohttp.ClientResponse) -> URL:
    try:
        url = response.url.join(URL(response.headers.get("Location", "")))
    except ValueError:
        raise _nonsense() from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise _nonsense()
    return url


async def _check(response: aiohttp.ClientResponse) -> None:
    """Raise what the status of *response* means, if it is no success."""
    status = response.status
    if status == _OK:
        return
    answer = await _json(response, lenient=True)
    errcode = answer.get("errcode") if isinstance(answer.get("errcode"), str) else None
    said = f"{errcode}: {answer.get('error')}" if errcode else f"HTTP {status}"
    if status >= _SERVER_ERROR or status == _TOO_MANY:
        raise HomeserverUnavailable(Text("homeserver_failed", said=said), status=status, errcode=errcode)
    raise HomeserverRefused(Text("homeserver_refused", said=said), status=status, errcode=errcode)


async def _json(response: aiohttp.ClientResponse, *, lenient: bool = False) -> dict[str, Any]:
    """Return the JSON object of *response*; with *lenient* an empty one in place of what is none."""
    try:
        # What says 429 has been read by the session, which waited.
        limited = response.status == _TOO_MANY
        answer = json.loads(await response.read() if limited else await _body(response, _MAX_ANSWER))
    except (TooLarge, ValueError, RecursionError):
        answer = None
    if isinstance(answer, dict):
        return answer
    if lenient:
        return {}
    raise _nonsense()


async def _body(response: aiohttp.ClientResponse, limit: int) -> bytes:
    if (response.content_length or 0) > limit:
        raise TooLarge(limit)
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > limit:
            raise TooLarge(limit)
    return bytes(body)


def _nonsense() -> HomeserverUnavailable:
    return HomeserverUnavailable(Text("homeserver_nonsense"))

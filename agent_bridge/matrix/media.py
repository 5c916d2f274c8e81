"""The homeserver's content repository (Matrix spec, "Content repository")."""

from __future__ import annotations

import io
import json
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
from yarl import URL

from agent_bridge.core.answers import MediaFile
from agent_bridge.core.errors import (
    FileProblem,
    FileRefused,
    HomeserverError,
    HomeserverRefused,
    HomeserverUnavailable,
    TooLarge,
)
from agent_bridge.core.http import read_bounded
from agent_bridge.i18n.catalogue import Text
from agent_bridge.matrix.attachments import parse_mxc
from agent_bridge.matrix.other_servers import FILE, OtherServers
from agent_bridge.matrix.requests import failure

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from agent_bridge.core.file_key import FileKey
    from agent_bridge.core.ids import Namespace

_OK = 200
_REDIRECTS = frozenset({307, 308})
_MAX_REDIRECTS = 3
_TOO_LARGE = 413
_TOO_MANY = 429
#: Bytes of a JSON response that are read.
_MAX_JSON = 64 * 1024


class Media:
    """Downloads and uploads files as the bridge bot or as a ghost.

    *session* comes from :func:`agent_bridge.matrix.session.homeserver_session`, which waits out a 429. Both methods
    raise :class:`HomeserverUnavailable` if a repeat may succeed, else :class:`HomeserverRefused`.
    """

    def __init__(self, address: str, as_token: str, namespace: Namespace, session: aiohttp.ClientSession) -> None:
        self._base = URL(address.rstrip("/"))
        self._headers = {"Authorization": f"Bearer {as_token}"}
        self._namespace = namespace
        self._session = session
        self._others = OtherServers(namespace)

    async def download(self, url: str, *, limit: int, as_user: str | None = None) -> bytes:
        """Return the file at an ``mxc://`` URL (``GET /_matrix/client/v1/media/download/…``).

        The homeserver may redirect the request to another server (307 or 308). That server does not get the token.

        Raises:
            ValueError: *url* is not an ``mxc://`` URL.
            TooLarge: the file has more than *limit* bytes. At most one chunk beyond the limit was read.
            ServerOutOfReach: it is a file of another server, which does not answer.
        """
        server, media = parse_mxc(url)
        with self._others.asking(server, FILE):
            return await self._download(server, media, limit, as_user)

    async def read(self, url: str, key: FileKey | None, *, limit: int, as_user: str | None = None) -> bytes:
        """Return the file at an ``mxc://`` URL in the clear, see :meth:`download`; *key* opens an encrypted one.

        Raises:
            FileRefused: it is encrypted, and cannot be opened.
        """
        if key is not None:
            raise FileRefused("the file is encrypted", FileProblem.ENCRYPTED)
        return await self.download(url, limit=limit, as_user=as_user)

    async def _download(self, server: str, media: str, limit: int, as_user: str | None) -> bytes:
        target = self._base / "_matrix/client/v1/media/download" / server / media
        headers, query = self._headers, self._query(as_user)
        for _ in range(_MAX_REDIRECTS + 1):
            async with self._request("GET", target, headers=headers, params=query) as response:
                if response.status not in _REDIRECTS:
                    await _check(response)
                    return await read_bounded(response.content.iter_any(), limit, announced=response.content_length)
                target, headers, query = _redirect_target(response), {}, {}
        raise _invalid()

    async def upload(self, data: bytes, content_type: str, filename: str, as_user: str | None = None) -> str:
        """Store a file and return its ``mxc://`` URL (``POST /_matrix/media/v3/upload``). *filename* may be empty.

        A repeat stores a second copy. No event refers to the first one then.

        Raises:
            TooLarge: the file is larger than the homeserver's limit.
        """
        try:
            return await self._upload(data, content_type, filename, as_user)
        except HomeserverError as error:
            # A homeserver may close the connection during the upload of a file that is too large.
            if error.status in {None, _TOO_LARGE} and len(data) > (limit := await self._upload_limit(as_user)):
                raise TooLarge(limit) from error
            raise

    async def upload_for(self, room_id: str, data: bytes, content_type: str, filename: str, as_user: str) -> MediaFile:
        """Store a file that *as_user*, a member, sends into a room, see :meth:`upload`."""
        del room_id  # only encrypted rooms differ
        return MediaFile(await self.upload(data, content_type, filename, as_user), content_type, len(data))

    async def _upload(self, data: bytes, content_type: str, filename: str, as_user: str | None) -> str:
        target = self._base / "_matrix/media/v3/upload"
        headers = {**self._headers, "Content-Type": content_type}
        query = self._query(as_user) | ({"filename": filename} if filename else {})
        async with self._request("POST", target, headers=headers, params=query, data=io.BytesIO(data)) as response:
            await _check(response)
            url = (await _json(response)).get("content_uri")
        try:
            parse_mxc(url if isinstance(url, str) else "")
        except ValueError:
            raise _invalid() from None
        return str(url)

    async def _upload_limit(self, as_user: str | None) -> int:
        """Return the homeserver's limit in bytes (``m.upload.size``); ``sys.maxsize`` if it names none."""
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
            # aiohttp's errors contain the headers of the request: a log of the chain would show the token.
            name = type(error).__name__
            raise HomeserverUnavailable(Text("homeserver_away", said=name)) from None


def _redirect_target(response: aiohttp.ClientResponse) -> URL:
    try:
        url = response.url.join(URL(response.headers.get("Location", "")))
    except ValueError:
        raise _invalid() from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise _invalid()
    return url


async def _check(response: aiohttp.ClientResponse) -> None:
    """Raise the error that the status of *response* stands for, if it is not a success."""
    status = response.status
    if status == _OK:
        return
    answer = await _json(response, lenient=True)
    errcode = answer.get("errcode") if isinstance(answer.get("errcode"), str) else None
    if status == _TOO_LARGE and errcode is None:
        # A proxy has a limit too, and a repeat exceeds it too.
        raise HomeserverRefused(Text("homeserver_refused", said=f"HTTP {status}"), status=status)
    raise failure(status, errcode, answer.get("error"))


async def _json(response: aiohttp.ClientResponse, *, lenient: bool = False) -> dict[str, Any]:
    """Return the JSON object of *response*; with *lenient* an empty one if the body is anything else."""
    try:
        # The session has read the body of a 429 already.
        body = response.read() if response.status == _TOO_MANY else read_bounded(response.content.iter_any(), _MAX_JSON)
        answer = json.loads(await body)
    except (TooLarge, ValueError, RecursionError):
        answer = None
    if isinstance(answer, dict):
        return answer
    if lenient:
        return {}
    raise _invalid()


def _invalid() -> HomeserverUnavailable:
    return HomeserverUnavailable(Text("homeserver_invalid"))

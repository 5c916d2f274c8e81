"""Downloads the files that answers link to. The addresses come from agents, so they are not trusted."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from dataclasses import dataclass
from email.message import Message
from typing import TYPE_CHECKING, Self

import aiohttp
from yarl import URL

from agent_bridge.core.errors import FileProblem, FileRefused
from agent_bridge.core.http import read_bounded
from agent_bridge.upstream.download.addresses import Forbidden, guarded_connector, is_elsewhere
from agent_bridge.upstream.transport.text import storable

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from aiohttp.abc import AbstractResolver

    from agent_bridge.upstream.download.addresses import Address

_SCHEMES = frozenset({"http", "https"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: Ports that other services than the web have: mail, remote logins, names.
_RESERVED = frozenset(range(1024)) - {80, 443}
_MAX_REDIRECTS = 5
#: Media types that the upstream's own server may deliver, where its API is. JSON is none of them.
_OWN_TYPES = ("image/", "audio/", "video/", "application/pdf")
_OK = 200
_MAX_NAME = 150
_NOT_IN_A_NAME = re.compile(r'[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069<>:"/\\|?*]+')
#: Parts of a decoded path that may lead upwards: dots, back slashes, and escapes that were escaped again.
_DECEPTIVE = re.compile(r"(^|/)\.\.?(/|$)|[\\%]")
#: The media type of a server that does not know the type.
_UNKNOWN = "application/octet-stream"
_TIMEOUT = aiohttp.ClientTimeout(total=60, connect=10, sock_read=15)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A downloaded file."""

    data: bytes
    #: The media type that the server claims, without parameters. It may be wrong.
    claimed: str
    #: A name for people, never empty, without a path and control characters.
    name: str


class Fetcher:
    """Downloads files over HTTP from the public internet only. Use as async context manager.

    *allow* tells which addresses are public and not this machine's. *resolver* resolves host names (None: the system's
    resolver). The fetcher keeps no cookies, uses no proxy and sends no credentials.
    """

    def __init__(
        self,
        *,
        allow: Callable[[Address], bool] = is_elsewhere,
        resolver: AbstractResolver | None = None,
        timeout: aiohttp.ClientTimeout = _TIMEOUT,
    ) -> None:
        self._allow = allow
        self._resolver = resolver
        self._timeout = timeout
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._public = await self._session(guarded_connector(self._allow, self._resolver))
        self._own = await self._session(aiohttp.TCPConnector(force_close=True))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def fetch(self, url: str, *, limit: int, types: tuple[str, ...] = (), own: URL | None = None) -> Fetched:
        """Return the file at *url*, after up to five redirects.

        *types* are the accepted beginnings of the media type (``image/``); an empty tuple accepts any. A file without a
        media type, or with ``application/octet-stream``, is always accepted. *own* is the URL of the upstream that sent
        the link: what is below it may be reached even at a private address, if it is media and no public server
        redirects to it.

        Raises:
            TooLarge: the file has more than *limit* bytes.
            FileRefused: the address is forbidden, the server does not return the file, or its type is not accepted.
        """
        target = _parse(url)
        is_own = own is not None and _is_below(target, own)
        try:
            for _ in range(_MAX_REDIRECTS + 1):
                if not is_own and target.port in _RESERVED:
                    raise _forbidden("the link leads to a port of another service than the web")
                session, accepted = (self._own, _OWN_TYPES) if is_own else (self._public, types)
                async with session.get(target, allow_redirects=False) as response:
                    place = response.headers.get("Location")
                    if response.status not in _REDIRECTS or place is None:
                        return await _file(response, limit, accepted)
                    target = _parse(place, target)
                    is_own = is_own and own is not None and _is_below(target, own)
        except aiohttp.InvalidURL:
            # For example an IPv4 address in an unusual notation.
            raise _no_address() from None
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, Forbidden):
                raise _forbidden("the link leads to an address that is not public") from None
            raise _unreachable("the link's server cannot be reached") from error
        except TimeoutError:
            raise _unreachable("the link's server is too slow") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _unreachable("the link gave no file") from error
        raise _unreachable("the link is redirected too often")

    async def _session(self, connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
        return await self._stack.enter_async_context(
            aiohttp.ClientSession(
                connector=connector,
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"Accept-Encoding": "identity"},
                # A small compressed file may be endless when decompressed.
                auto_decompress=False,
            )
        )


async def _file(response: aiohttp.ClientResponse, limit: int, types: tuple[str, ...]) -> Fetched:
    if response.status != _OK:
        raise _unreachable(f"the link's server answered with {response.status}")
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise _unreachable("the link's server sends the file packed")
    claimed = response.headers.get("Content-Type", "").partition(";")[0].strip().lower() or _UNKNOWN
    if types and claimed != _UNKNOWN and not claimed.startswith(types):
        raise FileRefused("the link leads to a file of another kind", FileProblem.UNSUPPORTED)
    data = await read_bounded(response.content.iter_any(), limit, announced=response.content_length)
    return Fetched(data, claimed, _name(response))


def _parse(text: str, base: URL | None = None) -> URL:
    """Return the URL *text*, relative to *base*, if the fetcher may request it."""
    try:
        url = URL(text)
        url = base.join(url) if base else url
        good = url.scheme in _SCHEMES and bool(url.host) and bool(url.port)
    except ValueError:
        good = False
    if not good:
        raise _no_address()
    if url.user is not None or url.password is not None:
        raise _forbidden("the link has a user name or a password in it")
    return url


def _origin(url: URL) -> tuple[str, str | None, int | None]:
    # URL.origin() would tell an explicit default port from an implicit one.
    return url.scheme, url.host, url.port


def _is_below(url: URL, own: URL) -> bool:
    """Tell whether *url* is below *own* on the same server, however the server decodes the path."""
    below = url.path.startswith(own.path.rstrip("/") + "/") and not _DECEPTIVE.search(url.path)
    return below and _origin(url) == _origin(own)


def _name(response: aiohttp.ClientResponse) -> str:
    header = Message()
    header["Content-Disposition"] = response.headers.get("Content-Disposition", "")
    given = header.get_filename() or response.url.name
    name = _NOT_IN_A_NAME.sub("_", storable(given)).strip(" .")
    stem, dot, suffix = name.rpartition(".")
    room = _MAX_NAME - len(dot + suffix)
    return (stem[:room] + dot + suffix if stem and room > 0 else name[:_MAX_NAME]) or "file"


def _no_address() -> FileRefused:
    return _forbidden("the link is no web address")


def _forbidden(message: str) -> FileRefused:
    return FileRefused(message, FileProblem.FORBIDDEN)


def _unreachable(message: str) -> FileRefused:
    return FileRefused(message, FileProblem.UNREACHABLE)

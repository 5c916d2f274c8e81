"""Requests to the HTTP API of a bridge (docs/api.md): JSON, with errors as problem details (RFC 9457)."""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

from agent_bridge.core.names import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agent_bridge.remote.settings import RemoteSettings

#: Bytes of an answer, and of one line of a stream.
_LONGEST: Final = 16 * 1024 * 1024
#: Characters of a detail that people are shown.
_DETAIL: Final = 500
_JSON, _PROBLEM, _STREAM = "application/json", "application/problem+json", "text/event-stream"


class ApiError(Exception):
    """The bridge refused a request."""

    def __init__(self, status: int, code: str, detail: str, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.status = status
        #: Stable name of the problem, for programs.
        self.code = code
        #: Seconds after which a repeat may succeed; None: the bridge names no time.
        self.retry_after = retry_after


class Unreachable(Exception):
    """The bridge cannot be reached, does not answer in time, or something else answers."""


class Connection:
    """Sends requests, each over a connection of its own. *patience*: seconds without a byte of the answer."""

    def __init__(self, settings: RemoteSettings, *, patience: float = 30.0) -> None:
        self._settings = settings
        self._parts = urlsplit(settings.url)
        self._patience = patience

    def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str | int] | None = None,
        key: str | None = None,
        patience: float | None = None,
    ) -> Any:
        """Send a request and return the JSON of its answer; None for an answer without a body.

        *key*: a repeat of a write with the same key has no further effect.

        Raises:
            ApiError: the bridge refuses it.
            Unreachable: there is no answer. A write may have had its effect.
        """
        headers = {} if key is None else {"Idempotency-Key": key}
        content = None if body is None else json.dumps(body).encode()
        if content is not None:
            headers["Content-Type"] = _JSON
        with closing(self._opened(patience)) as connection:
            answer = self._sent(connection, method, _target(path, query), content, headers)
            return _parsed(answer, _read(answer))

    def events(self, path: str, query: Mapping[str, str | int], last_id: str | None) -> Iterator[tuple[str, str, Any]]:
        """Yield the id, the type and the data of each event of a stream, behind the one with the id *last_id*.

        Ends when the bridge ends the stream; the caller goes on with the last id.

        Raises:
            ApiError, Unreachable: as :meth:`request`.
        """
        headers = {"Accept": _STREAM} | ({} if last_id is None else {"Last-Event-ID": last_id})
        with closing(self._opened(None)) as connection:
            answer = self._sent(connection, "GET", _target(path, query), None, headers)
            if answer.status != http.client.OK or answer.headers.get_content_type() != _STREAM:
                _parsed(answer, _read(answer))
                raise Unreachable(f"{self._settings.url} does not answer as a bridge does")
            yield from _events_of(answer)

    def _opened(self, patience: float | None) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        host = self._parts.hostname or ""
        return kind(host, self._parts.port, timeout=self._patience if patience is None else patience)

    def _sent(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        target: str,
        content: bytes | None,
        headers: Mapping[str, str],
    ) -> http.client.HTTPResponse:
        own = {"Authorization": f"Bearer {self._settings.token}", "Accept": _JSON, "User-Agent": "agent-bridge"}
        try:
            connection.request(method, self._parts.path + target, content, own | dict(headers))
            return connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{self._settings.url} does not answer: {error or type(error).__name__}") from None


def _target(path: str, query: Mapping[str, str | int] | None) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def _read(answer: http.client.HTTPResponse) -> bytes:
    try:
        content = answer.read(_LONGEST + 1)
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"the answer breaks off: {error or type(error).__name__}") from None
    if len(content) > _LONGEST:
        raise Unreachable("the answer is too long for one of a bridge")
    return content


def _parsed(answer: http.client.HTTPResponse, content: bytes) -> Any:
    kind = answer.headers.get_content_type()
    if not content and answer.status < http.client.MULTIPLE_CHOICES:
        return None
    try:
        found = json.loads(content) if kind in {_JSON, _PROBLEM} else None
    except (ValueError, RecursionError):
        found = None
    if answer.status < http.client.MULTIPLE_CHOICES and kind == _JSON:
        return found
    if answer.status < http.client.BAD_REQUEST or not isinstance(found, dict):
        # A redirect is not followed: it might take the token elsewhere.
        raise Unreachable(f"something else than a bridge answers: HTTP status {answer.status}")
    detail = printable(str(found.get("detail") or found.get("title") or f"HTTP status {answer.status}"))[:_DETAIL]
    raise ApiError(answer.status, str(found.get("code") or ""), detail, _seconds(answer.headers.get("Retry-After")))


def _seconds(value: str | None) -> float | None:
    return float(value) if value is not None and value.isdecimal() else None


def _events_of(answer: http.client.HTTPResponse) -> Iterator[tuple[str, str, Any]]:
    """Yield the events of a stream (WHATWG, "server-sent events"), whose data are JSON."""
    last_id, kind, data = "", "message", list[str]()
    while True:
        try:
            line = answer.readline(_LONGEST + 1)
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"the stream breaks off: {error or type(error).__name__}") from None
        if not line or len(line) > _LONGEST:
            return
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        if not text:
            if data:
                yield last_id, kind, json.loads("\n".join(data))
            kind, data = "message", []
            continue
        name, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            last_id = value
        elif name == "event":
            kind = value
        elif name == "data":
            data.append(value)

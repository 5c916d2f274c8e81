"""The routes by which other programs wake agents: signed requests, and callback URLs that work once."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
from typing import TYPE_CHECKING, Protocol

import aiohttp
from aiohttp import web

from agent_bridge.core.errors import HomeserverError, StoreError
from agent_bridge.core.names import one_line
from agent_bridge.core.refusals import Refusals
from agent_bridge.core.triggers import TriggerRefusal, WakeRequest, digest, is_timely, signature_of
from agent_bridge.matrix.events import clean
from agent_bridge.web.answers import error_response, wrong_method

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agent_bridge.core.triggers import Trigger

_log = logging.getLogger(__name__)

#: Bytes of a body, seconds until it has arrived, and characters of the key of a request and of a token.
MAX_TRIGGER_BODY, _BODY_TIMEOUT, _LONGEST_ID, _LONGEST_TOKEN = 64 * 1024, 20.0, 200, 200
#: Encodings of a body, of which Content-Type may name one; it need not.
_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii"})
#: Characters of a text that are looked at together for one that shows something.
_LOOK = 1_000
_TIMESTAMP, _SIGNATURE, _PREFIX = "X-Agent-Bridge-Timestamp", "X-Agent-Bridge-Signature", "sha256="
_STATUSES = {
    TriggerRefusal.UNKNOWN: (404, "there is no such trigger, or it was revoked"),
    TriggerRefusal.USED: (410, "the callback URL was used already"),
    TriggerRefusal.EXPIRED: (410, "the callback URL has expired"),
    TriggerRefusal.NO_ROLE: (403, "the owner of the trigger may not ask agents any more"),
    TriggerRefusal.NOT_IN_ROOM: (403, "the owner of the trigger is not in the room"),
    TriggerRefusal.AGENT_AWAY: (409, "the agent is gone, or not in the room"),
    TriggerRefusal.FULL: (429, "too many messages wait in the room"),
    TriggerRefusal.TOO_OFTEN: (429, "the trigger is used too often"),
}


class TriggerStore(Protocol):
    """Finds triggers."""

    async def find(self, public_id: str) -> tuple[Trigger, str] | None:
        """Return a signed trigger and its key."""

    async def find_callback(self, token_hash: str) -> Trigger | None:
        """Return the trigger of a callback URL."""


class _Refused(Exception):
    """A request that is answered by an error."""

    def __init__(self, response: web.Response) -> None:
        super().__init__(response.status)
        self.response = response


class TriggerRoutes:
    """``POST /v1/triggers/{id}`` and ``POST /v1/triggers/callback/{token}``. 202 means that the request is committed.

    Paths and headers have secrets: nothing of a request is logged but its sender's address.
    """

    def __init__(
        self, triggers: TriggerStore, wake: Callable[[Trigger, WakeRequest], Awaitable[str | TriggerRefusal]]
    ) -> None:
        self._triggers = triggers
        self._wake = wake
        self._refusals = Refusals()

    def add_routes(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_route("*", "/v1/triggers/{id}", self._signed)
        app.router.add_route("*", "/v1/triggers/callback/{token}", self._callback)

    async def _signed(self, request: web.Request) -> web.Response:
        return await self._answered(request, self._accept_signed)

    async def _callback(self, request: web.Request) -> web.Response:
        return await self._answered(request, self._accept_callback)

    async def _answered(
        self, request: web.Request, accept: Callable[[web.Request], Awaitable[str | TriggerRefusal]]
    ) -> web.Response:
        if request.method != "POST":
            return wrong_method()
        try:
            accepted = await accept(request)
        except _Refused as refused:
            return refused.response
        except StoreError as error:
            _log.error("a trigger is not accepted, its sender may repeat it: %s", error)
            return error_response(503, "database_unavailable", "the bridge's database is not available")
        except HomeserverError as error:
            _log.error("a trigger is not accepted, its sender may repeat it: %s", error)
            return error_response(503, "homeserver_unavailable", "the homeserver is not available")
        if isinstance(accepted, TriggerRefusal):
            status, message = _STATUSES[accepted]
            headers = {"Retry-After": "30"} if status == 429 else None  # noqa: PLR2004
            return error_response(status, accepted, message, headers)
        return web.json_response({"id": accepted, "status": "accepted"}, status=202)

    async def _accept_signed(self, request: web.Request) -> str | TriggerRefusal:
        # The body of a stranger is not read.
        found = await self._triggers.find(clean(request.match_info["id"]))
        if found is None:
            return TriggerRefusal.UNKNOWN
        trigger, key = found
        timestamp, given = request.headers.get(_TIMESTAMP, ""), request.headers.get(_SIGNATURE, "").strip().lower()
        if given.startswith(_PREFIX) and not is_timely(timestamp):
            raise _Refused(error_response(401, "invalid_timestamp", f"{_TIMESTAMP} is more than 300 s from now"))
        body = await _body(request) if given.startswith(_PREFIX) else b""
        expected = _PREFIX + signature_of(key, timestamp, body)
        if not hmac.compare_digest(_bytes(given), _bytes(expected)):
            if self._refusals.is_told(trigger.id):
                _log.warning("request from %s refused: wrong signature for trigger %d", request.remote, trigger.id)
            raise _Refused(error_response(401, "invalid_signature", f"{_SIGNATURE} is missing or wrong"))
        text, own_id = _parsed(request, body)
        name = expected if own_id is None else f"id:{digest(own_id)}"
        return await self._wake(trigger, WakeRequest(text, name))

    async def _accept_callback(self, request: web.Request) -> str | TriggerRefusal:
        token = request.match_info["token"]
        trigger = None if len(token) > _LONGEST_TOKEN else await self._triggers.find_callback(digest(token))
        if trigger is None:
            return TriggerRefusal.UNKNOWN
        body = await _body(request)
        text, _ = _parsed(request, body)
        return await self._wake(trigger, WakeRequest(text, f"body:{digest(body)}"))


async def _body(request: web.Request) -> bytes:
    """Return the body of *request*.

    Raises:
        _Refused: it is too long, or does not arrive as a whole.
    """
    too_long = error_response(413, "body_too_large", "the body may have 64 KiB")
    if (request.content_length or 0) > MAX_TRIGGER_BODY:
        raise _Refused(too_long)
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_TIMEOUT):
            async for piece in request.content.iter_any():
                body += piece
                if len(body) > MAX_TRIGGER_BODY:
                    raise _Refused(too_long)
    except (TimeoutError, ConnectionError, aiohttp.ClientError):
        raise _Refused(error_response(408, "body_incomplete", "the body did not arrive as a whole")) from None
    return bytes(body)


def _parsed(request: web.Request, body: bytes) -> tuple[str, str | None]:
    """Return the text of a request, and the name that its sender gave it.

    Raises:
        _Refused: it has another form.
    """
    if (request.charset or "utf-8").lower() not in _CHARSETS:
        raise _Refused(error_response(415, "unsupported_media_type", "the charset of the body is UTF-8"))
    own_id: object = None
    try:
        text: object = body.decode()
        if request.content_type == "application/json":
            values = json.loads(body)
            text, own_id = (values.get("text"), values.get("id")) if isinstance(values, dict) else (None, None)
        elif request.content_type != "text/plain":
            raise _Refused(
                error_response(415, "unsupported_media_type", "Content-Type is application/json or text/plain")
            )
    except (ValueError, RecursionError):
        raise _Refused(error_response(400, "invalid_body", "the body is not UTF-8, or no JSON")) from None
    if not isinstance(text, str) or not any(one_line(text[at : at + _LOOK]) for at in range(0, len(text), _LOOK)):
        raise _Refused(error_response(400, "invalid_body", 'the body has no text: {"text": "…"}'))
    if not (own_id is None or (isinstance(own_id, str) and 0 < len(own_id) <= _LONGEST_ID)):
        raise _Refused(error_response(400, "invalid_body", f"id is a text of up to {_LONGEST_ID} characters"))
    return clean(text), own_id


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")

"""Requests to the homeserver: their errors, and the shapes of the responses."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar

from agent_bridge.core.errors import (
    HomeserverError,
    HomeserverRefused,
    HomeserverUnavailable,
    RegistrationRejected,
    TokenRejected,
    UserNotRegistered,
)
from agent_bridge.core.lean_imports import in_place_of, without
from agent_bridge.i18n.catalogue import Text

# The client needs of the types, classes for the whole of the Matrix API, two names in annotations.
with without("prometheus_client"), in_place_of("mautrix.types", IdentityKey=str, SessionID=str):
    from mautrix.api import HTTPAPI, Method, PathBuilder
    from mautrix.errors import MatrixConnectionError, MatrixError, MatrixRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import aiohttp
    from mautrix.util.logging import TraceLogger

    from agent_bridge.core.ids import Namespace

_log: TraceLogger = logging.getLogger("mau.http")  # type: ignore[assignment]  # mautrix creates loggers of this type

Json = dict[str, Any]
Value = TypeVar("Value")

_FORBIDDEN = 403
_SERVER_ERROR = 500
_TOO_MANY = 429
_TOKEN_ERRORS = frozenset({"M_UNKNOWN_TOKEN", "M_MISSING_TOKEN"})
#: Parts of Synapse's messages for a user in the name space that was never registered, and for one outside.
_NOT_REGISTERED, _NOT_OURS = "has not registered this user", "cannot masquerade as this user"


def _translate(error: MatrixError) -> HomeserverError:
    if not isinstance(error, MatrixRequestError):
        return HomeserverUnavailable(Text("homeserver_away", said=error))
    return failure(error.http_status, error.errcode, error.message)


def failure(status: int, errcode: str | None, message: object) -> HomeserverError:
    """Return the error of a response with an HTTP *status* of failure; *message* is for people.

    Only the homeserver itself refuses a request. A response without ``errcode`` (spec, "Standard error response") comes
    from a proxy: a repeat may reach the homeserver.
    """
    said = f"{errcode}: {message}" if errcode else f"HTTP {status}"
    if errcode in _TOKEN_ERRORS:
        return TokenRejected(Text("homeserver_unauthorised", said=said), status=status, errcode=errcode)
    if status == _FORBIDDEN and _NOT_REGISTERED in said:
        return UserNotRegistered(Text("homeserver_refused", said=said), status=status, errcode=errcode)
    if status == _FORBIDDEN and _NOT_OURS in said:
        return RegistrationRejected(Text("homeserver_other_names", said=said), status=status, errcode=errcode)
    if status >= _SERVER_ERROR or status == _TOO_MANY or not errcode:
        return HomeserverUnavailable(Text("homeserver_failed", said=said), status=status, errcode=errcode)
    return HomeserverRefused(Text("homeserver_refused", said=said), status=status, errcode=errcode)


def invalid() -> HomeserverUnavailable:
    """Return the error of a response that does not follow the API."""
    return HomeserverUnavailable(Text("homeserver_invalid"))


def as_object(answer: object) -> Json:
    """Return *answer*, which must be an object."""
    if not isinstance(answer, dict):
        raise invalid()
    return answer


def as_list(answer: object) -> list[object]:
    """Return *answer*, which must be a list."""
    if not isinstance(answer, list):
        raise invalid()
    return answer


def field(answer: Json, key: str, kind: type[Value]) -> Value:
    """Return ``answer[key]``, which must be of type *kind*."""
    value = answer.get(key)
    if not isinstance(value, kind):
        raise invalid()
    return value


def events(answer: Json) -> list[Json]:
    """Return the valid events of a ``chunk``."""
    return [
        event
        for event in field(answer, "chunk", list)
        if isinstance(event, dict) and isinstance(event.get("event_id"), str) and isinstance(event.get("content"), dict)
    ]


class Requester:
    """Makes requests to the homeserver as the bridge bot or as a ghost, and translates their errors."""

    def __init__(self, address: str, as_token: str, namespace: Namespace, session: aiohttp.ClientSession) -> None:
        self.namespace = namespace
        #: Requests that wait for their response.
        self.in_flight = 0
        self._api = HTTPAPI(address, as_token, client_session=session, log=_log)

    async def request(
        self,
        method: Method,
        path: PathBuilder,
        content: Json | None = None,
        *,
        as_user: str | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Json:
        """Make one request and return its JSON object."""
        return as_object(await self._ask(method, path, content, as_user=as_user, query=query))

    async def _ask(
        self,
        method: Method,
        path: PathBuilder,
        content: Json | None = None,
        *,
        as_user: str | None = None,
        query: Mapping[str, str] | None = None,
    ) -> object:
        """Make one request and return its JSON value."""
        params = {"user_id": as_user or self.namespace.bot, **(query or {})}
        return await self._send(method, path, content, params)

    async def _own(self, method: Method, path: PathBuilder) -> Json:
        """Make one request as the user that the homeserver takes for the application service's own."""
        return as_object(await self._send(method, path, None, {}))

    async def _send(self, method: Method, path: PathBuilder, content: Json | None, params: Mapping[str, str]) -> object:
        self.in_flight += 1
        try:
            answer: object = await self._api.request(method, path, content, query_params=dict(params))
        except (MatrixConnectionError, MatrixRequestError) as error:
            raise _translate(error) from error
        except (ValueError, TypeError) as error:
            # The response is cut off or comes from a proxy.
            raise invalid() from error
        finally:
            self.in_flight -= 1
        return answer

"""Matrix OpenID: a person proves to the bridge which account of the homeserver is theirs.

The client of the person gets a token from the homeserver ("Client-Server API", "OpenID"), which the homeserver changes
into the user id ("Server-Server API", "OpenID"). The token has no other power.
"""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from agent_bridge.core.errors import HomeserverRefused, HomeserverUnavailable, TooLarge
from agent_bridge.core.http import read_bounded
from agent_bridge.core.ids import checked_user_id, parse_user_id
from agent_bridge.i18n.catalogue import Text
from agent_bridge.matrix.requests import as_object, field, invalid

if TYPE_CHECKING:
    from agent_bridge.core.ids import Namespace

#: Seconds and bytes of a response, and characters of a token.
_TIMEOUT, _MOST, _LONGEST = 10.0, 16 * 1024, 4096
#: The token does not count (any more).
_NO_TOKEN = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class OpenIdCheck:
    """Asks the homeserver at *address* for the users of tokens."""

    def __init__(self, address: str, namespace: Namespace) -> None:
        self._url = URL(address.rstrip("/")) / "_matrix/federation/v1/openid/userinfo"
        self._namespace = namespace

    async def user_of(self, token: str, server: str) -> str | None:
        """Return the user id of *token*, which *server* has made; None unless it counts, for a local person.

        No other homeserver is asked, so that nobody chooses an address that the bridge connects to.

        Raises:
            HomeserverUnavailable: the homeserver does not answer in time, or its answer does not follow the API.
            HomeserverRefused: the homeserver has no such function at its address.
        """
        if server != self._namespace.domain or not token or len(token) > _LONGEST:
            return None
        try:
            async with asyncio.timeout(_TIMEOUT), aiohttp.ClientSession() as session:
                query = {"access_token": token}
                async with session.get(self._url, params=query, allow_redirects=False) as response:
                    body = await read_bounded(response.content.iter_any(), _MOST)
                    return self._user(response.status, body)
        except (aiohttp.ClientError, TimeoutError) as error:
            # aiohttp's errors have the URL, and so the token.
            raise HomeserverUnavailable(Text("homeserver_away", said=type(error).__name__)) from None
        except TooLarge:
            raise invalid() from None

    def _user(self, status: int, body: bytes) -> str | None:
        if status in _NO_TOKEN:
            return None
        if status == HTTPStatus.NOT_FOUND:
            raise HomeserverRefused(Text("homeserver_refused", said=f"HTTP {status}"), status=status)
        if status != HTTPStatus.OK:
            raise HomeserverUnavailable(Text("homeserver_failed", said=f"HTTP {status}"), status=status)
        user = _subject(body)
        is_person = parse_user_id(user)[1] == self._namespace.domain and not self._namespace.is_ours(user)
        return user if is_person else None


def _subject(body: bytes) -> str:
    """Return the user id in a response.

    Raises:
        HomeserverUnavailable: it has none that can be stored.
    """
    try:
        user = checked_user_id(field(as_object(json.loads(body)), "sub", str))
    except (ValueError, RecursionError):
        raise invalid() from None
    if not user.isprintable():
        raise invalid()
    return user

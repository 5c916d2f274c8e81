"""People sign in: by a one-time link of the bot, or by Matrix OpenID."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import structlog

from agent_bridge.admin.routes import Failure, Shown, redirect
from agent_bridge.api.limits import Buckets
from agent_bridge.api.proxies import address_of
from agent_bridge.core.errors import HomeserverRefused, HomeserverUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from ipaddress import IPv4Network, IPv6Network

    from aiohttp import web

    from agent_bridge.admin.routes import Visit, WorkLimiter
    from agent_bridge.admin.security import BrowserSecurity
    from agent_bridge.admin.visitors import Visitors
    from agent_bridge.matrix.openid import OpenIdCheck

_log = structlog.stdlib.get_logger(__name__)

#: Attempts of one address, and of all, in a minute.
_ATTEMPTS, _ALL_ATTEMPTS = 10, 120
_EVERYBODY = "*"


class Login:
    """The pages for signing in. *openid*: None if people sign in by links alone."""

    def __init__(
        self,
        security: BrowserSecurity,
        visitors: Visitors,
        limiter: WorkLimiter,
        openid: OpenIdCheck | None,
        trusted: Sequence[IPv4Network | IPv6Network],
    ) -> None:
        self._security = security
        self._visitors = visitors
        self._limiter = limiter
        self._openid = openid
        self._trusted = trusted
        self._attempts = Buckets(_ATTEMPTS)
        self._all_attempts = Buckets(_ALL_ATTEMPTS)

    async def show(self, _request: web.Request, _form: Mapping[str, str]) -> Shown:
        """Return the page that tells how to sign in."""
        return Shown("login.html", {"has_openid": self._openid is not None})

    async def confirm(self, _request: web.Request, _form: Mapping[str, str]) -> Shown:
        """Return the page of a link. It only has a button: programs that look at links must not use them up.

        Nothing is read for it, so that nobody learns from it whether a link counts.
        """
        return Shown("confirm.html")

    async def use_link(self, request: web.Request, _form: Mapping[str, str]) -> web.Response:
        """Sign in by the link of the path.

        Only wrong links count as attempts: strangers with the same address must not keep a person out.
        """
        found = await self._limiter.wait_for(self._visitors.enter_by_link(request.match_info["secret"]))
        if found is None:
            self._count(request)
            raise Failure("bad_link")
        user, secret = found
        return self._entered(request, user, secret)

    async def use_openid(self, request: web.Request, form: Mapping[str, str]) -> web.Response:
        """Sign in by a token of OpenID, in the field *token* or as the JSON body."""
        if self._openid is None:
            raise Failure("not_found")
        self._count(request)
        token, server = _token_in(form.get("json") or form.get("token", ""))
        try:
            user = await self._openid.user_of(token, server)
        except HomeserverRefused as error:
            _log.warning("the homeserver does not confirm tokens of OpenID", error=str(error))
            raise Failure("no_openid") from None
        except HomeserverUnavailable as error:
            _log.warning("the homeserver does not confirm a token of OpenID", error=str(error))
            raise Failure("no_homeserver") from None
        if user is None:
            raise Failure("no_token")
        return self._entered(request, user, await self._limiter.wait_for(self._visitors.enter(user)))

    async def leave(self, visit: Visit) -> web.Response:
        """Sign out."""
        await self._visitors.leave(visit.visitor)
        response = redirect("/login")
        self._security.delete_cookie(visit.request, response)
        return response

    def _count(self, request: web.Request) -> None:
        """Count an attempt.

        Raises:
            ProgramRefused: there were too many.
        """
        self._attempts.take(address_of(request, self._trusted))
        self._all_attempts.take(_EVERYBODY)

    def _entered(self, request: web.Request, user: str, secret: str) -> web.Response:
        if not secret:
            _log.warning("a person without the role tried to enter the admin page", user=user)
            raise Failure("no_role")
        response = redirect("")
        self._security.set_cookie(request, response, secret, self._visitors.seconds)
        return response


def _token_in(text: str) -> tuple[str, str]:
    """Return the token and the server in the response of a homeserver to a request for a token; empty without them."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return "", ""
    values = [found.get(key) if isinstance(found, dict) else None for key in ("access_token", "matrix_server_name")]
    token, server = (value if isinstance(value, str) else "" for value in values)
    return token, server

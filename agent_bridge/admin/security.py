"""The limits within which browsers use the page: headers, cookies, and the origin of requests."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from yarl import URL

from agent_bridge.api.proxies import is_of_trusted_proxy
from agent_bridge.core.admin import PATH

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Network, IPv6Network

    from aiohttp import web

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
#: The headers of every response. Without a referrer, browsers would send no ``Origin`` with forms.
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
}
#: Begins the name of a cookie that browsers take from this host alone, over HTTPS: no neighbour of the host can write
#: it (RFC 6265bis).
_HOST = "__Host-"
#: Characters of a cookie that is looked at, and of the digest in its name.
_LONGEST, _DIGITS = 100, 8


class BrowserSecurity:
    """Knows the address of the page, *url*, and the *trusted* reverse proxies.

    The cookies of each *bridge* have a name of their own: they belong to a host, whatever the port.
    """

    def __init__(self, url: str, trusted: Sequence[IPv4Network | IPv6Network], bridge: str) -> None:
        self._own = URL(url).origin()
        self._trusted = trusted
        self._cookie = f"agent_bridge_admin_{hashlib.sha256(bridge.encode()).hexdigest()[:_DIGITS]}"

    def is_https(self, request: web.Request) -> bool:
        """Tell whether the browser uses HTTPS: as a trusted proxy says, or the configured address."""
        forwarded = request.headers.get("X-Forwarded-Proto", "")
        if forwarded and is_of_trusted_proxy(request, self._trusted):
            return forwarded.split(",")[-1].strip().lower() == "https"
        return self._own.scheme == "https" and request.host.lower() == self._own.authority.lower()

    def is_own(self, request: web.Request) -> bool:
        """Tell whether a form of the page sends *request*. Browsers tell the origin of each POST."""
        try:
            origin = URL(request.headers.get("Origin", "")).origin()
        except ValueError:
            # There is none, or it is ``null``.
            return False
        if origin.scheme != "https" and self.is_https(request):
            return False
        # A proxy may have changed the host.
        return origin == self._own or origin.authority.lower() == request.host.lower()

    def session_of(self, request: web.Request) -> str | None:
        """Return the secret of the session that *request* has; None: it has none."""
        secret = request.cookies.get(self._name(self.is_https(request)))
        return secret if secret and len(secret) <= _LONGEST else None

    def set_cookie(self, request: web.Request, response: web.Response, secret: str, seconds: float) -> None:
        """Have the browser of *request* keep the *secret* of a session for some seconds."""
        is_https = self.is_https(request)
        response.set_cookie(
            self._name(is_https),
            secret,
            max_age=int(seconds),
            path="/" if is_https else PATH,
            secure=is_https,
            httponly=True,
            samesite="Strict",
        )

    def delete_cookie(self, request: web.Request, response: web.Response) -> None:
        """Have the browser of *request* forget the secret."""
        is_https = self.is_https(request)
        path = "/" if is_https else PATH
        response.del_cookie(self._name(is_https), path=path, secure=is_https, httponly=True, samesite="Strict")

    def _name(self, is_https: bool) -> str:  # noqa: FBT001 - the only flag
        return f"{_HOST if is_https else ''}{self._cookie}"

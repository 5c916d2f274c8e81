"""Responses of the routes for other programs: JSON, with errors in the form of OpenAI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping


def error_response(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return ``{"error": {"code": …, "message": …}}``."""
    return web.json_response({"error": {"code": code, "message": message}}, status=status, headers=headers)


def wrong_method() -> web.Response:
    """Return the response to a request with another method than POST."""
    return error_response(405, "method_not_allowed", "the method is POST", {"Allow": "POST"})


def bearer_token(request: web.Request) -> bytes:
    """Return the bearer token of *request*; empty without one."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip().encode("utf-8", "surrogatepass") if scheme.lower() == "bearer" else b""

"""Visitors of the admin page: they sign in without a room, send forms as a browser does, and read the HTML."""

from __future__ import annotations

import asyncio
import itertools
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import unescape
from typing import TYPE_CHECKING, Any

import aiohttp
from yarl import URL

from agent_bridge.app import Timeouts, build
from agent_bridge.config.model import Config
from agent_bridge.core.admin import random_secret, secret_hash
from agent_bridge.demo.synapse import free_port
from agent_bridge.lifecycle import _listener
from agent_bridge.store.admin_sessions import AdminSessions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from agent_bridge.store.postgres.database import Database

_TOKEN = re.compile(r'name="form" value="([^"]+)"')
_ADDRESSES = itertools.cycle(range(1, 255))
_TAG = re.compile(r"<(script|style|template)\b.*?</\1>|<[^>]+>", re.DOTALL)


@dataclass(frozen=True)
class Answer:
    """A response."""

    status: int
    html: str
    headers: Mapping[str, str]
    cookies: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The words that people read."""
        return " ".join(unescape(_TAG.sub(" ", self.html)).split())

    @property
    def form_token(self) -> str:
        """The text that the forms carry."""
        found = _TOKEN.search(self.html)
        assert found is not None, self.text
        return found[1]


class Browser:
    """A client with cookies, without JavaScript, behind a reverse proxy that tells its *address*."""

    def __init__(self, session: aiohttp.ClientSession, url: str, address: str) -> None:
        self.session = session
        self.url = url
        self._address = address

    @property
    def cookie(self) -> str:
        """The header of the session."""
        (cookie,) = self.session.cookie_jar
        return f"{cookie.key}={cookie.value}"

    async def get(self, path: str = "", **headers: str) -> Answer:
        """Open a page; a redirection is not followed."""
        return await self._ask("GET", path, headers, None)

    async def post(
        self,
        path: str,
        fields: Mapping[str, str] | None = None,
        *,
        origin: str | None = "",
        body: Any = None,
        **headers: str,
    ) -> Answer:
        """Send a form. *origin*: that of the page, by default the bridge's own; None: no header."""
        if origin is not None:
            headers["Origin"] = origin or self.url
        return await self._ask("POST", path, headers, dict(fields or {}) if body is None else body)

    async def send(self, opened: str, path: str, **fields: str) -> Answer:
        """Open a page, and send a form that it has to *path*."""
        return await self.post(path, {"form": (await self.get(opened)).form_token, **fields})

    async def _ask(self, method: str, path: str, headers: Mapping[str, str], data: Any) -> Answer:
        # Dots reach the server as they are.
        url = URL(f"{self.url}/admin{path}", encoded=".." in path)
        sent = {"X-Forwarded-For": self._address} | {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(method, url, data=data, headers=sent, allow_redirects=False) as response:
            return Answer(response.status, await response.text(), response.headers, response.cookies)


@asynccontextmanager
async def browser(url: str) -> AsyncIterator[Browser]:
    """Open a browser at the bridge with *url*, with an address of its own."""
    # The default jar takes no cookies of addresses without a name.
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        yield Browser(session, url, f"10.0.0.{next(_ADDRESSES)}")


async def link_of(database: Database, user: str) -> str:
    """Write a one-time link of *user*; return its path below ``/admin``."""
    secret = random_secret()
    async with database.transaction() as connection:
        await AdminSessions(database).add_link(connection, user, secret_hash(secret), "nonce")
    return f"/login/{secret}"


@asynccontextmanager
async def visitor(url: str, database: Database, user: str) -> AsyncIterator[Browser]:
    """Open a browser in which *user*, who may enter, has signed in."""
    async with browser(url) as opened:
        answer = await opened.post(await link_of(database, user))
        assert (answer.status, answer.headers["Location"]) == (303, "/admin"), answer.text
        yield opened


@asynccontextmanager
async def served(database_url: str, *, duties: bool = False, **sections: Any) -> AsyncIterator[str]:
    """Build a bridge with the page and serve its routes, without a homeserver; give its URL.

    *duties*: it also runs the duties of the page; others never.
    """
    port = free_port()
    config = Config.model_validate(
        {
            "homeserver": {"address": "http://127.0.0.1:9", "domain": "test.local"},
            "appservice": {"as_token": "as-secret-token", "hs_token": "hs-secret-token", "port": port},
            "database": {"url": database_url, "pool_size": 6},
            "upstreams": [{"name": "u", "url": "http://127.0.0.1:9/v1"}],
            "permissions": {"@admin:test.local": "admin", "@boss:test.local": "owner", "test.local": "member"},
            "admin": {"enabled": True},
        }
        | sections
    )
    async with (
        build(config, Timeouts(database=2.0)) as bridge,
        _listener(bridge.listeners.appservice, "127.0.0.1", port, "appservice"),
    ):
        tasks = [asyncio.create_task(work()) for work in bridge.admin_work.values()] if duties else []
        yield f"http://127.0.0.1:{port}"
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

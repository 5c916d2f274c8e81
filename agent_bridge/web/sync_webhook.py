"""The webhook with which the server of agents has its list read at once."""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import web

from agent_bridge.core.errors import StoreError
from agent_bridge.core.refusals import Refusals
from agent_bridge.web.answers import bearer_token, error_response, wrong_method

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from agent_bridge.core.upstreams import Health

_log = logging.getLogger(__name__)

#: Seconds for which a request waits for the look, and seconds between the beginnings of two looks at an upstream.
_WITHIN, _REST = 10.0, 1.0
#: Requests that wait for looks at an upstream. A further one is refused.
_MOST_WAITING = 50


class AskOne(Protocol):
    """Asks the leader to look at an upstream."""

    def __call__(self, upstream: str, *, within: float) -> Awaitable[bool]:
        """Tell whether the leader has done so within *within* seconds."""


class SyncWebhook:
    """``POST /v1/upstreams/{name}/sync``. *tokens*: by upstream; an upstream without one has no webhook.

    The leader, of any process, looks at the upstream at once. The requests that arrive within a second share one look,
    which begins after they have arrived. An upstream that does not answer delays no other one.
    """

    def __init__(
        self,
        tokens: Mapping[str, str],
        ask: AskOne,
        health: Callable[[], Awaitable[Sequence[Health]]],
        *,
        within: float = _WITHIN,
        rest: float = _REST,
    ) -> None:
        self._tokens = {name: token.encode() for name, token in tokens.items()}
        self._ask = ask
        self._health = health
        self._within = within
        self._rest = rest
        #: By upstream: the look that has yet to begin, when the last one began, and the requests that wait.
        self._next: dict[str, asyncio.Task[bool]] = {}
        self._began: dict[str, float] = {}
        self._waiting: dict[str, int] = {}
        self._refusals = Refusals()

    def add_routes(self, app: web.Application) -> None:
        """Add the route."""
        app.router.add_route("*", "/v1/upstreams/{name}/sync", self._sync)

    async def _sync(self, request: web.Request) -> web.Response:
        if request.method != "POST":
            return wrong_method()
        name = request.match_info["name"]
        expected = self._tokens.get(name)
        if not hmac.compare_digest(bearer_token(request), expected or b"") or expected is None:
            if expected is None:
                return error_response(404, "upstream_not_found", "there is no upstream of this name with a webhook")
            if self._refusals.is_told(name):
                _log.warning(
                    "request from %s refused: the webhook_token of %s is missing or wrong", request.remote, name
                )
            headers = {"WWW-Authenticate": "Bearer"}
            return error_response(401, "invalid_token", "the bearer token is missing or wrong", headers)
        if self._waiting.get(name, 0) >= _MOST_WAITING:
            return error_response(429, "too_many_requests", "too many requests wait already", {"Retry-After": "1"})
        self._waiting[name] = self._waiting.get(name, 0) + 1
        try:
            is_done = await self._look(name)
            return self._response(name, await self._health()) if is_done else _goes_on(name)
        except StoreError as error:
            _log.error("the look at %s is not asked for: %s", name, error)
            return error_response(503, "database_unavailable", "the bridge's database is not available")
        finally:
            self._waiting[name] -= 1

    def _response(self, name: str, healths: Sequence[Health]) -> web.Response:
        health = next((each for each in healths if each.name == name), None)
        if health is None or not health.ok:
            # The error may quote the server's answer, or name an address: it is for people who operate the bridge.
            return error_response(502, "upstream_unavailable", "the list of agents cannot be read from the upstream")
        return web.json_response({"upstream": name, "status": "done", "agents": health.agents})

    async def _look(self, name: str) -> bool:
        """Have *name* looked at after now; tell whether that is done in time."""
        look = self._next.get(name)
        if look is None:
            look = self._next[name] = asyncio.create_task(self._begin(name))
            look.add_done_callback(_ignore_result)
        # A caller that hangs up does not end the look of the others.
        return await asyncio.shield(look)

    async def _begin(self, name: str) -> bool:
        if (began := self._began.get(name)) is not None:
            await asyncio.sleep(began + self._rest - time.monotonic())
        del self._next[name]
        self._began[name] = time.monotonic()
        return await self._ask(name, within=self._within)


def _goes_on(name: str) -> web.Response:
    return web.json_response({"upstream": name, "status": "accepted"}, status=202)


def _ignore_result(task: asyncio.Future[Any]) -> None:
    if not task.cancelled():
        task.exception()

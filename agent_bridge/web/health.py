"""Health checks: whether the process is alive and can do its work."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, TypeVar

from aiohttp import web

from agent_bridge.core.errors import BridgeError, StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from agent_bridge.core.upstreams import Health

Result = TypeVar("Result")


#: Headers of a reverse proxy.
_FORWARDED = frozenset({"Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"})
#: Seconds for which a report is shared.
_SHARED = 1.0


@dataclass(frozen=True, slots=True)
class _Report:
    ready: bool
    details: dict[str, object]
    #: Time of the loop at which it was complete.
    at: float

    def to(self, *, may_see: bool) -> web.Response:
        body: dict[str, object] = {"status": "ok" if self.ready else "unavailable"}
        return web.json_response(body | self.details if may_see else body, status=200 if self.ready else 503)


class HealthPages:
    """``/healthz`` and ``/readyz``, and mautrix's names for both.

    The process is ready if it can accept messages and send answers, which needs the database and the homeserver. An
    unreachable upstream is reported but does not affect the status, because the messages of its agents wait in lanes.

    The servers are checked at most once a second, however many requests arrive. Details, which may quote errors, are
    for callers on this machine and for requests that *authorises* accepts. A reverse proxy is no caller.
    """

    def __init__(
        self,
        needed: Mapping[str, Callable[[], Awaitable[object]]],
        upstreams: Callable[[], Awaitable[Sequence[Health]]],
        authorises: Callable[[web.Request], bool],
        *,
        timeout: float = 2.0,
        shared: float = _SHARED,
    ) -> None:
        self._needed = needed
        self._upstreams = upstreams
        self._authorises = authorises
        #: Seconds that a check may take.
        self._timeout = timeout
        self._shared = shared
        self._check: asyncio.Task[_Report] | None = None

    def add_routes(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_get("/healthz", self._alive)
        app.router.add_get("/readyz", self._ready)
        app.router.add_get("/_matrix/mau/live", self._alive)
        app.router.add_get("/_matrix/mau/ready", self._ready)

    async def _alive(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _ready(self, request: web.Request) -> web.Response:
        check = self._check
        if check is None or (check.done() and asyncio.get_running_loop().time() - check.result().at > self._shared):
            check = self._check = asyncio.create_task(self._report())
        # A caller that hangs up does not end the check of the others.
        report = await asyncio.shield(check)
        return report.to(may_see=_is_local(request) or self._authorises(request))

    async def _report(self) -> _Report:
        names = list(self._needed)
        problems = await asyncio.gather(*(self._problem(name) for name in names))
        checks = dict(zip(names, problems, strict=True))
        upstreams: dict[str, str] = {}
        if not checks["database"]:
            try:
                upstreams = await self._limited(self._health_of_upstreams)
            except StoreError as error:
                checks["database"] = str(error)
            except TimeoutError:
                checks["database"] = self._no_answer
        details: dict[str, object] = {name: problem or "ok" for name, problem in checks.items()}
        at = asyncio.get_running_loop().time()
        return _Report(not any(checks.values()), details | {"upstreams": upstreams}, at)

    async def _health_of_upstreams(self) -> dict[str, str]:
        return {
            health.name: "ok" if health.ok else health.error or "not asked yet" for health in await self._upstreams()
        }

    async def _problem(self, name: str) -> str | None:
        try:
            await self._limited(self._needed[name])
        except BridgeError as error:
            return str(error)
        except TimeoutError:
            return self._no_answer
        return None

    @property
    def _no_answer(self) -> str:
        return f"no answer within {self._timeout:g} s"

    async def _limited(self, check: Callable[[], Awaitable[Result]]) -> Result:
        """Return the result of *check*.

        Raises:
            TimeoutError: there is none in time. The check is cancelled, and not waited for: it ends late if it asks a
                server that does not answer to cancel a statement.
        """
        task = asyncio.ensure_future(check())
        done, _ = await asyncio.wait({task}, timeout=self._timeout)
        if not done:
            task.add_done_callback(_ignore_result)
            task.cancel()
            raise TimeoutError
        return task.result()


def _is_local(request: web.Request) -> bool:
    if any(name in request.headers for name in _FORWARDED):
        return False
    try:
        return ip_address(request.remote or "").is_loopback
    except ValueError:
        return False


def _ignore_result(task: asyncio.Future[Any]) -> None:
    if not task.cancelled():
        task.exception()

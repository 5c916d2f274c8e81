"""``/metrics``: one scrape shows the counters of the process and the values of the database."""

from __future__ import annotations

import asyncio
import hmac
import logging
from typing import TYPE_CHECKING

from aiohttp import web

from agent_bridge.core.errors import StoreError
from agent_bridge.core.refusals import Refusals
from agent_bridge.matrix.appservice import OF_PROGRAM
from agent_bridge.metrics.exposition import OPENMETRICS_TYPE, PROMETHEUS_TYPE, exposition, wants_openmetrics
from agent_bridge.web.answers import bearer_token, error_response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from prometheus_client import CollectorRegistry

    from agent_bridge.metrics.gauges import Gauges
    from agent_bridge.store.metrics import DatabaseFigures

_log = logging.getLogger(__name__)

PATH = "/metrics"
#: Seconds for which a scrape waits for the values of the database, and for which scrapes share them and a text.
_WITHIN, _SHARED_FIGURES, _SHARED_TEXT = 2.0, 5.0, 1.0
#: Seconds in which a scraper takes the text.
_PATIENCE = 10.0
#: Seconds of the end of the process for a statement that runs.
_END = 1.0


class MetricsPage:
    """``GET /metrics``, with the bearer token *token* if there is one.

    The database is read only for a scrape, by one statement (*read*), whose values scrapes share for some seconds. If
    it does not answer in time, the scrape has the metrics of the process, and ``database_up`` is 0. A statement that
    hangs goes on, and no further one begins: frozen databases take one connection of the pool.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        gauges: Gauges,
        read: Callable[[], Awaitable[DatabaseFigures]],
        token: str | None,
        *,
        within: float = _WITHIN,
        shared_figures: float = _SHARED_FIGURES,
        shared_text: float = _SHARED_TEXT,
        patience: float = _PATIENCE,
    ) -> None:
        self._registry = registry
        self._gauges = gauges
        self._read = read
        self._token = None if token is None else token.encode()
        self._within = within
        self._shared_figures = shared_figures
        self._shared_text = shared_text
        self._patience = patience
        #: The reading that runs or was the last one, and when it began and ended.
        self._reading: asyncio.Task[DatabaseFigures | None] | None = None
        self._began = self._ended = 0.0
        self._failed = False
        self._refusals = Refusals()
        #: By format (OpenMetrics or not): the last text, and its time.
        self._texts: dict[bool, tuple[bytes, float]] = {}

    def add_routes(self, app: web.Application) -> None:
        """Add the route."""
        app.router.add_get(PATH, self._scrape)
        app.on_cleanup.append(self._end)

    async def _scrape(self, request: web.Request) -> web.StreamResponse:
        if self._token is not None and not hmac.compare_digest(bearer_token(request), self._token):
            if self._refusals.is_told():
                _log.warning("a scrape from %s refused: metrics.token is missing or wrong", request.remote)
            headers = {"WWW-Authenticate": "Bearer"}
            return error_response(401, "invalid_token", "the bearer token is missing or wrong", headers)
        # A scraper keeps its connection until the next scrape.
        request[OF_PROGRAM] = True
        as_openmetrics = wants_openmetrics(request.headers.get("Accept", ""))
        kind = OPENMETRICS_TYPE if as_openmetrics else PROMETHEUS_TYPE
        text = await self._text(as_openmetrics=as_openmetrics)
        response = web.Response(body=text, headers={"Content-Type": kind, "Cache-Control": "no-store"})
        try:
            async with asyncio.timeout(self._patience):
                await response.prepare(request)
                await response.write_eof()
        except (ConnectionError, TimeoutError):
            # It has hung up, or does not read.
            if request.transport is not None:
                request.transport.abort()
        return response

    async def _text(self, *, as_openmetrics: bool) -> bytes:
        """Return the text. Its computation takes some milliseconds, so that scrapes within a second share one."""
        if (shared := self._shared(as_openmetrics=as_openmetrics)) is not None:
            return shared
        figures = await self._figures()
        # Another scrape may have waited for the same values.
        if (shared := self._shared(as_openmetrics=as_openmetrics)) is not None:
            return shared
        self._gauges.database = figures
        text = exposition(self._registry, as_openmetrics=as_openmetrics)
        self._texts[as_openmetrics] = (text, asyncio.get_running_loop().time())
        return text

    def _shared(self, *, as_openmetrics: bool) -> bytes | None:
        """Return the last text; None if it is too old, or there is none."""
        text, at = self._texts.get(as_openmetrics, (None, 0.0))
        return text if asyncio.get_running_loop().time() - at < self._shared_text else None

    async def _figures(self) -> DatabaseFigures | None:
        """Return the values of the database; None if it does not answer in time."""
        clock = asyncio.get_running_loop().time
        reading = self._reading
        if reading is None or (reading.done() and clock() - self._ended >= self._shared_figures):
            self._began = clock()
            reading = self._reading = asyncio.create_task(self._ask())
        if not reading.done():
            # The scrapes that come later do not wait anew for a database that does not answer.
            await asyncio.wait({reading}, timeout=max(0.0, self._began + self._within - clock()))
        if not reading.done():
            self._note("the database did not answer in time")
            return None
        return None if reading.cancelled() else reading.result()

    async def _ask(self) -> DatabaseFigures | None:
        try:
            figures = await self._read()
        except StoreError as error:
            self._note(str(error))
            return None
        finally:
            self._ended = asyncio.get_running_loop().time()
        self._failed = False
        return figures

    def _note(self, why: str) -> None:
        """Log *why* the values cannot be read, once until they can."""
        if not self._failed:
            _log.warning("the metrics of the database cannot be read: %s", why)
        self._failed = True

    async def _end(self, _app: web.Application) -> None:
        if self._reading is not None and not self._reading.done():
            self._reading.cancel()
            await asyncio.wait({self._reading}, timeout=_END)

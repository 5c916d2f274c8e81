"""The endpoint of the application-service API, which the homeserver calls. 200 means that the events are committed.

It replaces the transaction handler of mautrix, which responds before it handles the events, keeps the transaction ids
that it has seen in memory, and recognises repeats by transaction id.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import aiohttp
from aiohttp import web

from agent_bridge.core.errors import BridgeError, StoreError
from agent_bridge.core.observer import UNOBSERVED, TransactionResult
from agent_bridge.core.refusals import Refusals
from agent_bridge.matrix.ephemeral import ephemeral_events
from agent_bridge.matrix.events import clean, legible, parse_event, parse_transaction

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from agent_bridge.core.feed import LiveEvent
    from agent_bridge.core.observer import Observer
    from agent_bridge.matrix.events import RoomEvent

    #: Takes typing notifications and presence. Raises nothing.
    TakesEphemeral = Callable[[Sequence[LiveEvent]], Awaitable[None]]
    #: Commits the news about keys in the body of a transaction. Raises StoreError if it did not.
    TakesKeyNews = Callable[[bytes, bool], Awaitable[None]]
    #: Passes requests for event streams on. Raises nothing.
    TakesStreams = Callable[[bytes, Sequence[RoomEvent]], Awaitable[None]]
    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = logging.getLogger(__name__)

#: Bytes of a transaction: up to 100 events of 64 KiB, and the fields that Synapse adds. The homeserver repeats a
#: transaction that is refused for ever.
MAX_BODY = 64 * 1024**2
#: Seconds until the body of a request has arrived.
_BODY_TIMEOUT = 60.0
#: Seconds for the answer to a query, and characters of a user id or an alias.
_QUERY_TIMEOUT, _LONGEST_NAME = 10.0, 1_000
#: Bytes that are parsed before a thread could begin, and elements that a dead letter shows.
_SHORT, _SHOWN = 20_000, 100
#: Keys of a request: whether it has the hs_token, and whether it has the token of a program.
AUTHORISED, OF_PROGRAM = web.RequestKey("authorised", bool), web.RequestKey("of_program", bool)
#: Seconds without a transaction after which the homeserver has finished its repeats.
_QUIET = 3.0
#: Seconds between two calls of :meth:`AppServiceEndpoint.look_for_gap`.
GAP_LOOK = _QUIET / 2
#: Seconds after which it has finished them even if transactions keep arriving.
_LONGEST = 30.0
#: A missing id is unusual if at most one transaction in so many follows one. Seconds between two searches for it: the
#: homeserver may strand a transaction at the end of each of several series of repeats.
_UNUSUAL, _SEARCH_REST = 20, 5.0
#: Digits of a transaction id that is a number.
_LONGEST_NUMBER = 18


class Intake(Protocol):
    """Stores the events that the endpoint receives."""

    async def take(self, transaction_id: str, events: Sequence[RoomEvent]) -> None:
        """Commit *events*. If it raises, the homeserver sends them again."""

    async def add_dead_letter(self, transaction_id: str, reason: str, body: str) -> None:
        """Store *body*, or the part of it that can never be processed."""

    async def request_backfill(self, reason: str) -> None:
        """Request a backfill of all rooms and pause their lanes until it is done; *reason* is for the log."""

    async def schedule_backfill(self) -> None:
        """Request a backfill of all rooms without pausing their lanes."""


class Queries(Protocol):
    """Answers the homeserver's questions about users and aliases of the bridge that do not exist there."""

    async def has_user(self, user_id: str) -> bool:
        """Tell whether the user exists by now."""

    async def has_alias(self, alias: str) -> bool:
        """Tell whether the alias exists by now."""


def _error(status: int, errcode: str, message: str) -> web.Response:
    return web.json_response({"errcode": errcode, "error": message}, status=status)


@dataclass
class GapDetector:
    """A period in which the homeserver may strand a transaction. It begins with a start and with each repeat.

    Synapse can strand a transaction that it creates while its retry loop is finishing: the transaction stays unsent
    until the next failure.
    """

    #: Times of the first and the last transaction of the period.
    first: float | None = None
    last: float | None = None
    #: Whether an id was missing. Only the first gap counts: other endpoints and application services use ids too.
    gap: bool = False
    #: Whether a backfill was requested since.
    settled: bool = False

    def saw(self, now: float) -> None:
        """Record that a transaction arrived at *now*."""
        self.first = self.first or now
        self.last = now

    def is_over(self, now: float) -> bool:
        """Tell whether the homeserver has finished its repeats by *now* and no backfill was requested yet."""
        if self.settled or self.first is None or self.last is None:
            return False
        return now - self.last > _QUIET or now - self.first > _LONGEST

    def may_have_gap(self) -> bool:
        """Tell whether a missing id indicates a gap."""
        return not self.settled and not self.gap


@dataclass
class MissingIds:
    """How often transaction ids are missing. They are so all the time if other endpoints or services use ids too.

    The period of :class:`GapDetector` can end before the homeserver's repeats, if one of these takes long.
    """

    transactions: int = 0
    gaps: int = 0
    #: Time of the last gap that was unusual.
    searched: float | None = None

    def indicate(self, now: float) -> bool:
        """Count a gap; tell whether it indicates a stranded transaction."""
        self.gaps += 1
        rests = self.searched is not None and now - self.searched < _SEARCH_REST
        if rests or (self.gaps > 1 and self.gaps * _UNUSUAL > self.transactions):
            return False
        self.searched = now
        return True


class AppServiceEndpoint:
    """The routes of the application-service API (Matrix spec, "Application Service API")."""

    def __init__(
        self,
        hs_token: str,
        intake: Intake,
        queries: Queries | None = None,
        *,
        ephemeral: TakesEphemeral | None = None,
        key_news: TakesKeyNews | None = None,
        streams: TakesStreams | None = None,
        body_timeout: float = _BODY_TIMEOUT,
        observer: Observer = UNOBSERVED,
    ) -> None:
        self._observer = observer
        self._hs_token = hs_token.encode()
        self._queries = queries
        self._ephemeral = ephemeral
        self._key_news = key_news
        self._streams = streams
        self._body_timeout = body_timeout
        self._intake = intake
        self._refusals = Refusals()
        #: The last numeric transaction id.
        self._last = 0
        #: Whether news about keys may be lost: a transaction that the homeserver repeats has none.
        self._lost_news = False
        self._gaps = GapDetector()
        self._missing = MissingIds()

    def add_routes(self, app: web.Application) -> None:
        """Add the routes of the spec, and the older routes without a prefix."""
        for prefix in ("/_matrix/app/v1", ""):
            app.router.add_put(prefix + "/transactions/{txn_id:.*}", self._guarded(self._transaction))
            app.router.add_get(prefix + "/users/{name}", self._guarded(self._user))
            app.router.add_get(prefix + "/rooms/{name}", self._guarded(self._alias))
        app.router.add_post("/_matrix/app/v1/ping", self._guarded(self._ping))

    def authorises(self, request: web.Request) -> bool:
        """Tell whether *request* has the hs_token."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            token = request.query.get("access_token", "")
        return hmac.compare_digest(token.strip().encode("utf-8", "surrogatepass"), self._hs_token)

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            if not self.authorises(request):
                if self._refusals.is_told():
                    _log.warning("request from %s refused: the hs_token is missing or wrong", request.remote)
                return _error(403, "M_FORBIDDEN", "the hs_token is missing or wrong")
            request[AUTHORISED] = True
            return await handler(request)

        return guarded

    async def _transaction(self, request: web.Request) -> web.Response:
        begin, result, events = time.monotonic(), TransactionResult.UNAVAILABLE, 0
        try:
            response, result, events = await self._receive(request)
        finally:
            self._observer.transaction(result, events, time.monotonic() - begin)
        return response

    async def _receive(self, request: web.Request) -> tuple[web.Response, TransactionResult, int]:
        """Take the transaction of *request*; return the response, its result, and the number of its events."""
        # The homeserver repeats a transaction, and sends no other one, until it gets a 200. A transaction that can
        # never be processed must not block the later ones.
        txn_id, events, is_whole = clean(request.match_info["txn_id"]), 0, False
        try:
            await self._check_id(txn_id)
            self._gaps.saw(time.monotonic())
            try:
                async with asyncio.timeout(self._body_timeout):
                    raw = await request.read()
            except web.HTTPRequestEntityTooLarge as error:
                await self._add_dead_letter(txn_id, "too large", error.text or "")
            except (TimeoutError, ConnectionError, aiohttp.ClientError) as error:
                # The homeserver sends it again.
                self._lost_news = True
                _log.warning("transaction %s did not arrive as a whole: %s", txn_id, type(error).__name__)
                incomplete = _error(408, "M_UNKNOWN", "the body did not arrive as a whole")
                return incomplete, TransactionResult.INCOMPLETE, 0
            else:
                events, is_whole = await self._take(txn_id, raw)
                self._lost_news = False
        except StoreError as error:
            self._gaps = GapDetector()
            self._lost_news = True
            _log.error("transaction %s not stored, the homeserver will repeat it: %s", txn_id, error)
            unavailable = _error(503, "M_UNKNOWN", "the bridge's database is not available")
            return unavailable, TransactionResult.UNAVAILABLE, 0
        return web.json_response({}), TransactionResult.ACCEPTED if is_whole else TransactionResult.DEAD_LETTER, events

    async def look_for_gap(self) -> None:
        """Request a backfill if the homeserver may have stranded a transaction; call it every :data:`GAP_LOOK` seconds.

        Raises:
            StoreError: the request failed; the next call repeats it.
        """
        gaps = self._gaps
        if gaps.is_over(time.monotonic()):
            await self._intake.schedule_backfill()
            gaps.settled = True

    async def _check_id(self, txn_id: str) -> None:
        """Request a backfill if the ids, which Synapse counts up, have a gap or restart."""
        if not txn_id.isascii() or not txn_id.isdecimal() or len(txn_id) > _LONGEST_NUMBER:
            return
        number, before = int(txn_id), self._last
        self._missing.transactions += 1
        if number < before:
            self._gaps = GapDetector()
            self._lost_news = True
            await self._intake.request_backfill("the homeserver's transaction ids restarted")
        elif number == before:
            self._gaps = GapDetector()
            self._lost_news = True
        elif before and number > before + 1:
            indicates = self._missing.indicate(time.monotonic())
            if self._gaps.may_have_gap() or indicates:
                self._lost_news = True
                await self._intake.request_backfill("the homeserver's transaction ids have a gap")
                self._gaps.gap = True
        # Last, because the homeserver repeats the id if the request fails.
        self._last = number

    async def _take(self, txn_id: str, raw: bytes) -> tuple[int, bool]:
        """Take the events of *raw*; return their number, and whether nothing became a dead letter."""
        if len(raw) <= _SHORT:
            events, unfit, fault = _parse(raw)
        else:
            events, unfit, fault = await asyncio.to_thread(_parse, raw)
        if self._key_news is not None:
            # Before the events that they open.
            await self._key_news(raw, self._lost_news)
        await self._intake.take(txn_id, events)
        if self._streams is not None:
            await self._streams(raw, events)
        if self._ephemeral is not None and (news := ephemeral_events(raw)):
            await self._ephemeral(news)
        if unfit:
            await self._intake.add_dead_letter(
                txn_id, f"{len(unfit)} elements that are not room events", legible(unfit[:_SHOWN])
            )
        if fault is not None:
            await self._add_dead_letter(txn_id, fault, raw.decode("utf-8", "replace"))
        return len(events), not unfit and fault is None

    async def _add_dead_letter(self, txn_id: str, fault: str, body: str) -> None:
        """Store a body that may contain events as a dead letter, and request a backfill for its events."""
        await self._intake.request_backfill("a transaction could not be parsed")
        await self._intake.add_dead_letter(txn_id, fault, clean(body))

    async def _ping(self, _request: web.Request) -> web.Response:
        return web.json_response({})

    async def _user(self, request: web.Request) -> web.Response:
        return await self._query(request, None if self._queries is None else self._queries.has_user)

    async def _alias(self, request: web.Request) -> web.Response:
        return await self._query(request, None if self._queries is None else self._queries.has_alias)

    async def _query(self, request: web.Request, has: Callable[[str], Awaitable[bool]] | None) -> web.Response:
        """Answer whether there is the user or the alias that *request* names. The homeserver waits for the answer."""
        name = clean(request.match_info["name"])
        try:
            async with asyncio.timeout(_QUERY_TIMEOUT):
                found = has is not None and len(name) <= _LONGEST_NAME and await has(name)
        except (BridgeError, TimeoutError) as error:
            _log.warning("a query of the homeserver is not answered: %s", error or type(error).__name__)
            return _error(503, "M_UNKNOWN", "the bridge cannot tell at the moment")
        if found:
            return web.json_response({})
        return _error(404, "M_NOT_FOUND", "only agents that an upstream lists have users and rooms")


def _parse(raw: bytes) -> tuple[list[RoomEvent], list[object], str | None]:
    """Return the events of a transaction, its elements that are no room events, and the fault of *raw*."""
    elements, fault = parse_transaction(raw)
    events: list[RoomEvent] = []
    unfit: list[object] = []
    for element in elements:
        event = parse_event(element)
        if event is None:
            unfit.append(element)
        else:
            events.append(event)
    return events, unfit, fault

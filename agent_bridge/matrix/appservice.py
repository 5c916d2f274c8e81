"""The door: the application-service API that the homeserver calls. 200 means committed.

Takes the place of mautrix's own transaction handler, which answers before it has handled anything, keeps what it has
seen in memory, and knows duplicates by transaction id.
"""

from __future__ import annotations

import hmac
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from aiohttp import web

from agent_bridge.core.errors import StoreError
from agent_bridge.matrix.events import clean, legible, parse_event, parse_transaction

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from agent_bridge.matrix.events import RoomEvent

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = logging.getLogger(__name__)

#: A transaction has up to 100 events of 64 KiB and what Synapse adds; one that is refused is sent again for ever.
MAX_BODY = 64 * 1024**2
#: Seconds without a transaction after which the homeserver has repeated what it had to.
_QUIET = 3.0
#: Seconds between two looks whether it is quiet.
GAP_LOOK = _QUIET / 2
#: Seconds after which it has even if it is never quiet.
_LONGEST = 30.0
#: Digits of a transaction id that is a count.
_LONGEST_NUMBER = 18


class Intake(Protocol):
    """Who takes what comes through the door."""

    async def take(self, transaction_id: str, events: Sequence[RoomEvent]) -> None:
        """Make *events* durable. When this returns, they are; when it raises, the homeserver will send them again."""

    async def add_dead_letter(self, transaction_id: str, reason: str, body: str) -> None:
        """Keep *body*, or what is left of it, which can never be taken."""

    async def request_backfill(self, sign: str) -> None:
        """Look for what the homeserver may have lost, as *sign* says, before anything else is answered."""

    async def schedule_backfill(self) -> None:
        """Look for what the homeserver may have lost."""


def _error(status: int, errcode: str, message: str) -> web.Response:
    return web.json_response({"errcode": errcode, "error": message}, status=status)


@dataclass
class GapDetector:
    """A time in which the homeserver may have stranded a transaction: it begins with a start, or with a repeat.

    A transaction that Synapse makes just as it has repeated what failed may stay unsent until the next failure.
    """

    #: When the first and the last transaction since then came.
    first: float | None = None
    last: float | None = None
    #: Whether an id was left out. Other doors, and other application services, take ids too: it counts once.
    gap: bool = False
    #: Whether the rooms were compared since.
    settled: bool = False

    def saw(self, now: float) -> None:
        """Note that a transaction came at *now*."""
        self.first = self.first or now
        self.last = now

    def is_over(self, now: float) -> bool:
        """Tell whether the homeserver has repeated by *now* whatever it had to, and nobody has looked yet."""
        if self.settled or self.first is None or self.last is None:
            return False
        return now - self.last > _QUIET or now - self.first > _LONGEST

    def may_have_gap(self) -> bool:
        """Tell whether an id that is left out is a sign."""
        return not self.settled and not self.gap


class AppServiceEndpoint:
    """The routes of the application-service API (Matrix spec, "Application Service API")."""

    def __init__(self, hs_token: str, intake: Intake) -> None:
        self._hs_token = hs_token.encode()
        self._intake = intake
        #: The last transaction id that was a number.
        self._last = 0
        self._doubt = GapDetector()

    def add_routes(self, app: web.Application) -> None:
        """Add the routes, in the form of the spec and in the older one without a prefix."""
        for prefix in ("/_matrix/app/v1", ""):
            app.router.add_put(prefix + "/transactions/{txn_id:.*}", self._guarded(self._transaction))
            app.router.add_get(prefix + "/users/{user_id}", self._guarded(self._unknown))
            app.router.add_get(prefix + "/rooms/{alias}", self._guarded(self._unknown))
        app.router.add_post("/_matrix/app/v1/ping", self._guarded(self._ping))

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            if scheme.lower() != "bearer":
                token = request.query.get("access_token", "")
            if not hmac.compare_digest(token.strip().encode("utf-8", "surrogatepass"), self._hs_token):
                _log.warning("refused a request without the right hs_token from %s", request.remote)
                return _error(403, "M_FORBIDDEN", "the hs_token is missing or wrong")
            return await handler(request)

        return guarded

    async def _transaction(self, request: web.Request) -> web.Response:
        # The homeserver sends the same again and nothing else until it gets a 200: what can never be taken must not
        # stop what can.
        txn_id = clean(request.match_info["txn_id"])
        try:
            await self._look_at(txn_id)
            self._doubt.saw(time.monotonic())
            try:
                raw = await request.read()
            except web.HTTPRequestEntityTooLarge as error:
                await self._lose(txn_id, "too large", error.text or "")
            else:
                await self._take(txn_id, raw)
        except StoreError as error:
            self._doubt = GapDetector()
            _log.error("transaction %s not taken, the homeserver will repeat it: %s", txn_id, error)
            return _error(503, "M_UNKNOWN", "the bridge's database is not available")
        return web.json_response({})

    async def look_for_gap(self) -> None:
        """Have the rooms backfilled if the homeserver may have stranded a transaction; call every :data:`GAP_LOOK`.

        Raises:
            StoreError: the next call tries again.
        """
        doubt = self._doubt
        if doubt.is_over(time.monotonic()):
            await self._intake.schedule_backfill()
            doubt.settled = True

    async def _look_at(self, txn_id: str) -> None:
        """See by their ids, which count up on Synapse, that transactions are missing or begin anew."""
        if not txn_id.isascii() or not txn_id.isdecimal() or len(txn_id) > _LONGEST_NUMBER:
            return
        number, before = int(txn_id), self._last
        if number < before:
            self._doubt = GapDetector()
            await self._intake.request_backfill("the homeserver's transaction ids began anew")
        elif number == before:
            self._doubt = GapDetector()
        elif before and number > before + 1 and self._doubt.may_have_gap():
            await self._intake.request_backfill("the homeserver left out a transaction")
            self._doubt.gap = True
        # Not before the sign is noted: the same id comes again when it could not be.
        self._last = number

    async def _take(self, txn_id: str, raw: bytes) -> None:
        elements, fault = parse_transaction(raw)
        events: list[RoomEvent] = []
        unfit: list[object] = []
        for element in elements:
            event = parse_event(element)
            if event is None:
                unfit.append(element)
            else:
                events.append(event)
        await self._intake.take(txn_id, events)
        if unfit:
            await self._intake.add_dead_letter(txn_id, f"{len(unfit)} that are no room events", legible(unfit))
        if fault is not None:
            await self._lose(txn_id, fault, raw.decode("utf-8", "replace"))

    async def _lose(self, txn_id: str, fault: str, body: str) -> None:
        """Set aside what may have had events in it, and have them looked for where they came from."""
        await self._intake.request_backfill("a transaction could not be taken")
        await self._intake.add_dead_letter(txn_id, fault, clean(body))

    async def _ping(self, _request: web.Request) -> web.Response:
        return web.json_response({})

    async def _unknown(self, _request: web.Request) -> web.Response:
        # Ghosts and rooms are made when their agent is discovered, never on a query.
        return _error(404, "M_NOT_FOUND", "made only for agents that an upstream lists")

"""Requests of programs that change something: each acts once, however often it is repeated."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog

from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.ids import REQUEST, mark, short_hash
from agent_bridge.core.program_problems import Problem, ProgramRefused
from agent_bridge.matrix.events import mark_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

    from agent_bridge.core.programs import Token
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.postgres.database import Connection
    from agent_bridge.store.program_requests import ProgramRequest, ProgramRequests

_log = structlog.stdlib.get_logger(__name__)

#: Hexadecimal digits of the name of a request in marks and transaction ids.
_NAME = 24
#: Pages, and events of a page, in which the event of an interrupted request is looked for.
_PAGES, _PAGE = 10, 100
#: The clocks of the database and of the homeserver may differ by so much.
_CLOCKS = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a function by a program."""

    token: Token
    #: The Idempotency-Key, or a random text.
    key: str
    #: Of method, path and body.
    digest: str
    #: Name of the function.
    action: str

    @property
    def name(self) -> str:
        """Name of the call in marks and transaction ids, which other databases do not give to another call."""
        made = f"{self.token.id} {self.token.created_at.isoformat()} {self.key}"
        return f"{REQUEST}{short_hash(made, _NAME)}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a call."""

    status: int
    content: Mapping[str, Any]
    #: Public name of the request.
    handle: str
    #: Whether an earlier call had it.
    is_repeat: bool = False


def random_key() -> str:
    """Return a key for a call without one."""
    return f"random:{secrets.token_urlsafe(24)}"


class Requests:
    """Carries out calls once."""

    def __init__(self, store: ProgramRequests, homeserver: Homeserver) -> None:
        self._store = store
        self._homeserver = homeserver

    async def once(
        self, call: Call, act: Callable[[ProgramRequest], Awaitable[Mapping[str, Any]]], *, status: int = 200
    ) -> Outcome:
        """Return the result of *act*, or that of an earlier call with the same key.

        *act* may run again after a kill, and at the same time in two processes: its effects need keys that derive from
        the call, such as those of :meth:`send`. A call that :class:`ProgramRefused` ends has no effect and is
        forgotten.

        Raises:
            ProgramRefused: also because another call had the same key.
            HomeserverError, StoreError: a repeat goes on.
        """
        request = await self._store.begin(call.token.id, call.key, call.action, call.digest, call.name)
        self._check(call, request)
        if request.status is not None:
            return Outcome(request.status, request.response, request.handle, is_repeat=True)
        try:
            content = await act(request)
        except (ProgramRefused, HomeserverRefused):
            await self._store.forget(request.id)
            raise
        counts, response = await self._store.finish(request.id, status, content)
        _log.info("request of a program", action=call.action, token=call.token.id, request=request.handle)
        return Outcome(counts, response, request.handle, is_repeat=not request.is_new)

    async def step(
        self, request: ProgramRequest, act: Callable[[Connection], Awaitable[Mapping[str, Any]]]
    ) -> Mapping[str, Any]:
        """Return the effect of the first step of a *request*: that of *act*, or the one that an earlier run has stored.

        *act* makes its changes in the transaction of the given connection, which also stores the effect, so they are
        made once. Further steps need keys that derive from the call. :class:`ProgramRefused` undoes the changes.
        """
        effect = await self._store.step(request.id, act)
        if effect is None:
            raise ProgramRefused(Problem.TOKEN_INVALID)
        return effect

    async def send(
        self, call: Call, request: ProgramRequest, room_id: str, content: dict[str, Any], kind: str, voice: str
    ) -> str:
        """Send an event once as *voice*, and return its id.

        The homeserver knows the transaction id of a repeat for a while; a mark finds the event after that.
        """
        if request.event_id is not None:
            return request.event_id
        found = None if request.is_new else await self.found(request.created_at, room_id, voice, mark(call.name, 0))
        event_id = found or await self._homeserver.send(
            room_id, content, txn_id=f"ab.{call.name}", kind=kind, as_user=voice
        )
        await self._store.sent(request.id, room_id, event_id)
        return event_id

    async def found(self, since: datetime, room_id: str, voice: str, marked: str) -> str | None:
        """Return the event of *voice* with a mark that was sent *since*; None: the room has none."""
        oldest = (since - _CLOCKS).timestamp() * 1000
        start: str | None = None
        for _ in range(_PAGES):
            events, start = await self._homeserver.messages(room_id, limit=_PAGE, start=start, as_user=voice)
            for event in events:
                if event.get("sender") == voice and mark_of(event) == marked:
                    return str(event["event_id"])
            if start is None or any(event.get("origin_server_ts", 0) < oldest for event in events):
                break
        return None

    @staticmethod
    def _check(call: Call, request: ProgramRequest) -> None:
        if request.digest != call.digest:
            raise ProgramRefused(Problem.KEY_REUSED, "another request had the same Idempotency-Key")

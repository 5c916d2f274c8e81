"""Live activity: changes of turns, which one task of the process reads while somebody looks."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from agent_bridge.api.streams import HEARTBEAT, STILL_HERE
from agent_bridge.core.errors import StoreError
from agent_bridge.core.program_problems import Problem, ProgramRefused

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator
    from datetime import datetime
    from typing import Any

    from aiohttp import web

    from agent_bridge.admin.routes import Visit
    from agent_bridge.admin.visitors import Visitor, Visitors
    from agent_bridge.api.streams import Streams
    from agent_bridge.core.admin import TurnMoment
    from agent_bridge.core.turns import TurnState
    from agent_bridge.store.admin_lists import AdminLists

_log = structlog.stdlib.get_logger(__name__)

#: Seconds between two looks at the turns, and after a failed one.
_LOOK, _FAILED_LOOK = 1.0, 5.0
#: A transaction commits after the times that it writes, so each look goes back that far.
_OVERLAP = timedelta(seconds=10)
#: Changes of each kind that one look reads, changes that a slow subscriber may fall behind, and streams of a person.
_MOST, _BEHIND, _OF_ONE = 100, 200, 8
#: Changes that a new subscriber is told again. Its page leaves out those that it has.
_RECENT = 30
#: Streams of all people in a process.
MOST_STREAMS = 100
#: Milliseconds after which a browser connects again.
_RETRY = 5_000
#: Also tells, at intervals, that the stream is alive: scripts do not see comments.
_HERE = "event: here\ndata: {}\n\n"


@dataclass(eq=False)
class _Subscriber:
    """A browser that looks."""

    visitor: Visitor
    queue: asyncio.Queue[str] = field(default_factory=lambda: asyncio.Queue(_BEHIND))
    is_permitted: bool = True

    def put(self, text: str) -> None:
        """Have the browser sent *text*. One that is far behind misses the oldest text."""
        if self.queue.full():
            self.queue.get_nowait()
        self.queue.put_nowait(text)


class Activity:
    """Streams of live activity, at most *most* (of :class:`Streams`). *described* makes the values of a change."""

    def __init__(
        self,
        lists: AdminLists,
        visitors: Visitors,
        streams: Streams,
        described: Callable[[TurnMoment], dict[str, Any]],
        *,
        look: float = _LOOK,
    ) -> None:
        self._lists = lists
        self._visitors = visitors
        self._streams = streams
        self._described = described
        self._look = look
        self._subscribers: set[_Subscriber] = set()
        self._task: asyncio.Task[None] | None = None
        #: The changes that were told, with their times, as far as the next look reads them again.
        self._seen: dict[tuple[int, TurnState], datetime] = {}
        #: The texts that were told last. A page that was made before them, and connects after them, needs them.
        self._recent: deque[str] = deque(maxlen=_RECENT)

    @property
    def subscribers(self) -> int:
        """The number of browsers that look."""
        return len(self._subscribers)

    async def serve(self, visit: Visit) -> web.StreamResponse:
        """Return the stream of server-sent events for a person.

        Raises:
            ProgramRefused: there are too many streams, or too many of the person.
        """
        with self._subscribed(visit.visitor) as subscriber:

            async def is_permitted() -> bool:
                return subscriber.is_permitted

            return await self._streams.serve_texts(visit.request, _texts(subscriber), is_permitted)

    async def end(self, app: web.Application) -> None:
        """End all streams: the process ends."""
        await self._streams.end(app)
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=1)

    @contextmanager
    def _subscribed(self, visitor: Visitor) -> Iterator[_Subscriber]:
        if Counter(each.visitor.user for each in self._subscribers)[visitor.user] >= _OF_ONE:
            raise ProgramRefused(Problem.TOO_MANY_REQUESTS, f"{_OF_ONE} streams of a person", retry_after=60)
        subscriber = _Subscriber(visitor)
        if self._subscribers:
            for text in self._recent:
                subscriber.put(text)
        self._subscribers.add(subscriber)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._follow())
        try:
            yield subscriber
        finally:
            self._subscribers.discard(subscriber)

    async def _follow(self) -> None:
        """Tell the subscribers of changes, as long as there are any."""
        clock = asyncio.get_running_loop().time
        begun: datetime | None = None
        read_at = start = clock()
        failed = False
        self._seen.clear()
        self._recent.clear()
        while self._subscribers:
            try:
                if begun is None:
                    begun, read_at, start = await self._lists.now(), clock(), clock()
                # The clock of the database, as far as the look before.
                since, looked_at = begun + timedelta(seconds=read_at - start) - _OVERLAP, clock()
                await self._tell_changes(since)
                read_at = looked_at
                await self._look_at_sessions()
                failed = False
            except StoreError as error:
                if not failed:
                    _log.warning("live activity of the admin page cannot be read", error=str(error))
                    self._tell("event: away\ndata: {}\n\n")
                failed = True
            await asyncio.sleep(_FAILED_LOOK if failed else self._look)

    async def _tell_changes(self, since: datetime) -> None:
        """Tell of the changes since a time that were not told yet."""
        for moment in await self._lists.moments(since, _MOST):
            key = moment.id, moment.state
            if self._seen.get(key) != moment.at:
                self._seen[key] = moment.at
                self._tell(f"event: turn\ndata: {json.dumps(self._described(moment), ensure_ascii=False)}\n\n")
        for key in [key for key, at in self._seen.items() if at < since]:
            del self._seen[key]

    async def _look_at_sessions(self) -> None:
        # Others may come meanwhile, whose sessions are not asked for.
        looked_at = list(self._subscribers)
        alive = await self._visitors.alive({each.visitor for each in looked_at})
        for each in looked_at:
            if each.visitor.session not in alive:
                each.is_permitted = False
                each.put(STILL_HERE)

    def _tell(self, text: str) -> None:
        self._recent.append(text)
        for each in self._subscribers:
            each.put(text)


async def _texts(subscriber: _Subscriber) -> AsyncGenerator[str, None]:
    yield f"retry: {_RETRY}\n{_HERE}"
    while True:
        try:
            async with asyncio.timeout(HEARTBEAT):
                text = await subscriber.queue.get()
        except TimeoutError:
            text = _HERE
        yield text

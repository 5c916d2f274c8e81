"""The operation ``import``: shows the earlier messages of an upstream in a room, oldest first, with their times.

Three means make a repeat after a kill harmless:

1. The keys of the messages that were sent are stored after each batch (table ``imported_message``).
2. The transaction ids derive from the keys, so the homeserver swallows a repeat.
3. Where the homeserver has forgotten the transaction ids, the marks in the events tell which messages of the next batch
   it has. The position stores the event behind which they are.

Where nobody but the bridge's own users is or was invited, the messages are texts. Elsewhere they are notices, which
change no unread counts.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from agent_bridge.bridge.queue.offload import rendered
from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import HomeserverRefused, RateLimited, UpstreamError, UpstreamRefused
from agent_bridge.core.ids import IMPORTED, MARK, mark, short_hash
from agent_bridge.core.imports import ImportRequest
from agent_bridge.core.operations import Progress
from agent_bridge.matrix.events import mark_of
from agent_bridge.matrix.pacing import background
from agent_bridge.render.content import in_thread, message
from agent_bridge.render.split import split

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from typing import TypeVar

    from agent_bridge.bridge.lifecycle.imported_people import ImportedPeople
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.operations import Operation
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.agents import Agents
    from agent_bridge.store.imports import ImportedMessages
    from agent_bridge.upstream.base import Upstream
    from agent_bridge.upstream.capabilities import History, PastMessage

    Result = TypeVar("Result")

_log = structlog.stdlib.get_logger(__name__)

#: Messages, or seconds, after which the position is stored, and events of one page of a room.
_BATCH, _STORED_AFTER, _PAGE = 50, 2.0, 100
#: Tries to read the history, and the time between them: people wait for a room while its history is imported.
_TRIES, _RETRY = 4, Backoff(first=1, cap=8)
#: Messages that are read at least, and from which on a history is taken for whole that has not half as many.
_LEAST, _MANY = 100, 1_000
#: Digits of a key.
_KEY = 24


@dataclass(frozen=True, slots=True)
class _Entry:
    """An earlier message that is to be shown."""

    key: str
    past: PastMessage

    @property
    def by_agent(self) -> bool:
        return self.past.message.role == "assistant"

    @property
    def marks(self) -> str:
        """The beginning of the public name of its parts."""
        return f"import.{self.key}"


@dataclass(slots=True)
class _State:
    """The state of one run."""

    #: Messages that this operation has sent, all that it sends, and those that others had sent.
    done: int
    total: int
    known: int
    #: The event behind which the marks of the next batch are.
    anchor: str
    #: Whether people are in the room or invited.
    is_visited: bool
    #: Marks of the next batch that the room has.
    found: frozenset[str] = frozenset()

    #: Why the import ended early, and whether it is at its end.
    error: str = ""
    is_over: bool = False

    @property
    def progress(self) -> Progress:
        cursor = {"anchor": self.anchor, "known": self.known, "error": self.error, "over": self.is_over}
        return Progress(self.done, self.total, cursor)


class HistoryImport:
    """Runs the operation. Its parameters are those of :class:`~agent_bridge.core.imports.ImportRequest`."""

    def __init__(
        self,
        homeserver: Homeserver,
        agents: Agents,
        imported: ImportedMessages,
        upstreams: Mapping[str, Upstream],
        people: ImportedPeople,
        opens: Callable[[int], None],
        texts: Texts,
        *,
        retry: Backoff = _RETRY,
    ) -> None:
        self._homeserver = homeserver
        self._agents = agents
        self._imported = imported
        self._upstreams = upstreams
        self._people = people
        #: Called with the row id of an agent whose new room has its earlier messages.
        self._opens = opens
        self._texts = texts
        self._retry = retry

    async def run(self, operation: Operation) -> AsyncGenerator[Progress, None]:
        """Send the messages that the room does not have, in their order.

        A refusal of the homeserver or the upstream ends the operation with an error in its position.

        Raises:
            HomeserverUnavailable, StoreError: the messages behind the last progress are to be sent.
        """
        request = ImportRequest.of(operation.params)
        agent = (await self._agents.by_agent(request.agent)).agent
        anchor = "" if operation.cursor is None else operation.cursor["anchor"]
        state = _State(operation.done, operation.total or operation.done, 0, anchor, is_visited=True)
        try:
            left = await self._left(request, agent, operation, state)
            if left:
                await self._prepare(request, agent, state, left, is_repeat=operation.cursor is not None)
            yield state.progress
            while left:
                sent = await self._batch(request, agent, state, left)
                await self._imported.add(request.room_id, [each.key for each in left[:sent]], operation.id)
                state.done, left = state.done + sent, left[sent:]
                yield state.progress
        except (UpstreamError, HomeserverRefused) as error:
            _log.warning("an import ends early", agent=agent.name, room=request.room_id, error=str(error))
            state.error = error.says(self._texts)
        await self._people.leave(request.room_id)
        await self._imported.forget()
        state.is_over = True
        yield state.progress
        if request.is_first:
            self._opens(request.agent)

    async def _left(self, request: ImportRequest, agent: Agent, operation: Operation, state: _State) -> list[_Entry]:
        """Return the messages that the room does not have, oldest first, and count the others in *state*."""
        upstream = self._upstreams.get(agent.upstream)
        history = None if upstream is None else upstream.can.history
        if history is None:
            return []
        named: dict[str, _Entry] = {}
        for past in await self._read(history, agent, request):
            entry = _Entry(_key(request, past), past)
            # Messages of one name are one message, which a faulty server tells again.
            named.setdefault(entry.key, entry)
        entries = [*named.values()]
        known = await self._imported.known(request.room_id, [each.key for each in entries])
        left = [each for each in entries if each.key not in known]
        state.done = sum(by == operation.id for by in known.values())
        state.known = len(known) - state.done
        state.total = state.done + len(left)
        return left

    async def _read(self, history: History, agent: Agent, request: ImportRequest) -> Sequence[PastMessage]:
        """Return the newest messages that no bridge has sent: as many as *request* names, or all that there are."""
        number, before = max(request.count, _LEAST), -1
        while True:
            read = await self._pages(partial(history, agent.model, request.conversation, newest=number))
            found = [each for each in read if not each.is_bridged]
            # Between the messages of a bridge there are perhaps older ones of another client.
            is_whole = len(read) == before or (number >= _MANY and len(read) < number // 2)
            if len(found) >= request.count or is_whole:
                return found[-request.count :]
            number, before = 2 * number, len(read)

    async def _pages(self, history: Callable[[], AsyncIterator[Sequence[PastMessage]]]) -> Sequence[PastMessage]:
        """Return the messages of all pages; a failure of the upstream is repeated a few times."""
        tries = 1
        while True:
            try:
                return [each async for page in history() for each in page]
            except UpstreamRefused:
                raise
            except UpstreamError:
                if tries == _TRIES:
                    raise
                await asyncio.sleep(self._retry.delay(tries))
                tries += 1

    async def _prepare(
        self, request: ImportRequest, agent: Agent, state: _State, left: Sequence[_Entry], *, is_repeat: bool
    ) -> None:
        """Bring the user in who shows the messages of people, and look for a batch that was sent and not stored."""
        room_id, ghost = request.room_id, self._homeserver.namespace.user_id(agent.ghost)
        if not all(each.by_agent for each in left):
            await _patiently(partial(self._people.enter, room_id, ghost))
        state.is_visited = await self._is_visited(room_id, ghost)
        if is_repeat:
            state.found = await self._marks(room_id, ghost, left[:_BATCH], state.anchor)
        else:
            events, _ = await self._homeserver.messages(room_id, limit=1, as_user=ghost)
            state.anchor = events[0]["event_id"] if events else ""

    async def _is_visited(self, room_id: str, ghost: str) -> bool:
        members = await self._homeserver.members(room_id, ghost)
        is_ours = self._homeserver.namespace.is_ours
        return any(not is_ours(user) and membership != "ban" for user, membership in members.items())

    async def _marks(self, room_id: str, ghost: str, batch: Sequence[_Entry], until: str) -> frozenset[str]:
        """Return the marks of *batch* that events of the room behind *until* have."""
        wanted, senders = {each.marks for each in batch}, {ghost, self._homeserver.namespace.imported}
        found: set[str] = set()
        start: str | None = None
        while True:
            events, start = await self._homeserver.messages(room_id, limit=_PAGE, start=start, as_user=ghost)
            # A mark can be forged.
            ours = [mark_of(event) for event in events if event.get("sender") in senders]
            found |= {each for each in ours if each.rpartition(".")[0] in wanted}
            if start is None or any(event["event_id"] == until for event in events):
                return frozenset(found)

    async def _batch(self, request: ImportRequest, agent: Agent, state: _State, left: Sequence[_Entry]) -> int:
        """Send the next messages; return their number."""
        ghost, started = self._homeserver.namespace.user_id(agent.ghost), time.monotonic()
        if not state.is_visited:
            state.is_visited = await self._is_visited(request.room_id, ghost)
        render = partial(self._render, request, notice=state.is_visited)
        sent, contents = 0, await render(left[0])
        while sent < min(len(left), _BATCH) and time.monotonic() - started < _STORED_AFTER:
            # The next message is rendered while the homeserver takes this one.
            send = self._send(request.room_id, ghost, state, left[sent], contents)
            _, contents = await asyncio.gather(send, render(left[min(sent + 1, len(left) - 1)]))
            sent += 1
        return sent

    async def _render(self, request: ImportRequest, entry: _Entry, *, notice: bool) -> list[dict[str, Any]]:
        """Return the events that show a message."""
        contents = await rendered(len(entry.past.message.content), _contents, entry, notice=notice)
        relation = in_thread(request.thread, request.thread) if request.thread else {}
        return [content | relation for content in contents]

    async def _send(
        self, room_id: str, ghost: str, state: _State, entry: _Entry, contents: Sequence[dict[str, Any]]
    ) -> None:
        """Send those of the events *contents* that the room does not have."""
        user = ghost if entry.by_agent else self._homeserver.namespace.imported
        # A server that names no time: the message has the present one. So has a message of the future, which would keep
        # the room at the top of the lists of all clients.
        sent_at = entry.past.sent_at if 0 < entry.past.sent_at.timestamp() <= time.time() else None
        for content in contents:
            if content[MARK] not in state.found:
                send = partial(self._homeserver.send, room_id, content, txn_id=f"ab.{content[MARK]}")
                state.anchor = await _patiently(partial(send, as_user=user, sent_at=sent_at))


def _key(request: ImportRequest, past: PastMessage) -> str:
    """Return the name of a message in its place: the same for each import."""
    return short_hash(f"{request.room_id} {request.thread} {request.agent} {past.message.role} {past.ref}", _KEY)


def _contents(entry: _Entry, *, notice: bool) -> list[dict[str, Any]]:
    """Return the events that show a message; those without a visible character are left out."""
    texts = split(entry.past.message.content)
    contents = [message(each, mark=mark(entry.marks, part), notice=notice) for part, each in enumerate(texts)]
    return [content | {IMPORTED: True} for content in contents if content["body"].strip()]


async def _patiently(act: Callable[[], Awaitable[Result]]) -> Result:
    """Return the result of *act*, which waits as long as the limits of the homeserver demand."""
    while True:
        try:
            with background():
                return await act()
        except RateLimited as limited:
            await asyncio.sleep(limited.retry_after)

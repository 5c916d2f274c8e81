"""The operation ``erase``: deletes all data of one person.

Each step can be repeated: it looks for what is left. A step that was killed before its progress was stored is missing
in the numbers of the report. The turn up to which the person is erased is stored first: later messages are taken as
usual.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import structlog

from agent_bridge.bridge.rooms.removal import Removal
from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import HomeserverRefused, UpstreamError
from agent_bridge.core.operations import Progress
from agent_bridge.core.results.erasure import KINDS, ErasureReport, KeptConversation
from agent_bridge.matrix.pacing import background
from agent_bridge.matrix.relayed import raw_as_said
from agent_bridge.matrix.rooms import CHILD
from agent_bridge.store.personal_data import OwnRoom

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence

    from agent_bridge.bridge.rooms.removal import RoomRemoval
    from agent_bridge.core.operations import Operation
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.personal_data import PersonalData, SavedCopy
    from agent_bridge.upstream.base import Upstream

    #: Takes the next step of the removal of the chat with a row id; True: it is done. The flag: an agent's server that
    #: does not respond keeps the conversation.
    RemoveChat = Callable[[int, bool], Awaitable[bool]]
    #: What a step has done: numbers by kind, and lists of what is left.
    Found = dict[str, Any]

_log = structlog.stdlib.get_logger(__name__)

#: The kind of the operation.
ERASE = "erase"
_RETRY = Backoff(first=1, cap=8)
#: Tries of a request to an agent's server.
_TRIES = 3
#: Seconds between two looks at a room that the homeserver deletes, or at turns that end.
_LOOK = 0.25
#: Seconds in which the workers end the answers to the person.
_PATIENCE = 10.0
#: Seconds that the removal of one room may take: other operations wait. The homeserver goes on by itself.
_LONGEST = 600.0
#: Messages of one step.
_STEP = 20


class Erasure:
    """Runs the operation. Its parameter is ``user``.

    Roles and mutes of the person stay, for they protect others, and so do the events in the rooms of several people:
    the homeserver has its own erasure. The turn of the command that requested the operation stays, too.
    """

    def __init__(
        self,
        homeserver: Homeserver,
        store: PersonalData,
        upstreams: Mapping[str, Upstream],
        remove_chat: RemoveChat,
        removal: RoomRemoval,
        patience: float = _PATIENCE,
        longest: float = _LONGEST,
    ) -> None:
        self._homeserver = homeserver
        self._namespace = homeserver.namespace
        self._store = store
        self._upstreams = upstreams
        self._remove_chat = remove_chat
        self._removal = removal
        self._patience = patience
        self._longest = longest

    async def run(self, operation: Operation) -> AsyncGenerator[Progress, None]:
        """Delete the data behind the position of *operation*, one stage after the other.

        Raises:
            HomeserverUnavailable, StoreError: the steps behind the last progress are to be repeated.
        """
        work = _Work(operation)
        if not work.cursor:
            yield work.progress(await self._begin(work))
        stages = (
            self._saved,
            self._instructions,
            self._rooms,
            self._heard,
            self._events,
            self._space,
            self._turns,
            self._rest,
        )
        for number, stage in enumerate(stages):
            if number < work.cursor["stage"]:
                continue
            async with aclosing(stage(work)) as steps:
                async for found in steps:
                    yield work.progress(found)
            work.cursor["stage"] = number + 1
            yield work.progress({})
        _log.info("the data of a person are erased")

    async def _begin(self, work: _Work) -> Found:
        """Find what there is; return the conversations on upstreams that cannot be deleted."""
        await self._store.end_tokens(work.user)
        await self._store.end_schedules(work.user)
        until = await self._store.newest_turn()
        rooms = await self._store.own_rooms(work.user)
        space = await self._store.space(work.user)
        counts = await self._store.count(work.user)
        room_ids = [room.room_id for room in rooms if room.room_id is not None]
        kept = [
            [each.upstream, each.agent, each.ref]
            for each in await self._store.conversations(work.user, room_ids)
            if self._keeps(each.upstream, each.ref, is_own=each.is_own)
        ]
        work.cursor = {
            "stage": 0,
            "until": until,
            "rooms": [[room.id, room.room_id, room.kind, room.upstream, room.agent] for room in rooms],
            "after": 0,
            "event": "",
            # The feed takes nothing more of this room and of the other ones, whose last events come late.
            "space": None if space is None else space[0],
            "total": len(rooms) + counts["saved"] + counts["messages"] // _STEP + 10,
        }
        return {"kept": kept}

    def _keeps(self, name: str, ref: str | None, *, is_own: bool) -> bool:
        """Tell whether an upstream keeps a conversation that the bridge cannot delete."""
        upstream = self._upstreams.get(name)
        if upstream is None:
            return ref is not None
        if ref is None:
            # Its conversations have no names that the bridge knows.
            return upstream.traits.stateful and upstream.can.conversations is None
        return not (is_own and upstream.can.deletion is not None)

    async def _saved(self, work: _Work) -> AsyncGenerator[Found, None]:
        for copy in await self._store.saved(work.user, work.room_ids):
            kept = [] if await self._discard(copy) else [[copy.upstream, copy.agent, copy.ref]]
            await self._store.forget_saved(copy.id)
            yield {"saved": 1, "kept": kept}

    async def _discard(self, copy: SavedCopy) -> bool:
        """Have the upstream delete a saved copy; tell whether it has none."""
        if copy.ref is None:
            return True
        upstream = self._upstreams.get(copy.upstream)
        if upstream is None or copy.kind != copy.present_kind or upstream.can.deletion is None:
            return False
        for tried in range(1, _TRIES + 1):
            try:
                await upstream.can.deletion(copy.ref)
            except UpstreamError as error:
                _log.warning("the server keeps a saved conversation", agent=copy.agent, error=str(error))
                if not error.retryable or tried == _TRIES:
                    break
                await asyncio.sleep(_RETRY.delay(tried))
            else:
                return True
        return False

    async def _instructions(self, work: _Work) -> AsyncGenerator[Found, None]:
        yield {"instructions": await self._store.forget_instructions(work.user)}

    async def _rooms(self, work: _Work) -> AsyncGenerator[Found, None]:
        for room in work.rooms:
            found: Found = {"chats" if room.kind == "chat" else "direct_chats": 1}
            found |= await self._remove(room)
            if room.room_id is not None:
                found["messages"] = await self._store.forget_room(room.room_id)
            yield found

    async def _remove(self, room: OwnRoom) -> Found:
        """Remove a room with its conversations on the upstream; return what is left."""
        failures, ends = 0, time.monotonic() + self._longest
        while time.monotonic() < ends:
            # Somebody may have sent a command since.
            await self._store.end_rooms([room.id])
            try:
                with background():
                    if await self._remove_chat(room.id, failures >= _TRIES):
                        return {"kept": [[room.upstream, room.agent, None]]} if failures >= _TRIES else {}
            except UpstreamError as error:
                failures += 1
                _log.info("a conversation is not deleted yet", agent=room.agent, error=str(error))
                await asyncio.sleep(_RETRY.delay(failures))
            except HomeserverRefused as error:
                _log.warning("the room of an erased person stays", room=room.room_id, error=str(error))
                return {"rooms": [room.room_id]}
            else:
                await asyncio.sleep(_LOOK)
        _log.warning("the room of an erased person is not removed yet", room=room.room_id)
        return {"rooms": [] if room.room_id is None else [room.room_id]}

    async def _events(self, work: _Work) -> AsyncGenerator[Found, None]:
        while True:
            last, _ = await self._store.forget_events(work.user, work.cursor["after"], work.until, work.own)
            if last is None:
                return
            work.cursor["after"] = last
            yield {}

    async def _heard(self, work: _Work) -> AsyncGenerator[Found, None]:
        while unknown := await self._store.unknown_speakers(work.cursor["event"]):
            for each in unknown:
                ghost = self._namespace.user_id(each.ghost)
                event = await self._homeserver.event(each.room_id, each.event_id, ghost)
                if event is not None and isinstance(event.get("sender"), str):
                    said = raw_as_said(event, self._namespace)
                    await self._store.heard_by(each.event_id, said["sender"])
            work.cursor["event"] = unknown[-1].event_id
            yield {}
        yield {"heard": await self._store.forget_heard(work.user)}

    async def _space(self, work: _Work) -> AsyncGenerator[Found, None]:
        space = await self._store.space(work.user)
        if space is None:
            return
        room_id, listed_in = space
        bot = self._namespace.bot
        if listed_in is not None:
            try:
                await self._homeserver.set_state(listed_in, CHILD, {}, key=room_id)
            except HomeserverRefused as error:
                _log.info("a former Space stays in the Space", room=room_id, error=str(error))
        alias = self._namespace.alias(self._namespace.person_space_alias_localpart(work.user))
        await self._removal.remove_aliases(room_id, [alias])
        state, ref = await self._removal.delete(room_id, None)
        ends = time.monotonic() + self._longest
        while state is Removal.RUNS and time.monotonic() < ends:
            await asyncio.sleep(_LOOK)
            state, ref = await self._removal.delete(room_id, ref)
        if state is Removal.REFUSED:
            await self._removal.leave(room_id, bot, bot, removes=True)
        await self._store.forget_space(work.user)
        yield {"spaces": 1}

    async def _turns(self, work: _Work) -> AsyncGenerator[Found, None]:
        """Delete the turns, which are forgotten, once the workers have ended those that they are at."""
        ends = time.monotonic() + self._patience
        while True:
            while dropped := await self._store.drop_turns(work.user, work.until, work.own, every=False):
                yield {"messages": dropped}
            if time.monotonic() >= ends or not await self._store.count_open(work.user, work.until, work.own):
                break
            await asyncio.sleep(_LOOK)
        # A worker that is still at one of these finds it gone, and stops.
        while dropped := await self._store.drop_turns(work.user, work.until, work.own, every=True):
            yield {"messages": dropped}
        if left := await self._store.count_open(work.user, work.until, work.own):
            yield {"open": left}

    async def _rest(self, work: _Work) -> AsyncGenerator[Found, None]:
        yield dict(await self._store.forget_rest(work.user, work.until))


class _Work:
    """The state of one run."""

    def __init__(self, operation: Operation) -> None:
        self.user: str = operation.params["user"]
        #: The command that requested the operation.
        self.own = operation.turn
        self.cursor: dict[str, Any] = dict(operation.cursor or {})
        self._done = operation.done

    @property
    def until(self) -> int:
        return int(self.cursor["until"])

    @property
    def rooms(self) -> Sequence[OwnRoom]:
        return [OwnRoom(*each) for each in self.cursor["rooms"]]

    @property
    def room_ids(self) -> list[str]:
        return [room.room_id for room in self.rooms if room.room_id is not None]

    def progress(self, found: Found) -> Progress:
        """Return the progress after one more step, which has *found* something."""
        self._done += 1
        total = max(self.cursor["total"], self._done)
        return Progress(self._done, total, dict(self.cursor), (found,) if any(found.values()) else ())


def report_of(operation: Operation) -> ErasureReport:
    """Return the progress or the result of an erasure."""
    found: Sequence[Mapping[str, Any]] = operation.found
    kept = dict.fromkeys(tuple(each) for step in found for each in step.get("kept", ()))
    return ErasureReport(
        user=operation.params["user"],
        counts={kind: sum(int(step.get(kind, 0)) for step in found) for kind in KINDS},
        kept=tuple(KeptConversation(*each) for each in kept),
        rooms=tuple(str(room) for step in found for room in step.get("rooms", ())),
        open=sum(int(step.get("open", 0)) for step in found),
        done=operation.done,
        total=operation.total or 0,
        is_finished=operation.is_finished,
        error=operation.error or "",
    )

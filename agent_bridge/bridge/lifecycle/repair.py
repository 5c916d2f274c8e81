"""The operation ``repair``: compares rooms with their desired state, and repairs the differences.

The steps are those of the regular comparisons, with an editor that collects the differences. The Space comes first, for
its entries belong to the other rooms. A second repair finds nothing and writes nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.rooms.editor import StateEditor
from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import BridgeError, HomeserverUnavailable, RateLimited, StoreError
from agent_bridge.core.operations import Progress
from agent_bridge.core.results.repairs import Difference, Outcome, Part, RepairReport, RoomDifferences
from agent_bridge.matrix.pacing import background

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
    from typing import Any

    from agent_bridge.core.operations import Operation
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.repairs import ComparedRooms
    from agent_bridge.store.servers import PlaceRoom

    #: Returns the servers and channels that have rooms.
    Places = Callable[[], Awaitable[Sequence[PlaceRoom]]]

_log = structlog.stdlib.get_logger(__name__)

#: The kind of the operation.
REPAIR = "repair"
_RETRY = Backoff(first=1, cap=60)
#: Tries for a room while the homeserver responds, and tries in a row while it does not.
_FEW, _MANY = 3, 20
#: Rooms, or seconds, after which the position is stored.
_STORED_EVERY, _STORED_AFTER = 10, 2.0


class Stage(IntEnum):
    """The kinds of rooms, in the order of their comparison."""

    SPACE = 0
    HOME = 1
    LOBBY = 2
    CHAT = 3
    #: Servers, then channels.
    PLACE = 4


@dataclass(frozen=True, slots=True)
class _Target:
    stage: Stage
    #: Row id; 0 for Space and lobby.
    id: int
    name: str
    room_id: str | None
    #: Name of the agent whose room it is; empty: nobody's.
    agent: str = ""

    @property
    def position(self) -> list[int]:
        return [self.stage, self.id]


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairSteps:
    """The comparisons, which belong to other packages. An editor that changes nothing is not refused."""

    #: Compares the Space; returns its room id.
    space: Callable[[StateEditor], Awaitable[str | None]]
    #: Compares the home of an agent, by its row id.
    home: Callable[[int, StateEditor], Awaitable[object]]
    #: Compares a chat, by its row id.
    chat: Callable[[int, StateEditor], Awaitable[object]]
    #: Compares a server or a channel, by its row id.
    place: Callable[[int, StateEditor], Awaitable[object]]
    #: Compares the lobby; None: there is none.
    lobby: Callable[[StateEditor], Awaitable[object]] | None
    #: Names of Space and lobby; no name: there is no Space.
    space_name: str
    lobby_name: str


class Repair:
    """Runs the operation. Its parameters are ``agent`` (a row id, or null), ``force`` and ``dry``."""

    def __init__(
        self,
        homeserver: Homeserver,
        rooms: ComparedRooms,
        steps: RepairSteps,
        places: Places,
        concurrency: int,
        texts: Texts,
    ) -> None:
        self._homeserver = homeserver
        self._rooms = rooms
        self._steps = steps
        self._places = places
        self._concurrency = concurrency
        self._texts = texts

    async def run(self, operation: Operation) -> AsyncGenerator[Progress, None]:
        """Compare the rooms behind the position of *operation*, several at a time, in their order.

        Raises:
            HomeserverError, StoreError: the rooms behind the last progress are to be compared again.
        """
        targets = await self._targets(operation.params.get("agent"))
        behind = operation.cursor or [-1, 0]
        left = deque(target for target in targets if target.position > behind)
        if self._steps.space_name and (not left or left[0].stage is not Stage.SPACE):
            # Its entries are read, and those of other rooms compared with them. Its own state is not requested.
            await self._one(_Target(Stage.SPACE, 0, "", None), {"dry": operation.params.get("dry")})
        running: deque[tuple[_Target, asyncio.Task[RoomDifferences]]] = deque()
        found: list[object] = []
        stored = time.monotonic()
        try:
            while left or running:
                while left and len(running) < self._concurrency and not _is_space(running):
                    target = left.popleft()
                    running.append((target, asyncio.create_task(self._one(target, operation.params))))
                target, task = running[0]
                result = await task
                running.popleft()
                if result.differences or result.error:
                    found.append(encode(result))
                done = len(targets) - len(left) - len(running)
                is_due = done % _STORED_EVERY == 0 or time.monotonic() - stored >= _STORED_AFTER
                if is_due or not (left or running):
                    yield Progress(done, len(targets), target.position, tuple(found), target.agent or target.name)
                    found, stored = [], time.monotonic()
        finally:
            for _, task in running:
                task.cancel()
            await asyncio.gather(*(task for _, task in running), return_exceptions=True)

    async def _targets(self, agent: int | None) -> list[_Target]:
        homes = [
            _Target(Stage.HOME, each.id, each.agent, each.room_id, each.agent)
            for each in await self._rooms.homes(agent)
        ]
        chats = [
            _Target(Stage.CHAT, each.id, f"{each.agent} #{each.number}", each.room_id, each.agent)
            for each in await self._rooms.chats(agent)
        ]
        if agent is not None:
            return [*homes, *chats]
        space = [_Target(Stage.SPACE, 0, self._steps.space_name, None)] if self._steps.space_name else []
        lobby = [] if self._steps.lobby is None else [_Target(Stage.LOBBY, 0, self._steps.lobby_name, None)]
        places = [_Target(Stage.PLACE, each.id, each.name, each.room_id) for each in await self._places()]
        return [*space, *homes, *lobby, *chats, *places]

    async def _one(self, target: _Target, params: Mapping[str, Any]) -> RoomDifferences:
        """Compare one room; a room that fails while the homeserver responds has an error in its result.

        The editor lives as long as the tries, so the repairs of an earlier try are in the result.
        """
        editor = StateEditor(self._homeserver, force=bool(params.get("force")), dry=bool(params.get("dry")))
        tries, away, error = 0, 0, ""
        while True:
            try:
                with background():
                    await self._compare(target, editor)
                break
            except StoreError:
                raise
            except RateLimited as limited:
                await asyncio.sleep(limited.retry_after)
            except HomeserverUnavailable as failure:
                if await self._homeserver.answers():
                    tries, away = tries + 1, 0
                else:
                    away += 1
                if tries == _FEW:
                    error = failure.says(self._texts)
                    break
                if away == _MANY:
                    raise
                await asyncio.sleep(_RETRY.delay(tries + away))
            except BridgeError as failure:
                error = failure.says(self._texts)
                break
        found = RoomDifferences(target.name, target.room_id, tuple(editor.differences), error, target.agent)
        _note(found)
        return found

    async def _compare(self, target: _Target, editor: StateEditor) -> None:
        match target.stage:
            case Stage.SPACE:
                await self._steps.space(editor)
            case Stage.HOME:
                await self._steps.home(target.id, editor)
            case Stage.CHAT:
                await self._steps.chat(target.id, editor)
            case Stage.PLACE:
                await self._steps.place(target.id, editor)
            case Stage.LOBBY if self._steps.lobby is not None:
                await self._steps.lobby(editor)


def _note(found: RoomDifferences) -> None:
    """Log the differences of a room: a report in a room names the first rooms only."""
    if found.error:
        _log.warning("a room is not compared", room=found.room_id, name=found.name, error=found.error)
    if found.differences:
        parts = [f"{each.part} {each.outcome}" for each in found.differences]
        _log.info("a room had differences", room=found.room_id, name=found.name, parts=parts)


def _is_space(running: deque[tuple[_Target, asyncio.Task[RoomDifferences]]]) -> bool:
    """Tell whether the Space is compared now, for which the other rooms wait."""
    return bool(running) and running[0][0].stage is Stage.SPACE


def encode(room: RoomDifferences) -> dict[str, Any]:
    """Return *room* as an object of JSON."""
    return {
        "name": room.name,
        "room_id": room.room_id,
        "differences": [[each.part, each.outcome, each.by] for each in room.differences],
        "error": room.error,
        "agent": room.agent,
    }


def decode(value: Mapping[str, Any]) -> RoomDifferences:
    """Return the room that :func:`encode` made *value* of."""
    differences = (Difference(Part(part), Outcome(outcome), by) for part, outcome, by in value["differences"])
    return RoomDifferences(value["name"], value["room_id"], tuple(differences), value["error"], value["agent"])


def report_of(operation: Operation) -> RepairReport:
    """Return the progress or the result of a repair."""
    return RepairReport(
        done=operation.done,
        total=operation.total or 0,
        rooms=tuple(map(decode, operation.found)),
        is_dry=bool(operation.params.get("dry")),
        is_finished=operation.is_finished,
        error=operation.error or "",
    )

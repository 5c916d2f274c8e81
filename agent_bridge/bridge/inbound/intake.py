"""Intake: events become durable turns, inside the homeserver's request. Decides, writes, wakes; nothing slow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.inbound.rules import RoomContext
from agent_bridge.core.errors import StoreRefused
from agent_bridge.core.turns import BOT_THREAD, ChangeKind, ChangeRequest, Ignored, IgnoreReason, NewTurn, TurnKind
from agent_bridge.matrix.events import legible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agent_bridge.bridge.inbound.rules import Rules
    from agent_bridge.bridge.queue.lanes import Lanes
    from agent_bridge.core.rooms import HistoryCursor
    from agent_bridge.matrix.events import RoomEvent
    from agent_bridge.store.agents import Agents
    from agent_bridge.store.database import Connection, Database
    from agent_bridge.store.edits import Edits
    from agent_bridge.store.history import Histories
    from agent_bridge.store.intake import IntakeStore
    from agent_bridge.store.turns import Turns

_log = structlog.stdlib.get_logger(__name__)

#: Characters of a message by which its sender knows it again.
_EXCERPT = 60
#: Characters that are kept of what can never be taken.
_KEPT = 1_000_000


@dataclass(frozen=True, slots=True)
class BackfillResult:
    """A room, and what the homeserver told of it."""

    room: HistoryCursor
    #: Its newest events, oldest first, if the waiting turns have to take their order.
    order: Sequence[str]
    #: Event up to which nothing is missed then.
    seen: str | None


class Intake:
    """Takes what comes through the door, and what was found to be missing."""

    def __init__(
        self,
        database: Database,
        agents: Agents,
        turns: Turns,
        intake_store: IntakeStore,
        edits: Edits,
        rooms: Histories,
        lanes: Lanes,
        rules: Rules,
        *,
        max_queued: int,
    ) -> None:
        self._database = database
        self._agents = agents
        self._turns = turns
        self._intake_store = intake_store
        self._edits = edits
        self._histories = rooms
        self._lanes = lanes
        self._rules = rules
        self._max_queued = max_queued

    async def take(self, transaction_id: str, events: Sequence[RoomEvent]) -> None:
        """Commit the turns of *events* together with the wake-up of their lanes.

        An event that the database will never take is set aside, and the others are kept.

        Raises:
            StoreError: nothing was committed.
        """
        by_others = {event.event_id: event for event in events if not self._rules.namespace.is_ours(event.sender)}
        events = list(by_others.values())
        try:
            await self._commit(events)
        except StoreRefused as error:
            if len(events) == 1:
                await self._refuse(transaction_id, events[0], str(error))
                return
            half = len(events) // 2
            await self.take(transaction_id, events[:half])
            await self.take(transaction_id, events[half:])

    async def take_backfilled(self, room: HistoryCursor, events: Sequence[RoomEvent], seen: str | None) -> None:
        """Commit the turns of *events*, a room's newest, oldest first, of which some may be known.

        Those of them that wait take the order of *events*. Nothing is missed in the room up to the event *seen* then.

        Raises:
            StoreError: nothing was committed.
        """
        known = await self._intake_store.known([event.event_id for event in events])
        missed = [event for event in events if event.event_id not in known]
        backfilled = BackfillResult(room, [event.event_id for event in events] if missed else [], seen)
        try:
            new = await self._commit(missed, backfilled)
        except StoreRefused:
            # The room's lane waits for this comparison, which must not fail for ever.
            await self.take(f"history of {room.room_id}", missed)
            new = await self._commit([], backfilled)
        if new:
            _log.info("found messages that had not been handed over", room=room.room_id, messages=new)

    async def request_backfill(self, sign: str) -> None:
        """Hold the lanes until their rooms are compared: *sign* says that the homeserver may have lost something."""
        _log.info("the rooms are compared with the homeserver's history", sign=sign)
        await self._histories.require_backfill()

    async def schedule_backfill(self) -> None:
        """Have all rooms compared, without holding their lanes meanwhile."""
        await self._histories.schedule_backfill()

    async def add_dead_letter(self, transaction_id: str, reason: str, body: str) -> None:
        """Keep *body*, which is storable text, for an operator, loudly; the homeserver need not send it again.

        Raises:
            StoreError: it could not be kept.
        """
        _log.error(
            "SET ASIDE what can never be taken: see table dead_letter", transaction=transaction_id, reason=reason
        )
        await self._intake_store.add_dead_letter(transaction_id, reason, body[:_KEPT])

    async def _refuse(self, transaction_id: str, event: RoomEvent, reason: str) -> None:
        """Set *event* aside, and know it from then on."""
        if event.event_id in await self._intake_store.known([event.event_id]):
            return
        await self.add_dead_letter(transaction_id, reason, legible(event))
        async with self._database.transaction() as connection:
            await self._intake_store.ignore(
                connection, [Ignored(event.event_id, event.room_id, IgnoreReason.DEAD_LETTER)]
            )

    async def _commit(self, events: Sequence[RoomEvent], backfilled: BackfillResult | None = None) -> int:
        """Commit what *events* ask for, and what a comparison found out; return how many turns are new."""
        if not events and backfilled is None:
            return 0
        contexts = await self._contexts(events)
        decided = [self._rules.decide(event, contexts[event.room_id]) for event in events]
        new = [each for each in decided if isinstance(each, NewTurn | ChangeRequest)]
        ignored = [each for each in decided if isinstance(each, Ignored)]
        ignored += [
            # It is refused once for all that its sender, or anybody in the room, may say.
            Ignored(event.event_id, event.room_id, IgnoreReason(turn.payload["reason"]))
            for event, turn in zip(events, decided, strict=True)
            if isinstance(turn, NewTurn) and turn.event_id != event.event_id
        ]
        stops = [stop for event in events if (stop := self._rules.stop(event, contexts[event.room_id])) is not None]
        if not (new or ignored or stops or backfilled):
            return 0
        async with self._database.transaction() as connection:
            rooms = {*contexts, *([backfilled.room.room_id] if backfilled else [])}
            await self._intake_store.lock(connection, rooms, alone=backfilled is not None)
            lanes = await self._accept(connection, new)
            ignored += [
                Ignored(each.event_id, each.room_id, IgnoreReason.CHANGE)
                for each in new
                if isinstance(each, ChangeRequest) and each.wish is ChangeKind.EDIT and each.event_id not in lanes
            ]
            # A command that is known already has stopped what it could; one that was found late stops nothing.
            stops = [stop for stop in stops if stop.target or (stop.event_id in lanes and backfilled is None)]
            stopped = await self._intake_store.stop(connection, stops)
            await self._intake_store.ignore(connection, ignored)
            if backfilled is not None:
                if backfilled.order:
                    await self._intake_store.put_in_order(connection, backfilled.room, backfilled.order)
                await self._histories.backfilled(connection, backfilled.room, backfilled.seen)
            await self._lanes.wake(connection, list({*lanes.values(), *stopped}))
        for each in new:
            if each.event_id in lanes:
                _log.info(
                    "message received",
                    kind=each.kind if isinstance(each, NewTurn) else each.wish,
                    sender=each.sender,
                    room=each.room_id,
                    event_id=each.event_id,
                )
        return len(lanes)

    async def _accept(self, connection: Connection, new: Sequence[NewTurn | ChangeRequest]) -> dict[str, int]:
        """Write *new* in its order; return the lane of each that is not known already, by event."""
        lanes: dict[str, int] = {}
        for are_turns, group in groupby(new, lambda each: isinstance(each, NewTurn)):
            if are_turns:
                turns = [each for each in group if isinstance(each, NewTurn)]
                lanes |= await self._intake_store.accept(connection, await self._bounded(connection, turns))
                continue
            for change in group:
                if isinstance(change, ChangeRequest):
                    write = self._edits.forget if change.wish is ChangeKind.REDACT else self._edits.note
                    lane = await write(connection, change)
                    lanes |= {} if lane is None else {change.event_id: lane}
        return lanes

    async def _contexts(self, events: Iterable[RoomEvent]) -> dict[str, RoomContext]:
        rooms = list({event.room_id for event in events})
        portals = await self._agents.portals_in(rooms)
        bot_rooms = await self._turns.bot_rooms([room for room in rooms if room not in portals])
        return {room: RoomContext(portals.get(room), bot_room=room in bot_rooms) for room in rooms}

    async def _bounded(self, connection: Connection, new: Sequence[NewTurn]) -> list[NewTurn]:
        """Return *new*, where a message that finds its lane full is refused instead."""
        rooms = {turn.room_id for turn in new if turn.kind is TurnKind.MESSAGE}
        if not rooms:
            return list(new)
        # What is handed over again has its place already.
        depths = await self._intake_store.depths(connection, rooms, excluding=[turn.event_id for turn in new])
        bounded: list[NewTurn] = []
        for turn in new:
            if turn.kind is not TurnKind.MESSAGE:
                bounded.append(turn)
                continue
            depth = depths[turn.room_id] = depths.get(turn.room_id, 0) + 1
            bounded.append(turn if depth <= self._max_queued else _refused(turn, self._max_queued))
        return bounded


def _refused(turn: NewTurn, limit: int) -> NewTurn:
    file = turn.payload.get("file") or {}
    body = str(turn.payload["body"] or file.get("name", ""))
    excerpt = body if len(body) <= _EXCERPT else f"{body[:_EXCERPT]}…"
    payload = {"reason": "full", "event_id": turn.event_id, "limit": limit, "body": excerpt}
    if turn.thread:
        payload["thread"] = turn.thread
    return replace(turn, kind=TurnKind.REFUSAL, payload=payload, thread=BOT_THREAD)

"""Intake: events become durable turns, inside the homeserver's request. Decides, writes, wakes; nothing slow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.inbound.asked import asked_by
from agent_bridge.bridge.inbound.changes import ChangeIntake
from agent_bridge.bridge.inbound.choices import may_choose
from agent_bridge.bridge.inbound.queue_limit import QueueLimit
from agent_bridge.bridge.inbound.relayed_events import RelayedEvents
from agent_bridge.bridge.inbound.state_changes import StateChanges
from agent_bridge.bridge.inbound.task_intake import TaskIntake
from agent_bridge.bridge.rooms.kinds import has_only_commands
from agent_bridge.core.changes import ChangeKind, ChangeRequest
from agent_bridge.core.errors import StoreRefused
from agent_bridge.core.payloads import RefusalPayload, RefusalReason
from agent_bridge.core.rooms import WhenBusy
from agent_bridge.core.turns import Ignored, IgnoreReason, NewTurn, TurnKind
from agent_bridge.matrix.events import legible
from agent_bridge.matrix.relayed import as_said

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agent_bridge.bridge.chats.binding import WaitingEvents
    from agent_bridge.bridge.collaboration.tasks import TaskService
    from agent_bridge.bridge.feed.writer import FeedWriter
    from agent_bridge.bridge.groups.hand_on import HandOn
    from agent_bridge.bridge.inbound.bot_budget import BotBudget
    from agent_bridge.bridge.inbound.people_intake import PeopleIntake
    from agent_bridge.bridge.inbound.rules import Rules
    from agent_bridge.bridge.inbound.sealed_intake import SealedIntake
    from agent_bridge.bridge.inbound.thread_intake import ThreadIntake
    from agent_bridge.bridge.inbound.unstored_messages import UnstoredMessages
    from agent_bridge.bridge.inbound.vote_intake import VoteIntake
    from agent_bridge.bridge.queue.lanes import Lanes
    from agent_bridge.core.changes import StopRequest
    from agent_bridge.core.rooms import HistoryCursor, Room
    from agent_bridge.matrix.events import RoomEvent
    from agent_bridge.store.approvals import Approvals
    from agent_bridge.store.chats import Chats
    from agent_bridge.store.choices import Choices
    from agent_bridge.store.edits import Edits
    from agent_bridge.store.history import Histories
    from agent_bridge.store.intake import IntakeStore
    from agent_bridge.store.postgres.database import Connection, Database
    from agent_bridge.store.redactions import Redactions
    from agent_bridge.store.roles import RoleStore
    from agent_bridge.store.rooms import Rooms
    from agent_bridge.store.selections import Selections

_log = structlog.stdlib.get_logger(__name__)

#: Characters of a dead letter.
_KEPT = 1_000_000
#: Why an event is noted as ignored whose refusal was told for an earlier event.
_TOLD_BEFORE = {
    RefusalReason.ENCRYPTED: IgnoreReason.ENCRYPTED,
    RefusalReason.NOT_ENCRYPTED: IgnoreReason.NOT_ENCRYPTED,
    RefusalReason.PERMISSION: IgnoreReason.PERMISSION,
}


@dataclass(frozen=True, slots=True)
class BackfillResult:
    """The result of comparing a room with the homeserver's history."""

    room: HistoryCursor
    #: Its newest events, oldest first, if the waiting turns have to take their order.
    order: Sequence[str]
    #: Event up to which nothing is missing then.
    seen: str | None


class Intake:
    """Takes the events that the endpoint receives, and those that a backfill finds."""

    def __init__(
        self,
        database: Database,
        rooms: Rooms,
        intake_store: IntakeStore,
        edits: Edits,
        redactions: Redactions,
        approvals: Approvals,
        choices: Choices,
        chats: Chats,
        selections: Selections,
        waiting: WaitingEvents,
        histories: Histories,
        lanes: Lanes,
        hand_on: HandOn,
        unstored: UnstoredMessages,
        rules: Rules,
        roles: RoleStore,
        bot_budget: BotBudget,
        votes: VoteIntake,
        people: PeopleIntake,
        feed: FeedWriter,
        threads: ThreadIntake,
        tasks: TaskService | None = None,
        sealed: SealedIntake | None = None,
        *,
        max_queued: int,
        when_busy: WhenBusy = WhenBusy.QUEUE,
    ) -> None:
        self._database = database
        self._rooms = rooms
        self._intake_store = intake_store
        self._relayed = RelayedEvents(intake_store, rules.namespace)
        self._choices = choices
        self._chats = chats
        self._selections = selections
        self._waiting = waiting
        self._histories = histories
        self._lanes = lanes
        self._unstored = unstored
        self._rules = rules
        self._state_changes = StateChanges(rooms, chats, roles, rules)
        self._bot_budget = bot_budget
        self._votes = votes
        self._tasks = TaskIntake(tasks, intake_store)
        self._people = people
        self._feed = feed
        self._hand_on = hand_on
        self._threads = threads
        self._sealed = sealed
        self._when_busy = when_busy
        self._queue_limit = QueueLimit(rooms, intake_store, rules, max_queued)
        self._changes = ChangeIntake(
            intake_store, edits, redactions, approvals, histories, hand_on, rules, self._queue_limit
        )

    async def take(self, transaction_id: str, events: Sequence[RoomEvent]) -> None:
        """Commit the turns of *events* together with the wake-up of their lanes.

        An event that the database can never take becomes a dead letter, and the others are kept.

        Raises:
            StoreError: nothing was committed.
        """
        if self._sealed is not None:
            events = await self._sealed.take(events)
        events, copies = await self._relayed.counting(events)
        for part in (self._feed, self._threads, self._people):
            await part.take(events)
        if state := [event for event in events if event.state_key is not None]:
            await self._state_changes.note(state)
        asking = (event for event in events if self._rules.concerns_bridge(event) and event.event_id not in copies)
        events = list({event.event_id: event for event in asking}.values())
        try:
            await self._commit(events)
        except StoreRefused as error:
            if len(events) == 1:
                await self._refuse(transaction_id, events[0], str(error))
                return
            half = len(events) // 2
            await self.take(transaction_id, events[:half])
            await self.take(transaction_id, events[half:])

    async def take_sent(self, event: RoomEvent) -> None:
        """Commit the turns of *event*, which the bridge has just sent for a program. The homeserver delivers it, too.

        Raises:
            StoreError: nothing was committed.
        """
        await self._commit([as_said(event, self._rules.namespace)])

    async def take_backfilled(self, room: HistoryCursor, events: Sequence[RoomEvent], seen: str | None) -> None:
        """Commit the turns of *events*, the newest events of a room, oldest first, of which some may be known.

        Those that wait take the order of *events*. Nothing is missing in the room up to the event *seen* then.

        Raises:
            StoreError: nothing was committed.
        """
        if not events:
            # As in most rooms, each time.
            await self._histories.nothing_missing(room, seen)
            return
        events, _ = await self._relayed.counting(events)
        known = await self._intake_store.known([event.event_id for event in events])
        # An agent that entered since may be meant, too.
        known -= await self._intake_store.overheard(known)
        # A message that was redacted in the meantime is known, and has to be forgotten.
        missed = [event for event in events if event.event_id not in known or event.redacted_by is not None]
        if self._sealed is not None:
            missed = await self._sealed.take(missed)
        await self._feed.take(missed)
        backfilled = BackfillResult(room, [event.event_id for event in events] if missed else [], seen)
        try:
            new = await self._commit(missed, backfilled)
        except StoreRefused:
            # The room's lanes wait for this backfill, which must not fail for ever.
            await self.take(f"history of {room.room_id}", missed)
            new = await self._commit([], backfilled)
        if new:
            _log.info("backfill found missed events", room=room.room_id, events=new)

    async def request_backfill(self, sign: str) -> None:
        """Hold the lanes until their rooms are compared: *sign* says why the homeserver may have lost events."""
        _log.info("backfill requested", sign=sign)
        await self._histories.require_backfill()

    async def holds_all_rooms(self) -> bool:
        """Tell whether the lanes of all rooms are held until their rooms are compared."""
        return await self._histories.holds_all()

    async def schedule_backfill(self) -> None:
        """Have all rooms compared, without holding their lanes."""
        await self._histories.schedule_backfill()

    async def add_dead_letter(self, transaction_id: str, reason: str, body: str) -> None:
        """Store *body*, which is storable text, for an operator and log an error. The homeserver need not repeat it.

        Raises:
            StoreError: it was not stored.
        """
        _log.error("dead letter: not storable, see table dead_letter", transaction=transaction_id, reason=reason)
        await self._intake_store.add_dead_letter(transaction_id, reason, body[:_KEPT])

    async def _refuse(self, transaction_id: str, event: RoomEvent, reason: str) -> None:
        """Make *event* a dead letter, and note that it is ignored."""
        if event.event_id in await self._intake_store.known([event.event_id]):
            return
        await self.add_dead_letter(transaction_id, reason, legible(event))
        async with self._database.transaction() as connection:
            await self._intake_store.ignore(
                connection, [Ignored(event.event_id, event.room_id, IgnoreReason.DEAD_LETTER)]
            )

    async def _commit(self, events: Sequence[RoomEvent], backfilled: BackfillResult | None = None) -> int:
        """Commit the requests of *events* and the result of a backfill; return the number of new events."""
        if not events and backfilled is None:
            return 0
        await self._unstored.store(events)
        rooms = await self._rooms_of(events)
        await self._begin_chains(events, rooms)
        answers = await self._people.asked(events, rooms)
        decided = self._decided([event for event in events if event.event_id not in answers], rooms)
        asked = [each for each in decided if isinstance(each, NewTurn | ChangeRequest)]
        new = await self._queue_limit.applied(asked, rooms)
        ignored = [each for each in decided if isinstance(each, Ignored)]
        asked_else = asked_by(events, rooms, self._rules)
        votes = self._votes.asked(events, rooms)
        if not (new or ignored or asked_else or votes or answers or backfilled):
            return 0
        async with self._database.transaction() as connection:
            locked = {event.room_id for event in events} | ({backfilled.room.room_id} if backfilled else set())
            await self._intake_store.lock(connection, locked)
            if await self._was_taken_back(connection, events):
                return 0
            # A repeated change or 🛑 would concern what was said after the first one.
            known = await self._known(connection, new, asked_else.stops)
            fresh = [each for each in new if each.event_id not in known]
            fresh, over_budget = await self._bot_budget.applied(connection, fresh, rooms)
            ignored += over_budget
            lanes = await self._accept(connection, fresh, is_complete=backfilled is not None)
            await self._threads.heard(connection, asked_else.threads)
            if backfilled is None:
                # A message that a backfill found may be older than the one that is being answered.
                await self._interrupt(connection, new, lanes, rooms)
            stops = [stop for stop in asked_else.stops if stop.event_id not in known]
            # A known command has stopped its answers already; a command that a backfill found stops none.
            stops = [stop for stop in stops if stop.target or (stop.event_id in lanes and backfilled is None)]
            # The message that became a command was perhaps asked again since an edit that is known already.
            stops += [each for each in asked_else.withdrawals if each.event_id in lanes]
            woken = {lane for each in lanes.values() for lane in each}
            woken |= await self._ask_waiting(connection, [each for each in fresh if each.event_id in lanes])
            stopped = await self._intake_store.stop(connection, stops)
            for decision in asked_else.decisions:
                told = await self._changes.decide(connection, decision, ignored)
                lanes |= told
                woken |= {lane for each in told.values() for lane in each}
            for resume in asked_else.resumes:
                woken |= await self._changes.resume(connection, resume, rooms[resume.room_id], ignored)
            await self._votes.write(connection, votes, new, rooms)
            ignored += await self._people.write(connection, answers, new, rooms)
            ignored += [Ignored(stop.event_id, stop.room_id, IgnoreReason.STOP) for stop in stops if stop.target]
            ignored += await self._tasks.write(connection, asked_else.claims, new, rooms)
            await self._intake_store.ignore(connection, [*ignored, *_told_before(new, lanes)])
            if backfilled is not None:
                await self._finish(connection, backfilled)
            await self._lanes.wake(connection, {*woken, *stopped})
        for each in new:
            if each.event_id in lanes:
                _log.info(
                    "message received",
                    kind=each.kind,
                    sender=each.sender,
                    room=each.room_id,
                    event_id=each.event_id,
                )
        return len(lanes)

    async def _was_taken_back(self, connection: Connection, events: Sequence[RoomEvent]) -> bool:
        """Tell whether *events* is an encrypted event whose redaction was taken while it was opened."""
        opened = [event.event_id for event in events if event.was_encrypted]
        return len(events) == len(opened) == 1 and bool(await self._intake_store.known(opened, connection))

    async def _finish(self, connection: Connection, backfilled: BackfillResult) -> None:
        """Put the turns of a room in the order of its history, and note that nothing is missing."""
        if backfilled.order:
            await self._intake_store.put_in_order(connection, backfilled.room, backfilled.order)
        await self._histories.backfilled(connection, backfilled.room, backfilled.seen)

    async def _begin_chains(self, events: Iterable[RoomEvent], rooms: Mapping[str, Room]) -> None:
        """Have the agents asked that the messages of programs of other agents mention."""
        for event in events:
            if self._rules.asks_as_agent(event):
                await self._hand_on.begin(event, rooms.get(event.room_id))

    async def _interrupt(
        self,
        connection: Connection,
        new: Iterable[NewTurn | ChangeRequest],
        lanes: Mapping[str, Sequence[int]],
        rooms: Mapping[str, Room],
    ) -> None:
        """End the answers that the messages of *new* interrupt: those that are written now, in *lanes*."""
        interrupting = [
            each.event_id
            for each in new
            if isinstance(each, NewTurn) and each.kind is TurnKind.MESSAGE and each.event_id in lanes
            if (rooms[each.room_id].when_busy or self._when_busy) is WhenBusy.INTERRUPT
        ]
        if interrupting:
            where = {lane for event_id in interrupting for lane in lanes[event_id]}
            await self._intake_store.interrupt(connection, interrupting, where)

    def _decided(
        self, events: Sequence[RoomEvent], rooms: Mapping[str, Room]
    ) -> list[NewTurn | ChangeRequest | Ignored | None]:
        """Return the decisions of the rules about *events*.

        Only the first words of a person can choose from the person's list in a room with an agent.
        """
        decided: list[NewTurn | ChangeRequest | Ignored | None] = []
        spoken: set[tuple[str, str]] = set()
        for event in events:
            room = rooms.get(event.room_id)
            if room is not None and (event.sender, event.room_id) in spoken and not has_only_commands(room):
                room = replace(room, choices={})
            decided.append(self._rules.decide(event, room))
            if isinstance(decided[-1], NewTurn):
                spoken.add((event.sender, event.room_id))
        return decided

    async def _ask_waiting(self, connection: Connection, written: Sequence[NewTurn | ChangeRequest]) -> set[int]:
        """Have agents asked about those messages *written* whose rooms have an agent by now; return the lanes.

        People may have chosen the agent after the rooms were read.
        """
        waiting = {each.room_id for each in written if isinstance(each, NewTurn) and each.kind is TurnKind.CHOICE}
        return await self._waiting.ask(connection, waiting) if waiting else set()

    async def _known(
        self, connection: Connection, new: Iterable[NewTurn | ChangeRequest], stops: Iterable[StopRequest]
    ) -> set[str]:
        """Return the events of changes and of 🛑 that were taken before. The repeat of a redaction changes nothing."""
        changes = [each.event_id for each in new if _changes_answer(each)]
        events = {*changes, *(stop.event_id for stop in stops if stop.target)}
        return await self._intake_store.known(events, connection) if events else set()

    async def _accept(
        self, connection: Connection, new: Sequence[NewTurn | ChangeRequest], *, is_complete: bool
    ) -> dict[str, list[int]]:
        """Write *new* in its order; return the lanes of each event that is not known already.

        *is_complete*: the events before them were taken, too.
        """
        lanes: dict[str, list[int]] = {}
        for are_turns, group in groupby(new, lambda each: isinstance(each, NewTurn)):
            if are_turns:
                turns = [each for each in group if isinstance(each, NewTurn)]
                lanes |= await self._changes.accept_turns(connection, turns)
                continue
            for change in group:
                if not isinstance(change, ChangeRequest):
                    continue
                if change.kind is ChangeKind.REDACT:
                    written = await self._changes.redact(connection, change)
                else:
                    written = await self._changes.note(connection, change, is_complete=is_complete)
                if written:
                    lanes[change.event_id] = written
        return lanes

    async def _rooms_of(self, events: Sequence[RoomEvent]) -> dict[str, Room]:
        rooms = await self._rooms.contexts(
            {event.room_id for event in events},
            events=[event.event_id for event in events],
            replied_to={event.replies_to for event in events if event.replies_to is not None},
            threads={event.thread for event in events if event.thread},
        )
        if self._rules.follow_selection:
            selections = await self._selections.selected({event.sender for event in events})
            rooms = {room_id: replace(room, selections=selections) for room_id, room in rooms.items()}
        if choosing := {event.sender for event in events if may_choose(event)}:
            shown = await self._choices.open(choosing, rooms)
            for user, room_id, choice in shown:
                room = rooms[room_id]
                if choice.kind.is_question:
                    rooms[room_id] = replace(room, questions={**room.questions, user: choice})
                else:
                    rooms[room_id] = replace(room, choices={**room.choices, user: choice})
        return rooms


def _changes_answer(asked: NewTurn | ChangeRequest) -> bool:
    return isinstance(asked, ChangeRequest) and asked.kind is not ChangeKind.REDACT


def _told_before(new: Iterable[NewTurn | ChangeRequest], lanes: Mapping[str, object]) -> list[Ignored]:
    """Return the messages whose refusal was told for an earlier message, and which get no mark."""
    return [
        Ignored(each.event_id, each.room_id, _TOLD_BEFORE[each.payload.reason])
        for each in new
        if each.event_id not in lanes and isinstance(each, NewTurn) and each.once_key is not None
        if isinstance(each.payload, RefusalPayload) and not each.is_marked
    ]

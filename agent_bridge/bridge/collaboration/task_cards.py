"""Shows each task as a card in its room, and ends claims without progress and of absent users. For the leader."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.delivery.marked_events import marked_events
from agent_bridge.bridge.queue.periodic import FALLBACK, LOOK, every
from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import BridgeError, HomeserverError, HomeserverRefused
from agent_bridge.core.ids import mark, short_hash
from agent_bridge.render.content import edit
from agent_bridge.render.tasks import task_card
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from typing import Any

    from agent_bridge.bridge.collaboration.tasks import TaskService
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.postgres.database import Database
    from agent_bridge.store.postgres.signals import Signals
    from agent_bridge.store.tasks import Tasks, UnshownTask

_log = structlog.stdlib.get_logger(__name__)

#: Cards and claims of one look.
_AT_ONCE = 20
_RETRY = Backoff(first=1, cap=300)
#: The memberships of users that are not in the room any more.
_GONE = ("leave", "ban")
#: Seconds between two looks for rooms that were replaced, and for absent assignees; assignees of one look.
_FOLLOW, _ASSIGNEES = 300.0, 200


class TaskCards:
    """Brings the cards to the state of their rows. A card is sent once; later changes edit it, or redact it."""

    def __init__(
        self,
        homeserver: Homeserver,
        database: Database,
        store: Tasks,
        service: TaskService,
        signals: Signals,
        texts: Texts,
    ) -> None:
        self._homeserver = homeserver
        self._database = database
        self._store = store
        self._service = service
        self._signals = signals
        self._texts = texts
        #: When rooms that were replaced, and absent assignees, are looked for again, by a monotonic clock.
        self._follow_at = 0.0
        #: How often each task failed in a row, and when it may be tried again, by a monotonic clock.
        self._failures: dict[int, int] = {}
        self._later: dict[int, float] = {}

    async def run(self) -> None:
        """Show what changed, and end late claims, until cancelled."""
        with self._signals.subscription(Topic.TASKS) as wake:
            await every(FALLBACK, self.keep, name="tasks", wake=wake)

    async def keep(self) -> float | None:
        """Show what changed, and end late claims; return the seconds until there may be more to do, None: unknown.

        Raises:
            StoreError: the next call goes on.
        """
        if time.monotonic() >= self._follow_at:
            await self._store.follow_rooms()
            await self._free_tasks()
            self._follow_at = time.monotonic() + _FOLLOW
        until_late = await self._end_claims()
        while True:
            now = time.monotonic()
            self._later = {task: at for task, at in self._later.items() if at > now}
            due = await self._store.unshown(_AT_ONCE, self._later)
            for each in due:
                await self._attempt(each)
            if not due:
                pauses = [*until_late, *(at - now for at in self._later.values())]
                return min([*pauses, LOOK]) if pauses else None

    async def _free_tasks(self) -> None:
        """Free the open tasks of people and agents that are not in the rooms any more."""
        for room_id, user, numbers in await self._store.assigned(_ASSIGNEES):
            try:
                membership = await self._homeserver.membership(room_id, user)
            except HomeserverRefused:
                # The bot is not in the room.
                continue
            except HomeserverError as error:
                _log.info("assignees of tasks are looked for later", error=str(error))
                return
            if membership not in _GONE:
                # In a room that replaces another one, a member of that one may not have entered yet.
                continue
            async with self._database.transaction() as connection:
                for number in numbers:
                    await self._service.release(connection, number, user)
            _log.info("the assignee of tasks has left the room", room=room_id, tasks=numbers)

    async def _end_claims(self) -> list[float]:
        """End the claims whose time is over; return the seconds until others are."""
        while True:
            found = await self._store.expired(_AT_ONCE)
            late = [number for number, wait in found if wait <= 0]
            for number in late:
                async with self._database.transaction() as connection:
                    await self._service.expire(connection, number)
            if not late:
                return [wait for _, wait in found]

    async def _attempt(self, unshown: UnshownTask) -> None:
        number = unshown.task.number
        try:
            await self._show(unshown)
        except HomeserverRefused as error:
            _log.warning("a room refuses the card of a task", task=number, error=str(error))
            await self._store.shown(unshown.task, None)
        except BridgeError as error:
            failures = self._failures[number] = self._failures.get(number, 0) + 1
            self._later[number] = time.monotonic() + _RETRY.delay(failures)
            log = _log.warning if failures == 1 else _log.debug
            log("the card of a task is not shown yet", task=number, error=str(error))
        else:
            self._failures.pop(number, None)
        if unshown.card is None:
            # Events of the room wait for the card.
            self._signals.send(Topic.EVENTS)

    async def _show(self, unshown: UnshownTask) -> None:
        task, room_id = unshown.task, unshown.task.room_id or ""
        card = unshown.card or await self._sent_before(unshown)
        if unshown.is_withdrawn:
            if card is not None:
                await self._homeserver.redact(room_id, card, txn_id=f"ab.{self._name(unshown)}.redact")
            await self._store.shown(task, card)
            return
        content = await self._content(unshown)
        if card is not None:
            # The transaction id has the content: after a repeat, the newest content is the last one.
            digest = short_hash(f"{task.key} {task.changes}", 16)
            await self._homeserver.send(room_id, edit(content, card), txn_id=f"ab.task.{digest}")
        else:
            events, _ = await self._homeserver.messages(room_id, limit=1)
            await self._store.trying(task, str(events[0]["event_id"]) if events else "")
            card = await self._homeserver.send(room_id, content, txn_id=f"ab.{self._name(unshown)}")
        await self._store.shown(task, card)

    async def _content(self, unshown: UnshownTask) -> dict[str, Any]:
        task = unshown.task
        family = [task, *await self._store.subtasks(task.number)]
        users = {user for each in family for user in (each.creator, each.assignee) if user is not None}
        names = await self._service.names(users)
        return task_card(family[0], family[1:], names, self._texts, mark=mark(self._name(unshown), 0))

    async def _sent_before(self, unshown: UnshownTask) -> str | None:
        """Return the card that an earlier attempt, which was killed, has sent; None: there is none."""
        if unshown.since is None:
            return None
        bot, marked = self._homeserver.namespace.bot, mark(self._name(unshown), 0)
        found = await marked_events(self._homeserver, unshown.task.room_id or "", bot, {marked}, until=unshown.since)
        return found.get(marked)

    @staticmethod
    def _name(unshown: UnshownTask) -> str:
        """Return the name of the card in its room, from which its mark and its transaction id derive."""
        return f"task.{short_hash(unshown.task.key, 16)}"

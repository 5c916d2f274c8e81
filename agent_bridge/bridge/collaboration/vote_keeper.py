"""Keeps votes: shows their polls, ends them in time, counts, and tells the results. A duty of the leader.

The row of a vote says what was decided, and which events the room has. So a kill at any step, or another leader at the
same time, repeats a step and changes nothing.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.queue.periodic import FALLBACK, LOOK, every
from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import BridgeError, HomeserverRefused
from agent_bridge.core.notifications import Notification, NotificationKind
from agent_bridge.core.votes import VoteEnd, VoteState, tally
from agent_bridge.render.votes import outcome
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from agent_bridge.bridge.collaboration.vote_room import VoteRoom
    from agent_bridge.bridge.collaboration.votes import Votes
    from agent_bridge.core.votes import Tally, Vote
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.store.notifications import Notifications
    from agent_bridge.store.postgres.database import Connection, Database
    from agent_bridge.store.postgres.signals import Signals
    from agent_bridge.store.votes import VoteStore

_log = structlog.stdlib.get_logger(__name__)

#: Votes that one look takes.
_AT_ONCE = 20
_RETRY = Backoff(first=1, cap=60)
#: Seconds to the next look at least, when a vote is about to end.
_MOMENT = 0.05


class VoteKeeper:
    """Advances the votes that have something to do, one after the other."""

    def __init__(
        self,
        database: Database,
        store: VoteStore,
        room: VoteRoom,
        votes: Votes,
        notifications: Notifications,
        signals: Signals,
        texts: Texts,
    ) -> None:
        self._database = database
        self._store = store
        self._room = room
        self._votes = votes
        self._notifications = notifications
        self._texts = texts
        self._signals = signals
        #: How often each vote failed in a row, and when it may be tried again, by a monotonic clock.
        self._failures: dict[int, int] = {}
        self._later: dict[int, float] = {}

    async def run(self) -> None:
        """Keep the votes, until cancelled."""
        with self._signals.subscription(Topic.VOTES) as wake:
            await every(FALLBACK, self.keep, name="votes", wake=wake)

    async def keep(self) -> float | None:
        """Advance what is due; return the seconds until something may be due again, None: no vote is open.

        Raises:
            StoreError: the next call goes on.
        """
        await self._store.end_due()
        while True:
            now = time.monotonic()
            self._later = {vote: at for vote, at in self._later.items() if at > now}
            due, seconds = await self._store.due(_AT_ONCE, self._later)
            for vote in due:
                await self._attempt(vote)
            if not due:
                waits = [at - now for at in self._later.values()]
                waits += [] if seconds is None else [max(seconds, _MOMENT)]
                return min([*waits, LOOK]) if waits else None

    async def _attempt(self, number: int) -> None:
        try:
            vote = await self._store.find(number)
            if vote is not None:
                await self._advance(vote)
        except BridgeError as error:
            failures = self._failures[number] = self._failures.get(number, 0) + 1
            self._later[number] = time.monotonic() + _RETRY.delay(failures)
            log = _log.warning if failures == 1 else _log.debug
            log("a vote is not shown yet", vote=number, error=str(error))
        else:
            self._failures.pop(number, None)

    async def _advance(self, vote: Vote) -> None:
        """Take the next steps of *vote*."""
        if vote.is_withdrawn and vote.state is VoteState.OPEN:
            # Its command was redacted at the moment at which it began the vote.
            async with self._database.transaction() as connection:
                await self._store.close(connection, vote.id, VoteEnd.REDACTION, "")
        elif vote.state is VoteState.CLOSED:
            await self._tell(vote)
        elif vote.state is VoteState.CANCELLED or (vote.end is not None and not vote.end.has_result):
            await self._cancel(vote)
        elif vote.poll is None:
            await self._show(vote)
        else:
            for ballot in await self._store.unshown(vote):
                await self._room.give(vote, ballot)
            if vote.state is VoteState.CLOSING:
                await self._count(vote)

    async def _show(self, vote: Vote) -> None:
        try:
            await self._room.show(vote)
        except HomeserverRefused as error:
            _log.warning("the poll of a vote was refused", vote=vote.id, room=vote.room_id, error=str(error))
            await self._store.cancel(vote)
            return
        # People may have answered before the id of the poll was stored.
        shown = await self._store.find(vote.id)
        if shown is not None and shown.poll is not None and shown.state is VoteState.OPEN:
            await self._store.take(None, await self._room.said(shown))

    async def _count(self, vote: Vote) -> None:
        """Count the ballots of *vote*, which takes no more, and write the result."""
        try:
            if await self._room.is_redacted(vote):
                await self._store.redacted(vote)
                return
            said = [each.ballot for each in await self._room.said(vote)]
        except HomeserverRefused as error:
            _log.warning("a vote is counted without its room", vote=vote.id, room=vote.room_id, error=str(error))
            said = (await self._store.ballots([vote.id]))[vote.id][0]
        given = (await self._store.ballots([vote.id]))[vote.id][1]
        until = None if vote.end is not VoteEnd.TIME or vote.ends_at is None else int(vote.ends_at.timestamp() * 1000)
        result = tally(
            len(vote.answers), said, given, until=until, counts=self._votes.may_vote_in(vote.room_now or vote.room_id)
        )
        async with self._database.transaction() as connection:
            if await self._store.decide(connection, vote, result):
                await self._notify(connection, vote, result)

    async def _notify(self, connection: Connection, vote: Vote, result: Tally) -> None:
        """Tell the creator of *vote*, within the transaction of its result, that others or the time have closed it."""
        if not vote.creator or vote.closed_by == vote.creator:
            return
        values: dict[str, str | int] = {
            "vote": vote.id,
            "question": vote.question,
            "result": outcome(vote, result, self._texts),
        }
        room_id = vote.room_now or vote.room_id
        await self._notifications.add(
            connection, Notification(vote.creator, NotificationKind.VOTE_CLOSED, room_id, values)
        )

    async def _tell(self, vote: Vote) -> None:
        await self._room.end(vote)
        await self._room.tell(vote, has_result=True)
        await self._store.settle(vote)

    async def _cancel(self, vote: Vote) -> None:
        await self._room.withdraw(vote)
        is_refused = vote.state is VoteState.CANCELLED and vote.poll is None
        if is_refused or (vote.end is VoteEnd.REDACTION and vote.poll is not None):
            await self._room.tell(vote, has_result=False)
        if vote.state is not VoteState.CANCELLED:
            await self._store.cancel(vote)
        await self._store.settle(vote)

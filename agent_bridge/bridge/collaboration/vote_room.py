"""Shows votes in their rooms: the poll, the ballots of agents, the end of the poll, and the result.

Each event is sent with a transaction id that derives from the vote. The homeserver forgets these ids after a while, so
a send that may have been done before is preceded by a search for its event.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.delivery.marked_events import marked_events
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.polls import POLL_END, POLL_RESPONSE, POLL_START, VOTE
from agent_bridge.matrix.polls import ballot_of
from agent_bridge.render.votes import (
    cancelled_content,
    end_content,
    response_content,
    result_content,
    result_mark,
    start_content,
)
from agent_bridge.store.votes import SaidBallot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.core.votes import Vote
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.matrix.requests import Json
    from agent_bridge.store.votes import UnshownBallot, VoteStore

_log = structlog.stdlib.get_logger(__name__)

#: The events of a vote, by their numbers in the order in which they are sent.
_POLL, _END, _RESULT = 1, 2, 3
#: Milliseconds by which the clocks of the homeserver and of the database may differ, for the search of a poll.
_APART = 86_400_000
#: Seconds for which a new room may refuse the result.
_PATIENCE = 3600.0
#: Pages of responses that are read, of 100 each.
_PAGES = 1000


class VoteRoom:
    """Sends the events of votes. Every method can be repeated, and raises :class:`BridgeError`."""

    def __init__(self, homeserver: Homeserver, store: VoteStore, texts: Texts) -> None:
        self._homeserver = homeserver
        self._store = store
        self._texts = texts

    def _voice(self, vote: Vote) -> str:
        return self._homeserver.namespace.voice_id(vote.voice)

    async def show(self, vote: Vote) -> None:
        """Show the poll of *vote*, and store the responses that people have sent before its event id was known."""
        room_id = vote.room_now or vote.room_id
        poll = await self._find_poll(vote, room_id) if vote.begun >= _POLL else None
        if poll is None:
            await self._store.begin(vote, _POLL)
            poll = await self._homeserver.send(
                room_id,
                start_content(vote),
                kind=POLL_START,
                txn_id=f"ab.vote.{vote.key}.poll",
                as_user=self._voice(vote),
            )
        await self._store.shown(vote, room_id, poll)

    async def _find_poll(self, vote: Vote, room_id: str) -> str | None:
        voice, since = self._voice(vote), vote.created_at.timestamp() * 1000 - _APART
        only: Json = {"types": [POLL_START], "senders": [voice]}
        start: str | None = None
        while True:
            page, start = await self._homeserver.messages(room_id, limit=100, start=start, as_user=voice, only=only)
            for event in page:
                facts = event["content"].get(VOTE)
                if event.get("sender") == voice and isinstance(facts, dict) and facts.get("key") == vote.key:
                    return str(event["event_id"])
            if start is None or any(event.get("origin_server_ts", 0) < since for event in page):
                return None

    async def give(self, vote: Vote, ballot: UnshownBallot) -> None:
        """Show the ballot of an agent as a response of its ghost; a ghost that cannot send has voted all the same."""
        try:
            await self._homeserver.send(
                vote.room_id,
                response_content(vote.poll or "", ballot.selections),
                kind=POLL_RESPONSE,
                txn_id=f"ab.ballot.{ballot.key}",
                as_user=self._homeserver.namespace.user_id(ballot.ghost),
            )
        except HomeserverRefused as error:
            _log.info("the room cannot show the vote of an agent", vote=vote.id, ghost=ballot.ghost, error=str(error))
        await self._store.ballot_shown(ballot)

    async def is_redacted(self, vote: Vote) -> bool:
        """Tell whether the poll of *vote* was redacted: the homeserver may not have told it."""
        event = await self._homeserver.event(vote.room_id, vote.poll or "", self._voice(vote))
        return event is not None and not event.get("content")

    async def said(self, vote: Vote) -> list[SaidBallot]:
        """Return the responses of people to the poll of *vote* in the order of the homeserver, as it has them now.

        Raises:
            HomeserverRefused: the bridge cannot read the room any more.
        """
        found: list[SaidBallot] = []
        async for event in self._references(vote):
            ballot = ballot_of(event, vote.poll or "")
            if ballot is not None and not self._homeserver.namespace.is_ours(ballot.voter):
                found.append(SaidBallot(event["event_id"], vote.room_id, vote.poll or "", ballot))
        return found

    async def _references(self, vote: Vote) -> AsyncIterator[Json]:
        start: str | None = None
        for _ in range(_PAGES):
            page, start = await self._homeserver.references(
                vote.room_id, vote.poll or "", start, as_user=self._voice(vote)
            )
            for event in page:
                yield event
            if start is None:
                return
        _log.error("a vote has more responses than are read", vote=vote.id)

    async def end(self, vote: Vote) -> None:
        """End the poll of *vote*, which has a result. An old room may refuse that: the result tells it."""
        if vote.poll is None or vote.end_event is not None:
            return
        try:
            event_id = await self._find_end(vote) if vote.begun >= _END else None
            if event_id is None:
                await self._store.begin(vote, _END)
                event_id = await self._homeserver.send(
                    vote.room_id,
                    end_content(vote, self._texts),
                    kind=POLL_END,
                    txn_id=f"ab.vote.{vote.key}.end",
                    as_user=self._voice(vote),
                )
        except HomeserverRefused as error:
            _log.info("the end of a poll was refused", vote=vote.id, room=vote.room_id, error=str(error))
            return
        await self._store.ended(vote, event_id)

    async def _find_end(self, vote: Vote) -> str | None:
        async for event in self._references(vote):
            if event.get("type") == POLL_END and event.get("sender") == self._voice(vote):
                return str(event["event_id"])
        return None

    async def tell(self, vote: Vote, *, has_result: bool) -> None:
        """Tell the room the result of *vote*, or that it has none."""
        content = result_content(vote, self._texts) if has_result else cancelled_content(vote, self._texts)
        room_id, voice = vote.room_now or vote.room_id, self._voice(vote)
        try:
            if vote.begun >= _RESULT:
                mark = result_mark(vote)
                if mark in await marked_events(self._homeserver, room_id, voice, [mark], until=vote.poll or ""):
                    return
            await self._store.begin(vote, _RESULT)
            await self._homeserver.send(room_id, content, txn_id=f"ab.vote.{vote.key}.result", as_user=voice)
        except HomeserverRefused as error:
            if room_id != vote.room_id and _age(vote) < _PATIENCE:
                # The voice has yet to enter the new room.
                raise
            _log.warning("the result of a vote was refused", vote=vote.id, room=room_id, error=str(error))

    async def withdraw(self, vote: Vote) -> None:
        """Redact the poll of *vote*."""
        try:
            poll = vote.poll
            if poll is None and vote.begun >= _POLL:
                poll = await self._find_poll(vote, vote.room_id)
            if poll is None:
                return
            await self._homeserver.redact(
                vote.room_id, poll, txn_id=f"ab.vote.{vote.key}.redact", as_user=self._voice(vote)
            )
        except HomeserverRefused as error:
            _log.info("the poll of a cancelled vote stays", vote=vote.id, room=vote.room_id, error=str(error))


def _age(vote: Vote) -> float:
    """Return the seconds since *vote* was closed."""
    return 0.0 if vote.closed_at is None else (datetime.now(UTC) - vote.closed_at).total_seconds()

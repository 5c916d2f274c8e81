"""The part of intake that takes votes: responses to polls, polls that people end, and redactions of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.core.changes import ChangeKind, ChangeRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agent_bridge.bridge.inbound.rules import Rules
    from agent_bridge.core.rooms import Room
    from agent_bridge.core.turns import NewTurn
    from agent_bridge.matrix.events import RoomEvent
    from agent_bridge.store.postgres.database import Connection
    from agent_bridge.store.votes import SaidBallot, VoteStore


@dataclass(frozen=True, slots=True)
class VoteEvents:
    """The events of a transaction that may belong to votes."""

    ballots: Sequence[SaidBallot]
    #: Events of people that end polls, each with its poll.
    ends: Sequence[tuple[RoomEvent, str]]

    def __bool__(self) -> bool:
        return bool(self.ballots or self.ends)


class VoteIntake:
    """Writes what events say about votes. Nothing is written, nor read, for rooms without an open vote."""

    def __init__(self, votes: VoteStore, rules: Rules) -> None:
        self._votes = votes
        self._rules = rules

    def asked(self, events: Sequence[RoomEvent], rooms: Mapping[str, Room]) -> VoteEvents:
        """Return those of *events* that may belong to votes."""
        ballots = [self._rules.ballot(event, rooms.get(event.room_id)) for event in events]
        ends = [(event, self._rules.ended_poll(event, rooms.get(event.room_id))) for event in events]
        return VoteEvents(
            [ballot for ballot in ballots if ballot is not None],
            [(event, poll) for event, poll in ends if poll is not None],
        )

    async def write(
        self,
        connection: Connection,
        asked: VoteEvents,
        new: Iterable[NewTurn | ChangeRequest],
        rooms: Mapping[str, Room],
    ) -> None:
        """Write *asked*, and forget the ballots and end the votes that *new* redactions concern.

        Within the caller's transaction. Raises :class:`StoreError`: nothing was written.
        """
        if asked.ballots:
            await self._votes.take(connection, asked.ballots)
        for event, poll in asked.ends:
            await self._votes.end_poll(connection, event.room_id, poll, event.sender)
        for each in new:
            if isinstance(each, ChangeRequest) and each.kind is ChangeKind.REDACT:
                room = rooms.get(each.room_id)
                if room is not None and room.has_votes:
                    await self._votes.withdraw(connection, each.room_id, each.target, each.sender)

"""Votes: people and agents begin them, vote, and close them. Rooms show them later, by the leader."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agent_bridge.core.ids import parse_user_id
from agent_bridge.core.names import folded, one_line
from agent_bridge.core.results.votes import (
    VoteCast,
    VoteClosed,
    VoteEntry,
    VoteList,
    VoteOpened,
    VoteRefused,
)
from agent_bridge.core.roles import Role
from agent_bridge.core.votes import MOST_OPEN, Fault, VoteEnd, VoteProblem, VoteState, answer_id, checked, tally
from agent_bridge.store.votes import NewVote

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from agent_bridge.core.actors import Actor
    from agent_bridge.core.roles import Roles
    from agent_bridge.core.votes import Tally, Vote, VoteDraft
    from agent_bridge.store.postgres.database import Connection
    from agent_bridge.store.votes import VotePlace, VoteStore


class Votes:
    """The functions about votes. Those that change something work within the caller's transaction, and repeat nothing.

    Every method raises :class:`StoreError`.
    """

    def __init__(self, store: VoteStore, roles: Roles) -> None:
        self._store = store
        self._roles = roles

    async def open(
        self,
        connection: Connection,
        actor: Actor,
        room_id: str,
        draft: VoteDraft,
        zone: tzinfo,
        *,
        key: str,
        thread: str = "",
        asked_in: str | None = None,
        corrects: str | None = None,
    ) -> VoteOpened | VoteRefused:
        """Begin a vote in a room. A repeat with the *key* of a request returns the vote of the first one.

        *asked_in*: the event that asks for it; its redaction cancels the vote. *corrects*: the event that was edited
        into the request: its open vote gives way. Moments of the result are in *zone*.
        """
        now = datetime.now(UTC)
        await self._store.lock_place(connection, room_id)
        known = await self._store.requested(connection, key)
        if known is not None and (vote := await self._store.lock(connection, known)) is not None:
            return VoteOpened(vote.id, vote.ends_at, now.astimezone(zone), vote.quorum)
        ready = checked(draft, now)
        if isinstance(ready, Fault):
            return VoteRefused(ready.problem, ready.words, ready.most)
        place = await self._place(connection, actor, room_id)
        if place is None:
            return VoteRefused(VoteProblem.OUTSIDE)
        gave_way = corrects is not None and await self._store.replace(connection, place, corrects, actor.user_id)
        if place.open - gave_way >= MOST_OPEN:
            return VoteRefused(VoteProblem.MANY_VOTES, most=MOST_OPEN)
        new = NewVote(key, room_id, actor.user_id, ready, thread, corrects or asked_in)
        number = await self._store.open(connection, new, place)
        return VoteOpened(number, ready.ends_at, now.astimezone(zone), ready.quorum)

    async def opened(self, number: int, zone: tzinfo) -> VoteOpened | VoteRefused:
        """Return the result of :meth:`open` for a vote that a request has begun before."""
        vote = await self._store.find(number)
        if vote is None:
            return VoteRefused(VoteProblem.NO_VOTE, str(number))
        return VoteOpened(number, vote.ends_at, datetime.now(zone), vote.quorum)

    async def close(
        self, connection: Connection, actor: Actor, room_id: str, number: int | None, *, moderates: bool = False
    ) -> VoteClosed | VoteRefused:
        """Let an open vote of a room end: its creator does, or a moderator; None: the only one that is open.

        *moderates*: the actor has the power of a moderator in the room, whatever the role.
        """
        vote = self._meant(await self._store.of_room(room_id, connection), number)
        if isinstance(vote, VoteRefused):
            return vote
        if vote.creator != actor.user_id and not moderates and self._role(actor, room_id) < Role.MODERATOR:
            return VoteRefused(VoteProblem.NOT_YOURS, str(vote.id))
        if not await self._store.close(connection, vote.id, VoteEnd.PERSON, actor.user_id):
            return VoteRefused(VoteProblem.ENDED, str(vote.id))
        return VoteClosed(vote.id)

    async def cast(
        self, connection: Connection, actor: Actor, room_id: str, number: int | None, answer: str | None, *, key: str
    ) -> VoteCast | VoteRefused:
        """Take the ballot of *actor* in an open vote; *answer* is its number or its text, None takes the vote back.

        The last ballot of each voter counts. The ghost of an agent shows it in the room; that of a person counts
        without a response there, because nobody sends events as people. A repeat with the same *key* changes nothing.
        """
        if await self._place(connection, actor, room_id) is None:
            return VoteRefused(VoteProblem.OUTSIDE)
        meant = self._meant(await self._store.of_room(room_id, connection), number)
        if isinstance(meant, VoteRefused):
            return meant
        vote = await self._store.lock(connection, meant.id)
        if vote is None or vote.state is not VoteState.OPEN or _is_over(vote):
            return VoteRefused(VoteProblem.ENDED, str(meant.id))
        chosen = None if answer is None else _chosen(vote, answer)
        if answer is not None and chosen is None:
            return VoteRefused(VoteProblem.NO_ANSWER, answer)
        selections = [] if chosen is None else [answer_id(chosen)]
        ghost = parse_user_id(actor.user_id)[0] if actor.is_agent else None
        await self._store.give(connection, vote, actor.user_id, selections, key=key, ghost=ghost)
        return VoteCast(vote.id, None if chosen is None else vote.answers[chosen])

    async def listed(self, room_id: str, zone: tzinfo) -> VoteList:
        """Return the open votes of a room with the votes so far, and the last that ended with their results."""
        votes = await self._store.of_room(room_id)
        open_ = [each.id for each in votes if each.result is None]
        ballots = await self._store.ballots(open_) if open_ else {}

        def counted(vote: Vote) -> Tally:
            said, given = ballots.get(vote.id, ((), ()))
            return vote.result or tally(len(vote.answers), said, given, counts=self.may_vote_in(room_id))

        entries = tuple(
            VoteEntry(
                number=each.id,
                question=each.question,
                answers=each.answers,
                votes=counted(each).votes,
                creator=each.creator,
                state=each.state,
                ends_at=each.ends_at,
                quorum=each.quorum,
            )
            for each in votes
        )
        return VoteList(entries, datetime.now(zone))

    def may_vote_in(self, room_id: str) -> _Voters:
        """Return the test whether a user may vote in a room: agents, and users with a role who are not muted."""
        return _Voters(self._roles, room_id)

    async def _place(self, connection: Connection, actor: Actor, room_id: str) -> VotePlace | None:
        """Return the room for *actor*; None: the actor takes no part, or has no role there."""
        place = await self._store.place(connection, room_id, actor.agent)
        if place is None or self._role(actor, room_id) < Role.AGENT:
            return None
        return place if place.takes_part or not actor.is_agent else None

    def _role(self, actor: Actor, room_id: str) -> Role:
        if actor.is_agent:
            return Role.AGENT
        return Role.NONE if self._roles.is_muted(actor.user_id, room_id) else self._roles.of(actor.user_id, room_id)

    @staticmethod
    def _meant(votes: Sequence[Vote], number: int | None) -> Vote | VoteRefused:
        """Return the one of *votes* that is meant, and open."""
        if number is None:
            open_ = [each for each in votes if each.state is VoteState.OPEN]
            if len(open_) == 1:
                return open_[0]
            return VoteRefused(VoteProblem.WHICH_VOTE if open_ else VoteProblem.NO_VOTES)
        found = next((each for each in votes if each.id == number), None)
        if found is None:
            return VoteRefused(VoteProblem.NO_VOTE, str(number))
        return found if found.state is VoteState.OPEN else VoteRefused(VoteProblem.ENDED, str(number))


class _Voters:
    """Tells which users may vote in a room: users of the bridge, and those of whom agents may be given texts."""

    def __init__(self, roles: Roles, room_id: str) -> None:
        self._roles = roles
        self._room_id = room_id

    def __call__(self, voter: str) -> bool:
        return self._roles.reads(voter, self._room_id)


def _is_over(vote: Vote) -> bool:
    return vote.ends_at is not None and vote.ends_at <= datetime.now(UTC)


def _chosen(vote: Vote, answer: str) -> int | None:
    """Return the number, from 0, of the answer that *answer* means: by its text, or by its number."""
    meant = folded(one_line(answer))
    for number, text in enumerate(vote.answers):
        if folded(text) == meant:
            return number
    return int(meant) - 1 if meant.isascii() and meant.isdecimal() and 0 < int(meant[:9]) <= len(vote.answers) else None

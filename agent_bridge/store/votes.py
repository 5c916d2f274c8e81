"""Votes and their ballots, in the tables ``vote`` and ``ballot``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from agent_bridge.core.votes import Ballot, Tally, Vote, VoteEnd, VoteState
from agent_bridge.store.corruption import read_one, readable
from agent_bridge.store.postgres.database import rows_of
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from psycopg.rows import DictRow

    from agent_bridge.core.votes import VoteDraft
    from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("votes")
#: Votes that ended in the list of a room.
_ENDED = 5


@dataclass(frozen=True, slots=True)
class VotePlace:
    """A room in which a vote may begin."""

    #: Row id.
    id: int
    #: Localpart of the ghost that speaks for the bridge there; None: the bot does.
    voice: str | None
    #: Whether the agent that was asked about takes part.
    takes_part: bool
    #: Number of open votes.
    open: int


@dataclass(frozen=True, slots=True)
class NewVote:
    """A vote to be written."""

    #: Key of the request.
    key: str
    room_id: str
    creator: str
    draft: VoteDraft
    thread: str = ""
    #: The event that asks for it; None: a request that is no event.
    asked_in: str | None = None


@dataclass(frozen=True, slots=True)
class SaidBallot:
    """A response to a poll, as it was delivered."""

    event_id: str
    room_id: str
    poll: str
    ballot: Ballot


@dataclass(frozen=True, slots=True)
class UnshownBallot:
    """A ballot of an agent that the room does not show yet."""

    #: Row id.
    id: int
    key: str
    ghost: str
    selections: tuple[str, ...]


class VoteStore:
    """Reads and writes votes. Every method raises :class:`StoreError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def lock_place(self, connection: Connection, room_id: str) -> None:
        """Let no other transaction begin a vote in the room until the caller's ends."""
        await connection.execute(_SQL["lock_place"], {"room_id": room_id})

    async def place(self, connection: Connection, room_id: str, agent: int | None) -> VotePlace | None:
        """Return the room with whether *agent* (a row id) takes part; None: the bridge does not know it."""
        rows = await rows_of(connection, _SQL["place"], {"room_id": room_id, "agent": agent})
        return VotePlace(**rows[0]) if rows else None

    async def requested(self, connection: Connection, key: str) -> int | None:
        """Return the row id of the vote that the request *key* has begun; None: it has begun none."""
        rows = await rows_of(connection, _SQL["requested"], {"key": key})
        return int(rows[0]["id"]) if rows else None

    async def open(self, connection: Connection, new: NewVote, place: VotePlace) -> int:
        """Write a vote within the caller's transaction, which has locked its *place*; return its row id.

        A repeat with the same key returns the first one.
        """
        values = {
            "key": new.key,
            "room": place.id,
            "room_id": new.room_id,
            "thread": new.thread,
            "voice": place.voice,
            "asked_in": new.asked_in,
            "creator": new.creator,
            "question": new.draft.question,
            "answers": Jsonb(list(new.draft.answers)),
            "quorum": new.draft.quorum,
            "ends_at": new.draft.ends_at,
        }
        return int((await rows_of(connection, _SQL["open"], values))[0]["id"])

    async def close(self, connection: Connection, vote: int, reason: VoteEnd, by: str) -> bool:
        """Let a vote take no ballots any more, within the caller's transaction; return False if it had ended."""
        return bool(await rows_of(connection, _SQL["close"], {"id": vote, "reason": reason, "by": by}))

    async def end_poll(self, connection: Connection, room_id: str, poll: str, by: str) -> None:
        """Let the open vote of *poll* end, within the caller's transaction: *by* has ended it in a client."""
        await connection.execute(_SQL["end_poll"], {"room_id": room_id, "poll": poll, "by": by})

    async def replace(self, connection: Connection, place: VotePlace, event_id: str, by: str) -> bool:
        """Let the open vote give way that the event *event_id* of *by* asked for; tell whether there is one."""
        values = {"room": place.id, "event_id": event_id, "by": by}
        return bool(await rows_of(connection, _SQL["replace"], values))

    async def of_room(self, room_id: str, connection: Connection | None = None) -> list[Vote]:
        """Return the votes of a room: the open ones, and the last that ended, oldest first."""
        values = {"room_id": room_id, "ended": _ENDED}
        if connection is None:
            rows = await self._database.rows(_SQL["of_room"], values)
        else:
            rows = await rows_of(connection, _SQL["of_room"], values)
        return readable("vote", rows, lambda row: row["id"], _vote)

    async def find(self, vote: int) -> Vote | None:
        """Return a vote, with its voice as it is now, and whether its command was redacted; None if there is none."""
        row = await self._database.row(_SQL["find"], {"id": vote})
        return None if row is None else read_one("vote", vote, lambda: _vote(row))

    async def lock(self, connection: Connection, vote: int) -> Vote | None:
        """Lock and return a vote, whose :attr:`Vote.room_now` is not read; None if there is none."""
        rows = await rows_of(connection, _SQL["lock"], {"id": vote})
        return read_one("vote", vote, lambda: _vote(rows[0])) if rows else None

    async def end_due(self) -> None:
        """Let the votes take no ballots any more whose time has come, or whose room was upgraded."""
        await self._database.execute(_SQL["end_due"])

    async def due(self, limit: int, others: Collection[int]) -> tuple[list[int], float | None]:
        """Return up to *limit* votes with something to do but *others*; and the seconds until the next one ends."""
        row = await self._database.row(_SQL["due"], {"limit": limit, "others": list(others)})
        return ([], None) if row is None else (row["ids"], row["seconds"])

    async def begin(self, vote: Vote, event: int) -> None:
        """Record that the event number *event* of *vote* is about to be sent."""
        await self._database.execute(_SQL["begin"], {"id": vote.id, "event": event})

    async def shown(self, vote: Vote, room_id: str, poll: str) -> None:
        """Record the poll of *vote* in the room *room_id*."""
        await self._database.execute(_SQL["shown"], {"id": vote.id, "room_id": room_id, "poll": poll})

    async def ended(self, vote: Vote, event_id: str) -> None:
        """Record the event that ends the poll of *vote*."""
        await self._database.execute(_SQL["ended"], {"id": vote.id, "event_id": event_id})

    async def decide(self, connection: Connection, vote: Vote, result: Tally) -> bool:
        """Record the *result* of a vote within the caller's transaction; return False if it was not to be counted."""
        encoded = Jsonb({"votes": list(result.votes), "by": [list(each) for each in result.by]})
        return bool(await rows_of(connection, _SQL["decide"], {"id": vote.id, "result": encoded}))

    async def cancel(self, vote: Vote) -> None:
        """Record that *vote* has no result."""
        await self._database.execute(_SQL["cancel"], {"id": vote.id})

    async def redacted(self, vote: Vote) -> None:
        """Record that the poll of *vote*, which ends, was redacted."""
        await self._database.execute(_SQL["redacted"], {"id": vote.id})

    async def settle(self, vote: Vote) -> None:
        """Record that nothing is left to do for *vote*; who voted how is forgotten."""
        await self._database.execute(_SQL["settle"], {"id": vote.id})

    async def take(self, connection: Connection | None, said: Sequence[SaidBallot]) -> None:
        """Write the responses among *said* that belong to open votes, in their order; None: in an own transaction."""
        values = {
            "rooms": [each.room_id for each in said],
            "polls": [each.poll for each in said],
            "voters": [each.ballot.voter for each in said],
            "selections": [Jsonb(list(each.ballot.selections)) for each in said],
            "said_at": [each.ballot.at for each in said],
            "events": [each.event_id for each in said],
        }
        if connection is None:
            await self._database.execute(_SQL["take"], values)
        else:
            await connection.execute(_SQL["take"], values)

    async def withdraw(self, connection: Connection, room_id: str, target: str, sender: str) -> None:
        """Forget the ballot of the redacted event *target*; end a vote whose poll or command it was."""
        values = {"room_id": room_id, "target": target, "sender": sender}
        await connection.execute(_SQL["withdraw"], values)

    async def give(
        self, connection: Connection, vote: Vote, voter: str, selections: Sequence[str], *, key: str, ghost: str | None
    ) -> None:
        """Write a ballot of the request *key* within the caller's transaction, which has locked the vote.

        *ghost*: the localpart of the one that shows it in the room.
        """
        values = {"vote": vote.id, "voter": voter, "selections": Jsonb(list(selections)), "key": key, "ghost": ghost}
        await connection.execute(_SQL["give"], values)

    async def ballots(self, votes: Sequence[int]) -> dict[int, tuple[list[Ballot], list[Ballot]]]:
        """Return the ballots of *votes* (row ids): the responses in the rooms, and the others, as they came."""
        found: dict[int, tuple[list[Ballot], list[Ballot]]] = {vote: ([], []) for vote in votes}
        for row in await self._database.rows(_SQL["ballots"], {"votes": list(votes)}):
            ballot = Ballot(row["voter"], tuple(row["selections"]), row["said_at"])
            found[row["vote"]][row["is_given"]].append(ballot)
        return found

    async def unshown(self, vote: Vote) -> list[UnshownBallot]:
        """Return the ballots of agents that the room of *vote* does not show yet, of each agent the last."""
        rows = await self._database.rows(_SQL["unshown"], {"vote": vote.id})
        return [UnshownBallot(**{**row, "selections": tuple(row["selections"])}) for row in rows]

    async def ballot_shown(self, ballot: UnshownBallot) -> None:
        """Record that the room shows *ballot*."""
        await self._database.execute(_SQL["ballot_shown"], {"id": ballot.id})


def _vote(row: DictRow) -> Vote:
    return Vote(
        id=row["id"],
        key=row["key"],
        room_id=row["room_id"],
        room_now=row["room_now"],
        thread=row["thread"],
        voice=row.get("voice_now", row["voice"]),
        creator=row["creator"],
        question=row["question"],
        answers=tuple(row["answers"]),
        quorum=row["quorum"],
        ends_at=row["ends_at"],
        created_at=row["created_at"],
        state=VoteState(row["state"]),
        end=None if row["end_reason"] is None else VoteEnd(row["end_reason"]),
        closed_by=row["closed_by"],
        closed_at=row["closed_at"],
        begun=row["begun"],
        poll=row["poll"],
        end_event=row["end_event"],
        result=None if row["result"] is None else _tally(row["result"]),
        is_settled=row["is_settled"],
        is_withdrawn=row.get("is_withdrawn", False),
    )


def _tally(result: dict[str, Any]) -> Tally:
    by: list[list[str]] = result.get("by", [])
    return Tally(tuple(tuple(voters) for voters in by), tuple(result["votes"]))

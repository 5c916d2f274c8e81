"""Programs begin votes, vote, and close votes, in rooms that their tokens reach."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from agent_bridge.bridge.programs.refusals import of_event, of_vote
from agent_bridge.core.permissions import Permission
from agent_bridge.core.program_problems import Problem, ProgramRefused
from agent_bridge.core.results.votes import VoteRefused
from agent_bridge.core.votes import VoteState

if TYPE_CHECKING:
    from typing import Any

    from agent_bridge.bridge.collaboration.events import AgentEvents
    from agent_bridge.bridge.collaboration.votes import Votes
    from agent_bridge.bridge.programs.access import Access, ReachedRoom
    from agent_bridge.bridge.programs.requests import Call, Outcome, Requests
    from agent_bridge.core.programs import Token
    from agent_bridge.core.results.votes import VoteList
    from agent_bridge.core.votes import Vote, VoteDraft
    from agent_bridge.store.postgres.database import Database
    from agent_bridge.store.program_requests import ProgramRequest
    from agent_bridge.store.votes import VoteStore


class ProgramVotes:
    """The functions. Those that change something act once, and raise what :meth:`Requests.once` raises."""

    def __init__(
        self,
        access: Access,
        requests: Requests,
        database: Database,
        votes: Votes,
        store: VoteStore,
        events: AgentEvents,
    ) -> None:
        self._access = access
        self._requests = requests
        self._database = database
        self._votes = votes
        self._store = store
        self._events = events

    async def listed(self, token: Token, room: str) -> VoteList:
        """Return the votes of a room.

        Raises:
            ProgramRefused, HomeserverError, StoreError: they cannot be read.
        """
        reached = await self._access.reach(token, room, Permission.READ)
        return await self._votes.listed(reached.room_id, UTC)

    async def new(self, call: Call, room: str, draft: VoteDraft) -> Outcome:
        """Begin a vote in a room in which the identity may write."""

        async def act(_request: ProgramRequest) -> dict[str, Any]:
            reached = await self._access.reach(call.token, room, Permission.SEND)
            await self._permit(call.token, reached)
            async with self._database.transaction() as connection:
                opened = await self._votes.open(
                    connection, call.token.actor, reached.room_id, draft, UTC, key=call.name
                )
            if isinstance(opened, VoteRefused):
                raise of_vote(opened)
            vote = await self._store.find(opened.number)
            if vote is None:
                raise _unknown(opened.number)
            return {
                "number": vote.id,
                "room_id": reached.room_id,
                "question": vote.question,
                "answers": list(vote.answers),
                "ends_at": None if vote.ends_at is None else vote.ends_at.astimezone(UTC).isoformat(),
                "quorum": vote.quorum,
            }

        return await self._requests.once(call, act, status=201)

    async def cast(self, call: Call, room: str, number: int | None, answer: str | None) -> Outcome:
        """Give a vote of the identity; None: take it back. *number*: None is the only open vote."""

        async def act(_request: ProgramRequest) -> dict[str, Any]:
            reached = await self._access.reach(call.token, room, Permission.SEND)
            async with self._database.transaction() as connection:
                cast = await self._votes.cast(
                    connection, call.token.actor, reached.room_id, number, answer, key=call.name
                )
            if isinstance(cast, VoteRefused):
                raise of_vote(cast)
            return {"number": cast.number, "answer": cast.answer}

        return await self._requests.once(call, act)

    async def close(self, call: Call, number: int, room: str | None = None) -> Outcome:
        """End an open vote, which its creator and the moderators of its room may. *room*: it has to be in that one."""
        actor = call.token.actor

        async def act(request: ProgramRequest) -> dict[str, Any]:
            vote, reached = await self._found(call.token, number)
            if room is not None:
                named = await self._access.reach(call.token, room, Permission.SEND)
                if named.room_id != reached.room_id:
                    raise ProgramRefused(Problem.VOTE_NOT_FOUND, f"there is no vote {number} in that room")
            result = {"number": number, "room_id": reached.room_id}
            if not request.is_new and vote.state is not VoteState.OPEN and vote.closed_by == actor.user_id:
                # A call that was interrupted has closed it.
                return result
            moderates = await self._access.moderates(call.token, reached)
            async with self._database.transaction() as connection:
                closed = await self._votes.close(connection, actor, reached.room_id, number, moderates=moderates)
            if isinstance(closed, VoteRefused):
                raise of_vote(closed)
            return result

        return await self._requests.once(call, act)

    async def _permit(self, token: Token, reached: ReachedRoom) -> None:
        """Return if the identity may write in a room. The bot shows the poll: the homeserver does not check that.

        Raises:
            ProgramRefused: it may not.
        """
        await self._access.may_send(token, reached)
        if token.is_agent and (refused := await self._events.refusal(token.actor, reached.room_id)) is not None:
            raise of_event(refused)

    async def _found(self, token: Token, number: int) -> tuple[Vote, ReachedRoom]:
        """Return the vote *number*, and its room, which the token reaches."""
        vote = await self._store.find(number)
        if vote is None or vote.room_now is None:
            raise _unknown(number)
        try:
            return vote, await self._access.reach(token, vote.room_now, Permission.SEND)
        except ProgramRefused as error:
            if error.problem is not Problem.ROOM_NOT_FOUND:
                raise
            raise _unknown(number) from None


def _unknown(number: int) -> ProgramRefused:
    return ProgramRefused(Problem.VOTE_NOT_FOUND, f"there is no vote {number}")

"""Agents ask each other: the agents that an answer mentions get it as a question, within the budgets of its chain.

The worker of the answer writes their turns, after the answer is shown and before its turn is closed. Intake ignores the
messages of ghosts, so the bridge's own messages that the homeserver delivers, to any process, ask nobody.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.groups.budgets import exhausted, raised
from agent_bridge.bridge.queue.offload import rendered
from agent_bridge.bridge.rooms.kinds import KINDS, Addressing
from agent_bridge.core.chains import Bound
from agent_bridge.core.rooms import AnswerMode, KindName, ParticipantState
from agent_bridge.core.turns import Addressee
from agent_bridge.matrix.said import message_of
from agent_bridge.render.mentions import may_mention, mentioned_in
from agent_bridge.store.chains import HeldAgent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from agent_bridge.bridge.queue.lanes import Lanes
    from agent_bridge.core.chains import ChainBudget, ResumeRequest
    from agent_bridge.core.ids import Namespace
    from agent_bridge.core.live import Live
    from agent_bridge.core.roles import Roles
    from agent_bridge.core.rooms import Participant, Room
    from agent_bridge.core.turns import Turn
    from agent_bridge.matrix.events import RoomEvent
    from agent_bridge.store.chains import AskingTurn, Chain, Chains
    from agent_bridge.store.intake import IntakeStore
    from agent_bridge.store.postgres.database import Connection, Database
    from agent_bridge.store.rooms import Rooms

_log = structlog.stdlib.get_logger(__name__)

#: Agents that one answer asks at most: all of their ids fit into its event.
_MOST = 10


class HandOn:
    """Has agents ask each other. *budget*: the limits of a chain at first, and their growth with each 👍."""

    def __init__(
        self,
        database: Database,
        rooms: Rooms,
        intake_store: IntakeStore,
        chains: Chains,
        lanes: Lanes,
        namespace: Namespace,
        roles: Roles,
        budget: Live[ChainBudget],
    ) -> None:
        self._database = database
        self._rooms = rooms
        self._intake_store = intake_store
        self._chains = chains
        self._lanes = lanes
        self._namespace = namespace
        self._roles = roles
        self._budget = budget

    async def mentioned(self, turn: Turn, text: str) -> tuple[str, ...]:
        """Return the user ids of the ghosts that the answer *text* to *turn* mentions: of other agents in its room.

        Raises:
            StoreError: the participants cannot be read.
        """
        if not self._is_possible(turn) or not may_mention(text):
            return ()
        room = (await self._rooms.contexts([turn.room_id])).get(turn.room_id)
        user_id = self._namespace.user_id
        # Also the names of agents that are not asked: a shorter name of another agent must not count in their place.
        known = () if room is None else room.participants
        names = {user_id(each.ghost): (*each.names, each.ghost, user_id(each.ghost)[1:]) for each in known}
        others = {user_id(each.ghost) for each in _present(room) if turn.agent is None or each.agent != turn.agent.id}
        found = await rendered(len(text), mentioned_in, text, names)
        return tuple(user for user in found if user in others)[:_MOST]

    def step(self, turn: Turn, mentions: Sequence[str]) -> Callable[[str], Awaitable[None]] | None:
        """Return the step that asks the agents among *mentions*, given the event of the answer; None if there is none.

        A repeat of the step asks nobody twice.

        Raises (the step):
            TurnLost: another worker has taken *turn* up.
            StoreError: nobody was asked.
        """
        ghosts = [user for user in mentions if self._namespace.is_ours(user)]
        return partial(self._ask, turn, ghosts) if ghosts and self._is_possible(turn) else None

    async def resume(self, connection: Connection, request: ResumeRequest, room: Room) -> set[int] | None:
        """Let the agents go on that wait in *room* for *request*, once for each notice; return the lanes.

        Within the caller's transaction, which has locked the room. None: *request* is about something else.
        """
        noticed = await self._chains.noticed(connection, request)
        if noticed is None:
            return None
        chain, counts = noticed
        if not counts:
            return set()
        chain, waiting = await self._chains.grant(connection, chain)
        present = {each.agent: each for each in _present(room)}
        lanes: set[int] = set()
        grown: set[Bound] = set()
        await self._chains.lock_pairs(connection, [(held.speaker, held.agent) for held in waiting])
        for held in waiting:
            source = await self._chains.held_source(connection, held.asked_in)
            agent = present.get(held.agent)
            if source is None or agent is None or not self._may_ask(source, chain):
                await self._chains.release(connection, held)
                continue
            chain, bound = await self._grow(connection, chain, source, agent.agent, grown)
            if bound is not None:
                lanes |= await self._hold(connection, chain, source, agent, held.event_id, bound, request.event_id)
                continue
            await self._chains.release(connection, held)
            lanes |= await self._write(connection, chain, source, agent, held.event_id)
        _log.info("agents go on", room=request.room_id, chain=chain.id, grants=chain.grants)
        return lanes

    async def begin(self, event: RoomEvent, room: Room | None) -> None:
        """Have the agents asked that *event*, which a program of an agent has sent, mentions; a repeat asks nobody.

        The message goes on with the chain in which its agent was asked a short time ago, else it begins one. Agents
        beyond the budget are not asked.

        Raises:
            StoreError: nobody was asked.
        """
        asked = self.askable(event.sender, event.mentions, room)
        said = message_of(event.type, event.content)
        if room is None or said is None or not asked:
            return
        speaker = self._speaker(event.sender, room)
        async with self._database.transaction() as connection:
            await self._intake_store.lock(connection, [room.room_id])
            if speaker is None or event.event_id in await self._intake_store.known([event.event_id], connection):
                return
            source = await self._chains.spoken(
                connection, room.room_id, event.event_id, said.body, speaker, thread=event.thread
            )
            chain = await self._chains.of(connection, source, self._budget.value)
            if chain is None or chain.is_stopped:
                return
            await self._chains.lock_pairs(connection, [(source.agent, agent.agent) for agent in asked])
            lanes: set[int] = set()
            for agent in asked:
                bound = await self._bound(connection, chain, source, agent.agent)
                if bound is None:
                    lanes |= await self._write(connection, chain, source, agent, event.event_id)
                else:
                    _log.info("an agent is not asked", room=room.room_id, chain=chain.id, bound=bound)
            await self._lanes.wake(connection, lanes)

    def askable(self, ghost: str, mentions: Collection[str], room: Room | None) -> list[Participant]:
        """Return the agents in *room* that a message of *ghost* (a user id) that mentions *mentions* asks.

        In the direct room of two agents it needs no mention.
        """
        if room is None or KINDS[room.kind].addressing is not Addressing.ADDRESSED or self._budget.value.hops < 1:
            return []
        user_id = self._namespace.user_id
        others = [each for each in _present(room) if user_id(each.ghost) != ghost]
        # Of two agents among themselves the other one is meant.
        meant = [each for each in others if room.kind is KindName.PAIR or user_id(each.ghost) in mentions]
        return meant[:_MOST]

    def _speaker(self, ghost: str, room: Room) -> Participant | None:
        found = (each for each in room.participants if self._namespace.user_id(each.ghost) == ghost)
        return next((each for each in found if each.state is ParticipantState.JOINED), None)

    def _is_possible(self, turn: Turn) -> bool:
        is_group = turn.room_kind is not None and KINDS[turn.room_kind].addressing is Addressing.ADDRESSED
        return is_group and self._budget.value.hops > 0

    def _may_ask(self, source: AskingTurn, chain: Chain) -> bool:
        """Tell whether the answer of *source* may ask agents: its person has a role, too, and is not muted."""
        return source.may_ask and not chain.is_stopped and self._roles.reads(chain.asker, source.room_id)

    async def _ask(self, turn: Turn, ghosts: Sequence[str], event_id: str) -> None:
        room = (await self._rooms.contexts([turn.room_id])).get(turn.room_id)
        present = {self._namespace.user_id(each.ghost): each for each in _present(room)}
        async with self._database.transaction() as connection:
            # Under the lock of intake: a 🛑 or a redaction comes before, or finds the turns that are written here.
            await self._intake_store.lock(connection, [turn.room_id])
            source = await self._chains.source(connection, turn)
            chain = await self._chains.of(connection, source, self._budget.value) if source.may_ask else None
            if chain is None or not self._may_ask(source, chain):
                return
            known = await self._chains.asked(connection, source) | {source.agent}
            meant = [present[ghost] for ghost in ghosts if ghost in present]
            asked = [agent for agent in meant if agent.agent not in known]
            await self._chains.lock_pairs(connection, [(source.agent, agent.agent) for agent in asked])
            lanes: set[int] = set()
            for agent in asked:
                bound = await self._bound(connection, chain, source, agent.agent)
                if bound is None:
                    lanes |= await self._write(connection, chain, source, agent, event_id)
                elif room is not None and room.kind is KindName.PAIR:
                    # There are no people who could let them go on.
                    _log.info("an agent is not asked", room=room.room_id, chain=chain.id, bound=bound)
                else:
                    lanes |= await self._hold(connection, chain, source, agent, event_id, bound, event_id)
            await self._lanes.wake(connection, lanes)

    async def _bound(self, connection: Connection, chain: Chain, source: AskingTurn, agent: int) -> Bound | None:
        used = await self._chains.used(connection, chain, source, agent)
        return exhausted(used, chain.budget(self._budget.value.pair))

    async def _grow(
        self, connection: Connection, chain: Chain, source: AskingTurn, agent: int, grown: set[Bound]
    ) -> tuple[Chain, Bound | None]:
        """Raise the limits that keep *source* from asking *agent*, but those that have *grown* already.

        Return the chain, and the limit that still does so.
        """
        while (bound := await self._bound(connection, chain, source, agent)) is not None and bound not in grown:
            grown.add(bound)
            used = await self._chains.used(connection, chain, source, agent)
            budget = raised(chain.budget(self._budget.value.pair), bound, self._budget.value, used.tokens)
            chain = await self._chains.set_budget(connection, chain, budget)
            if bound is Bound.PAIR:
                await self._chains.grant_pair(connection, source.agent, agent)
        return chain, bound

    async def _write(
        self, connection: Connection, chain: Chain, source: AskingTurn, agent: Participant, event_id: str
    ) -> set[int]:
        return await self._chains.ask(connection, chain, source, Addressee(agent.agent, agent.ghost), event_id)

    async def _hold(
        self,
        connection: Connection,
        chain: Chain,
        source: AskingTurn,
        agent: Participant,
        event_id: str,
        bound: Bound,
        because_of: str,
    ) -> set[int]:
        """Have *agent* wait for people, who are asked in reply to the answer *event_id*; return the lane of that."""
        _log.info("an agent waits for people", room=source.room_id, chain=chain.id, bound=bound)
        await self._chains.hold(connection, chain, HeldAgent(source.id, agent.agent, event_id, source.agent, bound))
        told = await self._chains.tell(connection, chain, source, because_of, event_id)
        # An earlier answer of the turn, in the same event, may have asked people before.
        return told or await self._chains.tell(connection, chain, source, source.event_id, event_id)


def _present(room: Room | None) -> list[Participant]:
    """Return the agents in *room* that can answer."""
    participants = () if room is None else room.participants
    present = [each for each in participants if each.state is ParticipantState.JOINED and not each.is_gone]
    return [each for each in present if each.answers is not AnswerMode.OFF]

"""Direct rooms of two agents, and of two people, which the bot makes: one for each pair."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeGuard

import structlog

from agent_bridge.bridge.rooms.entry import create_or_replace
from agent_bridge.core.errors import HomeserverUnavailable
from agent_bridge.core.ids import parse_user_id
from agent_bridge.core.pairs import Pair, PairMember
from agent_bridge.i18n.catalogue import Text
from agent_bridge.matrix.rooms import MODERATOR_POWER, PAIR, RoomPlan, pair_content

if TYPE_CHECKING:
    from agent_bridge.config.model import Config
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.live import Live
    from agent_bridge.matrix.client import CreatedRoom, Homeserver
    from agent_bridge.matrix.room_state import RoomState
    from agent_bridge.store.agents import Agents
    from agent_bridge.store.pairs import PairRoom, Pairs

_log = structlog.stdlib.get_logger(__name__)

_PRESENT = frozenset({"join", "invite"})
#: Former rooms of a pair that may turn out to be over in one search.
_STEPS = 3


class PairRooms:
    """Finds and makes them. They are kept as groups are: they follow upgrades, and end when they are empty."""

    def __init__(self, homeserver: Homeserver, store: Pairs, agents: Agents, config: Live[Config]) -> None:
        self._homeserver = homeserver
        self._namespace = homeserver.namespace
        self._store = store
        self._agents = agents
        self._config = config

    async def open(self, pair: Pair) -> str:
        """Return the room of *pair*, which is made if there is none; who is not in it is invited, or enters as a ghost.

        The row of the room has a key that derives from the pair, and so has its alias: a repeat after a kill, and
        another process at the same time, find the same room.

        Raises:
            ServerOutOfReach: the server of a person does not answer.
            HomeserverError, StoreError: a repeat continues.
        """
        for _ in range(_STEPS):
            room = await self._store.open(pair)
            if room is None or room.is_ended:
                break
            found = await self._in_use(pair, room)
            if found is not None:
                return found
            await self._store.forget(room.id)
        raise HomeserverUnavailable(Text("direct_chat_ends"))

    async def _in_use(self, pair: Pair, room: PairRoom) -> str | None:
        """Return the room, with both members; None: the bot cannot enter it any more."""
        if room.room_id is None:
            return await self._make(pair, room)
        state = await self._homeserver.room_state(room.room_id)
        if state is None:
            return None
        if state.replacement is not None:
            # The leader follows it.
            raise HomeserverUnavailable(Text("direct_chat_ends"))
        await self._gather(pair, room.room_id, state)
        return room.room_id

    async def _make(self, pair: Pair, room: PairRoom) -> str:
        made = await self._create(pair)
        await self._gather(pair, made.room_id, await self._homeserver.room_state(made.room_id))
        await self._store.made(room.id, made.room_id, pair, await self._newest(made.room_id))
        _log.info("the room of a pair is ready", room=made.room_id, agents=pair.is_of_agents)
        return made.room_id

    async def adopt(self, state: RoomState) -> bool:
        """Write the room of *state*, which the database lacks, if it is the room of a pair; tell whether it is one.

        The messages so far were for an earlier bridge.

        Raises:
            HomeserverError, StoreError: a repeat continues.
        """
        event = state.events.get((PAIR, "")) or {}
        users = event.get("content", {}).get("users")
        if event.get("sender") != self._namespace.bot or not _is_two(users):
            return False
        one, other = [await self._member(user) for user in users]
        if one is None or other is None:
            return False
        pair = Pair.of(one, other)
        room = await self._store.open(pair)
        if room is not None and room.room_id is None:
            await self._store.made(room.id, state.room_id, pair, await self._newest(state.room_id))
            _log.warning("the room of a pair is found again", room=state.room_id)
        return True

    async def _member(self, user_id: str) -> PairMember | None:
        """Return one of a pair; None: it is no agent that the bridge knows."""
        if not self._namespace.is_ours(user_id):
            return await self.person(user_id)
        found = await self._agents.by_ghost(parse_user_id(user_id)[0])
        return None if found is None else self.agent(found.agent)

    def agent(self, agent: Agent) -> PairMember:
        """Return an agent as one of a pair."""
        return PairMember(self._namespace.user_id(agent.ghost), agent.name, agent)

    async def person(self, user_id: str) -> PairMember:
        """Return a person as one of a pair."""
        localpart, _ = parse_user_id(user_id)
        is_ours = not self._namespace.is_foreign(user_id)
        return PairMember(user_id, (await self._homeserver.displayname(user_id) if is_ours else None) or localpart)

    async def _newest(self, room_id: str) -> str | None:
        events, _ = await self._homeserver.messages(room_id, limit=1)
        return str(events[0]["event_id"]) if events else None

    async def _create(self, pair: Pair) -> CreatedRoom:
        version = self._config.value.rooms.version
        plan = RoomPlan(
            alias=self._namespace.direct_alias_localpart(pair.key),
            name=pair.room_name,
            topic="",
            creator=self._namespace.bot,
            lists_creator=await self._homeserver.lists_creator(version),
            powers={each.user_id: MODERATOR_POWER for each in pair.members if each.agent is None},
            version=version,
        )
        return await create_or_replace(self._homeserver, pair_content(plan, *self._ids(pair)), self._namespace.bot)

    async def _gather(self, pair: Pair, room_id: str, state: RoomState | None) -> None:
        """Have the members in the room that are not: ghosts enter, people are invited."""
        membership = (
            dict.fromkeys(self._ids(pair))
            if state is None
            else {user: state.membership(user) for user in self._ids(pair)}
        )
        missing = [
            each
            for each in pair.members
            if membership[each.user_id] != "join"
            and (each.agent is not None or membership[each.user_id] not in _PRESENT)
        ]
        await asyncio.gather(*(self._bring(room_id, each) for each in missing))

    async def _bring(self, room_id: str, member: PairMember) -> None:
        if member.agent is not None and member.agent.displayname_applied is None:
            # Its home is being made.
            await self._homeserver.register(member.agent.ghost)
        is_new = await self._homeserver.invite(room_id, member.user_id)
        if member.agent is not None and is_new:
            await self._homeserver.join(room_id, member.user_id)

    @staticmethod
    def _ids(pair: Pair) -> tuple[str, str]:
        return pair.low.user_id, pair.high.user_id


def _is_two(users: object) -> TypeGuard[list[str]]:
    """Tell whether *users*, from an event, are two different user ids."""
    if not isinstance(users, list) or len(users) != 2 or users[0] == users[1]:  # noqa: PLR2004 - a pair
        return False
    return all(isinstance(each, str) and each.startswith("@") and ":" in each for each in users)

"""Retires agents that have been gone for long, and removes the rooms of retired agents. A duty of the leader.

The state of the agent and of its room are rows, and each step of a removal can be repeated: after a kill the next look
goes on. An agent that returns gets another room once the former one is removed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.queue.periodic import LONG_REST, every
from agent_bridge.bridge.rooms.editor import StateEditor
from agent_bridge.bridge.rooms.removal import Removal
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.render.content import escape, in_backticks
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from agent_bridge.bridge.queue.tracked_work import TrackedWork
    from agent_bridge.bridge.rooms.admin_room import AdminRoom
    from agent_bridge.bridge.rooms.removal import RoomRemoval
    from agent_bridge.bridge.rooms.space import Space
    from agent_bridge.config.retirement import RetirementRule
    from agent_bridge.core.live import Live
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.agents import Agents
    from agent_bridge.store.chats import Chats
    from agent_bridge.store.postgres.signals import Signals
    from agent_bridge.store.retirement import RemovedHome, RetirementStore

_log = structlog.stdlib.get_logger(__name__)

#: Seconds between two looks for agents that are due, also while the list of an upstream is awaited, and for rooms that
#: the homeserver deletes.
_LOOK, _SOON, _MOMENT = 60.0, 5.0, 0.5


class RetirementKeeper:
    """Retires agents by *rules*, and removes rooms.

    *present* gets names of upstreams, and returns those of them whose present agents the tables have.
    A room that the bridge may not delete is put away; that of an agent of the upstreams *ephemeral* is left by all.
    """

    def __init__(
        self,
        homeserver: Homeserver,
        store: RetirementStore,
        agents: Agents,
        chats: Chats,
        space: Space,
        removal: RoomRemoval,
        admin_room: AdminRoom,
        rules: Live[list[RetirementRule]],
        present: Callable[[Collection[str]], Awaitable[Collection[str]]],
        ephemeral: Collection[str],
        progress: TrackedWork,
        signals: Signals,
        texts: Texts,
    ) -> None:
        self._homeserver = homeserver
        self._namespace = homeserver.namespace
        self._store = store
        self._agents = agents
        self._chats = chats
        self._space = space
        self._removal = removal
        self._admin_room = admin_room
        self._rules = rules
        self._present = present
        self._ephemeral = ephemeral
        self._progress = progress
        self._signals = signals
        self._texts = texts

    async def run(self) -> None:
        """Retire agents and remove rooms, until cancelled."""
        self._progress.begin()
        with self._signals.subscription(Topic.AGENTS, Topic.CONFIGURATION) as wake:
            await every(_LOOK, self.keep, name="retired agents", wake=wake, rest=LONG_REST)

    async def keep(self) -> float:
        """Retire the agents that are due, and take the next step of each removal; return the seconds until the next.

        Raises:
            HomeserverUnavailable, StoreError: the next call goes on.
        """
        pause = await self._retire()
        done = [await self._remove(home) for home in await self._store.removed()]
        await self._progress.left(done.count(False))
        return pause if all(done) else _MOMENT

    async def _retire(self) -> float:
        """Retire the agents that are due, unless they came back while the bridge or their upstream was away.

        Return the seconds until the next look.
        """
        rules = self._rules.value
        due = await self._store.upstreams_due(rules) if rules else set[str]()
        if not due:
            return _LOOK
        present = await self._present(due)
        if rules := [each for each in rules if each.upstream in present]:
            for name, upstream, deletes in await self._store.retire_due(rules):
                _log.info("agent retired", upstream=upstream, agent=name, deletes_room=deletes)
        return _LOOK if due <= set(present) else _SOON

    async def _remove(self, home: RemovedHome) -> bool:
        """Take the next step of the removal of a room; tell whether it is done."""
        if await self._chats.has_open_command(home.room_id):
            # It may be the one that confirms the deletion.
            return False
        await self._unlist(home)
        state, ref = await self._removal.delete(home.room_id, home.delete_ref)
        if ref is not None and ref != home.delete_ref:
            await self._store.deletion_requested(home.id, ref)
        if state is Removal.RUNS:
            return False
        if state is Removal.REFUSED and home.upstream not in self._ephemeral:
            await self._keep(home)
            return True
        if state is Removal.REFUSED:
            ghost = self._namespace.user_id(home.ghost)
            await self._removal.leave(home.room_id, ghost, ghost, removes=True)
        await self._removal.remove_aliases(home.room_id, self._namespace.home_aliases(home.ghost))
        await self._agents.room_lost(home.id, home.room_id, why=self._texts.room_lost)
        _log.info("the room of a retired agent is deleted", agent=home.agent, room=home.room_id)
        return True

    async def _keep(self, home: RemovedHome) -> None:
        """Put a room away that the bridge may not delete, and tell the administrators so once."""
        text, bot = self._texts.retirement.not_deleted, in_backticks(self._namespace.bot)
        await self._admin_room.tell_once(f"not_deleted.{home.id}", text.format(agent=escape(home.agent), bot=bot))
        await self._store.kept(home.id)

    async def _unlist(self, home: RemovedHome) -> None:
        """Take a room out of the Space: no member of a room that is gone could."""
        if home.space is None or home.delete_ref is not None:
            return
        try:
            await self._space.unlist(StateEditor(self._homeserver), home.space, home.room_id, moved=True)
        except HomeserverRefused as error:
            _log.info("a deleted room stays in the Space", room=home.room_id, error=str(error))

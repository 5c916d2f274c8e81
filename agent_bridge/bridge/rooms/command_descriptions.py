"""Describes the commands of the bridge bot in the state of rooms, so that clients offer completion (MSC4391)."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import structlog

from agent_bridge.bridge.queue.periodic import every
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.permissions import CAN
from agent_bridge.core.roles import Role
from agent_bridge.matrix.bot_commands import DESCRIPTION, description_key
from agent_bridge.render.command_descriptions import command_description
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.core.permissions import Permission
    from agent_bridge.core.results.commands import CommandUsage
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.postgres.signals import Signals
    from agent_bridge.store.rooms import Rooms, UndescribedRoom

    #: Contents of state events, by their state keys.
    _Descriptions = dict[str, dict[str, Any]]

_log = structlog.stdlib.get_logger(__name__)

#: Seconds between two looks for rooms without descriptions; a signal comes earlier.
_EVERY = 600.0
#: State events a second: a command may have brought a room to many of them, and people talk meanwhile.
_PER_SECOND = 10.0


@dataclass(frozen=True, slots=True)
class DescribedCommand:
    """A command, and where it can be given."""

    usage: CommandUsage
    permission: Permission
    #: Whether it needs a room with an agent.
    needs_agent: bool


class CommandDescriptions:
    """Writes the descriptions into the rooms in which commands were given, and into the direct chats with the bot.

    A room has those of the commands that can be given there, by the highest role of the people who gave commands there.
    """

    def __init__(
        self,
        homeserver: Homeserver,
        rooms: Rooms,
        commands: Sequence[DescribedCommand],
        signals: Signals,
        texts: Texts,
        *,
        per_second: float = _PER_SECOND,
    ) -> None:
        self._homeserver = homeserver
        self._rooms = rooms
        self._signals = signals
        self._pause = 1 / per_second
        described = [(each, command_description(each.usage, texts)) for each in commands]
        #: Descriptions by their state keys, in sets that are named by their digests.
        self._sets: dict[str, _Descriptions] = {}
        #: The set for each room, by whether it has agents and the highest role of its people.
        self._wanted: dict[tuple[bool, Role], str] = {}
        for has_agents, role in product((False, True), Role):
            wanted = {
                description_key(each.usage.name, homeserver.namespace.bot): content
                for each, content in described
                if each.permission in CAN[role] and (has_agents or not each.needs_agent)
            }
            self._wanted[has_agents, role] = digest = _digest(wanted)
            self._sets[digest] = wanted

    async def run(self) -> None:
        """Describe the commands in one room after the other, until cancelled."""
        with self._signals.subscription(Topic.COMMANDS, Topic.ENTERED) as wake:
            await every(_EVERY, self._describe, name="descriptions of commands", wake=wake)

    async def _describe(self) -> None:
        """Bring all rooms up to date."""
        while (room := await self._rooms.without_descriptions(self._wanted)) is not None:
            await self._bring(room)
            # A room whose homeserver refused it is not tried again with the same descriptions.
            await self._rooms.described(room.id, room.digest)

    async def _bring(self, room: UndescribedRoom) -> None:
        """Write the descriptions that differ, and empty those of other commands."""
        state = await self._homeserver.room_state(room.room_id)
        if state is None:
            return
        bot = self._homeserver.namespace.bot
        present = {key for kind, key in state.events if kind == DESCRIPTION and state.sender(kind, key) == bot}
        wanted = self._sets[room.digest]
        changes = {key: content for key, content in wanted.items() if state.content(DESCRIPTION, key) != content}
        changes |= {key: {} for key in sorted(present - wanted.keys()) if state.content(DESCRIPTION, key)}
        for key, content in changes.items():
            try:
                await self._homeserver.set_state(room.room_id, DESCRIPTION, content, key=key)
            except HomeserverRefused as error:
                _log.warning("commands are not described in a room", room=room.room_id, error=str(error))
                return
            await asyncio.sleep(self._pause)


def _digest(wanted: _Descriptions) -> str:
    return hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()

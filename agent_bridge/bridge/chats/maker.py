"""Makes the rooms of chats: private rooms of a person and the ghost of an agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.chats.numbers import number_in
from agent_bridge.bridge.rooms.entry import create_or_replace
from agent_bridge.bridge.rooms.home_state import bridged
from agent_bridge.bridge.rooms.invitations import try_invite
from agent_bridge.core.errors import HomeserverRefused, HomeserverUnavailable, UserNotRegistered
from agent_bridge.core.names import one_line
from agent_bridge.i18n.catalogue import Text
from agent_bridge.matrix.rooms import CHAT, MODERATOR_POWER, RoomPlan, chat_content
from agent_bridge.store.kv import KeyValues

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from agent_bridge.config.model import Config
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.chats import ChatRoom
    from agent_bridge.core.live import Live
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.matrix.room_state import RoomState
    from agent_bridge.store.chats import Chats
    from agent_bridge.store.postgres.database import Connection

_log = structlog.stdlib.get_logger(__name__)


class ChatMaker:
    """Makes the room of a chat that stands in the database."""

    def __init__(self, homeserver: Homeserver, chats: Chats, kv: KeyValues, config: Live[Config], texts: Texts) -> None:
        self._homeserver = homeserver
        self._namespace = config.value.namespace
        self._chats = chats
        self._kv = kv
        self._config = config
        self._texts = texts

    @property
    def most(self) -> int:
        """The largest number of chats of a person."""
        return self._config.value.chats.max_per_user

    async def check_numbers(self, connection: Connection) -> None:
        """Return if the leader has compared the numbers with the homeserver: the database may be a restored one.

        Raises:
            HomeserverUnavailable: it has not yet.
        """
        term, compared = await self._chats.term(connection)
        if term is None or term != compared:
            raise HomeserverUnavailable(Text("numbers_unknown"))

    def name_of(self, agent: Agent, title: str | None) -> str:
        """Return the name of the room of a chat with *agent*."""
        return title or one_line(self._texts.commands.chats.untitled.format(agent=agent.name))

    async def make(self, chat: ChatRoom) -> str:
        """Return the room id of *chat*, which has a person; make the room if there is none.

        The ghost creates it and invites the person and the bot. The bot joins later, and the Space lists the room
        later: the person need not wait. A repeat finds the room by its alias, which has the key of the turn.

        Raises:
            HomeserverError, StoreError: the room may exist; a repeat finds it.
        """
        if chat.room_id is not None:
            return chat.room_id
        ghost = self._namespace.user_id(chat.agent.ghost)
        if chat.agent.displayname_applied is None:
            # Its home is being made.
            await self._homeserver.register(chat.agent.ghost)
        content = await self._content(chat, ghost)
        try:
            made = await create_or_replace(self._homeserver, content, ghost)
        except UserNotRegistered:
            await self._homeserver.register(chat.agent.ghost)
            made = await create_or_replace(self._homeserver, content, ghost)
        if not made.fresh:
            # Before the room counts as made: after that, nothing invites the person.
            await self._complete(chat, made.room_id, content, ghost)
        await self._chats.made(chat.id, made.room_id, chat.name if made.fresh else None)
        _log.info("chat ready", agent=chat.agent.name, room=made.room_id, number=chat.number)
        return made.room_id

    async def _content(self, chat: ChatRoom, ghost: str) -> dict[str, Any]:
        rooms = self._config.value.rooms
        plan = RoomPlan(
            alias=self._namespace.chat_alias_localpart(chat.request_key or ""),
            name=chat.name or "",
            topic="",
            creator=ghost,
            lists_creator=await self._homeserver.lists_creator(rooms.version),
            powers=chat_powers(chat.person),
            bot=self._namespace.bot,
            version=rooms.version,
        )
        return chat_content(
            plan,
            bridged(chat.agent),
            person=chat.person or "",
            number=chat.number or 0,
            space=await self._parent(),
            domain=self._namespace.domain,
            avatar=chat.agent.avatar,
        )

    async def _parent(self) -> str | None:
        """Return the Space that will list the chat; None: none, or it is entered later."""
        space = self._config.value.space
        return await self._kv.get(KeyValues.SPACE) if space.enabled and not space.per_user else None

    async def _complete(self, chat: ChatRoom, room_id: str, content: Mapping[str, Any], ghost: str) -> None:
        """Invite the person into a room that was found, and keep the number that it has.

        A command from before a backup makes its chat again, with the same alias. The homeserver may have died while it
        made the room: the room gets the state of *content* that it lacks.
        """
        state = await self._homeserver.room_state(room_id, ghost)
        number = number_in(None if state is None else state.events.get((CHAT, "")), self._namespace)
        if number is not None and number != chat.number:
            await self._chats.renumber(chat.id, number)
        if state is not None:
            await self._add_missing(state, content, ghost)
        if chat.person is not None:
            await try_invite(self._homeserver, room_id, chat.person, ghost)

    async def _add_missing(self, state: RoomState, content: Mapping[str, Any], ghost: str) -> None:
        """Write the state of *content* of which the room has no event; people may have changed what is there."""
        name = {"type": "m.room.name", "state_key": "", "content": {"name": content["name"]}}
        for event in (*content["initial_state"], name):
            kind, key = event["type"], event["state_key"]
            if (kind, key) in state.events:
                continue
            try:
                await self._homeserver.set_state(state.room_id, kind, event["content"], key=key, as_user=ghost)
            except HomeserverRefused as error:
                _log.warning("a room of a chat stays half-made", room=state.room_id, kind=kind, error=str(error))


def chat_powers(person: str | None) -> dict[str, int]:
    """Return the power level of the *person* of a chat, who may name it and invite others."""
    return {} if person is None else {person: MODERATOR_POWER}

"""Lists chats: in the Space of the bridge, or in a Space of their person, which the Space of the bridge lists.

Other members of the bridge's Space see neither the chats of a person nor the name of the person's Space: the state of
the Space has its room id alone, and the homeserver tells its name to the people who can enter it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import structlog

from agent_bridge.bridge.rooms.entry import create_or_replace
from agent_bridge.bridge.rooms.invitations import try_invite
from agent_bridge.core.errors import HomeserverError, HomeserverRefused
from agent_bridge.matrix.rooms import (
    CHILD,
    MODERATOR_POWER,
    PARENT,
    RoomPlan,
    parent_content,
    person_child_content,
    space_content,
)

if TYPE_CHECKING:
    from agent_bridge.bridge.rooms.editor import StateEditor
    from agent_bridge.bridge.rooms.space import Space
    from agent_bridge.config.model import Config
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import CreatedRoom, Homeserver
    from agent_bridge.store.chats import Chats
    from agent_bridge.store.person_spaces import PersonSpaces

_log = structlog.stdlib.get_logger(__name__)


class ChatListing:
    """Finds the Space that lists the chats of a person."""

    def __init__(
        self,
        homeserver: Homeserver,
        chats: Chats,
        person_spaces: PersonSpaces,
        space: Space,
        config: Config,
        texts: Texts,
    ) -> None:
        self._homeserver = homeserver
        self._namespace = config.namespace
        self._chats = chats
        self._person_spaces = person_spaces
        self._space = space
        self._config = config
        self._texts = texts
        self._lock = asyncio.Lock()
        #: The Space in which everything was listed; None: not known yet, or there is none.
        self._listed_in: str | None = None
        #: Spaces of people that were found on the homeserver, and are listed.
        self._found: dict[str, str] = {}

    def forget(self) -> None:
        """Look at everything again: another process may have led in between."""
        self._listed_in = None
        self._found.clear()

    async def compare(self) -> bool:
        """Have the chats moved that are listed elsewhere, if the Space of the bridge was replaced, or at the start.

        Return whether that is done.

        Raises:
            StoreError: nothing is known about them.
        """
        space = await self._space.room_id()
        if space is None or space == self._listed_in:
            return True
        self._found.clear()
        per_user = self._config.space.per_user
        for person in await self._person_spaces.elsewhere(space if per_user else None):
            try:
                await (self.space_of(person) if per_user else self._unlist(person))
            except HomeserverRefused as error:
                _log.warning("the Space of a person cannot be moved", person=person, error=str(error))
            except HomeserverError as error:
                # The next comparison goes on.
                _log.info("the Spaces of people are moved later", error=str(error))
                return False
        await self._chats.relist(space, per_user=per_user)
        self._listed_in = space
        return True

    async def space_of(self, person: str) -> str | None:
        """Return the Space that lists the chats of *person*; None if the bridge has no Space.

        With ``space.per_user`` that is a Space of the person, which is made if there is none.

        Raises:
            HomeserverError, StoreError: the Space may exist; a repeat finds it.
        """
        space = await self._space.room_id()
        if space is None or not self._config.space.per_user:
            return space
        # Several chats of one person may ask at the same time.
        async with self._lock:
            known = await self._person_spaces.of(person)
            # It is forgotten when the person is erased.
            if known is None or known.room_id != self._found.get(person):
                self._found[person] = await self._enter(person, space)
        return self._found[person]

    async def add(self, space: str, room_id: str, content: dict[str, object]) -> None:
        """List a chat in *space*, with the *content* of ``m.space.child``.

        Raises:
            HomeserverRefused: the bot may not change the Space, or is not in it any more.
        """
        try:
            await self._space.add(space, room_id, content)
        except HomeserverRefused:
            # The next attempt looks for the Space of the person again.
            self._found = {person: found for person, found in self._found.items() if found != space}
            raise

    async def keep(self, editor: StateEditor, space: str, room_id: str, content: dict[str, Any]) -> None:
        """List a chat again that *space* listed before, unless a person changed the entry.

        Raises:
            HomeserverRefused: the bot may not change the Space, or is not in it any more.
        """
        await self._space.list_room(editor, space, room_id, content)

    async def _enter(self, person: str, space: str) -> str:
        """Return the Space of *person*, in which the bot is, and have *space* list it."""
        known = await self._person_spaces.of(person)
        if known is None or await self._homeserver.room_state(known.room_id) is None:
            made = await self._made(person)
            await self._person_spaces.set(person, made.room_id)
            if not made.fresh and await self._homeserver.membership(made.room_id, person) is None:
                await try_invite(self._homeserver, made.room_id, person)
            known = await self._person_spaces.of(person)
            if known is None:
                return made.room_id
        if known.listed_in != space:
            if known.listed_in is not None:
                await self._unlist(person)
            content = parent_content(self._namespace.domain)
            await self._homeserver.set_state(known.room_id, PARENT, content, key=space)
            await self._space.add(space, known.room_id, person_child_content(self._namespace.domain))
            await self._person_spaces.listed(person, space)
        return known.room_id

    async def _made(self, person: str) -> CreatedRoom:
        """Create a Space for *person*, or adopt the one with its alias."""
        version, bot = self._config.rooms.version, self._namespace.bot
        plan = RoomPlan(
            alias=self._namespace.person_space_alias_localpart(person),
            name=self._texts.commands.chats.space_name,
            topic="",
            creator=bot,
            lists_creator=await self._homeserver.lists_creator(version),
            powers={person: MODERATOR_POWER},
            version=version,
        )
        content = space_content(plan) | {"invite": [person]}
        del content["topic"]
        return await create_or_replace(self._homeserver, content, bot)

    async def _unlist(self, person: str) -> None:
        """Take the Space of *person* out of the one that lists it."""
        known = await self._person_spaces.of(person)
        if known is None or known.listed_in is None:
            return
        try:
            await self._homeserver.set_state(known.listed_in, CHILD, {}, key=known.room_id)
            await self._homeserver.set_state(known.room_id, PARENT, {}, key=known.listed_in)
        except HomeserverRefused as error:
            _log.info("the Space of a person stays where it is", room=known.room_id, error=str(error))
        await self._person_spaces.listed(person, None)

"""Direct chats of a person and an agent: rooms that the person begins, and rooms that the bridge makes.

A person and an agent have at most one direct chat that counts. The leader compares a direct chat with the homeserver
when something may have changed: the ghost leaves after its person, and follows an upgrade.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.rooms.entry import create_or_replace, enter
from agent_bridge.bridge.rooms.introduction import introduce
from agent_bridge.bridge.rooms.problems import problems_of
from agent_bridge.bridge.rooms.successor import enter_successor, invite_members
from agent_bridge.core.chats import ChatStatus
from agent_bridge.core.errors import HomeserverRefused, HomeserverUnavailable, ServerOutOfReach, UserNotRegistered
from agent_bridge.core.ids import mark, short_hash
from agent_bridge.core.results.commands import RoomAddress
from agent_bridge.core.rooms import RoomProblem
from agent_bridge.i18n.catalogue import Text
from agent_bridge.matrix.rooms import MODERATOR_POWER, RoomPlan, direct_content
from agent_bridge.render.chats import chat_link
from agent_bridge.render.content import message

if TYPE_CHECKING:
    from typing import Any

    from agent_bridge.bridge.chats.deletion import ChatDeletion
    from agent_bridge.config.model import Config
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.chats import ChatRoom
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import CreatedRoom, Homeserver
    from agent_bridge.matrix.room_state import RoomState
    from agent_bridge.store.agents import Agents
    from agent_bridge.store.chats import Chats
    from agent_bridge.store.direct_chats import DirectChatStore

_log = structlog.stdlib.get_logger(__name__)

#: Account data in which clients keep the direct chats of a user, by the other person (Matrix spec, "Direct Messaging").
_DIRECT = "m.direct"
_PRESENT = frozenset({"join", "invite"})
#: Former direct chats of a pair that may turn out to be over in one search.
_STEPS = 3
_KEY_LENGTH = 16


class DirectChats:
    """Finds, makes and ends direct chats."""

    def __init__(
        self,
        homeserver: Homeserver,
        store: DirectChatStore,
        chats: Chats,
        agents: Agents,
        deletion: ChatDeletion,
        config: Config,
        texts: Texts,
    ) -> None:
        self._homeserver = homeserver
        self._namespace = homeserver.namespace
        self._store = store
        self._chats = chats
        self._agents = agents
        self._deletion = deletion
        self._config = config
        self._texts = texts
        #: The account data of a ghost is read, and then written.
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def admit(self, room_id: str, agent: Agent, person: str, invitation: str) -> str | None:
        """Make the room, in which the ghost of *agent* is with *person* alone, their direct chat if they have none.

        The messages behind the event *invitation* are taken in, then the agent answers. Return the room of the direct
        chat that they have then. None: the bridge knows *room_id* as another room.

        Raises:
            HomeserverError, StoreError: a repeat continues.
        """
        for _ in range(_STEPS):
            chat = await self._store.admit(room_id, agent.id, person, invitation)
            if chat is None:
                return None
            found = await self._in_use(chat, person)
            if found is not None:
                return found
        raise HomeserverUnavailable(Text("direct_chat_ends"))

    async def make_way(self, room_id: str) -> None:
        """Return if no direct chat in the room is about to be left.

        Raises:
            HomeserverUnavailable: one is; the ghost could not stay in the room.
        """
        found = await self._chats.in_room(room_id)
        if found is not None and found.status is ChatStatus.ENDED:
            raise HomeserverUnavailable(Text("direct_chat_ends"))

    async def open(self, agent: Agent, person: str) -> str:
        """Return the room of the direct chat of *agent* and *person*, to which the ghost invites if there was none.

        Raises:
            ServerOutOfReach: the server of *person* does not answer, or refuses the invitation.
            HomeserverError, StoreError: a repeat continues.
        """
        key = f"dm.{short_hash(f'{person} {agent.ghost}', _KEY_LENGTH)}"
        for _ in range(_STEPS):
            chat = await self._store.open(agent.id, person, key)
            if chat is None:
                break
            found = await self._in_use(chat, person)
            if found is not None:
                return found
        raise HomeserverUnavailable(Text("direct_chat_ends"))

    async def _in_use(self, chat: int, person: str) -> str | None:
        """Return the room of the direct chat with row id *chat*; None if *person* cannot talk there: it ends."""
        found = await self._chats.find(chat)
        if found is None:
            return None
        if found.room_id is None:
            return await self.make(found)
        state = await self._homeserver.room_state(found.room_id, self._ghost(found))
        if state is not None and state.membership(person) in _PRESENT and is_usable(found, state):
            return found.room_id
        await self._store.end(chat)
        return None

    async def make(self, chat: ChatRoom) -> str:
        """Make the room of a direct chat that stands in the database, and return it; a repeat finds it by its alias."""
        ghost, person = self._ghost(chat), chat.person or ""
        if chat.agent.displayname_applied is None:
            # Its home is being made.
            await self._homeserver.register(chat.agent.ghost)
        try:
            made = await self._create(chat, ghost)
        except UserNotRegistered:
            await self._homeserver.register(chat.agent.ghost)
            made = await self._create(chat, ghost)
        if not made.fresh:
            await self._invite(made.room_id, person, ghost)
        await self._chats.made(chat.id, made.room_id, None)
        _log.info("direct chat ready", agent=chat.agent.name, room=made.room_id)
        return made.room_id

    async def _invite(self, room_id: str, person: str, ghost: str) -> None:
        """Have *ghost*, who made the room, invite *person*."""
        try:
            await self._homeserver.invite_directly(room_id, person, ghost)
        except HomeserverRefused as error:
            if isinstance(error, ServerOutOfReach) or not self._namespace.is_foreign(person):
                raise
            # The ghost has the power: it is the other server that refuses.
            text = Text("server_out_of_reach", said=str(error))
            raise ServerOutOfReach(text, status=error.status, errcode=error.errcode) from error

    async def _create(self, chat: ChatRoom, ghost: str) -> CreatedRoom:
        version = self._config.rooms.version
        plan = RoomPlan(
            alias=self._namespace.direct_alias_localpart(chat.request_key or ""),
            name="",
            topic="",
            creator=ghost,
            lists_creator=await self._homeserver.lists_creator(version),
            powers={chat.person or "": MODERATOR_POWER},
            version=version,
        )
        content = direct_content(plan, person=chat.person or "")
        return await create_or_replace(self._homeserver, content, ghost)

    async def reconcile(self, chat: ChatRoom, *, gives_up: bool = False) -> bool:
        """Bring a direct chat to its desired state; return False if there is more to do in a moment.

        *gives_up*: a server that does not respond keeps the conversation of a chat that is being deleted.

        Raises:
            HomeserverError, UpstreamError, StoreError: a step failed; the steps before it are done.
        """
        if chat.status is ChatStatus.DELETING:
            await self._note(chat, is_direct=False)
            return await self._deletion.carry_out(chat, gives_up=gives_up)
        if chat.room_id is None:
            # The one who asks for it makes it.
            await self._chats.forget(chat.id, why=self._texts.room_lost)
            return True
        ghost = self._ghost(chat)
        if chat.status is ChatStatus.ACTIVE:
            state = await enter(self._homeserver, chat.room_id, [ghost])
        else:
            state = await self._homeserver.room_state(chat.room_id, ghost)
        if state is None:
            _log.info("a ghost is not in its direct chat any more", agent=chat.agent.name, room=chat.room_id)
            await self._forget(chat)
            return True
        is_there = state.membership(chat.person or "") in _PRESENT
        if chat.status is ChatStatus.ACTIVE:
            return await self._keep(chat, state, is_there=is_there)
        if is_there and state.is_illegible:
            await self._tell_encrypted(chat, state)
        await self._leave(chat, state)
        return True

    async def _keep(self, chat: ChatRoom, state: RoomState, *, is_there: bool) -> bool:
        """Follow an upgrade, end a direct chat without its person, or repair the rest; tell whether that is all."""
        if state.replacement is not None and await self._follow(chat, state):
            return False
        if state.replacement is None and not (is_there and is_usable(chat, state)):
            await self._store.end(chat.id)
            return False
        await self._note(chat, is_direct=True)
        await self._introduce(chat, state.room_id)
        await self._report(chat, state)
        return True

    async def _report(self, chat: ChatRoom, state: RoomState) -> None:
        # The bot is not there, and people decide about their own rooms.
        expected = {RoomProblem.BOT_AWAY, RoomProblem.OPEN_DOOR}
        problems = sorted({*problems_of(state, self._ghost(chat), self._namespace.bot)} - expected)
        for problem in problems:
            if problem not in chat.problems:
                _log.error(
                    "a direct chat has a problem", agent=chat.agent.name, room=chat.room_id, problem=str(problem)
                )
        await self._chats.applied(chat, problems)

    async def _follow(self, chat: ChatRoom, old: RoomState) -> bool:
        """Move to the room that replaces *old*; tell whether the ghost could enter it."""
        ghost = self._ghost(chat)
        new = await enter_successor(self._homeserver, old, [ghost])
        if new is None:
            return False
        await invite_members(self._homeserver, old, new, ghost)
        await self._note(chat, is_direct=False)
        await self._agents.room_moved(chat.id, old.room_id, new.room_id)
        _log.info("a direct chat was upgraded", agent=chat.agent.name, room=new.room_id, replaces=old.room_id)
        return True

    async def _introduce(self, chat: ChatRoom, room_id: str) -> None:
        """Have the agent introduce itself in a direct chat that the bridge made."""
        if chat.request_key is None or chat.introduced:
            return
        if self._config.rooms.introduce:
            await introduce(self._homeserver, chat.agent, room_id, self._texts)
        await self._store.introduced(chat.id)

    async def _tell_encrypted(self, chat: ChatRoom, state: RoomState) -> None:
        """Have the ghost name a direct chat without encryption, in place of the one that is encrypted now."""
        if chat.request_key is not None or chat.person is None:
            return
        plain = await self.open(chat.agent, chat.person)
        content = message(self.told_plain(plain), mark=mark(f"encrypted.{chat.id}", 0), notice=True)
        txn_id = f"ab.encrypted.{chat.id}"
        try:
            await self._homeserver.send(state.room_id, content, txn_id=txn_id, as_user=self._ghost(chat))
        except HomeserverRefused as error:
            _log.info("a ghost leaves without a word", room=state.room_id, error=str(error))

    def told_plain(self, room_id: str) -> str:
        """Return the text in which a ghost names the direct chat without encryption."""
        return self._texts.direct_plain.format(link=self.link(room_id))

    def link(self, room_id: str) -> str:
        """Return a link to a direct chat, as Markdown."""
        return chat_link(RoomAddress(room_id, self._namespace.domain), self._texts.direct_open)

    async def _leave(self, chat: ChatRoom, state: RoomState) -> None:
        """Have the ghost leave a direct chat, and forget it."""
        ghost = self._ghost(chat)
        _log.info("a ghost leaves its direct chat", agent=chat.agent.name, room=state.room_id)
        await self._note(chat, is_direct=False)
        for user in sorted(state.members(*_PRESENT) - {ghost}):
            # A person had invited the bot, or another agent.
            if self._namespace.is_ours(user):
                await self._homeserver.leave(state.room_id, "", user)
        await self._homeserver.leave(state.room_id, "", ghost)
        await self._forget(chat)

    async def _forget(self, chat: ChatRoom) -> None:
        """Forget a direct chat in which the ghost is not any more."""
        await self._note(chat, is_direct=False)
        try:
            await self._homeserver.forget(chat.room_id or "", self._ghost(chat))
        except HomeserverRefused as error:
            _log.info("a direct chat is forgotten already", room=chat.room_id, error=str(error))
        await self._deletion.remove_alias(chat)
        await self._chats.forget(chat.id, why=self._texts.room_lost)

    async def _note(self, chat: ChatRoom, *, is_direct: bool) -> None:
        """Add the room to the direct chats in the account data of the ghost, or remove it there."""
        ghost, person, room_id = self._ghost(chat), chat.person, chat.room_id
        if person is None or room_id is None:
            return
        async with self._locks[ghost]:
            present = await self._homeserver.account_data(ghost, _DIRECT)
            wanted = direct_rooms(present, person, room_id, is_direct=is_direct)
            if wanted != present:
                try:
                    await self._homeserver.set_account_data(ghost, _DIRECT, wanted)
                except HomeserverRefused as error:
                    _log.warning("a ghost does not know its direct chat", room=room_id, error=str(error))

    def _ghost(self, chat: ChatRoom) -> str:
        return self._namespace.user_id(chat.agent.ghost)


def is_usable(chat: ChatRoom, state: RoomState) -> bool:
    """Tell whether the agent can go on to answer in a room: it was not upgraded, and no person has encrypted it.

    A homeserver may encrypt all rooms, also those that the bridge makes: another one would be no better.
    """
    return state.replacement is None and not (state.is_illegible and chat.request_key is None)


def direct_rooms(present: dict[str, Any], person: str, room_id: str, *, is_direct: bool) -> dict[str, Any]:
    """Return the content *present* of ``m.direct`` with or without a room of *person*. Wrong entries are replaced."""
    found = present.get(person)
    listed = found if isinstance(found, list) else []
    if is_direct and room_id in listed:
        return present
    rooms = [each for each in listed if each != room_id] + ([room_id] if is_direct else [])
    rest = {user: each for user, each in present.items() if user != person}
    return rest | ({person: rooms} if rooms else {})

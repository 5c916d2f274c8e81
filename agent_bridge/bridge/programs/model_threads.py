"""Each conversation of a program that speaks the OpenAI API is a thread in a room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.rooms.kinds import is_of_several_kind
from agent_bridge.core.ids import THREAD_HEAD, mark, short_hash
from agent_bridge.core.permissions import Permission
from agent_bridge.core.program_problems import Problem, ProgramRefused
from agent_bridge.core.rooms import KindName
from agent_bridge.render.content import escape, message

if TYPE_CHECKING:
    from agent_bridge.bridge.chats.direct import DirectChats
    from agent_bridge.bridge.programs.access import Access
    from agent_bridge.bridge.programs.places import Places
    from agent_bridge.bridge.programs.requests import Requests
    from agent_bridge.bridge.rooms.bot_chats import BotChats
    from agent_bridge.core.model_calls import Model
    from agent_bridge.core.programs import Token
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.model_threads import ModelThread, ModelThreads
    from agent_bridge.store.program_rooms import ProgramRooms

_NAME = 24


class ThreadMaker:
    """Finds the thread of a conversation, or begins it with a notice of the bridge that says whose it is."""

    def __init__(
        self,
        access: Access,
        threads: ModelThreads,
        rooms: ProgramRooms,
        requests: Requests,
        direct: DirectChats,
        places: Places,
        bot_chats: BotChats,
        homeserver: Homeserver,
        texts: Texts,
    ) -> None:
        self._access = access
        self._threads = threads
        self._rooms = rooms
        self._requests = requests
        self._direct = direct
        self._places = places
        self._bot_chats = bot_chats
        self._homeserver = homeserver
        self._namespace = homeserver.namespace
        self._texts = texts

    async def of(self, token: Token, target: Model, user: str, key: str, room: str) -> tuple[ModelThread, str]:
        """Return the thread of the conversation *key* of the identity with *target*, whose user id is *user*; its root.

        Raises:
            ProgramRefused: there is no room in which they can talk.
            HomeserverError, StoreError: a repeat goes on.
        """
        thread = await self._threads.find(token.user_id, user, key)
        if thread is not None and thread.root is not None:
            return thread, thread.root
        if thread is None:
            place = await (self._room(token, user, room) if target.is_agent else self._private(token, user))
            thread = await self._threads.add(token.user_id, user, key, place)
        if thread.root is not None:
            return thread, thread.root
        return thread, await self._begin(token, target, user, key, thread)

    def voice(self, token: Token) -> str:
        """Return the user who speaks for the token in a private room with a person: the ghost, or the bot."""
        return token.user_id if token.is_agent else self._namespace.bot

    async def _begin(self, token: Token, target: Model, user: str, key: str, thread: ModelThread) -> str:
        """Send the first event of a thread, once."""
        if target.is_agent:
            voice = (await self._access.reach(token, thread.room_id, Permission.SEND)).voice
        else:
            voice = self.voice(token)
        name = f"thread{short_hash(f'{token.user_id} {user} {key} {thread.created_at.isoformat()}', _NAME)}"
        marked = mark(name, 0)
        found = None
        if not thread.is_new:
            found = await self._requests.found(thread.created_at, thread.room_id, voice, marked)
        if found is None:
            words = self._texts.models
            text = words.thread if target.is_agent else words.thread_with_person
            by = token.agent_name or token.user_id
            text = text.format(by=escape(by), program=escape(token.name), target=escape(target.name))
            content = message(text, mark=marked, notice=True) | {THREAD_HEAD: True}
            found = await self._homeserver.send(thread.room_id, content, txn_id=f"ab.{name}", as_user=voice)
        return await self._threads.rooted(thread.id, found)

    async def _room(self, token: Token, user: str, room: str) -> str:
        """Return the room in which the identity asks the agent *user*: *room*, or the usual one."""
        if room:
            try:
                return (await self._access.reach(token, room, Permission.SEND)).room_id
            except ProgramRefused as error:
                if error.problem is not Problem.AGENT_NOT_FOUND:
                    raise
                raise ProgramRefused(Problem.ROOM_NOT_FOUND, f"the token reaches no room {room}") from None
        if token.agent is None:
            try:
                return (await self._access.reach(token, user, Permission.SEND)).room_id
            except ProgramRefused as error:
                if error.problem is not Problem.ROOM_NOT_FOUND or not self._places.may_begin(token):
                    raise
            return await self._places.first_contact(token, user)
        for each in await self._rooms.of_agent(token.agent):
            is_shared = user in {self._namespace.user_id(ghost) for ghost in each.ghosts}
            if is_shared and is_of_several_kind(KindName(each.kind)) and token.reaches(each.room_id):
                return (await self._access.reach(token, each.room_id, Permission.SEND)).room_id
        raise ProgramRefused(Problem.ROOM_NOT_FOUND, "both agents are in no room of several that the token reaches")

    async def _private(self, token: Token, person: str) -> str:
        """Return the room in which the person is asked: the direct chat with the agent, or with the bot."""
        if token.rooms is not None:
            raise ProgramRefused(Problem.ROOM_NOT_FOUND, "the token is limited to rooms that exist")
        if token.is_agent:
            return await self._direct.open((await self._access.agent(token.user_id)).agent, person)
        return await self._bot_chats.find(person, None)

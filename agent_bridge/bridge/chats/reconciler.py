"""Compares the rooms of chats with the homeserver and repairs them, as the provisioner does with the homes of agents.

Only chats that are out of sync are looked at: there may be thousands. A chat that failed waits for its own next try.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.chats.maker import chat_powers
from agent_bridge.bridge.queue.key_locks import KeyLocks
from agent_bridge.bridge.queue.periodic import FALLBACK, LOOK, every
from agent_bridge.bridge.rooms.editor import StateEditor, chosen_by_person
from agent_bridge.bridge.rooms.entry import enter
from agent_bridge.bridge.rooms.invitations import bring_in, try_invite
from agent_bridge.bridge.rooms.level_repairs import repair_needed_levels
from agent_bridge.bridge.rooms.problems import problems_of
from agent_bridge.bridge.rooms.successor import enter_successor, invite_members
from agent_bridge.core.backoff import Backoff
from agent_bridge.core.chats import ChatStatus
from agent_bridge.core.errors import BridgeError, HomeserverRefused, UpstreamError
from agent_bridge.core.ids import short_hash
from agent_bridge.core.names import one_line
from agent_bridge.core.results.repairs import Outcome, Part
from agent_bridge.core.roles import Role
from agent_bridge.core.rooms import KindName, RoomProblem
from agent_bridge.matrix.rooms import CHILD, PARENT, chat_child_content, parent_content
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from agent_bridge.bridge.chats.conversations import ChatConversations
    from agent_bridge.bridge.chats.deletion import ChatDeletion
    from agent_bridge.bridge.chats.direct import DirectChats
    from agent_bridge.bridge.chats.listing import ChatListing
    from agent_bridge.bridge.chats.maker import ChatMaker
    from agent_bridge.core.chats import ChatRoom
    from agent_bridge.core.roles import Roles
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.matrix.room_state import RoomState
    from agent_bridge.store.agents import Agents
    from agent_bridge.store.chats import Chats
    from agent_bridge.store.postgres.signals import Signals

_log = structlog.stdlib.get_logger(__name__)

_NAME = "m.room.name"
#: Characters of a title that a person gave as the name of the room.
_LONGEST = 200
#: Chats that are compared at the same time, and rooms that may replace one another in a row.
_TOGETHER, _UPGRADES = 4, 5
#: Chats that are found by one look, which may read all of them, and seconds for which they count as due.
_FOUND, _FRESH = 100, 2.0
_RETRY = Backoff(first=1, cap=60)
#: Seconds until the next look at a room that the homeserver deletes.
_MOMENT = 0.5
#: Failures in a row after which the lanes of a room do not wait for its comparison any more.
_HOPELESS = 3


class ChatReconciler:
    """Brings chats to their desired state: the members, the name, the entry of the Space."""

    def __init__(
        self,
        homeserver: Homeserver,
        chats: Chats,
        agents: Agents,
        maker: ChatMaker,
        deletion: ChatDeletion,
        conversations: ChatConversations,
        direct: DirectChats,
        listing: ChatListing,
        roles: Roles,
        signals: Signals,
        texts: Texts,
    ) -> None:
        self._homeserver = homeserver
        self._namespace = homeserver.namespace
        self._chats = chats
        self._agents = agents
        self._maker = maker
        self._deletion = deletion
        self._conversations = conversations
        self._direct = direct
        self._listing = listing
        self._roles = roles
        self._signals = signals
        self._texts = texts
        self._locks = KeyLocks()
        #: Chats that are being compared; how often each failed in a row, and when it may be tried again, by a monotonic
        #: clock.
        self._running: set[int] = set()
        self._failures: dict[int, int] = {}
        self._later: dict[int, float] = {}
        #: Chats that are next, and until when they count as due, by a monotonic clock.
        self._next: deque[int] = deque()
        self._fresh_until = 0.0

    async def run(self) -> None:
        """Reconcile the chats that are out of sync, until cancelled."""
        self._listing.forget()
        self._running.clear()
        self._next.clear()
        with self._signals.subscription(Topic.CHATS, Topic.SPACE) as wake:
            async with asyncio.TaskGroup() as group:

                async def begin() -> float | None:
                    return await self._begin(group, wake)

                await every(FALLBACK, begin, name="search for chats out of sync", wake=wake)

    async def _begin(self, group: asyncio.TaskGroup, wake: asyncio.Event) -> float | None:
        """Begin with some chats that are out of sync; return the seconds until one may be tried again."""
        are_listed = await self._listing.compare()
        now = time.monotonic()
        others = self._running | {chat for chat, at in self._later.items() if at > now}
        if (free := _TOGETHER - len(self._running)) > 0:
            self._next = deque(await self._chats.due(_FOUND, others))
            self._fresh_until = time.monotonic() + _FRESH
            for _ in range(free):
                if (chat := self._take_next()) is not None:
                    # Another chat may begin at its end.
                    group.create_task(self._work(chat)).add_done_callback(lambda _: wake.set())
        pauses = [at - now for at in self._later.values() if at > now] + [LOOK] * (not are_listed)
        return min(pauses, default=None)

    async def _work(self, chat: int | None) -> None:
        """Reconcile *chat*, and then the next ones, as long as they count as due."""
        while chat is not None:
            try:
                await self._attempt(chat)
            finally:
                self._running.discard(chat)
            chat = self._take_next()

    def _take_next(self) -> int | None:
        """Return the chat to begin with now, which counts as running; None: another look has to find one."""
        while self._next and time.monotonic() < self._fresh_until:
            # Some may have begun since the look began.
            if (chat := self._next.popleft()) not in self._running:
                self._running.add(chat)
                return chat
        return None

    async def _attempt(self, chat: int) -> None:
        """Reconcile *chat*, and plan its next try after a failure."""
        try:
            if not await self.reconcile(chat):
                self._later[chat] = time.monotonic() + _MOMENT
                return
        except BridgeError as error:
            failures = self._failures[chat] = self._failures.get(chat, 0) + 1
            self._later[chat] = time.monotonic() + _RETRY.delay(failures)
            log = _log.warning if failures == 1 else _log.debug
            log("chat out of sync, trying again", chat=chat, error=str(error))
            if failures >= _HOPELESS:
                await self._release(chat)
        else:
            self._failures.pop(chat, None)
            self._later.pop(chat, None)

    async def _release(self, chat: int) -> None:
        """Let the lanes of a room go on that cannot be compared, although the homeserver responds."""
        try:
            found = await self._chats.find(chat)
            if found is not None and found.room_id is not None and await self._homeserver.answers():
                await self._chats.applied(replace(found, changes=found.changes_applied), found.problems)
        except BridgeError as error:
            _log.debug("the lanes of a chat keep waiting", chat=chat, error=str(error))

    async def reconcile(self, chat: int, editor: StateEditor | None = None, *, gives_up: bool = False) -> bool:
        """Bring the room of the chat with row id *chat* to its desired state, as far as possible.

        Return False if the homeserver is at work on it, True otherwise. Of two runs for the same chat the second waits.
        *editor* collects the differences. *gives_up*: a server that does not respond keeps the conversation of a chat
        that is being deleted.

        Raises:
            HomeserverError, UpstreamError, StoreError: a step failed; the steps before it are done.
        """
        gives_up = gives_up or self._is_hopeless(chat)
        async with self._locks.hold(chat):
            return await self._reconcile(chat, editor or StateEditor(self._homeserver), gives_up=gives_up)

    async def compare(self, chat: int, editor: StateEditor) -> None:
        """Have *editor*, which changes nothing, collect the differences of the room of a chat.

        Raises:
            HomeserverError, StoreError: it is not known whether there are more of them.
        """
        found = await self._chats.find(chat)
        if found is None or found.person is None or found.status is ChatStatus.DELETING:
            return
        users = self._users(found)
        for user in users if found.room_id is not None else ():
            state = await self._homeserver.room_state(found.room_id or "", user)
            if state is not None and state.replacement is None:
                for member, part in zip(users, (Part.GHOST_JOINED, Part.BOT_JOINED), strict=True):
                    if state.membership(member) not in {"join", "ban"}:
                        editor.note(part, Outcome.WOULD_SET)
                editor.keep_fixed(state)
                await self._levels(editor, found, state)
                await self._name(editor, found, state)
                await self._list(editor, found, state)
                return
        editor.note(Part.ROOM, Outcome.WOULD_SET)

    async def _reconcile(self, chat: int, editor: StateEditor, *, gives_up: bool) -> bool:
        for _ in range(_UPGRADES):
            found = await self._chats.find(chat)
            if found is None:
                return True
            if found.kind is KindName.DM:
                return await self._direct.reconcile(found, gives_up=gives_up)
            if found.status is ChatStatus.DELETING:
                if found.space is not None and found.room_id is not None:
                    await self._unlist(found, found.space, found.room_id)
                return await self._deletion.carry_out(found, gives_up=gives_up)
            if found.room_id is None:
                await self._make(found)
                continue
            state = await self._look(found, found.room_id)
            if state is None:
                await self._lose(found, found.room_id)
                return True
            if state.replacement is None or not await self._follow(found, state):
                await self._repair(editor, found, state)
                return True
        # The next look goes on from there.
        return False

    def _is_hopeless(self, chat: int) -> bool:
        return self._failures.get(chat, 0) >= _HOPELESS

    async def _make(self, chat: ChatRoom) -> None:
        """Make the room of a chat whose command did not."""
        try:
            await self._maker.make(chat)
        except HomeserverRefused as error:
            _log.error("a chat has no room", number=chat.number, error=str(error))
            await self._chats.forget(chat.id, why=self._texts.room_lost)

    async def _look(self, chat: ChatRoom, room_id: str) -> RoomState | None:
        """Return the state of the room; None if neither the ghost nor the bot is in it or can enter it."""
        return await enter(self._homeserver, room_id, self._users(chat))

    async def _lose(self, chat: ChatRoom, room_id: str) -> None:
        _log.warning("the room of a chat is gone", agent=chat.agent.name, room=room_id, number=chat.number)
        if chat.space is not None:
            await self._unlist(chat, chat.space, room_id)
        await self._chats.forget(chat.id, why=self._texts.room_lost)

    async def _follow(self, chat: ChatRoom, old: RoomState) -> bool:
        """Move to the room that replaces *old*; tell whether the ghost or the bot could enter it."""
        new = await enter_successor(self._homeserver, old, self._users(chat))
        if new is None:
            return False
        sender = next(user for user in self._users(chat) if new.membership(user) == "join")
        await invite_members(self._homeserver, old, new, sender)
        if chat.space is not None:
            await self._unlist(chat, chat.space, old.room_id)
        await self._agents.room_moved(chat.id, old.room_id, new.room_id)
        _log.info("a chat was upgraded", agent=chat.agent.name, room=new.room_id, replaces=old.room_id)
        return True

    async def _unlist(self, chat: ChatRoom, space: str, room_id: str) -> None:
        """Take the room *room_id* of a chat out of the Space."""
        try:
            await self._homeserver.set_state(space, CHILD, {}, key=room_id)
        except HomeserverRefused as error:
            _log.info("a former chat stays in the Space", room=room_id, error=str(error))
        await self._chats.listed(chat.id, None)

    async def _repair(self, editor: StateEditor, chat: ChatRoom, state: RoomState) -> None:
        """Repair the members, the power levels, the name and the entry of the Space; record what is left."""
        ghost, bot = self._users(chat)
        # The person may have gone on to the room that replaces this one.
        if chat.person is not None and state.replacement is None and await self._has_ended(chat, chat.person, state):
            return
        if chat.person is not None:
            editor.keep_fixed(state)
        state = await self._complete(editor, chat, state)
        refused: set[RoomProblem] = set()
        if chat.person is not None and state.replacement is None:
            await _attempt(refused, RoomProblem.STATE_REFUSED, self._levels(editor, chat, state))
            await _attempt(refused, RoomProblem.STATE_REFUSED, self._name(editor, chat, state))
            await _attempt(refused, RoomProblem.NOT_IN_SPACE, self._list(editor, chat, state))
        problems = {*problems_of(state, ghost, bot), *refused}
        if chat.person is None:
            # People decide about their own rooms.
            problems.discard(RoomProblem.OPEN_DOOR)
        for problem in sorted(problems - set(chat.problems)):
            _log.error("a chat has a problem", agent=chat.agent.name, room=state.room_id, problem=str(problem))
        try:
            await self._conversations.put_away(chat)
        except UpstreamError:
            # The lanes go on, and the next attempt puts them away.
            await self._chats.applied(replace(chat, changes=chat.changes_applied), sorted(problems))
            raise
        await self._chats.applied(chat, sorted(problems))

    async def _has_ended(self, chat: ChatRoom, person: str, state: RoomState) -> bool:
        """Tell whether *chat* has ended: *person* has left its room for a day. Record whether the person has left.

        A chat whose person lost the role waits in the archive. With a role the person may bring it back, and is
        invited again.
        """
        if state.lost_role(person) and self._roles.of(person) >= Role.MEMBER and chat.status is ChatStatus.ACTIVE:
            await try_invite(self._homeserver, state.room_id, person, self._users(chat)[0])
        is_left = state.membership(person) in {"leave", "ban"} and not state.lost_role(person)
        if is_left != chat.is_left:
            await self._chats.left(chat.id, is_left=is_left)
        if not (is_left and chat.is_abandoned):
            return False
        if chat.space is not None:
            await self._unlist(chat, chat.space, state.room_id)
        others = [user for user in state.members("join") if not self._namespace.is_ours(user)]
        gives_up = self._is_hopeless(chat.id)
        await self._deletion.abandon(chat, state.room_id, is_empty=not others, gives_up=gives_up)
        return True

    async def _complete(self, editor: StateEditor, chat: ChatRoom, state: RoomState) -> RoomState:
        """Bring the ghost and the bot into the room, and record whether the bot is in it; return the new state."""
        ghost, bot = self._users(chat)
        joined = [
            await editor.step(part, partial(bring_in, self._homeserver, state.room_id, user, helper))
            for user, helper, part in ((ghost, bot, Part.GHOST_JOINED), (bot, ghost, Part.BOT_JOINED))
            if state.membership(user) not in {"join", "ban"}
        ]
        if any(joined):
            reader = bot if state.membership(ghost) != "join" else ghost
            state = await self._homeserver.room_state(state.room_id, reader) or state
        bot_joined = state.membership(bot) == "join"
        if bot_joined != chat.bot_joined:
            await self._chats.entered(chat.id, bot_joined=bot_joined)
        return state

    async def _levels(self, editor: StateEditor, chat: ChatRoom, state: RoomState) -> None:
        ghost, bot = self._users(chat)
        # The person decides about the others.
        await repair_needed_levels(editor, state, bot, chat_powers(chat.person), ghost)

    async def _name(self, editor: StateEditor, chat: ChatRoom, state: RoomState) -> None:
        """Give the room its name, unless a person chose another one: that is the title then."""
        ghost, _ = self._users(chat)
        present = state.content(_NAME).get("name")
        if editor.is_dry and present == chat.name:
            return
        if chosen_by_person(state, _NAME, self._namespace, is_applied=present == chat.name_applied):
            name = one_line(present)[:_LONGEST] if isinstance(present, str) else ""
            if not editor.is_dry and ((name or None) != chat.name or chat.titled_by is None):
                await self._chats.named_by_person(chat.id, name or None)
            return
        wanted = chat.name
        if wanted is None and chat.name_redacted:
            wanted = self._maker.name_of(chat.agent, None)
        if wanted is not None and present != wanted:
            if chat.name_redacted and present is not None and not editor.is_dry:
                await self._redact_name(state, ghost)
            await editor.edit(state, _NAME, {"name": wanted}, ghost)
        if not editor.is_dry and wanted is not None and (present != wanted or chat.name_redacted):
            await self._chats.named(chat.id, wanted)

    async def _redact_name(self, state: RoomState, ghost: str) -> None:
        """Redact the event that gave the room its name: the history shows it."""
        event_id = str(state.events[_NAME, ""]["event_id"])
        try:
            txn_id = f"ab.name.{short_hash(event_id)}"
            await self._homeserver.redact(state.room_id, event_id, txn_id=txn_id, as_user=ghost)
        except HomeserverRefused as error:
            _log.info("the former name of a chat stays in its history", room=state.room_id, error=str(error))

    async def _list(self, editor: StateEditor, chat: ChatRoom, state: RoomState) -> None:
        """Have the Space list the room, in an order that tells nothing about it; an archived chat is not listed."""
        if chat.status is ChatStatus.ARCHIVED:
            if chat.space is not None and not editor.is_dry:
                await self._unlist(chat, chat.space, state.room_id)
            return
        if chat.person is None or chat.number is None:
            return
        space = chat.space if editor.is_dry else await self._listing.space_of(chat.person)
        if space is None:
            return
        ghost, _ = self._users(chat)
        domain = self._namespace.domain
        content = chat_child_content(domain, chat.number)
        if space == chat.space:
            await editor.content(state, PARENT, parent_content(domain), ghost, key=space)
            await self._listing.keep(editor, space, state.room_id, content)
            return
        if chat.space is not None:
            await self._unlist(chat, chat.space, state.room_id)
            if state.content(PARENT, chat.space):
                await editor.edit(state, PARENT, {}, ghost, key=chat.space)
        await editor.content(state, PARENT, parent_content(domain), ghost, key=space)
        await self._listing.add(space, state.room_id, content)
        await self._chats.listed(chat.id, space)

    def _users(self, chat: ChatRoom) -> tuple[str, str]:
        """Return the ghost and the bot."""
        return self._namespace.user_id(chat.agent.ghost), self._namespace.bot


async def _attempt(problems: set[RoomProblem], problem: RoomProblem, step: Awaitable[None]) -> None:
    """Carry out *step*; a refusal adds *problem* to *problems*."""
    try:
        await step
    except HomeserverRefused as error:
        problems.add(problem)
        _log.warning("a step of a chat was refused", problem=str(problem), error=str(error))

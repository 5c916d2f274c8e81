"""Threads with names: made, named, listed, archived, and shown in their rooms."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.delivery.marked_events import marked_events
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.ids import mark
from agent_bridge.core.names import one_line
from agent_bridge.core.permissions import CAN, Permission
from agent_bridge.core.results.commands import RoomAddress
from agent_bridge.core.results.threads import (
    ThreadChange,
    ThreadChanged,
    ThreadEntry,
    ThreadList,
    ThreadProblem,
    ThreadRefused,
)
from agent_bridge.core.roles import Role
from agent_bridge.core.threads import LONGEST_NAME, NewThread
from agent_bridge.render.content import edit, escape, in_thread, message

if TYPE_CHECKING:
    from typing import Any

    from agent_bridge.core.actors import Actor
    from agent_bridge.core.roles import Roles
    from agent_bridge.core.threads import Thread
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.postgres.database import Connection
    from agent_bridge.store.threads import ThreadStore

_log = structlog.stdlib.get_logger(__name__)

#: Threads of a room, and those of one page.
_MOST, _PAGE = 500, 20
#: Field of the event that shows a name: the thread for programs.
THREAD = "org.agent_bridge.thread"


class Threads:
    """The functions that change a thread take the connection of the transaction that also records the request."""

    def __init__(self, store: ThreadStore, homeserver: Homeserver, roles: Roles, texts: Texts) -> None:
        self._store = store
        self._homeserver = homeserver
        self._roles = roles
        self._texts = texts

    async def create(
        self, connection: Connection, actor: Actor, room_id: str, name: str, *, key: str, since: str = ""
    ) -> Thread | ThreadRefused:
        """Have the bridge begin a thread in a room, with its *name* as the first event; :meth:`show` sends that.

        *key* names the request. *since* is the event that asks for it, behind which the first event will stand.
        """
        return await self._add(connection, actor, NewThread(key, room_id, name, actor.user_id, since=since))

    async def name(
        self,
        connection: Connection,
        actor: Actor,
        room_id: str,
        root: str,
        name: str,
        *,
        key: str,
        since: str = "",
        moderates: bool = False,
    ) -> tuple[Thread, ThreadChange] | ThreadRefused:
        """Give the thread that begins with the event *root* a name, or another one; :meth:`show` tells the room.

        *moderates*: the actor may change the room for another reason than the role.
        """
        await self._store.lock(connection, room_id)
        known = await self._store.of_root(room_id, root, connection)
        if known is None:
            new = NewThread(key, room_id, name, actor.user_id, root, since)
            added = await self._add(connection, actor, new)
            return added if isinstance(added, ThreadRefused) else (added, ThreadChange.NAMED)
        if not self._may_change(actor, known, moderates=moderates):
            return ThreadRefused(ThreadProblem.NOT_YOURS)
        checked = _checked(name)
        if isinstance(checked, ThreadRefused):
            return checked
        await self._store.rename(connection, known, checked)
        return await self._found(connection, known.id), ThreadChange.RENAMED

    async def archive(
        self, connection: Connection, actor: Actor, room_id: str, root: str, *, key: str, moderates: bool = False
    ) -> Thread | ThreadRefused:
        """Archive a thread, unless somebody wrote in it after the request; the next message in it takes it back.

        *moderates*: the actor may change the room for another reason than the role.
        """
        known = await self._store.of_root(room_id, root, connection)
        if known is None:
            return ThreadRefused(ThreadProblem.UNNAMED)
        if not self._may_change(actor, known, moderates=moderates):
            return ThreadRefused(ThreadProblem.NOT_YOURS)
        if not await self._store.archive(connection, known, key):
            return ThreadRefused(ThreadProblem.IN_USE)
        return await self._found(connection, known.id)

    async def reopen(self, connection: Connection, actor: Actor, room_id: str, root: str) -> Thread | ThreadRefused:
        """Take a thread out of the archive, as the next message in it does."""
        known = await self._store.of_root(room_id, root, connection)
        if known is None:
            return ThreadRefused(ThreadProblem.UNNAMED)
        if Permission.SEND not in self._permissions(actor, room_id):
            return ThreadRefused(ThreadProblem.NOT_PERMITTED)
        await self._store.reopen(connection, known)
        return await self._found(connection, known.id)

    async def listed(self, room_id: str, *, archived: bool = False, page: int = 1) -> ThreadList:
        """Return a *page*, from 1, of the threads of a room, the last used first. The caller may read the room."""
        numbers = await self._store.count(room_id)
        number, others = reversed(numbers) if archived else numbers
        found = await self._store.listed(room_id, archived=archived, limit=_PAGE, offset=(page - 1) * _PAGE)
        entries = tuple(self.entry(each) for each in found)
        return ThreadList(entries, archived, page, max(1, -(-number // _PAGE)), others)

    async def root_of(self, room_id: str, event_id: str) -> str | None:
        """Return the first event of the thread to which an event of a room belongs, or which it can begin.

        None: it is unknown, or can begin no thread.

        Raises:
            HomeserverError: it is not known.
        """
        speaker = self._homeserver.namespace.voice_id(await self._store.voice(room_id))
        event = await self._homeserver.event(room_id, event_id, speaker)
        if event is None or "state_key" in event:
            return None
        content = event.get("content")
        related = content.get("m.relates_to") if isinstance(content, dict) else None
        if not isinstance(related, dict) or "rel_type" not in related:
            return event_id
        root = related.get("event_id")
        return root if related["rel_type"] == "m.thread" and isinstance(root, str) else None

    async def find_root(self, connection: Connection, room_id: str, root: str) -> Thread | None:
        """Return the thread that begins with the event *root* of a room; None: it has no name."""
        return await self._store.of_root(room_id, root, connection)

    async def find(self, thread: int) -> Thread | None:
        """Return the thread with row id *thread*; None: it is gone with its room."""
        return await self._store.find(thread)

    async def due(self, limit: int, others: set[int]) -> list[int]:
        """Return the row ids of threads whose rooms do not show their names yet, but for *others*."""
        return await self._store.due(limit, others)

    async def show(self, thread: int, *, again: bool = False) -> Thread | None:
        """Have the room of a thread show its name; return the thread. *again*: an earlier attempt may have done so.

        The name is the first event of a thread that the bridge began, else a notice in it. A change edits that event.

        Raises:
            HomeserverUnavailable: a repeat continues.
        """
        found = await self._store.find(thread)
        if found is None or found.is_shown:
            return found
        try:
            event = await self._send(found, again=again)
        except HomeserverRefused as error:
            _log.warning("a room does not show the name of a thread", room=found.room_id, error=str(error))
            event = None
        await self._store.shown(found, event)
        return await self._store.find(thread)

    def entry(self, thread: Thread) -> ThreadEntry:
        """Return *thread* as results have it."""
        return ThreadEntry(
            name=thread.name,
            room=RoomAddress(thread.room_id, self._homeserver.namespace.domain),
            root=thread.root,
            creator=thread.creator,
            used_at=thread.said_at or thread.created_at,
            is_archived=thread.archived_at is not None,
        )

    def changed(self, thread: Thread, change: ThreadChange) -> ThreadChanged:
        """Return the result of a function that changed *thread*."""
        return ThreadChanged(change, self.entry(thread))

    async def _add(self, connection: Connection, actor: Actor, new: NewThread) -> Thread | ThreadRefused:
        if Permission.SEND not in self._permissions(actor, new.room_id):
            return ThreadRefused(ThreadProblem.NOT_PERMITTED)
        name = _checked(new.name)
        if isinstance(name, ThreadRefused):
            return name
        if not await self._store.lock(connection, new.room_id):
            return ThreadRefused(ThreadProblem.WHICH)
        if sum(await self._store.count(new.room_id, connection)) >= _MOST:
            return ThreadRefused(ThreadProblem.TOO_MANY, _MOST)
        added = NewThread(new.key, new.room_id, name, new.creator, new.root, new.since)
        return await self._found(connection, await self._store.add(connection, added))

    async def _found(self, connection: Connection, thread: int) -> Thread:
        found = await self._store.find(thread, connection)
        if found is None:
            raise LookupError(f"there is no thread {thread}")
        return found

    def _may_change(self, actor: Actor, thread: Thread, *, moderates: bool) -> bool:
        """Tell whether *actor* may change *thread*: the creator and moderators may."""
        permissions = self._permissions(actor, thread.room_id)
        is_own = thread.creator == actor.user_id and Permission.SEND in permissions
        return is_own or moderates or Permission.SETTINGS in permissions

    def _permissions(self, actor: Actor, room_id: str) -> frozenset[Permission]:
        return CAN[Role.AGENT if actor.is_agent else self._roles.of(actor.user_id, room_id)]

    async def _send(self, thread: Thread, *, again: bool) -> str | None:
        """Send the event that shows the name, or edit it; return the event that was sent first."""
        speaker = self._homeserver.namespace.voice_id(thread.voice)
        key = f"thread.{thread.key}"
        words = self._texts.threads.title_archived if thread.archived_at is not None else self._texts.threads.title
        content: dict[str, Any] = message(words.format(name=escape(thread.name)), mark=mark(key, 0), notice=True)
        content[THREAD] = {"name": thread.name, "archived": thread.archived_at is not None}
        send = partial(self._homeserver.send, thread.room_id, as_user=speaker)
        title = thread.title_event
        if title is None and again:
            wanted = mark(key, 0)
            found = await marked_events(self._homeserver, thread.room_id, speaker, {wanted}, until=thread.since)
            title = found.get(wanted)
        if title is None:
            relation = {} if thread.root is None else in_thread(thread.root, thread.root)
            return await send(content | relation, txn_id=f"ab.{key}")
        await send(edit(content, title), txn_id=f"ab.{key}.{thread.changes}")
        return title


def _checked(text: str) -> str | ThreadRefused:
    """Return the name that *text* is, or why it is none."""
    name = one_line(text)
    if not name:
        return ThreadRefused(ThreadProblem.NO_NAME)
    return name if len(name) <= LONGEST_NAME else ThreadRefused(ThreadProblem.LONG_NAME, LONGEST_NAME)

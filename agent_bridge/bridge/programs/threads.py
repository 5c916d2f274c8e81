"""Programs list, make, name, archive and reopen threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_bridge.bridge.programs.refusals import of_thread
from agent_bridge.core.permissions import Permission
from agent_bridge.core.program_problems import Problem, ProgramRefused
from agent_bridge.core.results.threads import ThreadProblem, ThreadRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.bridge.collaboration.threads import Threads
    from agent_bridge.bridge.programs.access import Access, ReachedRoom
    from agent_bridge.bridge.programs.requests import Call, Outcome, Requests
    from agent_bridge.core.programs import Token
    from agent_bridge.core.results.threads import ThreadEntry
    from agent_bridge.core.threads import Thread
    from agent_bridge.store.postgres.database import Connection
    from agent_bridge.store.program_requests import ProgramRequest


class ProgramThreads:
    """The functions, by the rules of the command ``thread``, in rooms that the token reaches.

    Those that change something raise as :meth:`Requests.once` does.
    """

    def __init__(self, access: Access, requests: Requests, threads: Threads) -> None:
        self._access = access
        self._requests = requests
        self._threads = threads

    async def listed(self, token: Token, room: str, *, archived: bool, page: int) -> Mapping[str, Any]:
        """Return a page, from 1, of the threads of a room that have names, the last used first.

        *archived*: those in the archive.
        """
        reached = await self._access.reach(token, room, Permission.READ)
        found = await self._threads.listed(reached.room_id, archived=archived, page=page)
        return {"threads": [_seen(each) for each in found.threads], "page": found.page, "pages": found.pages}

    async def create(self, call: Call, room: str, name: str, root: str | None) -> Outcome:
        """Have the bridge begin a thread, or name the one to which the event *root* belongs, or that it can begin."""

        async def act(request: ProgramRequest) -> Mapping[str, Any]:
            effect = request.effect or {}
            if not effect:
                reached = await self._writable(call.token, room)
                first = None if root is None else await self._threads.root_of(reached.room_id, root)
                if root is not None and first is None:
                    raise of_thread(ThreadRefused(ThreadProblem.NO_ROOT))
                moderates = await self._access.moderates(call.token, reached)

                async def add(connection: Connection) -> Mapping[str, Any]:
                    return await self._named(connection, call, reached, first, name, moderates=moderates)

                effect = await self._requests.step(request, add)
            return await self._shown(effect["thread"], again=not request.is_new)

        return await self._requests.once(call, act, status=201)

    async def update(self, call: Call, room: str, root: str, *, name: str | None, archived: bool | None) -> Outcome:
        """Give the thread that begins with the event *root* another name, archive it, or reopen it; None: as it is."""
        actor = call.token.actor

        async def act(request: ProgramRequest) -> Mapping[str, Any]:
            effect = request.effect or {}
            if not effect:
                reached = await self._writable(call.token, room)
                room_id, moderates = reached.room_id, await self._access.moderates(call.token, reached)

                async def change(connection: Connection) -> Mapping[str, Any]:
                    known = await self._threads.find_root(connection, room_id, root)
                    if known is None:
                        raise of_thread(ThreadRefused(ThreadProblem.UNNAMED))
                    if archived is False:
                        _checked(await self._threads.reopen(connection, actor, room_id, root))
                    if name is not None:
                        await self._named(connection, call, reached, root, name, moderates=moderates)
                    if archived:
                        done = await self._threads.archive(
                            connection, actor, room_id, root, key=call.name, moderates=moderates
                        )
                        _checked(done)
                    return {"thread": known.id}

                effect = await self._requests.step(request, change)
            return await self._shown(effect["thread"], again=not request.is_new)

        return await self._requests.once(call, act)

    async def _writable(self, token: Token, room: str) -> ReachedRoom:
        """Return a room in which the identity may write: the bridge writes there for it."""
        reached = await self._access.reach(token, room, Permission.SEND)
        if await self._access.is_illegible(reached):
            raise ProgramRefused(Problem.ENCRYPTED, "the messages of the room are encrypted")
        await self._access.may_write(token, reached)
        return reached

    async def _named(
        self, connection: Connection, call: Call, reached: ReachedRoom, root: str | None, name: str, *, moderates: bool
    ) -> Mapping[str, Any]:
        actor, room_id = call.token.actor, reached.room_id
        if root is None:
            return {"thread": _checked(await self._threads.create(connection, actor, room_id, name, key=call.name)).id}
        named = await self._threads.name(connection, actor, room_id, root, name, key=call.name, moderates=moderates)
        return {"thread": _checked(named if isinstance(named, ThreadRefused) else named[0]).id}

    async def _shown(self, thread: int, *, again: bool) -> Mapping[str, Any]:
        """Have the room show the name; return the thread as it is then."""
        found = await self._threads.show(thread, again=again)
        if found is None:
            raise ProgramRefused(Problem.THREAD_NOT_FOUND, "the room is gone")
        return _seen(self._threads.entry(found))


def _checked(result: Thread | ThreadRefused) -> Thread:
    """Return the thread that was made or changed.

    Raises:
        ProgramRefused: nothing was changed.
    """
    if isinstance(result, ThreadRefused):
        raise of_thread(result)
    return result


def _seen(entry: ThreadEntry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "room_id": entry.room.room_id,
        "root": entry.root,
        "creator": entry.creator or None,
        "used_at": entry.used_at.isoformat(),
        "archived": entry.is_archived,
    }

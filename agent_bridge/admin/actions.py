"""Changes by the page: messages are queued again, and dropped, by the functions of the commands."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog

from agent_bridge.admin.routes import Failure, Shown, redirect
from agent_bridge.bridge.queue.turn_changes import FAILED, OPEN, change_turns
from agent_bridge.core.admin import AdminAction

if TYPE_CHECKING:
    from collections.abc import Collection

    from aiohttp import web

    from agent_bridge.admin.routes import Visit
    from agent_bridge.bridge.queue.lanes import Lanes
    from agent_bridge.bridge.queue.turn_changes import Change
    from agent_bridge.core.turns import TurnState
    from agent_bridge.store.admin_sessions import AdminSessions
    from agent_bridge.store.postgres.database import Database
    from agent_bridge.store.turn_admin import TurnAdmin

_log = structlog.stdlib.get_logger(__name__)

#: Public name of a turn.
_KEY = re.compile(r"[0-9a-f]{16}")
#: Pages to which a form may lead back.
_PAGES = frozenset({"failures", "lanes"})


class Actions:
    """Acts on one message, which the path names. What is done is recorded in the transaction that does it."""

    def __init__(self, database: Database, turns: TurnAdmin, lanes: Lanes, sessions: AdminSessions) -> None:
        self._database = database
        self._turns = turns
        self._lanes = lanes
        self._sessions = sessions

    async def retry(self, visit: Visit) -> Shown | web.Response:
        """Queue a message again that has failed. A second click finds it queued, and changes nothing."""
        return await self._act(visit, AdminAction.RETRY, self._turns.retry, FAILED, ("retried", "not_retried"))

    async def drop(self, visit: Visit) -> Shown | web.Response:
        """Drop a message that is open."""
        return await self._act(visit, AdminAction.DROP, self._turns.drop, OPEN, ("dropped", "not_dropped"))

    async def _act(
        self,
        visit: Visit,
        action: AdminAction,
        change: Change,
        states: Collection[TurnState],
        notices: tuple[str, str],
    ) -> Shown | web.Response:
        key = visit.request.match_info["key"]
        if not _KEY.fullmatch(key):
            raise Failure("not_found")
        found = await self._turns.find(key)
        turns = [turn.id for turn in found if turn.key == key and turn.state in states]
        is_done = bool(turns) and await self._change(visit, action, change, key, turns[0])
        notice = notices[0 if is_done else 1]
        if visit.is_part:
            return Shown("acted.html", {"notice": notice, "key": key})
        page = visit.form.get("page", "")
        return redirect(f"/{page if page in _PAGES else 'failures'}?notice={notice}")

    async def _change(self, visit: Visit, action: AdminAction, change: Change, key: str, turn: int) -> bool:
        user = visit.visitor.user
        async with self._database.transaction() as connection:
            # In place of the event of a command: a name of its own, so that no answer to a command counts it.
            lanes = await change_turns(self._lanes, connection, [turn], change, f"admin.{uuid4().hex}")
            if lanes == [None]:
                return False
            await self._sessions.note(connection, user, action, key)
        _log.info("the admin page changed a message", user=user, action=action, turn=key)
        return True

"""The people who may enter: admins and owners with a session. A session ends when its person loses the role."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.queue.periodic import ONLY_WOKEN, every
from agent_bridge.core.admin import AdminAction, form_token, random_secret, secret_hash
from agent_bridge.core.permissions import CAN, Permission
from agent_bridge.core.roles import EVERYWHERE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from agent_bridge.core.roles import Roles
    from agent_bridge.store.admin_sessions import AdminSessions
    from agent_bridge.store.postgres.database import Connection, Database

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person with a session that counts."""

    user: str
    #: Digest of the session.
    session: str
    #: The text that the person's forms carry.
    form_token: str


class Visitors:
    """Recognises people, and signs them in and out. All processes on the database know the same sessions.

    *refresh* reads the *roles*: another process may have changed them just now.
    """

    def __init__(
        self,
        database: Database,
        sessions: AdminSessions,
        roles: Roles,
        refresh: Callable[[], Awaitable[None]],
        *,
        seconds: float,
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._roles = roles
        self._refresh = refresh
        #: Length of a session.
        self.seconds = seconds
        #: Set when roles or mutes have changed.
        self.roles_changed = asyncio.Event()

    def may_enter(self, user: str) -> bool:
        """Tell whether *user* may see the page now."""
        return Permission.OPERATE in CAN[self._roles.of(user)] and not self._roles.is_muted(user, EVERYWHERE)

    async def find(self, secret: str | None) -> Visitor | None:
        """Return the person of the session with a *secret*; None if the session does not count, or the person may not.

        Raises:
            StoreError: the database does not answer.
        """
        if secret is None:
            return None
        hashed = secret_hash(secret)
        user = await self._sessions.find(hashed)
        if user is None:
            return None
        if not self.may_enter(user):
            await self._refresh()
        if not self.may_enter(user):
            await self._sessions.end_of([user])
            return None
        return Visitor(user, hashed, form_token(secret))

    async def alive(self, visitors: Collection[Visitor]) -> frozenset[str]:
        """Return the digests of the sessions of those *visitors* who may still see the page."""
        return await self._sessions.alive([each.session for each in visitors if self.may_enter(each.user)])

    async def enter_by_link(self, secret: str) -> tuple[str, str] | None:
        """Use a link up; return its person and the secret of a new session. None: the link does not count.

        The secret is empty if the person may not enter (any more). Then the link is used up all the same.
        """
        async with self._database.transaction() as connection:
            user = await self._sessions.use_link(connection, secret_hash(secret))
            if user is None:
                return None
            # Not before: strangers send wrong links.
            await self._refresh()
            if not self.may_enter(user):
                return user, ""
            return user, await self._begin(connection, user, AdminAction.SIGN_IN)

    async def enter(self, user: str) -> str:
        """Return the secret of a new session of *user*, who has proved to be that; empty: the user may not enter."""
        await self._refresh()
        if not self.may_enter(user):
            return ""
        async with self._database.transaction() as connection:
            return await self._begin(connection, user, AdminAction.SIGN_IN_OPENID)

    async def leave(self, visitor: Visitor) -> None:
        """End a session."""
        async with self._database.transaction() as connection:
            await self._sessions.end(connection, visitor.session)
            await self._sessions.note(connection, visitor.user, AdminAction.SIGN_OUT)
        _log.info("signed out of the admin page", user=visitor.user)

    async def run(self) -> None:
        """End the sessions and the links of people who may not enter any more, after each change of roles."""
        await every(ONLY_WOKEN, self._look, name="sessions of the admin page", wake=self.roles_changed)

    async def _look(self) -> None:
        lost = [user for user in await self._sessions.people() if not self.may_enter(user)]
        if lost:
            await self._sessions.end_of(lost)
            _log.info("sessions of the admin page end: their people are no admins any more", people=len(lost))

    async def _begin(self, connection: Connection, user: str, action: AdminAction) -> str:
        # A session always has a secret that the bridge has made: nobody can have one ready for another person.
        secret = random_secret()
        await self._sessions.begin(connection, user, secret_hash(secret), self.seconds)
        await self._sessions.note(connection, user, action)
        _log.info("signed in to the admin page", user=user, by=action)
        return secret

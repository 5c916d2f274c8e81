"""Tells people their notifications, in direct messages of the bot. A duty of the leader."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.delivery.marked_events import marked_events
from agent_bridge.bridge.queue.periodic import FALLBACK, LOOK, every
from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import BridgeError, HomeserverRefused
from agent_bridge.core.ids import mark
from agent_bridge.core.roles import Role
from agent_bridge.render.notifications import notification_message
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from agent_bridge.bridge.rooms.bot_chats import BotChats
    from agent_bridge.core.roles import Roles
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.notifications import GroupedMessage, Notifications
    from agent_bridge.store.postgres.signals import Signals

_log = structlog.stdlib.get_logger(__name__)

#: People of one look.
_AT_ONCE = 20
_RETRY = Backoff(first=2, cap=3600)


class Notifier:
    """Sends what is due. Notifications of one person that follow each other within *gather* seconds are one message.

    The message is fixed in the database before it is sent, and its transaction id and its mark derive from the rows, so
    a person is told once.
    """

    def __init__(
        self,
        homeserver: Homeserver,
        notifications: Notifications,
        chats: BotChats,
        roles: Roles,
        signals: Signals,
        texts: Texts,
        *,
        gather: float,
    ) -> None:
        self._homeserver = homeserver
        self._notifications = notifications
        self._chats = chats
        self._roles = roles
        self._signals = signals
        self._texts = texts
        self._gather = gather
        #: How often the messages to each person failed in a row, and when they may be tried again (monotonic clock).
        self._failures: dict[str, int] = {}
        self._later: dict[str, float] = {}

    async def run(self) -> None:
        """Send what is due, until cancelled."""
        with self._signals.subscription(Topic.NOTIFICATIONS) as wake:
            await every(FALLBACK, self.send_due, name="notifications", wake=wake)

    async def send_due(self) -> float | None:
        """Send what is due; return the seconds until something may be due again, None: nothing waits.

        Raises:
            StoreError: the next call goes on.
        """
        while True:
            now = time.monotonic()
            self._later = {user: at for user, at in self._later.items() if at > now}
            found = await self._notifications.due(_AT_ONCE, self._gather, self._later)
            due = [user for user, wait in found if wait <= 0]
            # An invitation waits for the homeserver of its person: others are told meanwhile.
            await asyncio.gather(*(self._attempt(user) for user in due))
            if not due:
                pauses = [wait for _, wait in found] + [at - now for at in self._later.values()]
                return min([*pauses, LOOK]) if pauses else None

    async def _attempt(self, user: str) -> None:
        try:
            await self._send(user)
        except BridgeError as error:
            failures = self._failures[user] = self._failures.get(user, 0) + 1
            self._later[user] = time.monotonic() + _RETRY.delay(failures)
            log = _log.warning if failures == 1 else _log.debug
            log("a person is not notified yet", user=user, error=str(error))
        else:
            self._failures.pop(user, None)

    async def _send(self, user: str) -> None:
        """Send one message to *user*. Agents, and people who have no role any more, are told nothing."""
        if self._homeserver.namespace.is_ours(user) or self._roles.of(user) < Role.MEMBER:
            await self._notifications.drop(user)
            return
        message = await self._notifications.gather(user)
        if message is None:
            return
        if message.notifications and not await self._was_sent(message):
            room_id = await self._chats.find(user, message.room_id)
            events, _ = await self._homeserver.messages(room_id, limit=1)
            if not await self._notifications.aim(message, room_id, str(events[0]["event_id"]) if events else ""):
                return
            content = notification_message(
                message.notifications, self._texts, self._homeserver.namespace.domain, mark=self._mark(message)
            )
            await self._homeserver.send(room_id, content, txn_id=f"ab.notify.{message.key}")
            _log.info("a person is notified", user=user, notifications=len(message.notifications))
        await self._notifications.sent(message)

    async def _was_sent(self, message: GroupedMessage) -> bool:
        """Tell whether an earlier attempt, which was killed, sent *message*."""
        if message.room_id is None or message.since is None:
            return False
        bot, marked = self._homeserver.namespace.bot, self._mark(message)
        try:
            return bool(await marked_events(self._homeserver, message.room_id, bot, {marked}, until=message.since))
        except HomeserverRefused:
            # The bot is not in the room any more.
            return False

    @staticmethod
    def _mark(message: GroupedMessage) -> str:
        return mark(f"notify.{message.key}", 0)

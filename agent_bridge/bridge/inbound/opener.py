"""Opens encrypted events in their order, and has them taken in. A duty of the leader."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import structlog

from agent_bridge.bridge.queue.periodic import LOOK, every
from agent_bridge.core.errors import BridgeError, HomeserverRefused, KeyMissing, StoreError, Unreadable
from agent_bridge.matrix.events import parse_event
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Iterator
    from typing import Never

    from agent_bridge.bridge.inbound.intake import Intake
    from agent_bridge.bridge.inbound.key_notices import KeyNotices
    from agent_bridge.core.keys import Keys
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.postgres.signals import Signals
    from agent_bridge.store.sealed import SealedEvent, SealedEvents
    from agent_bridge.store.threads import ThreadStore

_log = structlog.stdlib.get_logger(__name__)

_Result = TypeVar("_Result")

#: Seconds between two attempts for an event whose key is missing: the key is a signal of its own.
_RETRY = 5.0
#: Seconds at least until the next look, after a failure.
_SOON = 0.2
#: Seconds after which an event that nobody could open is forgotten, and between two looks for such events.
_KEPT, _TIDY = 7 * 86400.0, 600.0


class Opener:
    """Opens the events. One whose key is late holds the later ones of its room for *wait* seconds."""

    def __init__(
        self,
        homeserver: Homeserver,
        store: SealedEvents,
        threads: ThreadStore,
        keys: Keys,
        intake: Intake,
        notices: KeyNotices,
        signals: Signals,
        *,
        wait: float,
    ) -> None:
        self._homeserver = homeserver
        self._store = store
        self._keys = keys
        self._intake = intake
        self._threads = threads
        self._notices = notices
        self._signals = signals
        self._wait = wait
        self._has_recovered = False
        self._tidied_at = -_TIDY

    async def run(self) -> Never:
        """Open events as they come, until cancelled."""
        self._has_recovered = False
        with self._signals.subscription(Topic.KEYS) as wake:
            await every(LOOK, self.open_all, name="encrypted events", wake=wake)

    async def open_all(self) -> float | None:
        """Process the news about keys, then open what can be opened; return the seconds until more can be.

        Raises:
            StoreError: the rest is opened later.
        """
        if not self._has_recovered:
            with _later("keys are brought up to date later"):
                await self._keys.recover()
                self._has_recovered = True
        if time.monotonic() - self._tidied_at >= _TIDY:
            self._tidied_at = time.monotonic()
            await self._store.expire(_KEPT)
            with _later("what is not needed any more is deleted later"):
                await self._keys.prune()
        for room_id in await self._store.rooms_without_devices():
            with _later("the users of the bridge in an encrypted room get their devices later"):
                await self._give_devices(room_id)
        # Those who send very many messages to the devices do not hold the rooms.
        has_more = any(await _together(self._receive(user) for user in await self._store.users()))
        due = await self._store.due()
        await _together(self._open(room_id) for room_id, wait in due if wait <= 0)
        if any(wait <= 0 for _, wait in due):
            # An event without a key may hold its room now.
            due = await self._store.due()
        return min([max(wait, _SOON) for _, wait in due] + [0 if has_more else LOOK])

    async def _receive(self, user_id: str) -> bool:
        has_more = False
        with _later("news about keys are processed later"):
            has_more = await self._keys.receive(user_id)
        return has_more  # noqa: RET504  # the block may end by an error, and go on here

    async def _give_devices(self, room_id: str) -> None:
        """Give a device to each user of the bridge in an encrypted room: clients encrypt for these devices."""
        for user in await self._users_in(room_id):
            await self._keys.ensure_device(user)
        await self._store.have_devices(room_id)

    async def _fetch(self, sealed: SealedEvent) -> bool:
        """Fetch the keys that the homeserver could not deliver; tell whether that of the event came."""
        came: set[str] = set()
        for user in await self._users_in(str(sealed.event["room_id"])):
            came |= await self._keys.fetch(user, str(sealed.event["sender"]))
        return sealed.event["content"].get("session_id") in came

    async def _users_in(self, room_id: str) -> list[str]:
        """Return the users of the bridge in a room."""
        is_ours = self._homeserver.namespace.is_ours
        try:
            members = await self._homeserver.members(room_id, await self._reader(room_id))
        except HomeserverRefused as error:
            # Those who enter get a device then.
            _log.info("the members of an encrypted room are not known", room=room_id, error=str(error))
            return []
        return sorted(user for user, each in members.items() if is_ours(user) and each in {"join", "invite"})

    async def _reader(self, room_id: str) -> str:
        """Return the user of the bridge that speaks for it in a room."""
        return self._homeserver.namespace.voice_id(await self._threads.voice(room_id))

    async def _open(self, room_id: str) -> None:
        after = 0
        with _later("encrypted events of a room are opened later"):
            while (sealed := await self._store.first(room_id, after)) is not None:
                after = sealed.id
                if sealed.waits or not await self._take(sealed):
                    return

    async def _take(self, sealed: SealedEvent) -> bool:
        """Open an event and take it in; tell whether the later ones of its room may go on."""
        try:
            opened = await self._keys.decrypt(sealed.event)
        except KeyMissing:
            return await self._ask_for_key(sealed)
        except Unreadable as error:
            _log.warning("an encrypted event cannot be read", event_id=sealed.event["event_id"], error=str(error))
            await self._tell(sealed)
            return True
        if sealed.is_told:
            # The intake takes no event that is ignored.
            await self._store.heed(sealed.id)
        if not await self._store.keeps(sealed.id):
            # It was redacted while it was opened.
            return True
        if (event := parse_event(opened)) is not None:
            await self._intake.take(f"opened {event.event_id}", [replace(event, was_encrypted=True)])
        await self._store.opened(sealed.id)
        return True

    async def _ask_for_key(self, sealed: SealedEvent) -> bool:
        """Ask the devices of the sender for the key of an event; tell whether the later events may go on.

        The room is told only after the homeserver gave all keys that it has: the bridge may have been away for long.
        """
        if not sealed.is_told:
            if await self._fetch(sealed):
                return await self._take(sealed)
            rest = self._wait - sealed.age
            if not sealed.is_asked:
                await self._keys.request_key(sealed.event, await self._reader(str(sealed.event["room_id"])))
            # A member who sends many such events holds the room for the first ones.
            if not sealed.is_known and (rest > 0 or not sealed.is_asked):
                await self._store.later(sealed.id, min(_RETRY, rest if rest > 0 else self._wait))
                return False
        _log.warning("the key of an encrypted event is missing", event_id=sealed.event["event_id"])
        await self._tell(sealed)
        return True

    async def _tell(self, sealed: SealedEvent) -> None:
        """Tell the room that an event cannot be read, unless it knows; then the events behind it go on."""
        if not sealed.is_told and not sealed.is_known:
            await self._notices.tell(sealed)
        await self._store.told(sealed)


async def _together(work: Iterable[Awaitable[_Result]]) -> list[_Result]:
    """Wait for the end of all *work*, then raise the first error of it, or return the results."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


@contextmanager
def _later(what: str) -> Iterator[None]:
    """Log an error of the homeserver, after which the next look goes on with the same work."""
    try:
        yield
    except StoreError:
        raise
    except BridgeError as error:
        _log.warning(what, error=str(error))

"""Profiles of ghosts: the description of the agent, the mark of an agent, and its activity. A duty of the leader.

The record of a field is written after the field, so a process that dies leaves a field that the next one sets again. A
homeserver that has no such fields, or refuses them, is tried again later.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import structlog

from agent_bridge.bridge.queue.periodic import every
from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import HomeserverRefused, UserNotRegistered
from agent_bridge.core.ids import AGENT_MARK
from agent_bridge.store.postgres.signals import Topic
from agent_bridge.store.profiles import Activity

if TYPE_CHECKING:
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.postgres.signals import Signals
    from agent_bridge.store.profiles import ProfileChange, Profiles

_log = structlog.stdlib.get_logger(__name__)

#: The description (MSC4440), and the activity (MSC4426).
_BIOGRAPHY, _STATUS = "m.biography", "m.status"
#: Characters of a description: a whole profile may have 64 KiB.
_LONGEST = 2000
#: Seconds between two looks for changes.
_LOOK = 5.0
#: Seconds for which an agent answers before its profile shows it, and seconds for which an activity is shown at least.
_AFTER, _SHOWN = 5.0, 10.0
#: Seconds until the next try for a ghost whose field was refused.
_REFUSED = 600.0
_AWAY = Backoff(first=1, cap=30)
_EMOJI = {Activity.ANSWERS: "💬", Activity.ASKS: "✋"}


class ProfileFields:
    """Sets the fields of one ghost after the other, at most *per_second* ghosts a second; not *shows*: empties them."""

    def __init__(
        self,
        homeserver: Homeserver,
        profiles: Profiles,
        signals: Signals,
        texts: Texts,
        *,
        shows: bool,
        per_second: float,
    ) -> None:
        self._homeserver = homeserver
        self._profiles = profiles
        self._signals = signals
        self._texts = texts
        self._shows = shows
        self._pause = 1 / per_second
        #: Until when the fields of a ghost stay as they are, by row id and a monotonic clock.
        self._rests: dict[int, float] = {}

    async def run(self) -> None:
        """Set fields until cancelled."""
        with self._signals.subscription(Topic.AGENTS) as wake:
            await every(_LOOK, self._look, name="profiles", wake=wake, rest=self._pause, retry=_AWAY)

    async def _look(self) -> float | None:
        """Set the fields of the ghost whose change is due; return the seconds until the next look."""
        now = time.monotonic()
        self._rests = {agent: until for agent, until in self._rests.items() if until > now}
        change = await self._profiles.next_change(_AFTER, self._rests, shows=self._shows)
        if change is None:
            return min((until - now for until in self._rests.values()), default=None)
        await self._apply(change)
        return self._pause

    async def _apply(self, change: ProfileChange) -> None:
        user_id = self._homeserver.namespace.user_id(change.ghost)
        try:
            if change.has_new_description:
                await self._describe(change, user_id)
            if change.has_new_activity:
                await self._homeserver.set_profile_field(user_id, _STATUS, self._status(change.activity))
                await self._profiles.activity_applied(change.agent, change.activity)
                self._rests[change.agent] = time.monotonic() + _SHOWN
        except (HomeserverRefused, UserNotRegistered) as error:
            _log.info("a field of a profile was refused", user=user_id, error=str(error))
            self._rests[change.agent] = time.monotonic() + _REFUSED

    async def _describe(self, change: ProfileChange, user_id: str) -> None:
        text = change.description
        if text or change.description_applied:
            await self._homeserver.set_profile_field(user_id, _BIOGRAPHY, _biography(text) if text else None)
        if (text is None) is not (change.description_applied is None):
            await self._homeserver.set_profile_field(user_id, AGENT_MARK, None if text is None else True)
        await self._profiles.description_applied(change.agent, text)

    def _status(self, activity: Activity | None) -> dict[str, str] | None:
        if activity is None:
            return None
        return {"text": self._texts.activities[activity], "emoji": _EMOJI[activity]}


def _biography(text: str) -> dict[str, Any]:
    """Return the content of the description (MSC4440: a text block of MSC1767)."""
    return {"m.text": [{"body": text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"}]}

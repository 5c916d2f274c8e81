"""Held changes: the administrators are told which changes of the upstreams' lists wait for a command."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING

from agent_bridge.bridge.queue.periodic import FALLBACK, LONG_REST, every
from agent_bridge.render.upstreams import upstream_status
from agent_bridge.store.kv import KeyValues
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from agent_bridge.bridge.agents.upstream_status import UpstreamStatus
    from agent_bridge.bridge.rooms.admin_room import AdminRoom
    from agent_bridge.core.upstreams import Health
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.store.postgres.signals import Signals

#: Seconds for which a change has to wait before it is reported: some are settled at once.
_SETTLED = 5.0
#: Seconds after which a change that does not wait any more is forgotten. A new leader needs time to see it again.
_FORGOTTEN = 900.0


class HeldChanges:
    """Sends one message for each change that waits, also if the process ends in between."""

    def __init__(
        self,
        status: UpstreamStatus,
        admin_room: AdminRoom,
        kv: KeyValues,
        signals: Signals,
        texts: Texts,
        prefix: str,
    ) -> None:
        self._status = status
        self._admin_room = admin_room
        self._kv = kv
        self._signals = signals
        self._texts = texts
        self._prefix = prefix
        #: By upstream: the changes that wait, and since when, by the clock of the event loop.
        self._seen: dict[str, tuple[list[str], float]] = {}
        #: By upstream: the number of reports so far, and the changes that the last one named; None: not read yet.
        self._reports: dict[str, tuple[int, list[str]]] | None = None

    async def run(self) -> None:
        """Tell the administrators when a change has waited for some seconds, until cancelled."""
        # Another process may have led, and reported, since this one did.
        self._reports = None
        with self._signals.subscription(Topic.UPSTREAMS) as wake:
            await every(FALLBACK, self._report, name="report of held changes", wake=wake, rest=LONG_REST)

    async def _report(self) -> float | None:
        if self._reports is None:
            self._reports = await self._kv.get(KeyValues.HELD_REPORTS) or {}
        reports, now, pause = dict(self._reports), asyncio.get_running_loop().time(), None
        for health in await self._status.read():
            number, reported = reports.get(health.name, (0, []))
            held = _held(health)
            # The status of an upstream that fails is not known.
            if not health.ok or held == list(reported):
                self._seen.pop(health.name, None)
                continue
            if health.name not in self._seen or self._seen[health.name][0] != held:
                self._seen[health.name] = held, now
            if now - self._seen[health.name][1] < (_SETTLED if held else _FORGOTTEN):
                pause = _SETTLED if held else pause
                continue
            if held:
                number += 1
                text = upstream_status(health, self._texts, self._prefix)
                await self._admin_room.tell_once(f"held.{health.name}.{number}", text)
            reports[health.name] = number, held
        if reports != self._reports:
            await self._kv.set(KeyValues.HELD_REPORTS, reports)
            self._reports = reports
        return pause


def _held(health: Health) -> list[str]:
    """Return the changes that wait, so that two equal lists need one report."""
    if not health.held:
        return []
    values = asdict(health)
    return [f"{key}={values[key]}" for key in ("doubted", "vanished", "appeared", "waiting")]

"""Reports of switches: the administrators are told once that an upstream has another kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.queue.periodic import FALLBACK, LONG_REST, every
from agent_bridge.render.content import escape
from agent_bridge.store.kv import KeyValues
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from agent_bridge.bridge.rooms.admin_room import AdminRoom
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.store.postgres.signals import Signals


class SwitchReports:
    """Sends one message for each switch, also if the process ends in between."""

    def __init__(self, admin_room: AdminRoom, kv: KeyValues, signals: Signals, texts: Texts) -> None:
        self._admin_room = admin_room
        self._kv = kv
        self._signals = signals
        self._texts = texts
        #: Keys of the switches that this process has reported.
        self._told: set[str] = set()

    async def run(self) -> None:
        """Tell the administrators of switches, until cancelled."""
        with self._signals.subscription(Topic.UPSTREAMS) as wake:
            await every(FALLBACK, self._report, name="report of switches", wake=wake, rest=LONG_REST)

    async def _report(self) -> None:
        for upstream, switch in (await self._kv.get(KeyValues.SWITCHES) or {}).items():
            key = f"switch.{upstream}.{switch['number']}"
            if key in self._told:
                continue
            text = self._texts.commands.status_switched.format(
                name=escape(upstream),
                kind=switch["kind"],
                agents=self._texts.count(switch["agents"], self._texts.agent),
            )
            await self._admin_room.tell_once(key, text)
            self._told.add(key)

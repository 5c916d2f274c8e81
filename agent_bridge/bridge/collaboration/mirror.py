"""Shows in log channels when agents begin and end their turns. A duty of the leader."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from agent_bridge.bridge.collaboration.events import event_mark
from agent_bridge.bridge.queue.periodic import FALLBACK, every
from agent_bridge.core.actors import Actor
from agent_bridge.core.agent_events import EVENT, EventKind, NewEvent, event_content
from agent_bridge.core.turns import TurnState
from agent_bridge.render.agent_events import mirror_message
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from agent_bridge.core.ids import Namespace
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.store.agent_events import AgentEventStore, MirroredStep
    from agent_bridge.store.postgres.database import Database
    from agent_bridge.store.postgres.signals import Signals

#: Seconds between two looks at the turns, while a channel mirrors them.
_LOOK = 1.0
#: Steps of one transaction.
_AT_ONCE = 100
#: Seconds after which the place up to which everything is mirrored is recorded again.
_RECORD = 60.0
#: Characters of the cause of a failure.
_CAUSE = 300


class Mirror:
    """Writes the events of turns, which :class:`EventPoster` shows. The words of people and agents are in none of them.

    Without a channel that mirrors turns, it looks at the settings alone.
    """

    def __init__(
        self, database: Database, store: AgentEventStore, namespace: Namespace, signals: Signals, texts: Texts
    ) -> None:
        self._database = database
        self._store = store
        self._namespace = namespace
        self._signals = signals
        self._texts = texts
        self._recorded = time.monotonic()

    async def run(self) -> None:
        """Write the events, until cancelled."""
        with self._signals.subscription(Topic.EVENTS) as wake:
            await every(FALLBACK, self.mirror, name="mirrored turns", wake=wake, rest=_LOOK)

    async def mirror(self) -> float | None:
        """Write the events of turns that log channels do not show; return the seconds until the next look.

        Raises:
            StoreError: the next call goes on.
        """
        if not await self._store.has_mirrors():
            return None
        while steps := await self._store.unmirrored(_AT_ONCE):
            async with self._database.transaction() as connection:
                for step in steps:
                    sender = self._namespace.bot
                    await self._store.add(connection, step.key, step.log, sender, self._content(step))
        if time.monotonic() - self._recorded >= _RECORD:
            await self._store.mirrored()
            self._recorded = time.monotonic()
        return _LOOK

    def _content(self, step: MirroredStep) -> dict[str, Any]:
        kind, data = _described(step)
        actor = Actor(self._namespace.user_id(step.ghost), step.agent_id)
        new = NewEvent(key=step.key, room_id=step.log, actor=actor, kind=kind, data=data, turn=step.turn)
        shown = mirror_message(new, step.agent, self._texts, self._namespace.domain, mark=event_mark(step.key))
        return shown | {EVENT: event_content(new)}


def _described(step: MirroredStep) -> tuple[EventKind, dict[str, Any]]:
    """Return the kind and the data of the event that shows *step*."""
    data: dict[str, Any] = {"room": step.room_id}
    if not step.is_end:
        return EventKind.STARTED, data
    if step.seconds is not None:
        data["seconds"] = round(step.seconds, 3)
    if step.input_tokens is not None or step.output_tokens is not None:
        data["tokens"] = {"input": step.input_tokens or 0, "output": step.output_tokens or 0}
    if step.state == TurnState.FAILED:
        return EventKind.ERROR, data | {"error": (step.error or "")[:_CAUSE]}
    return EventKind.RESULT, data | {"state": step.state}

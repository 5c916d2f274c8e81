"""The handler of the requests of triggers and schedules: the room is told who asks the agent, then it is asked.

The notice is the question of the agent's turn, which its worker writes after the notice is shown and before the turn of
the request is closed: a repeat of any step finds the notice, and the turn that it has.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.delivery.outboxes import Outboxes
from agent_bridge.bridge.queue.offload import rendered
from agent_bridge.core.answers import Op
from agent_bridge.core.names import one_line
from agent_bridge.core.payloads import MessagePayload, TriggerPayload
from agent_bridge.core.turns import Addressee, NewTurn, TurnKind, TurnState
from agent_bridge.render.content import escape
from agent_bridge.render.schedules import scheduled_notice

if TYPE_CHECKING:
    from agent_bridge.bridge.queue.lanes import Lanes
    from agent_bridge.core.roles import Roles
    from agent_bridge.core.turns import Turn
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.intake import IntakeStore
    from agent_bridge.store.postgres.database import Database
    from agent_bridge.store.triggers import Triggers
    from agent_bridge.store.turns import Turns

_log = structlog.stdlib.get_logger(__name__)

#: Characters of the text that the room is shown.
_SHOWN = 500


class TriggerHandler:
    """Handles the turns of kind *trigger*."""

    def __init__(
        self,
        homeserver: Homeserver,
        database: Database,
        turns: Turns,
        triggers: Triggers,
        intake_store: IntakeStore,
        lanes: Lanes,
        roles: Roles,
        texts: Texts,
    ) -> None:
        self._outboxes = Outboxes(homeserver, turns)
        self._namespace = homeserver.namespace
        self._database = database
        self._turns = turns
        self._triggers = triggers
        self._intake_store = intake_store
        self._lanes = lanes
        self._roles = roles
        self._texts = texts

    async def handle(self, turn: Turn) -> bool:
        """Show the notice once, and have the agent asked once. An owner who has lost the role wakes nobody."""
        payload = turn.payload
        if not isinstance(payload, TriggerPayload):
            raise TypeError(f"turn {turn.key} is not the request of a trigger")
        outbox = self._outboxes.for_bridge(turn)
        await outbox.recover()
        text = turn.answer
        if turn.state is not TurnState.COMMITTED:
            if not self._roles.may_ask(turn.sender, turn.room_id):
                _log.info(
                    "an agent is not asked: the owner of the trigger or schedule has no role any more, or is muted",
                    owner=turn.sender,
                )
                return bool(await self._turns.finish(turn, TurnState.STOPPED, {}))
            text = await rendered(len(payload.text), self._notice, turn.sender, payload)
            await self._turns.commit(turn, text, error=None, parts=[0])
        # The mention tells which agent is meant, and has the outbox call the step.
        op = Op(0, text or "", notice=True, mentions=(self._namespace.user_id(payload.ghost),))
        return await outbox.publish([op], TurnState.DONE, then=partial(self._ask, turn, payload))

    async def give_up(self, turn: Turn, cause: str) -> None:
        """Close the turn: the notice cannot be shown, so the agent is not asked."""
        await self._turns.finish(turn, TurnState.FAILED, {}, error=cause)

    def _notice(self, owner: str, payload: TriggerPayload) -> str:
        # Of the whole text: behind many lines without a sign there may be words, which the room is to know of.
        said = one_line(payload.text)
        shown = said if len(said) <= _SHOWN else f"{said[:_SHOWN]}…"
        if payload.schedule is not None:
            return scheduled_notice(owner, payload.schedule, payload.late, payload.missed, shown, self._texts)
        return self._texts.triggers.woken.format(
            trigger=escape(payload.trigger), owner=escape(owner), text=escape(shown)
        )

    async def _ask(self, turn: Turn, payload: TriggerPayload, event_id: str) -> None:
        """Write the turn in which the agent answers the notice *event_id*. A repeat writes nothing.

        Raises:
            TurnLost: another worker has taken *turn* up.
            StoreError: nothing was written.
        """
        async with self._database.transaction() as connection:
            await self._intake_store.lock(connection, [turn.room_id])
            source = await self._triggers.source(connection, turn, payload.agent)
            if not (source.may_ask and source.text):
                return
            if not source.is_present:
                _log.warning("a trigger or schedule asks nobody: the agent has left the room", room=turn.room_id)
                return
            asked = NewTurn(
                event_id=event_id,
                room_id=turn.room_id,
                kind=TurnKind.MESSAGE,
                sender=turn.sender,
                payload=MessagePayload(
                    source.text, trigger=payload.trigger, schedule=payload.schedule, late=payload.late
                ),
                addressees=(Addressee(payload.agent, payload.ghost),),
            )
            lanes = await self._intake_store.accept(connection, [asked])
            await self._triggers.forget_text(connection, turn)
            await self._lanes.wake(connection, {lane for each in lanes.values() for lane in each})

"""The handler of messages in a room whose people have yet to choose an agent: it shows them the list."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.delivery.outbox import Outbox
from agent_bridge.commands.handler import context_of
from agent_bridge.commands.selection import offer
from agent_bridge.core.answers import Reply
from agent_bridge.core.errors import HomeserverError
from agent_bridge.core.ids import MARK
from agent_bridge.core.payloads import MessagePayload
from agent_bridge.core.turns import TurnState
from agent_bridge.render.content import reaction

if TYPE_CHECKING:
    from agent_bridge.commands.registry import CommandServices, Registry
    from agent_bridge.core.rooms import OpenChoice
    from agent_bridge.core.turns import Turn
    from agent_bridge.render.results import ResultRenderer

_log = structlog.stdlib.get_logger(__name__)

#: Members of a room that one person has with the bot.
_MEMBERS = 2
#: Entries of a list that get keycaps: those with one digit.
_KEYCAPS = 9
_KEYCAP = "\ufe0f\u20e3"


class ChoiceHandler:
    """Handles the turns of kind *choice*. The messages wait in any case: the choice has them answered."""

    def __init__(self, services: CommandServices, registry: Registry, renderer: ResultRenderer) -> None:
        self._services = services
        self._registry = registry
        self._renderer = renderer
        self._homeserver = services.homeserver
        self._turns = services.turns

    async def handle(self, turn: Turn) -> None:
        """Show the sender the list of agents, unless a list can be answered there already."""
        outbox = Outbox(self._homeserver, self._turns, turn, self._services.namespace.bot)
        if not await outbox.reply_once(partial(self._list, turn)):
            await self._turns.finish(turn, TurnState.DONE, {})
            return
        choice = await self._choice(turn)
        if choice is not None and choice.size <= _KEYCAPS:
            await self._add_keycaps(turn, outbox.event_ids.get(0), choice.size)

    async def give_up(self, turn: Turn, cause: str) -> None:
        """Close the turn: the next message shows the list."""
        await self._turns.finish(turn, TurnState.FAILED, {}, error=cause)

    async def _list(self, turn: Turn) -> Reply | None:
        """Return the list; None if none is to be shown."""
        rooms = self._services.rooms
        room = (await rooms.contexts([turn.room_id])).get(turn.room_id)
        if room is None or not room.is_unbound or not isinstance(turn.payload, MessagePayload):
            return None
        choice = await self._choice(turn)
        if choice is not None and choice.is_fresh and choice.events:
            return None
        if await self._homeserver.count_members(turn.room_id) > _MEMBERS:
            # People talk with each other.
            await rooms.became_group(turn.room_id)
            return None
        role = self._services.roles.of(turn.sender, turn.room_id)
        ctx = context_of(self._services, self._registry, turn, role)
        return Reply(self._renderer.render(await offer(ctx)))

    async def _choice(self, turn: Turn) -> OpenChoice | None:
        shown = await self._services.choices.open([turn.sender], [turn.room_id])
        return next((choice for _, _, choice in shown if not choice.kind.is_question), None)

    async def _add_keycaps(self, turn: Turn, event_id: str | None, size: int) -> None:
        """Add a reaction for each entry, for people to click on. A choice never depends on them."""
        if event_id is None:
            return
        for number in range(1, size + 1):
            name = f"{turn.key}.choice{number}"
            content = reaction(event_id, f"{number}{_KEYCAP}") | {MARK: name}
            try:
                await self._homeserver.send(turn.room_id, content, kind="m.reaction", txn_id=f"ab.{name}")
            except HomeserverError as error:
                _log.info("a list has no keycaps", room=turn.room_id, error=str(error))
                return

"""Lets the aliases of the bridge's rooms point to them: a bridge with an empty database finds the rooms by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent_bridge.core.results.repairs import Part

if TYPE_CHECKING:
    from agent_bridge.bridge.rooms.editor import StateEditor
    from agent_bridge.matrix.client import Homeserver

_log = structlog.stdlib.get_logger(__name__)


async def repair_alias(
    homeserver: Homeserver, editor: StateEditor, alias: str, room_id: str, user: str | None = None
) -> None:
    """Let *alias*, which is reserved for the bridge, point to a room, as *user* or as the bot.

    Raises:
        HomeserverRefused: the user may not add it.
    """
    target = await homeserver.resolve_alias(alias)

    async def move() -> None:
        _log.warning("repairing the alias of a room", room=room_id, alias=alias, pointed_to=target)
        if target is not None:
            await homeserver.remove_alias(alias)
        await homeserver.add_alias(alias, room_id, user)

    if target != room_id:
        await editor.step(Part.ALIAS, move)

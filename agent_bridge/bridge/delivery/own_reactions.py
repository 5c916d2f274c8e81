"""Reactions of the bridge's own users to a message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.ids import MARK

if TYPE_CHECKING:
    from collections.abc import Collection

    from agent_bridge.core.turns import Turn
    from agent_bridge.matrix.client import Homeserver


async def remove_reactions(
    homeserver: Homeserver, turn: Turn, ghost: str, marks: Collection[str], *, name: str, by_bot: bool = False
) -> None:
    """Redact the reactions with *marks* of *ghost* to the message of *turn*; *by_bot*: those of the bridge bot too.

    *name* is a part of the transaction ids. A mark of another user is forged.

    Raises:
        HomeserverError: the reactions cannot be read or redacted.
    """
    users = {ghost, homeserver.namespace.bot} if by_bot else {ghost}
    for event in await homeserver.annotations(turn.room_id, turn.event_id, ghost):
        sender = event.get("sender")
        if sender in users and event["content"].get(MARK) in marks:
            txn_id = f"ab.{turn.key}.{name}.{event['event_id']}.redact"
            await homeserver.redact(turn.room_id, event["event_id"], txn_id=txn_id, as_user=sender)

"""The contents of the messages that show an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_bridge.bridge.rooms.kinds import KINDS
from agent_bridge.core.answers import Part
from agent_bridge.core.chains import CHAIN, ChainPosition
from agent_bridge.core.ids import MARK, mark
from agent_bridge.render.attachment import file_message
from agent_bridge.render.content import mentioned, message

if TYPE_CHECKING:
    from agent_bridge.core.answers import Op
    from agent_bridge.core.turns import Turn


def content_of(turn: Turn, op: Op, *, first: bool = False) -> dict[str, Any]:
    """Return the content that shows *op* of the answer to *turn*, without its relation; *first*: it is no edit.

    The texts of agents tell of which chain the answer is, in a room where agents ask each other.
    """
    part = mark(turn.key, op.part)
    if op.file is not None:
        return {**file_message(op.file), MARK: part, "m.mentions": mentioned(op.mentions)}
    content = message(
        op.text, mark=part, notice=op.notice, live=op.live, first=first, plain=op.plain, mentions=op.mentions
    )
    is_said = op.part in Part.TEXT and not op.notice and turn.agent is not None
    if not is_said or turn.room_kind is None or not KINDS[turn.room_kind].shows_questions:
        return content
    place = turn.chain or ChainPosition(turn.event_id, turn.sender, 0)
    return content | {CHAIN: {"root": place.root, "hops": place.hops, "asker": place.asker}}

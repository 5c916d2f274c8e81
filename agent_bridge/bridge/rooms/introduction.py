"""The words with which an agent introduces itself in its new room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.ids import mark, short_hash
from agent_bridge.render.content import escape, message

if TYPE_CHECKING:
    from agent_bridge.core.agents import Agent
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver


async def introduce(homeserver: Homeserver, agent: Agent, room_id: str, texts: Texts) -> None:
    """Have *agent* introduce itself in a room. A repeat sends nothing more, as long as the homeserver remembers it."""
    text = agent.settings.greeting or (
        texts.introduction_described if agent.description else texts.introduction
    ).format(name=escape(agent.name), description=escape(agent.description))
    key = f"{agent.ghost}.introduction.{short_hash(room_id)}"
    content = message(text, mark=mark(key, 0), notice=True)
    ghost = homeserver.namespace.user_id(agent.ghost)
    await homeserver.send(room_id, content, txn_id=f"ab.{key}", as_user=ghost)

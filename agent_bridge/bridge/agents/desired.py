"""The desired state of an agent: its names in Matrix, by the templates of the configuration."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from agent_bridge.core.names import one_line
from agent_bridge.store.agents import DesiredAgent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.config.conversations import TemplatesConfig
    from agent_bridge.core.agents import Agent, AgentState

#: Synapse takes display names of up to 256 characters.
_LONGEST_NAME = 255


def desired_agent(
    templates: TemplatesConfig, *, upstream: str, agent_id: str, name: str, **others: Any
) -> DesiredAgent:
    """Return the agent called *name*, with its names in Matrix; *others* are the other fields of the record."""
    fields = {"name": name, "id": one_line(agent_id), "upstream": upstream}
    return DesiredAgent(
        upstream=upstream,
        agent_id=agent_id,
        name=name,
        displayname=_shorten(fill(templates.displayname, fields)),
        room_name=_shorten(fill(templates.room_name, fields)),
        room_topic=_shorten(fill(templates.room_topic, fields)),
        **others,
    )


def desired_again(
    templates: TemplatesConfig, agent: Agent, *, model: str, name: str, state: AgentState
) -> DesiredAgent:
    """Return the known *agent* with its present *model*, *name* and *state*."""
    return desired_agent(
        templates,
        upstream=agent.upstream,
        agent_id=agent.agent_id,
        model=model,
        name=name,
        ghost=agent.ghost,
        state=state,
    )


def name_at_rest(templates: TemplatesConfig, room_name: str) -> str:
    """Return the name of a room whose agent is at rest; *room_name* is the one that it has otherwise."""
    return _shorten(fill(templates.gone_name, {"room": room_name}))


def fill(template: str, fields: Mapping[str, str]) -> str:
    """Return *template* with ``{key}`` replaced by its field; braces within a field stay as they are."""
    return "".join(piece if at % 2 == 0 else fields[piece] for at, piece in enumerate(_pieces(template)))


@lru_cache(maxsize=64)
def _pieces(template: str) -> tuple[str, ...]:
    """Return the texts of *template*, with the keys between them. There are few templates, and thousands of agents."""
    return tuple(re.split(r"\{([^{}]*)\}", template))


def fresh_identity(model: str, taken: set[str]) -> str:
    """Return an identity for an agent whose model id is *model*: that id, or with a number behind it.

    Needed where model ids are names: a new agent may have the first name of another agent.
    """
    if model not in taken:
        return model
    number = 2
    while f"{model}~{number}" in taken:
        number += 1
    return f"{model}~{number}"


def _shorten(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"

"""The configuration's choice among the agents of an upstream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.globs import matches

if TYPE_CHECKING:
    from agent_bridge.config.upstreams import UpstreamConfig


def is_included(agent_id: str, name: str, config: UpstreamConfig) -> bool:
    """Tell whether the globs of *config* include an agent. Upper and lower case are the same."""
    texts = (agent_id, name)
    return matches(texts, config.include) and not matches(texts, config.exclude)


def is_named(agent_id: str, name: str, config: UpstreamConfig) -> bool:
    """Tell whether a glob that is no mere ``*`` includes an agent."""
    return matches((agent_id, name), (glob for glob in config.include if glob.strip("*")))

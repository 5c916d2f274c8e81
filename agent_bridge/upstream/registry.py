"""The kinds of upstreams, by their names in the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.upstream.openai.upstream import OpenAIUpstream

if TYPE_CHECKING:
    from aiohttp import ClientSession

    from agent_bridge.config.model import UpstreamConfig
    from agent_bridge.upstream.base import Upstream


def make_upstream(config: UpstreamConfig, session: ClientSession) -> Upstream:
    """Return the upstream of *config*. Its HTTP requests go through *session*, which the caller closes."""
    match config.kind:
        case "openai":
            return OpenAIUpstream(config, session)

"""The kinds of upstreams, by their names in the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.upstream.a2a.upstream import A2AUpstream
from agent_bridge.upstream.letta.upstream import LettaUpstream
from agent_bridge.upstream.letta_v1.upstream import LettaV1Upstream
from agent_bridge.upstream.openai.upstream import OpenAIUpstream

if TYPE_CHECKING:
    from aiohttp import ClientSession

    from agent_bridge.config.upstreams import UpstreamConfig
    from agent_bridge.upstream.base import Upstream
    from agent_bridge.upstream.conversation_store import ConversationStore


def make_upstream(config: UpstreamConfig, session: ClientSession, store: ConversationStore) -> Upstream:
    """Return the upstream of *config*, which links its conversations to lanes in *store*.

    Its HTTP requests go through *session*, which the caller closes.
    """
    match config.kind:
        case "openai":
            return OpenAIUpstream(config, session)
        case "letta":
            return LettaUpstream(config, session, store)
        case "letta_v1":
            return LettaV1Upstream(config, session, store)
        case "a2a":
            return A2AUpstream(config, session, store)

"""Remedies for upstreams that list no agents: the settings that fit the server, if one answers."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from agent_bridge.cli.probe import find_upstream, without_credentials
from agent_bridge.core.errors import UpstreamError, UpstreamUnreachable

if TYPE_CHECKING:
    from agent_bridge.cli.probe import FoundUpstream
    from agent_bridge.config.upstreams import UpstreamConfig


async def remedy_for(error: UpstreamError, config: UpstreamConfig) -> str:
    """Return the remedy of an *error* that the request for the agents raised; empty if the error names it.

    Other kinds are tried, and the address without a path.
    """
    if not isinstance(error, UpstreamUnreachable) and not error.is_about_key:
        for url in dict.fromkeys((config.url, _without_path(config.url))):
            found = await find_upstream(config.model_copy(update={"url": url}))
            # Perhaps a proxy keeps the bridge from the right kind: another kind would hide that.
            is_kept = config.kind == "letta" and found.obstacle is not None and not error.names_remedy
            if not is_kept and (settings := _settings(config, found)):
                return settings
    return _general(error, config)


def _settings(config: UpstreamConfig, found: FoundUpstream) -> str:
    """Return the settings that make *config* fit the server that was *found*; empty if no server lists agents."""
    wants_key = isinstance(found.agents, UpstreamError) and found.agents.is_about_key
    if isinstance(found.agents, UpstreamError) and not wants_key:
        return ""
    changes = [f"kind: {found.kind}"] if found.kind != config.kind else []
    changes += [f"url: {without_credentials(found.url)}"] if found.url != config.url else []
    key = ", and api_key to its token" if wants_key else ""
    return f"set {', '.join(changes)}{key}" if changes else ""


def _general(error: UpstreamError, config: UpstreamConfig) -> str:
    if error.names_remedy:
        return ""
    if config.kind != "letta":
        return "check its url and api_key, and that it runs"
    if error.is_about_key:
        return "set api_key to the token of the server (--ws-token-file)"
    return "check its url and headers, and that letta server runs"


def _without_path(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"

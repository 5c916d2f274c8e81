"""The checks of ``agent-bridge doctor`` of the agents in the configuration: their models and their pictures."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

from yarl import URL

from agent_bridge.bridge.agents.avatars import MAX_BYTES
from agent_bridge.config.agents import picture_file, upstream_of
from agent_bridge.config.agents_source import AgentsSource
from agent_bridge.core.errors import FileRefused, UpstreamError
from agent_bridge.files.local_picture import read_picture
from agent_bridge.files.pictures import PictureReader
from agent_bridge.upstream.base import UNCHANGED
from agent_bridge.upstream.conversation_store import MemoryConversations
from agent_bridge.upstream.download.fetch import Fetcher
from agent_bridge.upstream.registry import make_upstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from aiohttp import ClientSession

    from agent_bridge.config.agents import AgentConfig
    from agent_bridge.config.model import Config
    from agent_bridge.config.upstreams import UpstreamConfig

#: Globs that match each id, and include models that do not chat too.
_EVERYTHING = ("?*",)
#: Problems that a finding lists.
_LISTED = 5


async def compare_agents(config: Config, file: Path, session: ClientSession) -> tuple[int, list[str]]:
    """Return the number of agents in the configuration *file*, and a line about each problem of them, a few at most.

    Raises:
        ConfigError: the list of agents is not valid.
    """
    agents = await asyncio.to_thread(AgentsSource(config, file).read)
    models = [problem async for problem in _models(agents, config.upstreams, session)]
    problems = [*models, *[problem async for problem in _pictures(agents)]]
    others = len(problems) - _LISTED
    return len(agents), [*problems[:_LISTED], *([f"{others} more"] if others > 0 else [])]


async def _models(
    agents: Sequence[AgentConfig], upstreams: Sequence[UpstreamConfig], session: ClientSession
) -> AsyncIterator[str]:
    """Yield a line for each agent whose upstream answers, and does not list its model."""
    for upstream in upstreams:
        # The choice of agents that are discovered does not concern the others.
        everything = upstream.model_copy(update={"include": _EVERYTHING, "exclude": ()})
        here = [each for each in agents if upstream_of(each, upstreams) is upstream]
        if not here:
            continue
        try:
            async with aclosing(make_upstream(everything, session, MemoryConversations())) as asked:
                listed = await asked.agents()
        except UpstreamError:
            # The check of the upstream tells it.
            continue
        ids = set() if listed is UNCHANGED else {item.model for item in listed}
        for each in here:
            if (model := each.model or each.id) not in ids:
                yield f"{each.label}: {upstream.name} does not list the model {model}"


async def _pictures(agents: Sequence[AgentConfig]) -> AsyncIterator[str]:
    """Yield a line for each agent whose picture cannot be used."""
    reader = PictureReader()
    async with Fetcher() as fetcher:
        for each in agents:
            if each.avatar is None:
                continue
            try:
                path = picture_file(each)
                if path is None:
                    found = await fetcher.fetch(each.avatar, limit=MAX_BYTES, own=URL(each.avatar).parent)
                    data = found.data
                else:
                    data = await asyncio.to_thread(read_picture, path, MAX_BYTES)
                await reader.preview(data, holder=each.id)
            except FileRefused as error:
                yield f"{each.label}: the avatar {each.avatar.partition('?')[0]} is not used: {error}"

"""The configuration's choice among the agents of an upstream."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent_bridge.config.model import UpstreamConfig


def is_included(agent_id: str, name: str, config: UpstreamConfig) -> bool:
    """Tell whether the globs of *config* include an agent. Upper and lower case are the same."""
    texts = (agent_id.casefold(), name.casefold())
    return matches(texts, config.include) and not matches(texts, config.exclude)


def is_named(agent_id: str, name: str, config: UpstreamConfig) -> bool:
    """Tell whether a glob that is no mere ``*`` includes an agent."""
    return matches((agent_id.casefold(), name.casefold()), (glob for glob in config.include if glob.strip("*")))


def matches(texts: Iterable[str], globs: Iterable[str]) -> bool:
    """Tell whether one of *globs* matches one of *texts*, which are case-folded."""
    return any(fnmatchcase(text, glob.casefold()) for glob in globs for text in texts)

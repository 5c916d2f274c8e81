"""Results of ``retire`` as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_bridge.core.results.retirement import (
    AgentRetired,
    AgentReturned,
    NotRetired,
    RetirementAsked,
    RetirementConfirmed,
)
from agent_bridge.render.content import escape, in_backticks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent_bridge.i18n.catalogue import Texts


def retirement_renderers(texts: Texts, prefix: str) -> Mapping[type, Callable[[Any], str]]:
    """Return the functions that render results, by the types of the results; *prefix* starts a command in a room."""
    words = texts.retirement

    def filled(text: str, agent: str) -> str:
        command = f"{prefix} retire {in_backticks(agent)} back"
        return text.format(agent=escape(agent), command=command, prefix=prefix)

    return {
        AgentRetired: lambda result: filled(words.retired, result.agent),
        AgentReturned: lambda result: filled(words.back if result.is_listed else words.not_listed, result.agent),
        NotRetired: lambda result: filled(words.not_retired, result.agent),
        RetirementAsked: lambda result: filled(words.asked, result.agent),
        RetirementConfirmed: lambda result: filled(words.confirmed, result.agent),
    }

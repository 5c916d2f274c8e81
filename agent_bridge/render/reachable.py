"""The answers of ``reachable``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_bridge.core.results.reachable import ReachableSet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent_bridge.i18n.catalogue import Texts


def reachable_renderers(texts: Texts, prefix: str) -> Mapping[type, Callable[[Any], str]]:
    """Return the function that renders the results of ``reachable``; *prefix* starts a command in a room."""
    words = texts.models

    def of_setting(result: ReachableSet) -> str:
        changed, present = (words.on, words.is_on) if result.is_on else (words.off, words.is_off)
        return (changed if result.is_changed else present).format(prefix=prefix)

    return {ReachableSet: of_setting}

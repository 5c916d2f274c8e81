"""The texts about the data of people, in one language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.i18n.catalogue import Noun


@dataclass(frozen=True, slots=True, kw_only=True)
class DataTexts:
    """The part of :class:`~agent_bridge.i18n.catalogue.Texts` about the erasure of a person's data."""

    #: The kinds of data, by their names in :data:`~agent_bridge.core.results.erasure.KINDS`.
    kinds: Mapping[str, Noun]
    #: The progress, and the results with the ``{parts}`` that are deleted, or would be.
    progress: str
    done: str
    done_nothing: str
    would: str
    would_nothing: str
    #: Lines about what is left.
    kept: str
    kept_line: str
    kept_memory: str
    kept_more: str
    rooms: str
    open: str
    #: Answers to ``forget me`` and its confirmation.
    asked: str
    own_chat: str
    too_soon: str
    begun: str
    #: The head of an exported conversation, and the answers to ``export``.
    export_title: str
    exported: str
    export_empty: str
    export_too_large: str
    #: What an erasure never touches.
    stays: str
    failed: str

"""The texts about threads, in one language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadTexts:
    """The part of :class:`~agent_bridge.i18n.catalogue.Texts` about threads."""

    #: Numbers of threads.
    thread: tuple[str, ...]
    #: Shows the name in the room.
    title: str
    title_archived: str
    #: By :class:`~agent_bridge.core.results.threads.ThreadProblem`.
    problems: Mapping[str, str]
    #: By :class:`~agent_bridge.core.results.threads.ThreadChange`.
    changed: Mapping[str, str]
    head: str
    head_archived: str
    none: str
    none_archived: str
    #: Tells of the archive.
    others: str
    page: str
    by: str

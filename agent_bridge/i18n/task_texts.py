"""The texts about tasks, in one language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTexts:
    """The part of :class:`~agent_bridge.i18n.catalogue.Texts` about tasks."""

    #: By :class:`~agent_bridge.core.tasks.TaskState`.
    states: Mapping[str, str]
    #: A card: its first line, and its facts.
    head: str
    by: str
    assigned: str
    creator: str
    part_of: str
    how_to_claim: str
    #: Answers of the commands.
    made: str
    #: By :class:`~agent_bridge.core.tasks.TaskAction`.
    changed: Mapping[str, str]
    split: str
    #: By :class:`~agent_bridge.core.results.tasks.TaskProblem`.
    problems: Mapping[str, str]
    nobody: str
    none: str
    none_own: str
    list_head: str
    list_head_own: str
    list_foot: str
    page: str

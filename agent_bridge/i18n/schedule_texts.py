"""The texts about schedules, in one language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleTexts:
    """The part of :class:`~agent_bridge.i18n.catalogue.Texts` about schedules."""

    #: Told to the room: who had the agent asked.
    told: str
    told_late: str
    #: Due times that were missed.
    times_missed: tuple[str, ...]
    #: Told to the agent, before the prompt.
    asks: str
    asks_late: str
    made: str
    paused: str
    resumed: str
    removed: str
    #: By :class:`~agent_bridge.core.results.schedules.ScheduleProblem`.
    problems: Mapping[str, str]
    #: By :class:`~agent_bridge.core.times.kinds.TimeProblem`, and the sentence behind each of them.
    times: Mapping[str, str]
    examples: str
    #: The list.
    none: str
    none_of_all: str
    head: str
    foot: str
    page: str
    next: str
    is_paused: str
    owner: str
    #: By :class:`~agent_bridge.core.schedules.ScheduleTrouble`.
    troubles: Mapping[str, str]

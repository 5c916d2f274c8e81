"""The texts about the next pass and about repairs, in one language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairTexts:
    """The part of :class:`~agent_bridge.i18n.catalogue.Texts` about ``plan`` and ``repair``."""

    #: In the grammatical case of *plan_lines*, and of *done* and *done_clean*.
    room: tuple[str, ...]
    person: tuple[str, ...]
    compared: tuple[str, ...]

    plan_head: str
    #: By the field of :class:`~agent_bridge.core.results.repairs.PassPlan`.
    plan_lines: Mapping[str, str]
    plan_nothing: str
    plan_end: str
    plan_more: str
    #: Changes that wait for an operator's word, by the field of the plan.
    plan_held: Mapping[str, str]

    begun: str
    begun_agent: str
    begun_forced: str
    progress: str
    done: str
    done_clean: str
    failed: str
    room_line: str
    room_error: str
    more_rooms: str
    forces: str
    #: By :class:`~agent_bridge.core.results.repairs.Part`: the ``{parts}`` of *outcomes*.
    parts: Mapping[str, str]
    #: By :class:`~agent_bridge.core.results.repairs.Outcome`.
    outcomes: Mapping[str, str]

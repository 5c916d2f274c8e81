"""The texts about the use of tokens and money, in one language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.i18n.catalogue import Noun


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageTexts:
    """The part of :class:`~agent_bridge.i18n.catalogue.Texts` about quotas and the command ``usage``."""

    request: Noun
    token: Noun
    #: The number 1000.00 as it is written.
    thousand: str

    #: Lines about a quota, by the subject that it is for: of tokens or money, and of messages.
    used_up: Mapping[str, str]
    too_many: Mapping[str, str]
    #: By :class:`~agent_bridge.core.quotas.Period`: the ``{period}`` of *used_up*.
    for_period: Mapping[str, str]
    #: When messages are let through again: the ``{moment}``, and the line for a limit of 0.
    goes_on: str
    never: str
    soon: str
    at_time: str
    tomorrow: str
    on_day: str
    #: In the grammatical case of *on_day*.
    months: tuple[str, ...]

    #: Answers to ``usage``: the heads, their ``{period}``, the sums, and the lines.
    head_own: str
    head_user: str
    head_all: str
    in_period: Mapping[str, str]
    of_limit: str
    line: str
    line_more: str
    estimated: str
    nothing: str

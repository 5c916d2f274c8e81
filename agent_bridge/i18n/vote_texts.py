"""The texts about votes, in one language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteTexts:
    """The part of :class:`~agent_bridge.i18n.catalogue.Texts` about votes."""

    #: Numbers of votes.
    vote: tuple[str, ...]
    #: By :class:`~agent_bridge.core.votes.VoteProblem`.
    problems: Mapping[str, str]
    opened: str
    opened_by_text: str
    #: How a vote ends, by the time and by hand.
    opened_until: str
    opened_by_hand: str
    opened_quorum: str
    closed: str
    cast: str
    taken_back: str
    #: Moments: of today, and of another day.
    today: str
    on_day: str
    none: str
    head: str
    foot: str
    #: Parts of a line of the list.
    entry: str
    until: str
    by: str
    quorum: str
    closing: str
    ended: str
    answer: str
    #: The result.
    result: str
    line: str
    winner: str
    tie: str
    nobody: str
    missed: str
    upgraded: str
    cancelled: str
    refused: str

"""The texts of agent events, in one language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTexts:
    """The part of :class:`~agent_bridge.i18n.catalogue.Texts` about agent events."""

    #: The beginning of the text of an event, by :class:`~agent_bridge.core.agent_events.EventKind`; of all other kinds.
    kinds: Mapping[str, str]
    other_kind: str
    #: The same, of an agent that posts it itself: clients show its name as that of the sender.
    own_kind: str
    #: A turn in a log channel, by the kind of the event, and its facts.
    mirrored: Mapping[str, str]
    stopped: str
    room: str
    tokens: tuple[str, ...]
    #: Answers of the commands.
    accepted: str
    #: By :class:`~agent_bridge.core.results.events.EventProblem`.
    problems: Mapping[str, str]
    place: str
    mirrors_all: str
    mirrors: str
    mirrors_none: str
    mirror_ended: str
    no_log: str

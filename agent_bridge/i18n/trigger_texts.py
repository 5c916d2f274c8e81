"""The texts about triggers, in one language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerTexts:
    """The part of :class:`~agent_bridge.i18n.catalogue.Texts` about triggers."""

    #: Told to the room: who wakes the agent.
    woken: str
    #: Told to the agent, before the text.
    asks: str
    #: By :class:`~agent_bridge.core.triggers.TriggerKind`.
    made: Mapping[str, str]
    kinds: Mapping[str, str]
    #: By :class:`~agent_bridge.core.results.triggers.TriggerProblem`.
    problems: Mapping[str, str]
    revoked: str
    #: Told to the owner alone.
    callback_head: str
    signed_head: str
    #: The list.
    none: str
    none_of_all: str
    head: str
    foot: str
    page: str
    created: str
    used: str
    expires: str
    owner: str

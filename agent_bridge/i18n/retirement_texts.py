"""The texts about agents that are retired, in one language."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RetirementTexts:
    """The part of :class:`~agent_bridge.i18n.catalogue.Texts` about retired agents."""

    #: The state in the list of agents.
    state: str
    #: Answers to the command ``retire``, and to its confirmation.
    retired: str
    asked: str
    confirmed: str
    back: str
    not_listed: str
    not_retired: str
    #: Told to the administrators: only the homeserver's own can delete the room.
    not_deleted: str

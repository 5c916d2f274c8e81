"""The rules by which agents that are gone are retired."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.core.client_agents import EPHEMERAL_CLIENTS

if TYPE_CHECKING:
    from agent_bridge.config.model import Config

_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class RetirementRule:
    """When the agents of an upstream that are gone are retired."""

    #: Name of the upstream.
    upstream: str
    #: Seconds for which an agent is gone.
    seconds: float
    #: Whether its room is removed.
    deletes: bool


def rules_of(config: Config) -> list[RetirementRule]:
    """Return the rules of the configuration: one for each upstream whose agents are retired."""
    days, deletes = config.retire.after_days, config.retire.delete
    return [
        # An ephemeral agent that connects itself is gone when it was away for ephemeral_after.
        RetirementRule(each.name, 0.0 if each.name == EPHEMERAL_CLIENTS else config.ephemeral_after, deletes=True)
        if each.ephemeral
        else RetirementRule(each.name, (days or 0.0) * _DAY, deletes)
        for each in config.every_upstream
        if each.ephemeral or days is not None
    ]

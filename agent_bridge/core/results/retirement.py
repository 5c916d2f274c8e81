"""Results of ``retire``, and of its confirmation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class AgentRetired:
    """The agent is put away."""

    #: Its name.
    agent: str


@dataclass(frozen=True, slots=True)
class RetirementAsked:
    """The agent is put away, and its room deleted, if the caller confirms it."""

    agent: str


@dataclass(frozen=True, slots=True)
class RetirementConfirmed:
    """The agent is put away, and its room is being deleted."""

    agent: str


@dataclass(frozen=True, slots=True)
class AgentReturned:
    """The agent is not retired any more."""

    agent: str
    #: Whether it answers again; else its upstream does not list it.
    is_listed: bool


@dataclass(frozen=True, slots=True)
class NotRetired:
    """The agent was not retired."""

    agent: str


RetirementResult: TypeAlias = AgentRetired | AgentReturned | NotRetired | RetirementAsked | RetirementConfirmed

"""Budgets of chains: whether an agent may ask another one. Pure functions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from agent_bridge.core.chains import Bound, ChainBudget

if TYPE_CHECKING:
    from agent_bridge.core.chains import ChainUse


def exhausted(use: ChainUse, budget: ChainBudget) -> Bound | None:
    """Return the first limit of *budget* that forbids the turn that *use* describes; None if it may be written."""
    if use.hops > budget.hops:
        return Bound.HOPS
    if use.pair >= budget.pair:
        return Bound.PAIR
    if use.turns >= budget.turns:
        return Bound.TURNS
    if budget.tokens is not None and use.tokens >= budget.tokens:
        return Bound.TOKENS
    return None


def raised(budget: ChainBudget, bound: Bound, step: ChainBudget, used_tokens: int) -> ChainBudget:
    """Return *budget* after people have let the agents go on at *bound*: it grows by the limits of *step*.

    The pair's limit stays: the time from which the pair is counted moves instead.
    """
    match bound:
        case Bound.HOPS:
            return replace(budget, hops=budget.hops + step.hops)
        case Bound.PAIR:
            return budget
        case Bound.TURNS:
            return replace(budget, turns=budget.turns + step.turns)
        case Bound.TOKENS:
            # An answer may have used more than was left.
            tokens = None if step.tokens is None else max(budget.tokens or 0, used_tokens) + step.tokens
            return replace(budget, tokens=tokens)

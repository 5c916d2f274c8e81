"""Budgets of chains."""

from __future__ import annotations

import pytest

from agent_bridge.bridge.groups.budgets import exhausted, raised
from agent_bridge.core.chains import Bound, ChainBudget, ChainUse

BUDGET = ChainBudget(hops=4, pair=10, turns=20, tokens=1000)


@pytest.mark.parametrize(
    ("use", "bound"),
    [
        (ChainUse(hops=1, pair=0, turns=1, tokens=0), None),
        (ChainUse(hops=4, pair=9, turns=19, tokens=999), None),
        (ChainUse(hops=5, pair=0, turns=5, tokens=0), Bound.HOPS),
        (ChainUse(hops=1, pair=10, turns=11, tokens=0), Bound.PAIR),
        (ChainUse(hops=1, pair=0, turns=20, tokens=0), Bound.TURNS),
        (ChainUse(hops=1, pair=0, turns=1, tokens=1000), Bound.TOKENS),
        (ChainUse(hops=5, pair=10, turns=20, tokens=5000), Bound.HOPS),
    ],
)
def test_a_turn_that_fits_into_the_budget_is_written(use: ChainUse, bound: Bound | None) -> None:
    assert exhausted(use, BUDGET) is bound


def test_without_a_limit_tokens_do_not_count() -> None:
    assert exhausted(ChainUse(hops=1, pair=0, turns=1, tokens=10**12), ChainBudget(4, 10, 20)) is None


@pytest.mark.parametrize(
    ("bound", "budget"),
    [
        (Bound.HOPS, ChainBudget(8, 10, 20, 1000)),
        (Bound.PAIR, BUDGET),
        (Bound.TURNS, ChainBudget(4, 10, 40, 1000)),
        # The last answer used more than was left.
        (Bound.TOKENS, ChainBudget(4, 10, 20, 2500)),
    ],
)
def test_people_raise_the_limit_that_was_reached(bound: Bound, budget: ChainBudget) -> None:
    assert raised(BUDGET, bound, BUDGET, used_tokens=1500) == budget


def test_a_limit_that_the_configuration_lost_is_lifted() -> None:
    assert raised(BUDGET, Bound.TOKENS, ChainBudget(4, 10, 20), used_tokens=1500).tokens is None

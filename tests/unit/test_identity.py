"""Changes of a list that a rename may explain are held."""

from __future__ import annotations

import pytest

from agent_bridge.bridge.agents.diff import diff_agents
from agent_bridge.bridge.agents.identity import hold_unclear
from agent_bridge.core.agents import AgentState
from agent_bridge.upstream.base import AgentInfo
from support.records import agent

RAW = "agent-local-00000000-0000-0000-0000-00000000000{}"
A, B = agent(1, "A"), agent(2, "B")


def names(*listed: str) -> list[AgentInfo]:
    return [AgentInfo(name, name, id_is_name=True, id_lasts=False) for name in listed]


def raw(*numbers: int) -> list[AgentInfo]:
    ids = [RAW.format(number) for number in numbers]
    return [AgentInfo(each, each, id_lasts=False) for each in ids]


@pytest.mark.parametrize(
    ("listed", "vanished", "appeared"),
    [
        pytest.param(names("A", "B"), [], [], id="no change"),
        pytest.param(names("A", "C"), [], [], id="one rename"),
        pytest.param(names("A", "B", "C"), [], [], id="a new agent"),
        pytest.param(names("A"), [], [], id="a deleted agent"),
        pytest.param(names("C", "D"), ["A", "B"], ["C", "D"], id="two renames"),
        pytest.param([*names("B"), *raw(1, 2)], ["A"], [RAW.format(1), RAW.format(2)], id="a twin"),
        pytest.param([*names("B"), *raw(1)], ["A"], [RAW.format(1)], id="a name was removed"),
        pytest.param(names("C", "D", "E"), ["A", "B"], ["C", "D", "E"], id="two renames and a new agent"),
        pytest.param(names("C"), ["A", "B"], ["C"], id="a rename and a deletion"),
        pytest.param([AgentInfo("x", "X"), AgentInfo("y", "Y")], [], [], id="ids that last"),
    ],
)
def test_a_change_that_renames_may_explain(listed: list[AgentInfo], vanished: list[str], appeared: list[str]) -> None:
    diff = diff_agents([A, B], listed)
    kept, held = hold_unclear(diff, ())
    assert (list(held.vanished_names), list(held.appeared_ids)) == (vanished, appeared)
    if appeared:
        assert not kept.added
        assert not kept.missing
        assert kept.present == diff.present
    else:
        assert kept == diff


def test_an_agent_that_was_missing_before_was_not_renamed_now() -> None:
    diff = diff_agents([A, B], names("B", "C", "D"), missed=[1])
    kept, held = hold_unclear(diff, [1])
    assert (kept, held.appeared) == (diff, ())


def test_a_name_that_a_gone_agent_had_may_belong_to_another_now() -> None:
    gone = agent(3, "C", state=AgentState.GONE)
    kept, held = hold_unclear(diff_agents([A, B, gone], names("C", "D")), ())
    assert held.appeared_ids == ("D", "C")
    assert not kept.back

"""Agents that are known by another kind of upstream are found in the list of the new kind, or held."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.bridge.agents.diff import diff_agents
from agent_bridge.bridge.agents.switch import Unclear, compare_kinds, hold_unknown
from agent_bridge.core.agents import Agent, AgentState
from agent_bridge.upstream.base import AgentInfo
from support.records import agent

RAW = "agent-local-00000000-0000-0000-0000-00000000000{}"


def letta(*names: str) -> list[AgentInfo]:
    """Return the list of an App Server; the ids are the positions."""
    return [AgentInfo(RAW.format(number), name) for number, name in enumerate(names, 1)]


def openai(*names: str) -> list[AgentInfo]:
    """Return the list of its OpenAI API."""
    return [AgentInfo(name, name, id_is_name=True, id_lasts=False) for name in names]


def gone(number: int, name: str) -> Agent:
    return agent(number, name, state=AgentState.GONE)


def known_by_id(number: int, name: str, position: int, kind: str = "letta") -> Agent:
    return agent(number, name, model=RAW.format(position), kind=kind)


@pytest.mark.parametrize(
    ("known", "names", "found", "unclear"),
    [
        pytest.param([agent(1, "A"), agent(2, "B")], "AB", {1: 1, 2: 2}, {}, id="all are found"),
        pytest.param([agent(1, "A")], "BA", {1: 2}, {}, id="a new one beside"),
        pytest.param([agent(1, "A")], "", {}, {1: "not_listed"}, id="an empty list"),
        pytest.param([agent(1, "A")], "B", {}, {1: "not_listed"}, id="renamed at the same time"),
        pytest.param([agent(1, "A"), agent(2, "B")], "AAB", {2: 3}, {1: "several_listed"}, id="twins in the list"),
        pytest.param(
            [agent(1, "A"), agent(2, "A ", name="A")], "A", {}, {1: "several_known", 2: "several_known"}, id="two rooms"
        ),
        pytest.param(
            [agent(1, RAW.format(1)), agent(2, RAW.format(2)), gone(3, "A")],
            "AA",
            {1: 1, 2: 2},
            {},
            id="twins were known by their ids before",
        ),
        pytest.param([gone(1, "A")], "A", {1: 1}, {}, id="one that was gone is back"),
        pytest.param([gone(1, "A"), gone(2, "A")], "A", {2: 1}, {}, id="the latest of those that were gone"),
        pytest.param([gone(2, "A"), agent(1, "A")], "A", {1: 1}, {}, id="the one that is there comes first"),
        pytest.param([gone(1, "A")], "B", {}, {}, id="one that is gone is not unclear"),
        pytest.param([agent(1, "A", state=AgentState.HELD)], "A", {1: 1}, {}, id="one that waits for a room"),
        pytest.param([known_by_id(1, "A", 1)], "B", {}, {}, id="known by an id of this kind"),
        pytest.param(
            [known_by_id(1, "A", 1), agent(2, "B")], "AA", {}, {2: "not_listed"}, id="a twin of one that is settled"
        ),
        pytest.param(
            [known_by_id(1, "A", 1), agent(2, "A")], "AA", {}, {2: "several_listed"}, id="no guess beside a settled one"
        ),
        pytest.param([known_by_id(1, "A", 1, kind="openai")], "B", {1: 1}, {}, id="an operator told the id"),
        pytest.param([agent(1, "a")], "A", {}, {1: "not_listed"}, id="upper and lower case differ"),
    ],
)
def test_openai_to_letta(known: list[Agent], names: str, found: dict[int, int], unclear: dict[int, str]) -> None:
    switch = compare_kinds(known, letta(*names), "letta")
    assert {each.id: item.model for each, item in switch.found} == {
        number: RAW.format(position) for number, position in found.items()
    }
    assert {each.id: str(reason) for each, reason in switch.unclear} == unclear


def test_letta_to_openai() -> None:
    known = [known_by_id(1, "A", 1), known_by_id(2, "B", 2), known_by_id(3, "C", 3), known_by_id(4, "C", 4)]
    twins = [AgentInfo(RAW.format(number), RAW.format(number), id_lasts=False) for number in (3, 4)]
    switch = compare_kinds(known, [*openai("A", "Z"), *twins], "openai")
    assert {each.id: item.model for each, item in switch.found} == {1: "A", 3: RAW.format(3), 4: RAW.format(4)}
    assert [(each.id, reason) for each, reason in switch.unclear] == [(2, Unclear.NOT_LISTED)]


def test_an_operator_settles_those_that_are_unclear() -> None:
    switch = compare_kinds([agent(1, "A"), agent(2, "B")], letta("A"), "letta")
    assert switch.models(confirmed=False) == {1: RAW.format(1)}
    assert switch.models(confirmed=True) == {1: RAW.format(1), 2: "B"}


@pytest.mark.parametrize(
    ("known", "names", "vanished", "appeared"),
    [
        pytest.param([agent(1, "A")], "B", ["A"], [RAW.format(1)], id="a rename"),
        pytest.param([agent(1, "A")], "AA", ["A"], [RAW.format(1), RAW.format(2)], id="twins"),
        pytest.param([agent(1, "A")], "", [], [], id="nothing new"),
        pytest.param([agent(1, "A")], "AB", [], [], id="nothing missing"),
        pytest.param([known_by_id(1, "A", 3)], "B", [], [], id="known by an id of this kind"),
    ],
)
def test_changes_that_are_held(known: list[Agent], names: str, vanished: list[str], appeared: list[str]) -> None:
    listed = letta(*names)
    switch = compare_kinds(known, listed, "letta")
    models = switch.models(confirmed=False)
    diff = diff_agents([agent(each.id, each.name, model=models.get(each.id, each.model)) for each in known], listed)
    kept, held = hold_unknown(diff, {each.id for each, _ in switch.unclear})
    assert (list(held.vanished_names), list(held.appeared_ids)) == (vanished, appeared)
    assert not (kept.added if vanished else held.appeared)
    assert kept.present == diff.present


AGENTS = st.builds(
    lambda number, name, state, settled: agent(
        number, name, state=state, **({"kind": "letta", "model": RAW.format(number)} if settled else {})
    ),
    st.integers(1, 8),
    st.sampled_from("ABCD"),
    st.sampled_from(list(AgentState)),
    st.booleans(),
)


@given(st.lists(AGENTS, unique_by=lambda each: each.id), st.lists(st.sampled_from("ABCDE"), max_size=8))
def test_no_agent_is_found_twice(known: list[Agent], names: list[str]) -> None:
    switch = compare_kinds(known, letta(*names), "letta")
    models = [item.model for _, item in switch.found]
    settled = [each.model for each in known if each.kind == "letta"]
    assert len({*models, *settled}) == len(models) + len(set(settled))
    rows = [each.id for each in (*(each for each, _ in switch.found), *(each for each, _ in switch.unclear))]
    assert len(rows) == len(set(rows))
    assert {each.id for each in known if each.kind != "letta" and not each.state.is_at_rest} <= set(rows)
    assert all(each.name == item.name for each, item in switch.found)

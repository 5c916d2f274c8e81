"""The differences between an upstream's list and the known agents, over several polls."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.bridge.agents.desired import fill, fresh_identity
from agent_bridge.bridge.agents.diff import AgentDiff, diff_agents
from agent_bridge.core.agents import Agent, AgentState
from agent_bridge.upstream.base import AgentInfo
from support.records import agent

RAW = "agent-local-00000000-0000-0000-0000-00000000000{}"


def id_is_name(*names: str) -> list[AgentInfo]:
    """Return agents that are listed by their names."""
    return [AgentInfo(name, name, id_is_name=True) for name in names]


def raw(*numbers: int) -> list[AgentInfo]:
    """Return agents that are listed by ids, because their names are not unique."""
    return [AgentInfo(RAW.format(number), RAW.format(number)) for number in numbers]


def stable(**names: str) -> list[AgentInfo]:
    """Return agents with ids that never change, and their names."""
    return [AgentInfo(model, name) for model, name in names.items()]


def gone(number: int, name: str) -> Agent:
    return agent(number, name, state=AgentState.GONE)


def summary(census: AgentDiff) -> dict[str, list[str]]:
    """Return a census as names; ``7=Frida`` is the agent with row id 7 under the name Frida."""
    parts = {
        "added": [item.name for item in census.added],
        "present": [f"{known.id}={item.name}" for known, item in census.present],
        "back": [f"{known.id}={item.name}" for known, item in census.back],
        "missing": [f"{known.id}" for known in census.missing],
    }
    return {key: value for key, value in parts.items() if value}


@pytest.mark.parametrize(
    ("known", "listed", "expected"),
    [
        pytest.param([], [], {}, id="nobody"),
        pytest.param([], id_is_name("A", "B"), {"added": ["A", "B"]}, id="the first poll"),
        pytest.param([agent(1, "A")], id_is_name("A"), {"present": ["1=A"]}, id="as ever"),
        pytest.param([agent(1, "A")], id_is_name("A", "B"), {"present": ["1=A"], "added": ["B"]}, id="one more"),
        pytest.param(
            [agent(1, "A"), agent(2, "B")], id_is_name("B"), {"present": ["2=B"], "missing": ["1"]}, id="one less"
        ),
        pytest.param([agent(1, "A")], [], {"missing": ["1"]}, id="the last one less"),
        pytest.param([agent(1, "A")], id_is_name("B"), {"present": ["1=B"]}, id="renamed"),
        pytest.param(
            [agent(1, "A"), agent(2, "X")],
            id_is_name("X", "B"),
            {"present": ["2=X", "1=B"]},
            id="renamed beside another",
        ),
        pytest.param(
            [agent(1, "A"), agent(2, "B")],
            id_is_name("C", "D"),
            {"added": ["C", "D"], "missing": ["1", "2"]},
            id="two renamed at once: no guessing",
        ),
        pytest.param(
            [agent(1, "A")],
            id_is_name("B", "C"),
            {"added": ["B", "C"], "missing": ["1"]},
            id="one for two: no guessing",
        ),
        pytest.param(
            [agent(1, "A"), agent(2, "B")],
            id_is_name("C"),
            {"added": ["C"], "missing": ["1", "2"]},
            id="two less, one more: no guessing",
        ),
        pytest.param(
            [agent(1, "A"), agent(2, "B")], id_is_name("B", "A"), {"present": ["2=B", "1=A"]}, id="another order"
        ),
        # Ids that never change.
        pytest.param([agent(1, "a", name="Ann")], stable(a="Bea"), {"present": ["1=Bea"]}, id="a new name for an id"),
        pytest.param(
            [agent(1, "a", name="Ann")],
            stable(b="Bea"),
            {"added": ["Bea"], "missing": ["1"]},
            id="another id is another agent",
        ),
        pytest.param(
            [agent(1, "a")], stable(b="b"), {"added": ["b"], "missing": ["1"]}, id="though it has no other name"
        ),
        pytest.param(
            [agent(1, "a", name="Ann")],
            id_is_name("Bea"),
            {"added": ["Bea"], "missing": ["1"]},
            id="what was listed by id does not turn into a name",
        ),
        # Letta lists an agent by its id while its name is not unique.
        pytest.param(
            [agent(1, "A")], raw(1, 2), {"added": [RAW.format(1), RAW.format(2)], "missing": ["1"]}, id="a twin appears"
        ),
        pytest.param(
            [gone(1, "A"), agent(2, RAW.format(1)), agent(3, RAW.format(2))],
            id_is_name("A"),
            {"back": ["1=A"], "missing": ["2", "3"]},
            id="the twin is deleted",
        ),
        pytest.param(
            [agent(1, "A"), agent(2, RAW.format(1)), agent(3, RAW.format(2))],
            id_is_name("A"),
            {"present": ["1=A"], "missing": ["2", "3"]},
            id="the twin is deleted before anybody was gone",
        ),
        pytest.param(
            [gone(1, "A"), agent(2, RAW.format(1)), agent(3, RAW.format(2))],
            id_is_name("A", "B"),
            {"back": ["1=A"], "added": ["B"], "missing": ["2", "3"]},
            id="the twin is renamed",
        ),
        pytest.param([agent(1, RAW.format(1))], id_is_name("A"), {"present": ["1=A"]}, id="the nameless gets a name"),
        pytest.param(
            [agent(1, "A")],
            raw(1),
            {"added": [RAW.format(1)], "missing": ["1"]},
            id="its name is taken away: no guessing",
        ),
        # The agent is gone, and comes back.
        pytest.param([gone(1, "A")], [], {}, id="gone and still gone"),
        pytest.param([gone(1, "A")], id_is_name("A"), {"back": ["1=A"]}, id="back"),
        pytest.param(
            [gone(1, "A"), agent(2, "B")],
            id_is_name("B", "C"),
            {"present": ["2=B"], "added": ["C"]},
            id="the gone are no rename",
        ),
        pytest.param(
            [gone(1, "A"), agent(2, "B")],
            id_is_name("A"),
            {"present": ["2=A"]},
            id="renamed to what a gone one was called",
        ),
        pytest.param(
            [gone(1, "A"), agent(2, "B"), agent(3, "C")],
            id_is_name("A"),
            {"back": ["1=A"], "missing": ["2", "3"]},
            id="one back, two less: no guessing",
        ),
        pytest.param(
            [gone(1, "A"), agent(2, "B")],
            id_is_name("A", "C"),
            {"back": ["1=A"], "added": ["C"], "missing": ["2"]},
            id="one back, one more, one less: no guessing",
        ),
        pytest.param(
            [agent(1, "A"), gone(2, "A")], id_is_name("A"), {"present": ["1=A"]}, id="the one that is there comes first"
        ),
        pytest.param([gone(1, "A"), agent(2, "A")], id_is_name("A"), {"present": ["2=A"]}, id="whichever is older"),
        pytest.param([gone(1, "A"), gone(2, "A")], id_is_name("A"), {"back": ["2=A"]}, id="of two gone the latest"),
        # Held agents exist, and wait.
        pytest.param([agent(1, "A", state=AgentState.HELD)], id_is_name("A"), {"present": ["1=A"]}, id="held"),
        pytest.param(
            [agent(1, "A", state=AgentState.HELD)], id_is_name("B"), {"present": ["1=B"]}, id="held and renamed"
        ),
        pytest.param([agent(1, "A", state=AgentState.HELD)], [], {"missing": ["1"]}, id="held and missing"),
    ],
)
def test_one_poll(known: list[Agent], listed: list[AgentInfo], expected: dict[str, list[str]]) -> None:
    assert summary(diff_agents(known, listed)) == expected


@pytest.mark.parametrize(
    ("known", "listed", "missed", "expected"),
    [
        pytest.param(
            [agent(1, "A")],
            id_is_name("B"),
            [1],
            {"added": ["B"], "missing": ["1"]},
            id="it vanished before: no rename",
        ),
        pytest.param(
            [agent(1, "A"), agent(2, "B")],
            id_is_name("C"),
            [1],
            {"present": ["2=C"], "missing": ["1"]},
            id="of two that are missing one vanished now",
        ),
        pytest.param([agent(1, "A")], id_is_name("A"), [1], {"present": ["1=A"]}, id="there again"),
        pytest.param(
            [agent(1, "A")], id_is_name("A", "B"), [1], {"present": ["1=A"], "added": ["B"]}, id="and one more"
        ),
        pytest.param([agent(1, "A")], [], [1, 99], {"missing": ["1"]}, id="still missing"),
    ],
)
def test_what_the_last_poll_lacked_has_not_vanished_now(
    known: list[Agent], listed: list[AgentInfo], missed: list[int], expected: dict[str, list[str]]
) -> None:
    assert summary(diff_agents(known, listed, missed)) == expected


@dataclass
class World:
    """Polls in a row, each digested as discovery does; agents are gone after *patience* polls without them."""

    patience: int = 3
    agents: dict[int, Agent] = field(default_factory=dict)
    missed: dict[int, int] = field(default_factory=dict)

    def poll(self, listed: list[AgentInfo]) -> dict[str, list[str]]:
        census = diff_agents(list(self.agents.values()), listed, self.missed)
        self.missed = {known.id: self.missed.get(known.id, 0) + 1 for known in census.missing}
        for known, item in (*census.present, *census.back):
            self.agents[known.id] = replace(known, model=item.model, name=item.name, state=AgentState.ACTIVE)
        for item in census.added:
            number = len(self.agents) + 1
            self.agents[number] = agent(number, item.model, name=item.name)
        for number in [number for number, count in self.missed.items() if count >= self.patience]:
            self.agents[number] = replace(self.agents[number], state=AgentState.GONE)
            del self.missed[number]
        return summary(census)

    def active(self) -> dict[int, str]:
        return {number: known.name for number, known in self.agents.items() if known.state is AgentState.ACTIVE}


def test_a_name_that_goes_from_hand_to_hand() -> None:
    world = World()
    world.poll(id_is_name("A", "B"))
    world.poll(id_is_name("A", "C"))
    assert world.active() == {1: "A", 2: "C"}
    # The first agent gets a former name of the second one, and then the second a former name of the first.
    world.poll(id_is_name("B", "C"))
    world.poll(id_is_name("B", "A"))
    assert world.active() == {1: "B", 2: "A"}
    assert len(world.agents) == 2


def test_a_twin_comes_and_goes() -> None:
    world = World()
    world.poll(id_is_name("A"))
    for _ in range(3):
        world.poll(raw(1, 2))
    assert world.active() == {2: RAW.format(1), 3: RAW.format(2)}
    for _ in range(3):
        world.poll(id_is_name("A"))
    assert world.active() == {1: "A"}
    assert len(world.agents) == 3


def test_a_short_twin_leaves_no_trace_on_the_first() -> None:
    world = World()
    world.poll(id_is_name("A"))
    world.poll(raw(1, 2))
    world.poll(id_is_name("A"))
    assert world.agents[1].state is AgentState.ACTIVE
    assert 1 not in world.missed


@given(
    st.lists(st.tuples(st.integers(1, 6), st.sampled_from(list(AgentState)), st.sampled_from("ABCDEF"))),
    st.lists(st.sampled_from("ABCDEFGH"), unique=True),
    st.sets(st.integers(1, 6)),
    st.booleans(),
)
def test_everybody_is_counted_once(
    rows: list[tuple[int, AgentState, str]],
    names: list[str],
    missed: set[int],
    by_name: bool,  # noqa: FBT001
) -> None:
    known = list({number: agent(number, name, state=state) for number, state, name in rows}.values())
    listed = id_is_name(*names) if by_name else [AgentInfo(name, name) for name in names]
    census = diff_agents(known, listed, missed)
    items = [*census.added, *(item for _, item in (*census.present, *census.back))]
    assert sorted(item.name for item in items) == sorted(names)
    people = [person.id for person in (*census.missing, *(who for who, _ in (*census.present, *census.back)))]
    assert len(people) == len(set(people))
    there = {person.id for person in known if not person.state.is_at_rest}
    assert there <= set(people)
    assert {person.id for person in census.missing} <= there
    # Only a rename changes a model, and at most one is believed in a poll.
    assert sum(who.model != item.model for who, item in census.present) <= (1 if by_name else 0)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("", ""),
        ("plain", "plain"),
        ("{name}", "{id} & {braces}"),
        ("Agent: {name}!", "Agent: {id} & {braces}!"),
        ("{name}{id}{upstream}", "{id} & {braces}a{b}cup"),
        ("{id} {id}", "a{b}c a{b}c"),
    ],
)
def test_fill_leaves_braces_in_names_alone(template: str, text: str) -> None:
    assert fill(template, {"name": "{id} & {braces}", "id": "a{b}c", "upstream": "up"}) == text


@pytest.mark.parametrize(
    ("taken", "identity"),
    [
        (set(), "A"),
        ({"B"}, "A"),
        ({"A"}, "A~2"),
        ({"A", "A~2", "A~3"}, "A~4"),
        ({"A", "A~3"}, "A~2"),
        ({"A~2"}, "A"),
    ],
)
def test_an_identity_is_never_given_twice(taken: set[str], identity: str) -> None:
    assert fresh_identity("A", taken) == identity


@pytest.mark.parametrize(("by", "group"), [(None, "back"), ("@admin:x.org", "present")])
def test_a_list_brings_back_a_retired_agent_unless_a_person_retired_it(by: str | None, group: str) -> None:
    ada = replace(agent(1, "Ada", state=AgentState.RETIRED), retired_by=by)
    [item] = stable(Ada="Ada")
    census = diff_agents([ada], [item])
    assert getattr(census, group) == ((ada, item),)
    assert diff_agents([ada], []) == AgentDiff((), (), (), ())

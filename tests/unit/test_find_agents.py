"""The agent that a person means: the search is forgiving, and never guesses between two agents."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.commands.lookup import find_agents
from agent_bridge.core.agents import AgentState
from support.records import contact

CONTACTS = [
    contact(1, "Frida"),
    contact(2, "Frida Kahlo", ghost="agent_kahlo", agent_id="agent-2"),
    contact(3, "Diego", model="agent-local-3", room_id=None),
    contact(4, "diego", ghost="agent_diego_2", agent_id="diego~2"),
    contact(5, "Ünal Straße", ghost="agent_5", agent_id="agent-5"),
    contact(6, "Code Review Bot", ghost="agent_6", agent_id="agent-6"),
    contact(7, "agent_frida", ghost="agent_7", agent_id="agent-7", model="agent-7"),
]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        pytest.param("agent-2", [2], id="id"),
        pytest.param("agent-local-3", [3], id="model"),
        pytest.param("agent_kahlo", [2], id="ghost"),
        pytest.param("!1:example.org", [1], id="room"),
        pytest.param("Frida Kahlo - Chat", [2], id="name of the room"),
        pytest.param("Agent Frida", [1], id="display name"),
        pytest.param("agent_frida", [1], id="an id before a name"),
        pytest.param("Frida", [1], id="name, though another begins so"),
        pytest.param("Diego", [3], id="name as it is written"),
        pytest.param("diego", [4], id="the other as it is written"),
        pytest.param("DIEGO", [3, 4], id="both in capitals"),
        pytest.param("AGENT-5", [5], id="id in capitals"),
        pytest.param("frida kahlo", [2], id="name in any case"),
        pytest.param("ÜNAL STRASSE", [5], id="case beyond ASCII"),
        pytest.param("u\u0308nal straße", [5], id="a letter of two code points"),
        pytest.param("Frid", [1, 2], id="beginning of two"),
        pytest.param("code", [6], id="beginning of one"),
        pytest.param("review", [6], id="a part"),
        pytest.param("kahl", [2], id="a part of one, though it is alike others"),
        pytest.param("Fridda", [1], id="a slip of the finger"),
        pytest.param("code reviewbot", [6], id="another"),
        pytest.param("nobody at all", [], id="nobody"),
        pytest.param("None", [], id="a room that is not there has no name"),
    ],
)
def test_who_is_meant(name: str, found: list[int]) -> None:
    assert [each.agent.id for each in find_agents(name, CONTACTS)] == found


def test_the_name_of_today_comes_before_a_former_one() -> None:
    # Where ids are names, the id of an agent is its first name.
    agents = [
        contact(1, "Theodora", agent_id="Dora", model="Theodora"),
        contact(2, "Dora", agent_id="Dora~2", model="Dora", ghost="agent_dora_2"),
    ]
    for name in ("Dora", "dora"):
        assert [each.agent.id for each in find_agents(name, agents)] == [2]
    assert [each.agent.id for each in find_agents("Theodora", agents)] == [1]


def test_an_agent_that_is_gone_is_found_if_no_other_is_meant() -> None:
    there, gone = contact(1, "Dora", ghost="agent_1"), contact(2, "Dora", ghost="agent_2", state=AgentState.GONE)
    assert find_agents("Dora", [gone, there]) == [there]
    assert find_agents("Dora", [gone]) == [gone]


@pytest.mark.parametrize("name", ["", "@", " ", "@ "])
def test_no_name_is_no_beginning_of_a_name(name: str) -> None:
    assert find_agents(name, [contact(1, "Frida")]) == []


def test_an_agent_called_at_is_found() -> None:
    agents = [contact(1, "Frida"), contact(2, "@")]
    assert find_agents("@", agents) == agents[1:]


def test_nobody_is_found_among_none() -> None:
    assert find_agents("Frida", []) == []


NAMES = st.text(st.characters(exclude_characters="#"), min_size=1, max_size=8)


@given(st.lists(NAMES, min_size=1, max_size=6, unique=True), st.data())
def test_a_name_always_finds_its_agent(names: list[str], data: st.DataObject) -> None:
    ids = [f"#{number}" for number in range(len(names))]
    agents = [contact(1, name, agent_id=id_, model=id_, ghost=id_) for name, id_ in zip(names, ids, strict=True)]
    name = data.draw(st.sampled_from(names))
    assert name in {each.agent.name for each in find_agents(name, agents)}


def test_agents_of_the_configuration_are_found_by_their_entry_and_not_by_the_model_that_they_share() -> None:
    entries = [contact(2, "Poet", model="gpt", entry="poet-1"), contact(3, "Judge", model="gpt", entry="judge-1")]
    agents = [contact(1, "gpt"), *entries]
    assert find_agents("gpt", agents) == agents[:1]
    assert find_agents("judge-1", agents) == agents[2:]

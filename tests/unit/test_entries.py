"""The agents that stand for the entries of the configuration: the choice of the agents, and its time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from agent_bridge.bridge.agents.entries import Entry, assign, changes
from agent_bridge.config.agents import AgentConfig
from agent_bridge.config.conversations import TemplatesConfig
from agent_bridge.config.upstreams import UpstreamConfig
from agent_bridge.core.agents import AgentState
from support.records import NAMES, agent, contact

if TYPE_CHECKING:
    from agent_bridge.core.agents import Agent
    from agent_bridge.store.agents import AgentRoom

UP, OTHER = (UpstreamConfig(name=name, url="http://127.0.0.1:9") for name in ("up", "other"))
#: Numbers of entries. Linear work takes 4 times as long with the larger one, and quadratic work 16 times.
COUNTS, _LIMIT = (250, 1_000), 9


def entry(key: str, upstream: UpstreamConfig = UP) -> Entry:
    return Entry(AgentConfig(id=key, label=f"Agent {key}", model="model"), upstream)


def known(number: int, key: str, upstream: str = "up", **fields: object) -> Agent:
    return agent(number, f"Agent {key}", upstream=upstream, **({"agent_id": key, "model": key, "entry": key} | fields))


def test_an_entry_keeps_its_agent_before_another_one_takes_it_over() -> None:
    listed = known(1, "a", entry=None)
    own = known(2, "a~2", entry="a")
    gone = known(3, "b", entry=None, agent_id="b~2", state=AgentState.GONE)
    moved = known(4, "c", "other")
    agents = [listed, own, gone, moved]
    assert assign([entry("a"), entry("b"), entry("c")], agents) == {"a": own, "c": moved}
    # The identity is taken at the other upstream.
    namesake = known(5, "d", agent_id="c")
    assert assign([entry("c"), entry("d")], [*agents, namesake]) == {"d": namesake}


def test_an_agent_stands_for_one_entry() -> None:
    first = known(1, "a", entry=None, agent_id="b")
    assert assign([entry("a"), entry("b")], [first]) == {"b": first}


def compare(count: int, before: list[AgentRoom]) -> float:
    """Return the CPU time of a comparison in which none of *count* entries has an agent yet."""
    entries = [entry(f"new-{number}") for number in range(count)]
    started = time.thread_time()
    made = changes(entries, before, lambda *_: False, TemplatesConfig(), NAMES)
    seconds = time.thread_time() - started
    assert (len(made.added), len(made.released)) == (count, len(before))
    return seconds


def test_the_time_grows_with_the_number_of_entries_alone() -> None:
    fresh: dict[int, list[AgentRoom]] = {count: [] for count in COUNTS}
    replaced = {
        count: [contact(number, f"old-{number}", entry=f"old-{number}") for number in range(count)] for count in COUNTS
    }
    for before in (fresh, replaced):
        few, many = (min(compare(count, before[count]) for _ in range(3)) for count in COUNTS)
        assert many / few < _LIMIT

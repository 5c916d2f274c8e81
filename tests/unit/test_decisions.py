"""The decision about one list of an upstream, as a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from agent_bridge.bridge.agents.decisions import Limits, decide
from agent_bridge.core.agents import AgentState
from agent_bridge.upstream.base import AgentInfo
from support.records import contact

if TYPE_CHECKING:
    from agent_bridge.store.agents import AgentRoom

ACTIVE, HELD, GONE = AgentState.ACTIVE, AgentState.HELD, AgentState.GONE


def listed(*names: str, id_lasts: bool = True) -> list[AgentInfo]:
    return [AgentInfo(name, name, id_lasts=id_lasts) for name in names]


def known(*names: str, state: AgentState = ACTIVE, room: str | None = "!r:x") -> list[AgentRoom]:
    return [contact(number, name, state=state, model=name, room_id=room) for number, name in enumerate(names, 1)]


@dataclass
class Case:
    known: list[AgentRoom]
    listed: list[AgentInfo]
    #: Names by the kind of change.
    expected: dict[str, list[str]]
    missed: dict[int, float] = field(default_factory=dict)
    unclear: set[int] = field(default_factory=set)
    gone_after: float = 0
    confirmed: bool = False


MANY = [f"a{number}" for number in range(40)]
CASES = {
    "nothing": Case(known("a"), listed("a"), {"present": ["a"]}),
    "new": Case(known("a"), listed("a", "b"), {"present": ["a"], "added": ["b"]}),
    "too many new": Case([], listed("a", "b", "c"), {"added": ["a", "b"], "waiting": ["c"]}),
    "too many new, confirmed": Case([], listed("a", "b", "c"), {"added": ["a", "b", "c"]}, confirmed=True),
    "gone": Case(known("a", "b"), listed("b"), {"present": ["b"], "gone": ["a"], "missing": ["a"]}),
    "not gone yet": Case(
        known("a", "b"), listed("b"), {"present": ["b"], "missing": ["a"]}, missed={1: 59.0}, gone_after=60
    ),
    "gone after the time": Case(
        known("a", "b"),
        listed("b"),
        {"present": ["b"], "gone": ["a"], "missing": ["a"]},
        missed={1: 60.0},
        gone_after=60,
    ),
    "many gone": Case(
        known("a", "b", "c"), listed("c"), {"present": ["c"], "doubted": ["a", "b"], "missing": ["a", "b"]}
    ),
    "many gone, confirmed": Case(
        known("a", "b", "c"), listed("c"), {"present": ["c"], "gone": ["a", "b"], "missing": ["a", "b"]}, confirmed=True
    ),
    "many gone, confirmed before the time": Case(
        known("a", "b", "c"),
        listed("c"),
        {"present": ["c"], "gone": ["a", "b"], "missing": ["a", "b"]},
        missed={1: 1.0, 2: 1.0},
        gone_after=60,
        confirmed=True,
    ),
    "two of forty": Case(known(*MANY), listed(*MANY[2:]), {"present": MANY[2:], "gone": MANY[:2], "missing": MANY[:2]}),
    "back": Case(known("a", state=GONE), listed("a"), {"back": ["a"]}),
    "back without a room": Case(known("a", state=GONE, room=None), listed("a"), {"held again": ["a"]}),
    "held": Case(known("a", state=HELD), listed("a"), {"stays held": ["a"]}),
    "held, confirmed": Case(known("a", state=HELD), listed("a"), {"present": ["a"]}, confirmed=True),
    "unclear names": Case(
        known("a", "b"),
        listed("b", *()) + listed("z", id_lasts=False),
        {"present": ["b"], "vanished": ["a"], "appeared": ["z"]},
    ),
    "another kind": Case(known("a"), listed("z"), {"vanished": ["a"], "appeared": ["z"]}, unclear={1}),
    "another kind, nothing new": Case(
        known("a", "b"), listed("b"), {"present": ["b"], "doubted": ["a"], "missing": ["a"]}, unclear={1}
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_decision(case: Case) -> None:
    decision = decide(
        {each.agent.id: each for each in case.known},
        case.listed,
        case.missed,
        case.unclear,
        Limits(gone_after=case.gone_after, max_new_agents=2),
        confirmed=case.confirmed,
    )
    found = {
        "present": [item.name for _, item, state in decision.present if state is ACTIVE],
        "stays held": [item.name for _, item, state in decision.present if state is HELD],
        "back": [item.name for _, item, state in decision.back if state is ACTIVE],
        "held again": [item.name for _, item, state in decision.back if state is HELD],
        "added": [item.name for item, state in decision.added if state is ACTIVE],
        "waiting": [item.name for item in decision.waiting],
        "gone": [agent.name for agent in decision.gone],
        "missing": [agent.name for agent in decision.missing],
        "doubted": [agent.name for agent in decision.doubted],
        "vanished": list(decision.held.vanished_names),
        "appeared": list(decision.held.appeared_names),
    }
    assert {key: names for key, names in found.items() if names} == case.expected

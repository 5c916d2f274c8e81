"""The plan of the next pass: each kind of change alone, all of them together, and many agents."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.bridge.agents.entries import Entry
from agent_bridge.bridge.agents.pass_plan import Lists, plan_pass
from agent_bridge.config.agents import AgentConfig
from agent_bridge.config.conversations import RetireConfig, RoomsConfig, SpaceConfig, TemplatesConfig
from agent_bridge.config.example import example
from agent_bridge.config.upstreams import UpstreamConfig
from agent_bridge.core.agents import AgentState
from agent_bridge.core.results.repairs import PassPlan
from agent_bridge.core.roles import Role, RoleBook
from agent_bridge.core.rooms import JoinRule
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.i18n.russian import RUSSIAN
from agent_bridge.render.repairs import render_plan
from agent_bridge.upstream.base import AgentInfo
from support.records import contact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.store.agents import AgentRoom

UP = UpstreamConfig(name="up", url="http://127.0.0.1:9", max_new_agents=3)
CONFIG = example().model_copy(
    update={
        "upstreams": (UP,),
        "agents": (),
        "templates": TemplatesConfig(displayname="Agent {name}", room_name="{name} - Chat", room_topic="{name}"),
        "rooms": RoomsConfig(invite=("@bob:example.org",)),
    }
)
#: Everybody has a role.
BOOK = RoleBook({"*": Role.MEMBER})
VALUES = {"space": "!space", "space_trusted": "!space", "space_invited": ["@bob:example.org"]}


def housed(number: int, name: str, /, **changes: Any) -> AgentRoom:
    """Return an agent of which everything is applied."""
    applied = {
        "displayname_applied": f"Agent {name}",
        "name_applied": f"{name} - Chat",
        "space": "!space",
        "state": AgentState.ACTIVE,
    }
    return contact(number, name, **(applied | changes))


def listed(*names: str) -> list[AgentInfo]:
    return [AgentInfo(name, name) for name in names]


def planned(before: Sequence[AgentRoom], items: Sequence[AgentInfo], **changes: Any) -> PassPlan:
    config = changes.pop("config", CONFIG)
    entries, book = changes.pop("entries", None), changes.pop("book", BOOK)
    return plan_pass(config, [UP], Lists({"up": items}, {}, {"up": ""}), entries, before, VALUES | changes, book)


def test_agents_that_are_gone_for_long() -> None:
    since = datetime.now(UTC) - timedelta(days=11)
    gone = [
        housed(number, name, state=AgentState.GONE, state_since=since) for number, name in enumerate(("Ada", "Bea"))
    ]
    bare = housed(2, "Cleo", state=AgentState.GONE, state_since=since, room_id=None)
    recent = housed(3, "Dora", state=AgentState.GONE, state_since=datetime.now(UTC))
    before, items = [*gone, bare, recent], listed("Ada")
    assert planned(before, items) == PassPlan(back=("Ada",))
    rules = [RetireConfig(after_days=10, delete=deletes) for deletes in (False, True)]
    kept, deleted = (planned(before, items, config=CONFIG.model_copy(update={"retire": rule})) for rule in rules)
    assert kept == PassPlan(back=("Ada",), put_away=("Bea", "Cleo"))
    assert deleted == PassPlan(back=("Ada",), put_away=("Cleo",), delete=("Bea",))
    assert "- delete 1 room with the history: *Bea*" in render_plan(deleted, ENGLISH)
    assert kept.has_changes
    assert PassPlan(delete=("Bea",)).has_changes


def test_nothing() -> None:
    plan = planned([housed(1, "Ada")], listed("Ada"))
    assert plan == PassPlan()
    assert not plan.has_changes
    assert render_plan(plan, ENGLISH) == "The next pass changes nothing."


def test_each_change_alone() -> None:
    ada, bea = housed(1, "Ada"), housed(2, "Bea")
    assert planned([ada], listed("Ada", "Bea")) == PassPlan(create=("Bea",))
    assert planned([ada], [AgentInfo("Ada", "Ada the Second")]) == PassPlan(rename=(("Ada", "Ada the Second"),))
    assert planned([ada, bea], listed("Ada")) == PassPlan(retire=("Bea",))
    gone = housed(2, "Bea", state=AgentState.GONE)
    assert planned([ada, gone], listed("Ada", "Bea")) == PassPlan(back=("Bea",))
    assert planned([ada], listed("Ada"), space="!other", space_trusted="!other") == PassPlan(move=("Ada",))
    assert planned([ada], listed("Ada"), space_invited=[]) == PassPlan(invite=("@bob:example.org",))
    assert planned([ada], listed("Ada", *"wxyz")) == PassPlan(create=("w", "x", "y"), waiting=("z",))
    assert planned([ada, bea, housed(3, "Cleo")], listed("Cleo")) == PassPlan(doubted=("Ada", "Bea"))


def test_a_template_that_changed_is_a_rename() -> None:
    config = CONFIG.model_copy(update={"templates": replace_template(CONFIG.templates, "Bot {name}")})
    assert planned([housed(1, "Ada")], listed("Ada"), config=config) == PassPlan(rename=(("Agent Ada", "Bot Ada"),))


def replace_template(templates: TemplatesConfig, displayname: str) -> TemplatesConfig:
    return templates.model_copy(update={"displayname": displayname})


def test_people_are_invited_to_rooms_that_the_space_does_not_open() -> None:
    closed = CONFIG.model_copy(update={"rooms": RoomsConfig(invite=("@bob:x", "@eve:x"), join_rule=JoinRule.INVITE)})
    before = [housed(1, "Ada", invited=frozenset({"@bob:x"}))]
    known = {"space_invited": ["@bob:x", "@eve:x"]}
    assert planned(before, listed("Ada"), config=closed, **known) == PassPlan(invite=("@eve:x",))
    both = planned(before, listed("Ada", "Bea"), config=closed, **known)
    assert both == PassPlan(create=("Bea",), invite=("@bob:x", "@eve:x"))
    # Nobody invites a user without a role.
    book = RoleBook({"*": Role.MEMBER, "@eve:x": Role.NONE})
    assert planned(before, listed("Ada"), config=closed, book=book, **known) == PassPlan()


def test_without_a_space_and_with_private_rooms() -> None:
    off = CONFIG.model_copy(update={"space": SpaceConfig(enabled=False)})
    before = [housed(1, "Ada", space=None, invited=frozenset({"@bob:example.org"}))]
    assert planned(before, listed("Ada"), config=off) == PassPlan()
    private = CONFIG.model_copy(update={"rooms": RoomsConfig(private=True)})
    before = [housed(1, "Ada", room_id=None)]
    assert planned(before, listed("Ada", "Bea"), config=private) == PassPlan(add=("Bea",))
    # People get an own room with each agent, also where the Space would let them in.
    private = CONFIG.model_copy(update={"rooms": RoomsConfig(private=True, invite=("@bob:example.org",))})
    invited = PassPlan(invite=("@bob:example.org",))
    assert planned(before, listed("Ada"), config=private) == invited
    before = [housed(1, "Ada", room_id=None, invited=frozenset({"@bob:example.org"}))]
    assert planned(before, listed("Ada"), config=private) == PassPlan()
    assert planned(before, listed("Ada", "Bea"), config=private) == replace(invited, add=("Bea",))


def test_entries_of_the_configuration() -> None:
    kept = housed(1, "Ada", entry="ada", model="ada", agent_id="ada")
    released = housed(2, "Old", entry="old", model="old", agent_id="old")
    entries = [
        Entry(AgentConfig(id="ada", label="Ada the Second"), UP),
        Entry(AgentConfig(id="new", label="New"), UP),
    ]
    plan = planned([kept, released], listed("ada", "new", "other"), entries=entries)
    assert plan == PassPlan(create=("New", "other"), rename=(("Ada", "Ada the Second"),), retire=("Old",))


def test_an_upstream_that_does_not_answer_changes_nothing() -> None:
    plan = plan_pass(CONFIG, [UP], Lists({}, {}, {}), None, [housed(1, "Ada")], VALUES, BOOK)
    assert plan == PassPlan()


@pytest.mark.parametrize("texts", [ENGLISH, RUSSIAN], ids=["en", "ru"])
def test_names_cannot_change_the_layout(texts: Texts) -> None:
    name = "\x1b[31mAda\n- *evil* `x` \u202e"
    text = render_plan(PassPlan(create=(name,) * 7, retire=(name,), rename=((name, name),)), texts)
    assert "\x1b" not in text
    assert len(text.splitlines()) == 6
    assert "7" in text.splitlines()[1]


def test_ten_thousand_agents_take_less_than_two_seconds() -> None:
    before = [housed(number, f"agent {number}") for number in range(10_000)]
    renamed = [AgentInfo(each.agent.model, f"{each.agent.name}!") for each in before[:5000]]
    items = [*renamed, *listed(*(f"new {number}" for number in range(10_000)))]
    clock = time.process_time()
    plan = planned(before, items)
    assert time.process_time() - clock < 2
    assert (len(plan.rename), len(plan.doubted), len(plan.create), len(plan.waiting)) == (5000, 5000, 3, 9997)
    lasting = [replace(item, id_lasts=False) for item in items]
    clock = time.process_time()
    assert len(planned(before, lasting).appeared) == 10_000
    assert time.process_time() - clock < 2

"""The order of rooms in the Space."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.matrix.rooms import order_of


def test_rooms_are_in_the_order_of_their_names() -> None:
    names = ["7 zip", "ada", "Bob", "Élan", "edda", "Zoe", "Анна", "Борис", "中村", "🐈"]
    assert sorted(names, key=order_of) == ["7 zip", "ada", "Bob", "edda", "Élan", "Zoe", "Анна", "Борис", "中村", "🐈"]


@given(st.text())
def test_any_name_has_a_valid_order(name: str) -> None:
    order = order_of(name)
    assert 0 < len(order) <= 50
    assert all("\x20" <= letter <= "\x7e" for letter in order)

"""The order of rooms in the Space."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.matrix.rooms import chat_child_content
from agent_bridge.matrix.space_order import order_of

#: Letters without case and accents, of neighbouring and of distant windows. No order of eight of them is too long.
_LETTERS = "!09az|}~αωабящאعあ中国🐈"


def test_rooms_are_in_the_order_of_their_names() -> None:
    names = ["7 zip", "ada", "Bob", "Élan", "edda", "Zoe", "Анна", "Борис", "中村", "🐈"]
    assert sorted(names, key=order_of) == ["7 zip", "ada", "Bob", "edda", "Élan", "Zoe", "Анна", "Борис", "中村", "🐈"]


def test_long_names_of_other_scripts_are_in_their_order_too() -> None:
    beginnings = [
        "Assistant of the sales team",
        "Βοηθός του τμήματος",
        "Помощник отдела продаж",
        "فريق المبيعات",
        "営業部の助手",
        "도우미 에이전트",
    ]
    names = [f"{beginning} {number} - Chat" for beginning in beginnings for number in "123"]
    assert len({order_of(name) for name in names}) == len(names)
    assert sorted(set(names), key=order_of) == names


@given(st.text(alphabet=_LETTERS, max_size=8), st.text(alphabet=_LETTERS, max_size=8))
def test_the_order_is_that_of_the_letters(first: str, second: str) -> None:
    assert (order_of(first) < order_of(second)) == (first < second)


@given(st.text())
def test_chats_are_behind_all_rooms_of_agents(name: str) -> None:
    assert order_of(name) < chat_child_content("test.local", 1)["order"]


@given(st.text())
def test_any_name_has_a_valid_order(name: str) -> None:
    order = order_of(name)
    assert 0 < len(order) <= 50
    assert all("\x20" <= letter <= "\x7e" for letter in order)

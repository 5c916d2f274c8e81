"""A value that may change while the program runs."""

from __future__ import annotations

from agent_bridge.core.live import Live


def test_each_reader_sees_the_present_value() -> None:
    cell = Live("a")
    assert cell.value == "a"
    cell.replace("b")
    assert cell.value == "b"


def test_watchers_are_called_after_a_change_only() -> None:
    cell, seen = Live("a"), list[str]()
    cell.watch(lambda: seen.append(f"first {cell.value}"))
    cell.watch(lambda: seen.append(f"second {cell.value}"))
    cell.replace("a")
    assert seen == []
    cell.replace("b")
    assert seen == ["first b", "second b"]


def test_a_part_follows_the_whole() -> None:
    cell, seen = Live(("a", 1)), list[str]()
    part = cell.part(lambda pair: pair[0])
    part.watch(lambda: seen.append(part.value))
    cell.replace(("a", 2))
    assert (part.value, seen) == ("a", [])
    cell.replace(("b", 2))
    assert (part.value, seen) == ("b", ["b"])


def test_values_that_are_equal_may_be_others() -> None:
    cell, seen = Live({"a": 1, "b": 2}, same=lambda old, new: list(old) == list(new)), list[str]()
    cell.watch(lambda: seen.append("changed"))
    cell.replace({"b": 2, "a": 1})
    assert seen == ["changed"]

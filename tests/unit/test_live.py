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

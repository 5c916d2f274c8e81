"""Names in one line: nothing in them is hidden, and nothing turns the line."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.core.names import can_be_called, one_line, undecorated


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Ada", "Ada"),
        ("  Ada \n Lovelace\t", "Ada Lovelace"),
        ("my_report_v2.csv", "my_report_v2.csv"),
        ("\x1b]0;owned\x07\x1b[2J", "]0;owned[2J"),
        ("\u202egnp.exe", "gnp.exe"),
        ("a\u2066b\u2069\u200f", "ab"),
        ("\u200b", ""),
        ("\u200d\ufe0f", ""),
        ("\ue000\x85\x9b", ""),
        ("👩\u200d💻", "👩\u200d💻"),
        ("❤\ufe0f", "❤\ufe0f"),
        ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"),
        ("\U0001f3f4\U000e0067\U000e0062\U000e007f", "\U0001f3f4\U000e0067\U000e0062\U000e007f"),
        ("x\U000e0067", "x"),
        ("\u3164", ""),
        ("\u2800a\u115f\uffa0b", "a b"),
    ],
)
def test_one_line(name: str, shown: str) -> None:
    assert one_line(name) == shown


@given(st.text())
def test_any_name(name: str) -> None:
    line = one_line(name)
    assert one_line(line) == line
    assert line == line.strip()
    assert not {unicodedata.category(sign) for sign in line if sign not in "\u200c\u200d"} & {"Cc", "Cs", "Co"}


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("小蝶🦋", "小蝶"),
        ("Papillon🦋Bot", "Papillon Bot"),
        ("👩\u200d💻 Dev ❤\ufe0f", "Dev"),
        ("🏴\U000e0067\U000e0062\U000e007f🇳🇴 Ada 1\ufe0f\u20e3", "Ada 1"),
        ("C++ ^_^", "C++ ^_^"),
        ("می\u200cخواهم ★", "می\u200cخواهم"),  # noqa: RUF001
        ("🦋", ""),
    ],
)
def test_a_name_without_its_emoji(name: str, bare: str) -> None:
    assert undecorated(name) == bare


@pytest.mark.parametrize(("name", "callable_"), [("Al", True), ("包", True), ("A", False), ("🦋", False), ("", False)])
def test_a_single_letter_calls_nobody_unless_it_is_a_word(name: str, *, callable_: bool) -> None:
    assert can_be_called(name) is callable_

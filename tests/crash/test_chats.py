"""The verdict about chats that people make recognises what is missing and what is there twice."""

from __future__ import annotations

import pytest

from crash.chats import Made, judge_chats, judge_numbers
from crash.verdict import Verdict

ROW = {"name": "Oslo"}
REPLY = "The chat Oslo with Ada is ready: open it"


@pytest.mark.parametrize(
    ("rooms", "replies", "rows", "verdict"),
    [
        pytest.param(["!a"], [REPLY], [ROW], Verdict(), id="once"),
        pytest.param([], [REPLY], [ROW], Verdict(lost=("new Oslo: no rooms",)), id="no room"),
        pytest.param(["!a", "!b"], [REPLY], [ROW], Verdict(doubled=("new Oslo: 2 rooms",)), id="two rooms"),
        pytest.param(["!a"], [REPLY] * 2, [ROW], Verdict(doubled=("new Oslo: 2 replies",)), id="two replies"),
        pytest.param(["!a"], ["The chat Rome"], [ROW], Verdict(lost=("new Oslo: no replies",)), id="no reply"),
        pytest.param(["!a"], [REPLY], [ROW] * 2, Verdict(doubled=("new Oslo: 2 rows",)), id="two rows"),
    ],
)
def test_each_chat_is_made_once(
    rooms: list[str], replies: list[str], rows: list[dict[str, str]], verdict: Verdict
) -> None:
    assert judge_chats([Made("Oslo", rooms, replies, rows)]) == verdict


def test_each_number_is_used_once() -> None:
    assert judge_numbers({"!a": (1, 1), "!b": (2, 2)}).clean
    assert judge_numbers({"!a": (1, 1), "!b": (1, 1)}).doubled == ("chat 1: 2 times",)
    assert judge_numbers({"!a": (1, None)}).lost == ("chat 1: its room has None",)

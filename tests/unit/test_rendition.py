"""Deltas become ops at a bounded rate, on a clock of the test's own."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.render.rendition import Op, Rendition, ops_for
from agent_bridge.render.split import PART_BYTES

FIRST, INTERVAL = Rendition.FIRST, Rendition.INTERVAL
START = 1000.0
#: Deltas, each with the seconds since the one before it.
DELTAS = st.lists(
    st.tuples(
        st.sampled_from(["", " ", "\n\n", "word ", "```py\n", "```\n", "🐈", "x" * 2000, "line\n" * 900]),
        st.sampled_from([0.0, 0.01, 0.19, 0.3, 0.99, 1.0, 1.7]),
    ),
    max_size=40,
)


def play(deltas: list[tuple[str, float]]) -> tuple[Rendition, list[tuple[float, list[Op]]]]:
    """Feed *deltas*, and take what is due as soon as it is; return what was taken, and when."""
    rendition, now, taken = Rendition(), START, []
    for text, pause in deltas:
        now += pause
        while rendition.due is not None and rendition.due <= now:
            taken.append((rendition.due, rendition.take(rendition.due)))
        rendition.feed(text, now)
    return rendition, taken


def test_nothing_is_due_before_there_is_a_word() -> None:
    rendition = Rendition()
    assert (rendition.due, rendition.take(START), rendition.text) == (None, [], "")
    rendition.feed(" \n", START)
    assert (rendition.due, rendition.take(START + 9), rendition.text) == (None, [], " \n")


def test_first_words_are_held_back_a_moment() -> None:
    rendition = Rendition()
    rendition.feed("\n ", START)
    rendition.feed("Hel", START + 1)
    rendition.feed("lo", START + 1.1)
    assert rendition.due == START + 1 + FIRST
    assert rendition.take(START + 1.1) == []
    assert rendition.take(START + 1 + FIRST) == [Op(0, "Hello")]
    assert rendition.due is None


@pytest.mark.parametrize(
    ("pause", "due"),
    [
        pytest.param(0.1, INTERVAL, id="soon after"),
        pytest.param(INTERVAL, INTERVAL, id="just then"),
        pytest.param(INTERVAL + 5, INTERVAL + 5, id="long after"),
    ],
)
def test_more_words_wait_for_the_interval(pause: float, due: float) -> None:
    rendition = Rendition()
    rendition.feed("one", START - FIRST)
    assert rendition.take(START) == [Op(0, "one")]
    rendition.feed(" two", START + pause)
    assert rendition.due == pytest.approx(START + due)
    assert rendition.take(START + due) == [Op(0, "one two")]


def test_blanks_at_the_end_are_nothing_to_show() -> None:
    rendition = Rendition()
    rendition.feed("one", START - FIRST)
    rendition.take(START)
    rendition.feed("\n\n", START)
    assert rendition.take(START + INTERVAL) == []
    assert rendition.due is None


def test_only_parts_that_changed_are_taken() -> None:
    rendition = Rendition()
    rendition.feed("a" * PART_BYTES + "\n\n" + "b", START)
    first = rendition.take(START + FIRST)
    assert [op.part for op in first] == [0, 1]
    rendition.feed("c", START + 1)
    assert [op.part for op in rendition.take(START + 2)] == [1]


@pytest.mark.parametrize("text", ["", "  ", " one \n", "a" * (PART_BYTES + 1), f"\n\n{'word ' * 5000}\n"])
def test_ops_show_the_whole_text(text: str) -> None:
    ops = ops_for(text)
    assert [op.part for op in ops] == list(range(len(ops)))
    assert "".join("".join(op.text for op in ops).split()) == "".join(text.split())
    assert not any(op.notice for op in ops)


@given(DELTAS)
def test_whatever_the_pieces_the_whole_text_is_shown_in_the_end(deltas: list[tuple[str, float]]) -> None:
    rendition, taken = play(deltas)
    shown = {op.part: op.text for _, ops in taken for op in ops}
    whole = "".join(text for text, _ in deltas)
    assert rendition.text == whole
    final = {op.part: op.text for op in ops_for(whole)}
    # What is left to do after the last delta never takes anything back.
    assert shown.keys() <= final.keys()
    if rendition.due is not None:
        shown |= {op.part: op.text for op in rendition.take(rendition.due)}
    if whole.strip():
        assert shown == final


@given(DELTAS)
def test_passes_keep_their_distance(deltas: list[tuple[str, float]]) -> None:
    _, taken = play(deltas)
    times = [at for at, _ in taken]
    assert all(later - earlier >= INTERVAL - 1e-6 for earlier, later in pairwise(times))
    arrived = START
    for text, pause in deltas:
        arrived += pause
        if text.strip():
            assert not times or times[0] == arrived + FIRST
            break


@given(DELTAS)
def test_a_part_that_is_followed_by_another_is_never_edited_again(deltas: list[tuple[str, float]]) -> None:
    _, taken = play(deltas)
    complete = 0
    for _, ops in taken:
        assert all(op.part >= complete for op in ops)
        complete = max([complete, *(op.part for op in ops)])

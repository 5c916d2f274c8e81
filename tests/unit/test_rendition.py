"""Deltas become ops at the wanted pace, on a simulated clock."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.core.answers import Op
from agent_bridge.core.ids import MARK
from agent_bridge.render.content import MAX_CONTENT, edit, message
from agent_bridge.render.markdown.html import is_plain, to_html
from agent_bridge.render.rendition import Pace, Rendition, ops_for
from agent_bridge.render.split import PART_BYTES
from support.event_sizes import EVENT, at_the_border, wire_size

if TYPE_CHECKING:
    from collections.abc import Iterable

PACE = Pace()
START = 1000.0
MANY = 1000

LIGHT = [
    "",
    " ",
    "\n\n",
    "word ",
    "```py\n",
    "```md\n",
    "code: ```\n",
    "```\n",
    "🐈",
    "ж" * 700,
    "x" * 2000,
    "line\n" * 900,
]
#: Several times as long in HTML or JSON.
HEAVY = ['"' * 3000, "<&" * 2500]


def deltas_of(pieces: list[str]) -> st.SearchStrategy[list[tuple[str, float]]]:
    """Return deltas, each with the seconds since the one before it."""
    pauses = st.sampled_from([0.0, 0.01, 0.09, 0.3, 0.5, 1.0, 4.9, 30.0])
    return st.lists(st.tuples(st.sampled_from(pieces), pauses), max_size=24)


DELTAS = deltas_of(LIGHT + HEAVY)
PACES = st.builds(
    Pace,
    first=st.sampled_from([0.0, 0.1, 0.3]),
    floor=st.sampled_from([0.2, 0.5, 3.0]),
    ceiling=st.sampled_from([3.0, 5.0]),
    growth=st.sampled_from([1.0, 15.0]),
    max_events=st.integers(2, 12),
)
#: Delays of the passes in seconds.
LAGS = st.lists(st.sampled_from([0.0, 0.05, 2.0]), min_size=1, max_size=4)

Passes = list[tuple[float, list[Op]]]


def play(
    deltas: Iterable[tuple[str, float]], pace: Pace = PACE, *, max_parts: int = MANY, lags: Iterable[float] = (0.0,)
) -> tuple[Rendition, Passes]:
    """Feed *deltas*, and take ops when they are due, or a lag later; return the rendition, and the ops with times."""
    rendition, now, taken, waits = Rendition(pace, max_parts=max_parts), START, list[tuple[float, list[Op]]](), [*lags]
    for text, pause in deltas:
        now += pause
        while rendition.due is not None and (at := rendition.due + waits[len(taken) % len(waits)]) <= now:
            taken.append((at, rendition.take(at)))
        rendition.feed(text, now)
    return rendition, taken


def stream(seconds: float, text: str = "word ", pause: float = 0.05) -> list[tuple[str, float]]:
    return [(text, pause)] * round(seconds / pause)


def events_in(taken: Passes) -> int:
    return sum(len(ops) for _, ops in taken)


def test_nothing_is_due_before_there_is_a_word() -> None:
    rendition = Rendition(PACE, max_parts=MANY)
    assert (rendition.due, rendition.take(START), rendition.text, rendition.begun) == (None, [], "", False)
    rendition.feed(" \n", START)
    assert (rendition.due, rendition.take(START + 9), rendition.text, rendition.begun) == (None, [], " \n", False)


def test_few_words_wait_for_more_until_a_time() -> None:
    rendition = Rendition(PACE, max_parts=MANY)
    rendition.feed("\n ", START)
    rendition.feed("Hel", START + 1)
    rendition.feed("lo", START + 1.05)
    assert rendition.due == START + 1 + PACE.latest
    assert rendition.take(START + 1.9) == []
    assert rendition.take(START + 1 + PACE.latest) == [Op(0, "Hello", live=True)]
    assert [rendition.begun, rendition.due] == [True, None]


@pytest.mark.parametrize(
    ("text", "is_begin"),
    [
        pytest.param("Hello there. ", True, id="a sentence"),
        pytest.param("Hello there.", True, id="a sentence at the end of the text"),
        pytest.param("**Really?** Y", True, id="with marks"),
        pytest.param("你好。", True, id="without blanks"),
        pytest.param("# Planets\n", True, id="a line"),
        pytest.param("Hello there", False, id="a part of a sentence"),
        pytest.param("It is 3.14 or 2.7", False, id="numbers"),
        pytest.param("1. ", False, id="number of an item"),
        pytest.param("e.g. x", False, id="abbreviation"),
        pytest.param("\n\n ", False, id="blanks"),
        pytest.param("word " * 7 + "wor ", False, id="38 characters and a blank"),
        pytest.param("word " * 7 + "words", True, id="40 characters"),
    ],
)
def test_a_sentence_or_enough_characters_are_shown_after_a_moment(text: str, is_begin: bool) -> None:  # noqa: FBT001
    rendition = Rendition(PACE, max_parts=MANY)
    rendition.feed(text[:2], START)
    rendition.feed(text[2:], START + 0.2)
    if not text.strip():
        assert rendition.due is None
    else:
        assert rendition.due == pytest.approx(START + (0.2 + PACE.first if is_begin else PACE.latest))


def test_a_late_sentence_does_not_delay_the_first_words() -> None:
    rendition = Rendition(PACE, max_parts=MANY)
    rendition.feed("Hello", START)
    rendition.feed(" there. And", START + PACE.latest - 0.05)
    rendition.feed(" more. Words.", START + PACE.latest - 0.01)
    assert rendition.due == START + PACE.latest


@pytest.mark.parametrize(
    ("pause", "due"),
    [
        pytest.param(0.1, PACE.floor, id="soon after"),
        pytest.param(PACE.floor, PACE.floor, id="just then"),
        pytest.param(PACE.floor + 5, PACE.floor + 5, id="long after"),
    ],
)
def test_more_words_wait_for_the_interval(pause: float, due: float) -> None:
    rendition = Rendition(PACE, max_parts=MANY)
    rendition.feed("one", START - PACE.latest)
    assert rendition.take(START) == [Op(0, "one", live=True)]
    rendition.feed(" two", START + pause)
    assert rendition.due == pytest.approx(START + due)
    assert rendition.take(START + due) == [Op(0, "one two", live=True)]


def test_blanks_at_the_end_are_nothing_to_show() -> None:
    rendition = Rendition(PACE, max_parts=MANY)
    rendition.feed("one", START - PACE.latest)
    rendition.take(START)
    rendition.feed("\n\n", START)
    assert rendition.take(START + PACE.floor) == []
    assert rendition.due is None


def test_only_parts_that_changed_are_taken() -> None:
    rendition = Rendition(PACE, max_parts=MANY)
    rendition.feed("a" * PART_BYTES, START)
    assert [(op.part, op.live) for op in rendition.take(START + 1)] == [(0, True)]
    rendition.feed("\n\nb", START + 1)
    # The first is complete: it loses its mark.
    assert [(op.part, op.live) for op in rendition.take(START + 2)] == [(0, False), (1, True)]
    rendition.feed("c", START + 2)
    assert [(op.part, op.live) for op in rendition.take(START + 4)] == [(1, True)]


@pytest.mark.parametrize(
    ("age", "events", "interval"),
    [
        pytest.param(0, 1, 0.5, id="begins with the floor"),
        pytest.param(6, 5, 3, id="grows"),
        pytest.param(12, 10, 5.5, id="up to the ceiling"),
        pytest.param(90, 19, 5.5, id="and no more in the first half of the events"),
        pytest.param(0, 39, 0.5, id="a short answer in many parts is not held up"),
    ],
)
def test_the_interval_grows_with_age(age: float, events: int, interval: float) -> None:
    assert PACE.interval(age, events) == pytest.approx(interval)


@pytest.mark.parametrize(
    ("seconds", "most"),
    [pytest.param(5, 6, id="5 s"), pytest.param(30, 12, id="30 s"), pytest.param(60, 19, id="60 s")],
)
def test_what_an_answer_costs_before_it_is_whole(seconds: float, most: int) -> None:
    _, taken = play(stream(seconds))
    assert most / 2 < events_in(taken) <= most
    # The ninth word completes forty characters.
    assert taken[0][0] == pytest.approx(START + 9 * 0.05 + PACE.first)


@pytest.mark.parametrize("seconds", [120, 600, 1800, 3600])
def test_a_long_answer_never_seems_to_stand_still(seconds: float) -> None:
    """Within the cap of events, the gap between two events is at most a third of the time so far."""
    _, taken = play(stream(seconds, "w ", 0.5))
    assert events_in(taken) <= PACE.max_events
    times = [*(at - START for at, _ in taken), float(seconds)]
    assert all(later - earlier <= max(PACE.ceiling, earlier / 3) + 0.5 for earlier, later in pairwise(times))


@pytest.mark.parametrize("text", ["", "  ", " one \n", "a" * (PART_BYTES + 1), f"\n\n{'word ' * 5000}\n"])
def test_ops_show_the_whole_text(text: str) -> None:
    ops = ops_for(text)
    assert [op.part for op in ops] == list(range(len(ops)))
    assert "".join("".join(op.text for op in ops).split()) == "".join(text.split())
    assert not any(op.notice or op.live for op in ops)


def texts_in(text: str) -> str:
    """Return *text* without blanks, and without the ends of code blocks, which a cut adds."""
    return "".join(text.split()).replace("```py", "").replace("```md", "").replace("`", "")


@given(DELTAS, PACES, LAGS)
def test_whatever_the_pieces_the_whole_text_is_shown_in_the_end(
    deltas: list[tuple[str, float]], pace: Pace, lags: list[float]
) -> None:
    rendition, taken = play(deltas, pace, lags=lags)
    whole = "".join(text for text, _ in deltas)
    assert rendition.text == whole
    assert texts_in("".join(op.text for op in ops_for(whole))) == texts_in(whole)
    # The ops never show more than has arrived.
    for _, ops in taken:
        assert all(texts_in(op.text) in texts_in(whole) for op in ops)


@given(DELTAS, PACES, LAGS, st.integers(1, 3))
def test_the_pace_is_kept(deltas: list[tuple[str, float]], pace: Pace, lags: list[float], max_parts: int) -> None:
    _, taken = play(deltas, pace, max_parts=max_parts, lags=lags)
    assert events_in(taken) <= pace.max_events
    assert all(op.part < max_parts for _, ops in taken for op in ops)
    times = [at for at, _ in taken]
    assert all(later - earlier >= pace.floor - 1e-6 for earlier, later in pairwise(times))
    arrived = START
    for text, pause in deltas:
        arrived += pause
        if text.strip():
            assert not times or pace.first <= times[0] - arrived - lags[0] + 1e-6 <= pace.latest + 2e-6
            break


@given(DELTAS, PACES)
def test_no_op_says_what_is_shown_already(deltas: list[tuple[str, float]], pace: Pace) -> None:
    _, taken = play(deltas, pace)
    shown: dict[int, Op] = {}
    for _, ops in taken:
        assert all(shown.get(op.part) != op for op in ops)
        shown |= {op.part: op for op in ops}


@given(deltas_of(LIGHT))
def test_only_the_last_part_is_live_and_no_other_is_edited_but_once(deltas: list[tuple[str, float]]) -> None:
    _, taken = play(deltas, Pace(max_events=MANY))
    complete: dict[int, str] = {}
    for _, ops in taken:
        assert [op.live for op in ops] == [*[False] * (len(ops) - 1), *[True] * bool(ops)]
        assert not any(op.part in complete for op in ops)
        complete |= {op.part: op.text for op in ops if not op.live}
    whole = {op.part: op.text for op in ops_for("".join(text for text, _ in deltas))}
    # The ops after the last delta only add to these.
    assert {op.part for _, ops in taken for op in ops} <= whole.keys()
    assert complete.items() <= whole.items()


def test_beyond_the_last_part_that_is_shown_nothing_is_live() -> None:
    rendition, taken = play(stream(60, "x" * 99 + " "), Pace(max_events=MANY), max_parts=2)
    assert len(ops_for(rendition.text)) > 3
    shown = {op.part: op for _, ops in taken for op in ops}
    assert {part: op.live for part, op in shown.items()} == {0: False, 1: False}
    assert taken[-1][1] == []


TALL = ['"', "\\", "<", "&", "\x01", "\x1b[31m", "🐈", "ж", "* ", "**a** ", "`a` ", "[a](http://e)\n", "- a\n", "|a|\n"]


@pytest.mark.parametrize("piece", TALL)
@pytest.mark.parametrize("live", [False, True])
def test_each_part_keeps_its_html_and_can_be_edited(piece: str, *, live: bool) -> None:
    text = f"**b** {piece * (2 * PART_BYTES // len(piece.encode()))} **e**"
    ops = ops_for(text)
    assert len(ops) > 1
    for op in ops:
        content = message(op.text, mark="0123456789abcdef.9999", live=live)
        assert wire_size(edit(content, EVENT)) <= MAX_CONTENT
        assert "formatted_body" in content or is_plain(content["body"], to_html(content["body"], live=live))


@pytest.mark.parametrize("piece", TALL)
def test_a_part_is_as_long_as_it_may_be(piece: str) -> None:
    """A text just below the limit is one part, and one just above it two; the event stays below the limit."""
    below, behind = at_the_border(piece)
    assert len(ops_for(below)) == 1
    assert len(ops_for(behind)) > 1
    for text in (below, behind):
        contents = [message(op.text, mark="0123456789abcdef.0") for op in ops_for(text)]
        assert all(MARK in content for content in contents)
        assert max(wire_size(edit(content, EVENT)) for content in contents) <= MAX_CONTENT


def test_growth_that_people_see_elsewhere_counts_as_no_event_and_stays_due() -> None:
    rendition = Rendition(PACE, max_parts=MANY)
    rendition.feed("Once upon a time. ", START)
    assert rendition.due is not None
    assert [op.text for op in rendition.take(rendition.due)] == ["Once upon a time."]
    rendition.feed("There was " + "a fox, and " * 2_000, START + 1)
    for _ in range(2 * PACE.max_events):
        # Without another delta: as soon as a person does not see it, it is shown.
        at = rendition.due
        assert at is not None
        text = rendition.begin(at)
        assert text is not None
        assert rendition.end(ops_for(text), quiet=True) == []
    assert rendition.due is not None
    parts = [op.part for op in rendition.take(rendition.due)]
    assert parts == list(range(len(parts)))
    assert len(parts) > 1


def test_first_words_are_shown_in_any_case() -> None:
    rendition = Rendition(PACE, max_parts=MANY)
    rendition.feed("Once upon a time. ", START)
    text = rendition.begin(START + 1)
    assert text is not None
    assert len(rendition.end(ops_for(text), quiet=True)) == 1

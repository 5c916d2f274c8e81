"""Titles of chats from the first words of a question."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent_bridge.bridge.chats.titles import first_words, unquoted


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Hello", "Hello"),
        ("Plan a trip to Oslo. It should be cheap.", "Plan a trip to Oslo"),
        ("Which way?! Tell me", "Which way?!"),
        ("one two three four five six", "one two three four five six"),
        ("one two three, four five six, seven", "one two three, four five six…"),
        ("  first\nline   second line  ", "first line second line"),
        ("version 3.14 of it", "version 3.14 of it"),
        ("это вопрос о поездке в Осло на два дня", "это вопрос о поездке в Осло…"),  # noqa: RUF001
        ("奥斯陆在哪里？请告诉我", "奥斯陆在哪里？"),  # noqa: RUF001
        ("x" * 60, f"{'x' * 49}…"),
        ("\u202ereversed", "reversed"),
        ("...", ""),
        ("", ""),
    ],
)
def test_the_first_sentence_is_the_title(text: str, title: str) -> None:
    assert first_words(text) == title


@given(st.text())
@example("0 .")
def test_a_title_is_one_short_line(text: str) -> None:
    title = first_words(text)
    assert len(title) <= 50
    assert "\n" not in title
    assert title == title.strip()


@pytest.mark.parametrize(
    ("answer", "title"),
    [
        ('"Trip to Oslo".', "Trip to Oslo"),
        ("«Поездка в Осло.»", "Поездка в Осло"),
        ("„Reise nach Oslo“", "Reise nach Oslo"),
        ("*“Trip to Oslo”*", "Trip to Oslo"),
        # Quotes of a part.
        ('"Trip" to Oslo', '"Trip" to Oslo'),
        ('Meaning of "tre"', 'Meaning of "tre"'),
        ('"Peer Gynt" and "Brand"', '"Peer Gynt" and "Brand"'),
        # The answer was cut.
        ('"Trip to', "Trip to"),
        ('"', ""),
        ("", ""),
    ],
)
def test_only_quotes_around_the_whole_title_are_removed(answer: str, title: str) -> None:
    assert unquoted(answer) == title

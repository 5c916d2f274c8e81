from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.demo.agents.characters import ARCHIVIST, CHARACTERS, SCEPTIC, STORYTELLER, Character, Mishap, Talk

EVERYBODY = list(CHARACTERS.values())
SAID = st.text(max_size=200)


@pytest.mark.parametrize("character", EVERYBODY)
@given(text=SAID, earlier=st.lists(SAID, max_size=3))
def test_everybody_answers_to_everything(character: Character, text: str, earlier: list[str]) -> None:
    assert character.answer(Talk(text, tuple(earlier))).strip()


@pytest.mark.parametrize("character", EVERYBODY)
def test_an_answer_depends_on_what_was_said_and_on_what_was_said_before(character: Character) -> None:
    first = character.answer(Talk("the red door"))
    assert "the red door" in first
    assert "3 words" in first
    assert character.answer(Talk("the red window")) != first
    later = character.answer(Talk("the red door", ("a grey cat",)))
    assert later != first
    assert "a grey cat" in later


def test_the_storyteller_makes_a_hero_of_the_longest_word_and_does_not_hurry() -> None:
    story = STORYTELLER.answer(Talk("I saw a lighthouse today"))
    assert story.count("*lighthouse*") == 2
    assert 5 < STORYTELLER.pace * len(story.split()) < 15


@pytest.mark.parametrize(("turn", "ordinal"), [(2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (21, "21st")])
def test_the_storyteller_counts_her_tales(turn: int, ordinal: str) -> None:
    assert f"our {ordinal} tale" in STORYTELLER.answer(Talk("more", ("more",) * (turn - 1)))


def test_the_archivist_shows_everything_that_markdown_has() -> None:
    entry = ARCHIVIST.answer(Talk("red fish, red boat"))
    for part in ("### ", "> red fish", "**4 words**", "*3 of them", "| red | 3 | 2 |", "1. ", "```python", "~~"):
        assert part in entry


def test_the_archivist_keeps_a_fence_in_a_note_from_ending_the_code() -> None:
    assert ARCHIVIST.answer(Talk("``` and on")).splitlines().count("```") == 1


@pytest.mark.parametrize(
    ("character", "text", "mishap"),
    [
        (SCEPTIC, "please fail", Mishap.FAILS),
        (SCEPTIC, "Fail!", Mishap.FAILS),
        (SCEPTIC, "cut", Mishap.CUT),
        (SCEPTIC, "execute the failover", None),
        (SCEPTIC, "", None),
        (STORYTELLER, "fail", None),
        (ARCHIVIST, "cut", None),
    ],
)
def test_only_the_sceptic_breaks_and_only_when_asked_to(character: Character, text: str, mishap: Mishap | None) -> None:
    assert character.mishap(Talk(text)) is mishap

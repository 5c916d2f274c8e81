"""Markdown as words that a voice reads aloud, and its pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.render.spoken import speech_pieces, spoken


def said(markdown: str) -> str:
    return spoken(markdown, code="Code omitted.")


@pytest.mark.parametrize(
    ("markdown", "words"),
    [
        ("Hello **world**, `x` and ~~y~~!", "Hello world, x and y!"),
        ("# Title\n\nText", "Title.\nText."),
        ("See [the docs](https://x.org/a?b).", "See the docs."),
        ("Go to https://x.org/path now.", "Go to now."),
        ("- one\n- two\n  - three", "one.\ntwo.\nthree."),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "a, b.\n1, 2."),
        ("before\n\n```python\nprint(1)\n```\n\nafter", "before.\nCode omitted.\nafter."),
        ("> quoted\n\nanswer", "quoted.\nanswer."),
        ("Well done 🎉 ✅", "Well done."),
        ("||secret|| here", "[Spoiler] here."),
        ("---", ""),
        ("🎉", ""),
        ("Привет, **мир**! 1 < 2", "Привет, мир! 1 2."),
        ("See https://x.org/a_(b). Then mailto:a@x.org, www.x.org!", "See. Then,!"),
        ("见 https://x.org/路径，然后。", "见，然后。"),
        ("3. three\n4. four\n   - sub", "3. three.\n4. four.\nsub."),
        ("C# costs #1, 5 * 3 \\* 2", "C# costs #1, 5 × 3 × 2."),
        ("- [x] done\n- 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f 1️⃣", "done.\n1."),
        ("ශ්\u200dරී a\u202eb\x07", "ශ්\u200dරී ab."),
    ],
)
def test_words(markdown: str, words: str) -> None:
    assert said(markdown) == words


def test_a_long_text_is_cut_between_sentences() -> None:
    text = "One is here. Two is here.\nThree is here."
    assert speech_pieces(text, 27) == ["One is here. Two is here.", "Three is here."]
    assert speech_pieces(text, 20) == ["One is here.", "Two is here.", "Three is here."]
    assert speech_pieces("这是一句。这是「二句。」第三句话", 10) == ["这是一句。", "这是「二句。」", "第三句话"]
    assert speech_pieces("这是一句，这是二句", 8) == ["这是一句，", "这是二句"]
    assert speech_pieces("", 10) == []
    assert speech_pieces("a" * 25, 10) == ["a" * 10, "a" * 10, "a" * 5]


@given(st.text(alphabet=st.sampled_from("ab .,\n!é"), max_size=300), st.integers(min_value=4, max_value=60))
def test_no_piece_is_too_long_and_no_word_is_lost(text: str, limit: int) -> None:
    pieces = speech_pieces(text, limit)
    assert all(0 < len(each) <= limit for each in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())

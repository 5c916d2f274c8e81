"""Markdown as text without marks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.render.content import message
from agent_bridge.render.markdown.unmarked import to_unmarked


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        pytest.param("Hello", "Hello", id="nothing"),
        pytest.param("# The inner\n\nplanets", "The inner\n\nplanets", id="heading"),
        pytest.param("Tomorrow **7 °C and *rain*** in `Oslo`", "Tomorrow 7 °C and rain in Oslo", id="emphasis, code"),
        pytest.param(r"2 \* 3 \[x\]", "2 * 3 [x]", id="escapes"),
        pytest.param("a < b &amp; c", "a < b & c", id="entities"),
        pytest.param("a\nb *c*", "a\nb c", id="lines"),
        pytest.param("- a\n- *b*\n  - c\n\n3. x\n4. y", "• a\n• b\n  • c\n\n3. x\n4. y", id="lists"),
        pytest.param("- a\n\n- b", "• a\n• b", id="loose list"),
        pytest.param("> quote\n> more", "quote\nmore", id="quotation"),
        pytest.param("x\n\n```py\ndef f():\n    pass\n```\ny", "x\n\ndef f():\n    pass\n\ny", id="code block"),
        pytest.param("|a|b|\n|-|-|\n|1|2|", "a\tb\n1\t2", id="table"),
        pytest.param("[text](https://x.org) and <https://y.org>", "text (https://x.org) and https://y.org", id="links"),
        pytest.param("[@ada](https://matrix.to/#/@ada:x.org)", "@ada", id="pill"),
        pytest.param("||secret|| x", "[Spoiler] x", id="spoiler"),
        pytest.param("", "", id="empty"),
    ],
)
def test_marks_are_gone(markdown: str, text: str) -> None:
    assert to_unmarked(markdown) == text


def test_the_first_event_and_notices_have_a_body_without_marks_and_edits_have_markdown() -> None:
    first = message("**Hel", mark="m", live=True, first=True)
    assert (first["body"], first["formatted_body"]) == ("Hel", "<strong>Hel</strong>")
    assert message("**a** `b`", mark="m", notice=True)["body"] == "a b"
    assert message("**a**", mark="m")["body"] == "**a**"


@given(
    st.lists(
        st.sampled_from(["*", "_", "`", "```\n", "\n", "\n\n", "- ", "> ", "<b>", "</ul>", "||", "[", "](", "x", " "])
    )
)
def test_any_text_has_a_text(pieces: list[str]) -> None:
    assert to_unmarked("".join(pieces), live=True) is not None

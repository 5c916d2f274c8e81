"""The HTML of any Markdown stays within the spec's limits for a message."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent_bridge.render.markdown.html import to_html
from agent_bridge.render.markdown.plain import to_plain
from agent_bridge.render.sanitise import sanitise
from support.attacks import ATTACKS
from support.html_checker import check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ATTACK = st.sampled_from(ATTACKS)
FRAMES = ["{}", "> {}", "- {}", "a {} b", "**{}**", "||{}||", "|a|\n|-|\n|{}|", "[{}](https://e.org)"]
ANYTHING = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
MARKS = st.sampled_from([
    "||", "|", "$", "$$", "\\(", "\\)", "\\[", "\\]", "<details>", "</details>", "<summary>", "</summary>", "<sub>",
    "</sub>",
    "<sup>", "<kbd>", "</kbd>", "<br>", "[^a]", "\n\n[^a]: ", "\n", "\n\n", "    ", "> ", "- ", "- [ ] ", "1. ", "`",
    "```", "*", "**",
    "_", "~~", "[", "](", "](https://e.org", ")", "![", "<", ">", "|-|", "\n|-|\n", "www.e.org", "https://e.org/",
    "&amp;", "\\", "x",
    " ", "\\begin{align}", "\\end{align}", '"', "'", "\t",
])  # fmt: skip
#: Two attacks, each in the middle of the other, between marks.
MUTATION = st.builds(
    lambda one, two, at, marks: "".join([*marks[:3], one[:at], two, *marks[3:], one[at:]]),
    ATTACK,
    ATTACK,
    st.integers(0, 80),
    st.lists(MARKS, max_size=8),
)
TEXT = ANYTHING | MUTATION | st.lists(MARKS, max_size=40).map("".join)


def failures(texts: Iterable[str], test: Callable[[str], None]) -> list[str]:
    """Return the failures of *test*, each with the text of *texts* that caused it."""
    found = []
    for text in texts:
        try:
            test(text)
        except AssertionError as error:
            found.append(f"{text!r}: {error}")
    return found


def shown(text: str) -> None:
    for live in (False, True):
        check(to_html(text, live=live))


def sanitised(text: str) -> None:
    html = sanitise(text)
    assert not re.search(r"<(?!/?[a-z])|<[a-z]+[^>]*\s(?:on|style|src)", html), html
    assert sanitise(html) == html


def test_the_corpus_is_large() -> None:
    assert len(set(ATTACKS)) >= 150


@pytest.mark.parametrize("frame", FRAMES)
def test_attacks_come_out_as_text_or_not_at_all(frame: str) -> None:
    assert failures(map(frame.format, ATTACKS), shown) == []


def test_what_is_sanitised_alone_is_harmless() -> None:
    """The sanitiser does not rely on the parser."""
    assert failures(ATTACKS, sanitised) == []


@given(TEXT)
def test_any_text_is_harmless(text: str) -> None:
    for html in (to_html(text), to_html(text, live=True)):
        check(html)
        assert sanitise(html) == html
    to_plain(text)


@given(MUTATION)
@example("<applet>\ufeff \ufeffx")
def test_html_that_was_sanitised_stays(text: str) -> None:
    html = sanitise(text)
    assert sanitise(html) == html


@pytest.mark.parametrize("bare", ["@room", "@bob:example.org", "hello @bob:example.org!", "matrix:u/bob:example.org"])
def test_a_bare_name_is_no_link(bare: str) -> None:
    assert "<a" not in to_html(bare)


@given(st.text("ab |\\`*", max_size=20))
def test_what_a_spoiler_hides_is_not_in_the_plain_text(before: str) -> None:
    html, plain = to_html(f"{before} ||secret||"), to_plain(f"{before} ||secret||")
    assert "secret" not in plain or "data-mx-spoiler" not in html or ">secret<" not in html

"""Nothing that an agent writes becomes more than the spec lets a message be."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.render.markdown import MAX_MARKDOWN, to_html
from agent_bridge.render.plain import to_plain
from agent_bridge.render.sanitise import sanitise
from support.attacks import ATTACKS
from support.html_checker import check

ATTACK = st.sampled_from(ATTACKS)
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
#: Two attacks in each other's middle, between marks.
MUTATION = st.builds(
    lambda one, two, at, marks: "".join([*marks[:3], one[:at], two, *marks[3:], one[at:]]),
    ATTACK,
    ATTACK,
    st.integers(0, 80),
    st.lists(MARKS, max_size=8),
)
TEXT = ANYTHING | MUTATION | st.lists(MARKS, max_size=40).map("".join)


def test_the_corpus_is_large() -> None:
    assert len(set(ATTACKS)) >= 150


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize(
    "frame", ["{}", "> {}", "- {}", "a {} b", "**{}**", "||{}||", "|a|\n|-|\n|{}|", "[{}](https://e.org)"]
)
def test_attacks_come_out_as_text_or_not_at_all(attack: str, frame: str) -> None:
    text = frame.format(attack)
    check(to_html(text))
    check(to_html(text, live=True))


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_is_sanitised_alone_is_harmless(attack: str) -> None:
    """The sanitiser does not count on what the parser leaves it."""
    html = sanitise(attack)
    assert not re.search(r"<(?!/?[a-z])|<[a-z]+[^>]*\s(?:on|style|src)", html)
    assert sanitise(html) == html


@given(TEXT)
def test_any_text_is_harmless(text: str) -> None:
    for html in (to_html(text), to_html(text, live=True)):
        check(html)
        assert sanitise(html) == html
    to_plain(text)


@given(MUTATION)
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


@pytest.mark.parametrize(
    "piece",
    ["[", "![[", "*a ", "* _", "_a_", ">", "> ", "- ", "> - ", "`", "`a ``", "[a](b", "| a", "|", "||", "||a ",
    "||a|b", "<", "<a",
     "&", "&#", "~~", "((", "$", "$a ", "$$", "$$a\n", "$5 ", "\\", "\\(", "\\[", "\\[\n", "\\begin{align}\n", "[^a",
     "^[", "[^a]: b\n",
     "[a]: b\n", "<sub>", "<br>", "<details>", "<details>\n", "</details>\n", "<summary>", "**a *b ", "](", "www.",
     "http://",
     "https://a.b/", "mailto:a@", "\n", "a\n\n", "1. ", "  - a\n", "|a|b|\n|-|-|\n", "```\n", "\ta"],
)  # fmt: skip
def test_time_grows_with_the_length_alone(piece: str) -> None:
    """Four times the text may take ten times the time, or a second, but no more."""
    took = []
    for length in (1_500, 6_000):
        text = piece * (length // len(piece)) + "\n\nend"
        started = time.process_time()
        check(to_html(text, live=True))
        to_plain(text)
        took.append(time.process_time() - started)
    assert took[1] < max(10 * took[0], 1)


@pytest.mark.parametrize("piece", ["|", "$", "[", "> ", "*a "])
def test_a_megabyte_is_shown_as_it_is(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    assert len(text) > MAX_MARKDOWN
    started = time.process_time()
    check(to_html(text, live=True))
    assert to_plain(text) == text
    assert time.process_time() - started < 3

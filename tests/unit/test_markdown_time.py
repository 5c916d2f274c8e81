"""The time of rendering depends on the length of a text alone. ``benchmarks.markdown`` measures the time."""

from __future__ import annotations

from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from agent_bridge.render.markdown.html import MAX_MARKDOWN, to_html
from agent_bridge.render.markdown.plain import to_plain
from agent_bridge.render.syntax.protect import protect
from support.growth import growth
from support.html_checker import check

if TYPE_CHECKING:
    from collections.abc import Callable

PIECES = [
    "[", "![[", "*a ", "* _", "_a_", ">", "> ", "- ", "> - ", "`", "`a ``", "[a](b", "| a", "|", "||", "||a ", "||a|b",
    "<", "<a", "&", "&#", "~~", "((", "$", "$a ", "$$", "$$a\n", "$5 ", "\\", "\\(", "\\[", "\\[\n", "\\begin{align}\n",
    "[^a", "^[", "[^a]", "[^a]: b\n", "[a]: b\n", "<sub>", "</kbd>", "<br>", "<details>", "<details>\n", "</details>\n",
    "<summary>", "**a *b ", "](", "www.", "http://", "https://a.b/(", "https://a.b/", "mailto:a@", "\n", "a\n\n", "1. ",
    "  - a\n", "|a|b|\n|-|-|\n", "|\n", "```\n", "\ta", " ", "**。", "2*", "__a", "[a](https://e.org/b c ", "<a:b",
    "\\end{align}", "\U0001da88", "```md\n", "```md\n```py\n```\n", "~~~md\n~~~\n",
    "a: ```py\n", "&amp", "公$a$", "a\u0301*", "\u200b",
    "<!--", "[a](<b", "[a]: <", "|a|b|\n", "99. ", "- [ ] ", "\r\n",
]  # fmt: skip
#: Four times the text may take four times the time, and some more; a quadratic rule takes sixteen times.
MOST = 10


def _html(text: str) -> None:
    protect.cache_clear()
    to_html(text, live=True)


def _plain(text: str) -> None:
    protect.cache_clear()
    to_plain(f"{text}<", live=True)


SHOWN: dict[str, Callable[[str], object]] = {"HTML of a text that grows": _html, "plain text": _plain}


@pytest.mark.parametrize("shown", SHOWN)
def test_time_grows_with_the_length_alone(shown: str) -> None:
    slow = {piece: factor for piece in PIECES if (factor := growth(SHOWN[shown], piece)) > MOST}
    assert slow == {}


def test_time_grows_with_the_length_of_two_runs_alone() -> None:
    runs = pairwise([*PIECES, *PIECES[::7], *PIECES[::5]])
    html = SHOWN["HTML of a text that grows"]
    slow = {pieces: factor for pieces in runs if (factor := growth(html, *pieces)) > MOST}
    assert slow == {}


@pytest.mark.parametrize("piece", PIECES)
def test_hostile_text_is_well_formed(piece: str) -> None:
    check(to_html(piece * (6_000 // len(piece)) + "\n\nend", live=True))


@pytest.mark.parametrize("piece", ["|", "$", "[", "> ", "*a "])
def test_a_megabyte_is_shown_as_it_is(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    assert len(text) > MAX_MARKDOWN
    assert to_html(text, live=True) == f"<p>{escape(text, quote=False)}</p>"
    assert to_plain(text) == text

"""Stand-ins replace parts of a text before the parser reads it; code shows the original parts again."""

from __future__ import annotations

import html
import re

from hypothesis import example, given
from hypothesis import strategies as st

from agent_bridge.render.markdown.html import to_html
from agent_bridge.render.markdown.plain import to_plain
from agent_bridge.render.syntax.protect import protect
from agent_bridge.render.syntax.standins import ALL, restore

RARE = "\U0001da87\U0001da88\U0001da89\U0001da8a\U0001da8b"
SIGNS = [
    "||", "|", "$", "$$", "\\(", "\\)", "\\[", "\\]", "<details>", "</details>", "<summary>", "</summary>", "<sub>",
    "</sub>", "<kbd>", "<br>", "[^a]", "[^a]: ", "    ", "> ", "- ", "- [ ] ", "1. ", "*", "**", "_", "~", "~~", "[",
    "](", "](https://e.org", ")", "![", "<", ">", "|-|", "www.e.org", "https://e.org/", "<https://e.org>", "&amp;",
    "\\", "x", " ", "\\begin{align}", "\\end{align}", '"', "'", "2*3", "__init__", "**a:**b", "。", "=", "<?", "?>",
    *RARE,
]  # fmt: skip
LINE = st.lists(st.sampled_from(SIGNS), max_size=12).map("".join)
LINES = st.lists(LINE | st.sampled_from(["", "$$", "\\[", "\\]", "\\begin{align}", "\\end{align}"]), max_size=9)
CODE = re.compile(r"(?:<blockquote>\n)?<pre><code>(.*)</code></pre>(?:\n</blockquote>)?", re.DOTALL)


def code_of(shown: str) -> str:
    found = CODE.fullmatch(shown)
    assert found, shown
    return html.unescape(found[1])


@given(LINES.map("\n".join), st.booleans())
def test_a_code_block_shows_what_was_written(code: str, live: bool) -> None:  # noqa: FBT001
    assert code_of(to_html(f"```\n{code}\n```", live=live)) == f"{code}\n"
    assert to_plain(f"<\n\n```\n{code}\n```", live=live) == f"<\n\n```\n{code}\n```"


@given(LINES)
def test_code_in_a_quote_shows_what_was_written(lines: list[str]) -> None:
    quoted = "".join(f"> {line}\n" for line in ["```", *lines, "```"])
    assert code_of(to_html(quoted)) == "".join(f"{line}\n" for line in lines)


@given(LINE.filter(lambda code: code.strip() == code != "" and "\\|" not in code))
def test_a_code_span_shows_what_was_written(code: str) -> None:
    assert f"<code>{html.escape(code, quote=False)}</code>" in to_html(f"x `{code}` y")


@given(LINES.map("\n".join))
def test_no_stand_in_is_shown(text: str) -> None:
    shown = to_html(text) + to_html(text, live=True) + to_plain(text, live=True)
    assert set(shown) & (set(ALL) - set(RARE)) == set()


@given(text=LINES.map("\n".join), live=st.booleans())
@example(text="||a\\", live=True)
def test_what_is_restored_is_what_was_written(text: str, live: bool) -> None:  # noqa: FBT001
    protected = protect(text, live=live)
    assert restore(protected) == text
    assert protected.count("\n") == text.count("\n")


def test_noncharacters_are_replaced() -> None:
    assert to_html("a\ufdd0\uffff\U0001fffeb") == "<p>a\ufffdb</p>"

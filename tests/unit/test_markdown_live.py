"""The rendering of an answer while it grows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.render.content import message
from agent_bridge.render.markdown.html import to_html
from agent_bridge.render.markdown.mend import mend_inline
from agent_bridge.render.markdown.plain import to_plain
from support.attacks import ATTACKS
from support.html_checker import check

HEAD = "<table>\n<thead>\n<tr>\n<th>a</th>\n<th>b</th>\n</tr>\n</thead>\n"
#: Blocks, some of which have no end.
BLOCK = st.sampled_from([
    "words", "two\nlines", "# head", "- a\n- b", "1. a\n\n   b", "> quoted\nlazily", "```\ncode\n\n\nmore\n```",
    "    code", "---",
    "|a|\n|-|\n|b|", "$$\nx\n$$", "$$\n- x", "```", "<details>", "</details>", "- ```\n  x\n  ```", "text\n===",
    "***", "\\[",
    "- a\n\n\n- b", "  - a", "||a||", "* * *\n+ a", "~~~~\n```\n~~~~",
])  # fmt: skip


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**bo", "<p><strong>bo</strong></p>"),
        ("**bold*", "<p><strong>bold</strong></p>"),
        ("a **", "<p>a</p>"),
        ("a *thin", "<p>a <em>thin</em></p>"),
        ("说**「重", "<p>说<strong>「重</strong></p>"),
        ("**Note:**te", "<p><strong>Note:</strong>te</p>"),
        ("2*3", "<p>2*3</p>"),
        ("x**2 + y**", "<p>x**2 + y**</p>"),
        ("~~go", "<p><s>go</s></p>"),
        ("**a *b", "<p><strong>a <em>b</em></strong></p>"),
        ("a `co", "<p>a <code>co</code></p>"),
        ("a `", "<p>a</p>"),
        ("2 * 3", "<p>2 * 3</p>"),
        ("snake_case", "<p>snake_case</p>"),
        ("It was ||the but", '<p>It was <span data-mx-spoiler="">the but</span></p>'),
        ("see [the li", "<p>see the li</p>"),
        ("see [the link](htt", "<p>see the link</p>"),
        ("![cat](https://e", "<p>cat</p>"),
        ("in [0, 1) it", "<p>in [0, 1) it</p>"),
        ("H<sub>2", "<p>H<sub>2</sub></p>"),
        ("H<su", "<p>H</p>"),
        ("so $$x", '<p>so <span data-mx-maths="x"><code>x</code></span></p>'),
        ("so \\(x", '<p>so <span data-mx-maths="x"><code>x</code></span></p>'),
        ("$$\nx", '<div data-mx-maths="x"><p><code>x</code></p></div>'),
        ("$$\nx\n\n+ y", '<div data-mx-maths="x\n\n+ y"><p><code>x\n\n+ y</code></p></div>'),
        ("a\n\n> so **bo", "<p>a</p>\n<blockquote>\n<p>so <strong>bo</strong></p>\n</blockquote>"),
        ("- a\n- so **bo", "<ul>\n<li>a</li>\n<li>so <strong>bo</strong></li>\n</ul>"),
        ("**open\n\nend", "<p>**open</p>\n<p>end</p>"),
        ("**open\n\n", "<p>**open</p>"),
        ("It costs $5", "<p>It costs $5</p>"),
        ("```py\nx", '<pre><code class="language-py">x</code></pre>'),
        ("```py\nx\n``", '<pre><code class="language-py">x</code></pre>'),
        ("words\n-", "<p>words</p>"),
        ("words\n=", "<p>words</p>"),
        ("- a\n-", "<ul>\n<li>a</li>\n</ul>"),
        ("- [", ""),
        ("| a | b |", f"{HEAD}</table>"),
        ("| a | **b", f"{HEAD.replace('>b<', '><strong>b</strong><')}</table>"),
        ("| a | b |\n|-", f"{HEAD}</table>"),
        ("| a | b |\n|---|---|", f"{HEAD}</table>"),
        (
            "| a | b |\n|---|---|\n| **c",
            f"{HEAD}<tbody>\n<tr>\n<td><strong>c</strong></td>\n<td></td>\n</tr>\n</tbody>\n</table>",
        ),
        ("<details>\n<summary>Tho", "<details>\n<summary>Tho</summary>\n</details>"),
        ("<details>\n<summary>T</summary>\n\nbo", "<details>\n<summary>T</summary>\n<p>bo</p>\n</details>"),
    ],
)
def test_what_is_half_open_is_shown_as_what_it_is_going_to_be(text: str, html: str) -> None:
    assert to_html(text, live=True) == html


def test_a_message_says_whether_it_still_grows() -> None:
    assert message("**a", mark="m", live=True)["formatted_body"] == "<strong>a</strong>"
    assert "formatted_body" not in message("**a", mark="m")


@pytest.mark.parametrize("end", ["", "|", "||", " **bo", " `co", "\\|", "\\||", "\nler"])
def test_a_spoiler_without_an_end_is_hidden_in_plain_text_too(end: str) -> None:
    assert message(f"Words\n\nIt was ||the but{end}", mark="m", live=True)["body"] == "Words\n\nIt was [Spoiler]"


@pytest.mark.parametrize("text", ["```\nif (a ||b", "```\n\nif (a ||b", "a ||b\n\nend", "a || b", "`a ||b", "a||b"])
def test_bars_of_programs_are_no_spoiler_in_plain_text(text: str) -> None:
    assert to_plain(text, live=True) == text


@given(st.text("ab *_~`|$[]()\\<>/!\n", max_size=60) | st.sampled_from(ATTACKS))
def test_mending_adds_ends_alone(text: str) -> None:
    mended = mend_inline(text)
    assert set(mended) <= set(text) | set(")]/>")


@given(st.lists(BLOCK, min_size=1, max_size=30), st.sampled_from(["\n", "\n\n", "\n\n\n"]))
def test_blocks_that_follow_each_other_are_well_formed(blocks: list[str], between: str) -> None:
    check(to_html(between.join(blocks), live=True))

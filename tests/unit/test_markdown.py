"""Markdown becomes HTML that Matrix allows and that is harmless to readers."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.render.markdown.html import is_plain, to_html
from agent_bridge.render.sanitise import TAGS

#: Matrix spec, "m.room.message msgtypes": the attributes of each tag that the bridge makes.
ATTRIBUTES = {
    "a": {"href"},
    "code": {"class"},
    "div": {"data-mx-maths"},
    "ol": {"start"},
    "span": {"data-mx-maths", "data-mx-spoiler"},
}
ROW = "\n<tr>\n<{0}>{1}</{0}>\n</tr>\n"
TABLE = "<table>\n<thead>{0}</thead>\n<tbody>{1}</tbody>\n</table>"
SCHEMES = ("https://", "http://", "mailto:", "matrix:")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
MARKUP = st.lists(
    st.sampled_from([
        "<script>", "</p>", "<img src=x onerror=alert(1)>", "<a href='javascript:x'>", "[x](", "javascript:",
        "data:text/html,", "https://e.org", ")", "![", "]", "<", ">", '"', "'", "`", "```", "~~~", "\n", "\n\n",
        "|", "|-|-|\n", "# ", "- [ ] ", "- [x] ", "1. ", "*", "**", "_", "~~",
        "&lt;", "&#60;", "&", "\\", "    ", "text", "\0", "onclick=", "style=",
    ]),
    max_size=30,
).map("".join)  # fmt: skip


class Found(HTMLParser):
    """The tags and the text of a piece of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("", ""),
        ("plain", "<p>plain</p>"),
        ("two\nlines", "<p>two<br>\nlines</p>"),
        ("**bold** *thin* ~~gone~~ `code`", "<p><strong>bold</strong> <em>thin</em> <s>gone</s> <code>code</code></p>"),
        ("# Head", "<h1>Head</h1>"),
        ("> quote", "<blockquote>\n<p>quote</p>\n</blockquote>"),
        ("---", "<hr>"),
        ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>"),
        ("3. a", '<ol start="3">\n<li>a</li>\n</ol>'),
        ("```py\nx < 1\n```", '<pre><code class="language-py">x &lt; 1\n</code></pre>'),
        ('```a"b onclick=x\n```', '<pre><code class="language-a&quot;b"></code></pre>'),
        ("| a |\n|:-:|", f"<table>\n<thead>{ROW.format('th', 'a')}</thead>\n</table>"),
        ("| |\n|-|\n| b |", TABLE.format(ROW.format("th", ""), ROW.format("td", "b"))),
        ("- [ ] open\n- [x] done", "<ul>\n<li>☐ open</li>\n<li>☑\ufe0e done</li>\n</ul>"),
        ("`- [ ] open`", "<p><code>- [ ] open</code></p>"),
        ("[a](https://e.org)", '<p><a href="https://e.org">a</a></p>'),
        ("[a](matrix:r/a:e.org)", '<p><a href="matrix:r/a:e.org">a</a></p>'),
        ("<mailto:a@e.org>", '<p><a href="mailto:a@e.org">mailto:a@e.org</a></p>'),
        ("![cat](https://e.org/c.png)", '<p><a href="https://e.org/c.png">cat</a></p>'),
        ("![](https://e.org/c.png)", '<p><a href="https://e.org/c.png">https://e.org/c.png</a></p>'),
        ('![a"b<c](https://e.org/?a=1&b=2)', '<p><a href="https://e.org/?a=1&amp;b=2">a"b&lt;c</a></p>'),
        ("https://e.org", '<p><a href="https://e.org">https://e.org</a></p>'),
        ("[a]: https://e.org", '<p>[a]: <a href="https://e.org">https://e.org</a></p>'),
    ],
)  # fmt: skip
def test_html(markdown: str, html: str) -> None:
    assert to_html(markdown) == html


@pytest.mark.parametrize(
    "markdown",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg/onload=alert(1)>",
        "<iframe srcdoc='<script>'></iframe>",
        "<a href='javascript:alert(1)'>x</a>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](java&#10;script:alert(1))",
        "[x](&#106;avascript:alert(1))",
        "[x](vbscript:x)",
        "[x](data:text/html,<script>alert(1)</script>)",
        "[x](file:///etc/passwd)",
        "<javascript:alert(1)>",
        "![x](javascript:alert(1))",
        "![x](data:image/svg+xml;base64,PHN2Zz4=)",
        '![x" onerror="alert(1)](https://e.org/x)',
        '[x](https://e.org "onmouseover=alert(1)")',
        "[x]: javascript:alert(1)\n\n[x]",
        "[client](/logout)",
        "[client](#/room/!x:e.org)",
        "[other](//evil.example/x)",
        "[x](\\\\evil.example)",
        '```"><script>alert(1)</script>\n```',
        "`<script>`",
        "| <script> |\n|--|\n| <img src=x> |",
        "# <style>*{display:none}</style>",
        "- [x] <input type=checkbox onclick=alert(1)>",
        '<input class="task-list-item-checkbox" checked="checked" disabled="disabled" type="checkbox">',
        "<!-- --><p style='position:fixed'>",
    ],
)
def test_attacks_come_out_as_text_or_not_at_all(markdown: str) -> None:
    found = Found(to_html(markdown))
    for tag, attributes in found.tags:
        assert tag in TAGS
        assert attributes.keys() <= ATTRIBUTES.get(tag, set())
        assert str(attributes.get("href", "https://")).startswith(SCHEMES)


@given(TEXT | MARKUP)
def test_only_what_the_spec_allows_comes_out(markdown: str) -> None:
    for tag, attributes in Found(to_html(markdown)).tags:
        assert tag in TAGS
        assert attributes.keys() <= ATTRIBUTES.get(tag, set())
        assert str(attributes.get("href", "https://")).lower().startswith(SCHEMES)
        assert str(attributes.get("class", "language-")).startswith("language-")
        assert str(attributes.get("start", "1")).isdigit()


@pytest.mark.parametrize(
    ("markdown", "plain"),
    [
        ("", True),
        ("hello", True),
        ('a < b & "c"', True),
        ("[a]: https://e.org", False),
        ("two\nlines", False),
        ("*thin*", False),
        ("a\\*b", False),
        ("&amp;", False),
        ("- a", False),
    ],
)
def test_plain_text_needs_no_html(markdown: str, plain: bool) -> None:  # noqa: FBT001
    assert is_plain(markdown, to_html(markdown)) is plain

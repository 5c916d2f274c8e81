"""Contents of messages: the text for clients, and the size of the event."""

from __future__ import annotations

import json
from html import unescape
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent_bridge.core.ids import MARK, mark
from agent_bridge.core.names import one_line
from agent_bridge.render.content import MAX_CONTENT, edit, escape, in_thread, link, message
from agent_bridge.render.markdown.html import to_html
from agent_bridge.render.split import PART_BYTES, split

KEY = mark("0123456789abcdef", 9999)
EVENT = "$" + "x" * 43
#: Bytes that a homeserver accepts for sure: 65,536 less the envelope of the event (Synapse refuses 65,000 in all).
ROOM_FOR_CONTENT = 62_000
PRINTABLE = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60)


def wire_size(content: dict[str, Any]) -> int:
    """Return the bytes of canonical JSON (Matrix spec, appendix "Canonical JSON")."""
    return len(json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode())


def test_plain_text() -> None:
    assert message("Hello", mark=KEY) == {"msgtype": "m.text", "body": "Hello", "m.mentions": {}, MARK: KEY}


def test_markdown_has_html_beside_it() -> None:
    assert message("**Hello**", mark=KEY) == {
        "msgtype": "m.text",
        "body": "**Hello**",
        "format": "org.matrix.custom.html",
        "formatted_body": "<strong>Hello</strong>",
        "m.mentions": {},
        MARK: KEY,
    }


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        pytest.param("*a*\nb", "<em>a</em><br>\nb", id="one paragraph flows"),
        pytest.param("*a*\n\nb", "<p><em>a</em></p>\n<p>b</p>", id="two are told apart"),
        pytest.param("a\n\n# b\n\nc", "<p>a</p>\n<h1>b</h1>\n<p>c</p>", id="with something between them"),
        pytest.param("a\n\n- b", "<p>a</p>\n<ul>\n<li>b</li>\n</ul>", id="with something behind it"),
        pytest.param("> a", "<blockquote>\n<p>a</p>\n</blockquote>", id="inside something"),
    ],
)
def test_paragraphs(markdown: str, html: str) -> None:
    assert message(markdown, mark=KEY)["formatted_body"] == html


def test_the_bridges_own_word_is_a_notice() -> None:
    assert message("Hello", mark=KEY, notice=True)["msgtype"] == "m.notice"


@pytest.mark.parametrize("text", ["@room", "@bob:example.org", "[Bob](https://matrix.to/#/@bob:example.org)"])
def test_nobody_is_pinged(text: str) -> None:
    content = message(text, mark=KEY)
    assert content["m.mentions"] == {}
    assert edit(content, EVENT)["m.mentions"] == {}
    assert edit(content, EVENT)["m.new_content"]["m.mentions"] == {}


def test_an_edit_replaces_and_is_not_the_marked_event() -> None:
    content = message("*Hi*", mark=KEY)
    changed = edit(content, EVENT)
    assert changed["m.relates_to"] == {"rel_type": "m.replace", "event_id": EVENT}
    assert changed["m.new_content"] == {
        "msgtype": "m.text",
        "body": "*Hi*",
        "format": "org.matrix.custom.html",
        "formatted_body": "<em>Hi</em>",
        "m.mentions": {},
    }
    assert changed["body"] == "* *Hi*"
    assert changed["formatted_body"] == "* <em>Hi</em>"
    assert content == message("*Hi*", mark=KEY)


def test_an_edit_of_plain_text_has_no_html() -> None:
    changed = edit(message("Hi", mark=KEY), EVENT)
    assert (changed["body"], "formatted_body" in changed) == ("* Hi", False)


@pytest.mark.parametrize(
    "piece",
    ["a", "*", "**a** ", "<", "&", '"', "\\", "\x01", "\x1b[31m", "\x7f", "\t", "\u2028", "🐈", "ж", "- ", "> ", "`a` ",
     "[a](http://e)\n", "| a | b |\n|---|---|\n", "# a\n", "a\n", "![](x)", "\ufffd", "```\n"],
)  # fmt: skip
def test_the_worst_part_fits_an_event(piece: str) -> None:
    text = piece * (3 * PART_BYTES // len(piece.encode()))
    for part in split(text):
        content = message(part, mark=KEY)
        assert wire_size(edit(content, EVENT)) < ROOM_FOR_CONTENT
        assert wire_size(content) < wire_size(edit(content, EVENT))


@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=300).map(lambda text: text * (9000 // (len(text) + 1)))
)
def test_any_part_fits_an_event(text: str) -> None:
    assert all(wire_size(edit(message(part, mark=KEY), EVENT)) < ROOM_FOR_CONTENT for part in split(text))


def test_html_that_would_not_fit_is_left_out() -> None:
    small, large = (f"**{'<' * count}**" for count in (100, PART_BYTES - 4))
    assert message(small, mark=KEY)["formatted_body"] == f"<strong>{'&lt;' * 100}</strong>"
    assert message(large, mark=KEY) == {"msgtype": "m.text", "body": large, "m.mentions": {}, MARK: KEY}


def test_html_is_kept_up_to_the_limit() -> None:
    sizes = [wire_size(edit(message("*a* " * count, mark=KEY), EVENT)) for count in range(0, 2250, 225)]
    assert max(sizes) > MAX_CONTENT / 2
    assert max(sizes) <= MAX_CONTENT + 100


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("a\x00b\x1b[0mc", "ab[0mc"),
        ("a\tb\nc\rd", "a\tb\nc\rd"),
        ("\x85\u200b", "\x85\u200b"),
        ("a\x9b2J\u202eb", "a2Jb"),
    ],
)
def test_control_characters_are_left_out(text: str, body: str) -> None:
    assert message(text, mark=KEY)["body"] == body


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("Frida", "Frida"),
        ("Tom & Jerry", "Tom & Jerry"),
        ("two\n  lines ", "two lines"),
        ("a_b*c", "a\\_b\\*c"),
        ("&lt;", "\\&lt;"),
        ("- a", "\\- a"),
        ("+1", "\\+1"),
        ("10. a", "10\\. a"),
        ("1) a", "1\\) a"),
        ("a - b 1. c", "a - b 1. c"),
        ("[x](y)|", "\\[x\\](y)\\|"),
        ("\\", "\\\\"),
        ("\x1b]0;owned\x07", "\\]0;owned"),
        ("a\u202egnp.exe", "agnp.exe"),
        ("\u200b", ""),
    ],
)
def test_escape(text: str, escaped: str) -> None:
    assert escape(text) == escaped


@pytest.mark.parametrize(
    ("markdown", "body"),
    [
        (f"not read: {escape('IMG_1.HEIC')}", "not read: IMG_1.HEIC"),
        (f"refused: {escape('M_UNKNOWN <b>')} `a\\_b`", "refused: M_UNKNOWN <b> a\\_b"),
        ("```\na\\_b\n```", "a\\_b"),
        ("C:\\\\x", "C:\\x"),
    ],
)
def test_the_body_of_a_notice_has_no_escapes(markdown: str, body: str) -> None:
    assert message(markdown, mark=KEY, notice=True)["body"] == body


@given(PRINTABLE)
@example("---")
@example("&#x41; &amp; <b> ~~a~~ ![a](b)")
@example("1. a")
@example("=== a")
@example("\U0001fffe")
def test_escaped_text_is_shown_as_it_is(text: str) -> None:
    shown = one_line(text)
    html = to_html(f"x {escape(text)} x")
    assert unescape(html) == f"<p>{' '.join(f'x {shown} x'.split())}</p>" or not shown
    assert unescape(to_html(escape(text))) == (f"<p>{shown}</p>" if shown else "")


@given(PRINTABLE.filter(one_line))
@example("]:")
def test_the_text_of_a_link_is_shown_as_it_is(text: str) -> None:
    shown = one_line(text)
    html = unescape(to_html(link("https://matrix.to/#/!a", text)))
    named = " (matrix.to)" if "://" in shown or "www." in shown.lower() or "@" in shown else ""
    expected = f'<p><a href="https://matrix.to/#/!a">{shown}</a>'
    assert html in {f"{expected}</p>", f"{expected}{named}</p>"}


@given(PRINTABLE.filter(one_line))
def test_a_link_stays_within_its_cell(text: str) -> None:
    html = to_html(f"| Name | State |\n|---|---|\n| {link('https://e.org', text)} | there |")
    assert html.count("<td>") == 2
    assert "<td>there</td>" in html


def test_an_edit_leaves_the_event_where_it_is() -> None:
    content = message("hi", mark="k.0") | in_thread("$root", "$question")
    replaced = edit(content, "$event")
    assert "m.relates_to" not in replaced["m.new_content"]
    assert replaced["m.relates_to"] == {"rel_type": "m.replace", "event_id": "$event"}

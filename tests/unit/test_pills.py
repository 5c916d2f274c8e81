"""Mentions in the HTML of a message."""

from __future__ import annotations

import time

import pytest

from agent_bridge.matrix.pills import Pill, pills, with_ids, with_names
from agent_bridge.matrix.said import message_of

ADA, EVE = "@agent_ada:test.local", "@agent_ada:test.local.example"


def link(user: str, name: str) -> str:
    return f'<a href="https://matrix.to/#/{user}">{name}</a>'


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ("no link", []),
        (link(ADA, "Ada"), [Pill(ADA, "Ada")]),
        (link("%40agent_ada%3Atest.local?via=x", "A &amp; B"), [Pill(ADA, "A & B")]),
        (f'<a class="pill" href="https://matrix.to/#/{ADA}" data-x="1">Ada</a>', [Pill(ADA, "Ada")]),
        (link(ADA, "<b>Ada</b> <i>L.</i>"), [Pill(ADA, "Ada L.")]),
        (f'<a href="https://matrix.to/#/{ADA}">without an end', [Pill(ADA, "")]),
        ("<a href='matrix:u/agent_ada:test.local?action=chat'>Ada</a>", [Pill(ADA, "Ada")]),
        (link("!room:test.local", "a room"), []),
        (f"<mx-reply>{link(EVE, 'Eve')}</mx-reply>{link(ADA, 'Ada')}", [Pill(ADA, "Ada")]),
        (f"{link(ADA, 'Ada')} and {link(EVE, 'Eve')}", [Pill(ADA, "Ada"), Pill(EVE, "Eve")]),
    ],
)
def test_pills(html: str, found: list[Pill]) -> None:
    assert [*pills({"formatted_body": html})] == found


@pytest.mark.parametrize("html", [None, 5, {"a": 1}, ["x"]])
def test_html_may_be_anything(html: object) -> None:
    assert [*pills({"formatted_body": html})] == []


@pytest.mark.parametrize(
    ("body", "html", "text"),
    [
        (f"{ADA} who are you?", link(ADA, "@Ada"), "@Ada who are you?"),
        (f"{ADA}, and you, {ADA}.", link(ADA, "Ada"), "Ada, and you, Ada."),
        ("Ada: who are you?", link(ADA, "Ada"), "Ada: who are you?"),
        (f"{EVE} is another", link(ADA, "Ada"), f"{EVE} is another"),
        (f"{ADA} {EVE}", f"{link(ADA, EVE)}{link(EVE, 'Eve')}", f"{EVE} Eve"),
        (f"{ADA} is long", link(ADA, "x" * 300), f"{ADA} is long"),
        (f"{ADA} has no name", link(ADA, " "), f"{ADA} has no name"),
    ],
)
def test_ids_become_names(body: str, html: str, text: str) -> None:
    content = {"msgtype": "m.text", "body": body, "formatted_body": html}
    assert with_names(body, content) == text
    said = message_of("m.room.message", content)
    assert said is not None
    assert said.body == text


def test_names_become_ids() -> None:
    html = f"{link(ADA, 'Ada')} {link(EVE, 'Ada')}"
    assert with_ids("invite Ada Ada", {"formatted_body": html}) == f"invite {ADA} {EVE}"


@pytest.mark.parametrize(
    "html",
    [
        'href="https://matrix.to/#/@a" ' * 2_000,
        '<a href="https://matrix.to/#/@a' * 2_000,
        link("@a:b", "x" * 30_000) + link("@c:d", "y"),
        "".join(link(f"@u{number}:b", f"@u{number + 1}:b " * 20) for number in range(300)),
    ],
)
def test_hostile_html_takes_little_time_and_makes_no_long_text(html: str) -> None:
    body = "@a:b @u1:b " * 3_000
    began = time.process_time()
    text = with_names(body, {"formatted_body": html})
    assert time.process_time() - began < 1
    assert len(text) < 100 * len(body)

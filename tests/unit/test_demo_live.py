from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from agent_bridge.demo.banner import Login, Scene, print_banner
from agent_bridge.demo.live import sentence, show


@pytest.mark.parametrize(
    ("event", "line"),
    [
        ({"event": "turn claimed", "sender": "@alice:x", "agent": "Edda"}, "@alice:x writes to Edda"),
        ({"event": "turn claimed", "agent": "y\n" * 300}, f"… writes to {'y ' * 99}y…"),
        ({"event": "answer sent", "agent": "Edda", "seconds": 2.345}, "Edda answered after 2.3 s"),
        ({"event": "answer failed", "agent": "Edda", "error": "cut off"}, "Edda could not answer: cut off"),
        ({"event": "agent added", "agent": "Nora", "name": "Nora", "upstream": "a"}, "Nora was added (upstream a)"),
        ({"event": "agent renamed", "agent": "Edda", "name": "[Eddie]"}, "Edda is now called [Eddie]"),
        ({"event": "agent gone", "name": "Edda"}, "Edda is gone"),
        ({"event": "agent back", "name": "Nora"}, "Nora is back"),
        ({"event": "room ready", "agent": "Edda", "room": "!r"}, "Edda has a room"),
        ({"event": "poll unchanged", "upstream": "a", "level": "info"}, None),
        (
            {"event": "upstream failed", "upstream": "a", "level": "warning", "logger": "x"},
            "upstream failed upstream=a",
        ),
    ],
)
def test_a_log_line_becomes_a_sentence(event: dict[str, Any], line: str | None) -> None:
    assert sentence(event) == line


def test_what_is_shown_has_a_time_and_no_markup() -> None:
    paper = io.StringIO()
    console = Console(file=paper, width=200)
    show(console, {"event": "agent renamed", "agent": "Edda", "name": "[Ed]"})
    show(console, {"event": "transaction handled", "level": "info"})
    assert [line[len("00:00:00  ") :] for line in paper.getvalue().splitlines()] == ["Edda is now called [Ed]"]


def scene(renamable: str | None) -> str:
    paper = io.StringIO()
    logins = (Login("@alice:x", "wonderland", "talks"), Login("@admin:x", "keeper", "invites"))
    url = "http://127.0.0.1:1"
    print_banner(
        Console(file=paper, width=60),
        Scene("http://127.0.0.1:8008", logins, ("Edda", "Quill"), "Agents", url, renamable),
    )
    return paper.getvalue()


def test_the_banner_names_everything_one_needs() -> None:
    told = scene("agent-1")
    for part in ("http://127.0.0.1:8008", "@alice:x", "wonderland", "@admin:x", "keeper", "Edda, Quill", "Element"):
        assert part in told
    command = (
        "curl -X PATCH http://127.0.0.1:1/agents/agent-1"
        """ -H 'Content-Type: application/json' -d '{"name": "Another Name"}'"""
    )
    assert command in told.splitlines()


def test_the_banner_does_not_offer_to_rename_agents_of_somebody_else() -> None:
    assert "curl" not in scene(None)

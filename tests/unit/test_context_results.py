"""The results of the commands about conversations as Markdown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.results.contexts import (
    ContextBegun,
    ContextForgotten,
    ContextList,
    ContextLoaded,
    ContextOption,
    ContextRefusal,
    ContextRefused,
    ContextReport,
    ContextSaved,
    ImportBegun,
    Instructions,
    ModelChoice,
)
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.i18n.russian import RUSSIAN
from agent_bridge.render.markdown.unmarked import to_unmarked
from agent_bridge.render.results import ResultRenderer

if TYPE_CHECKING:
    from agent_bridge.core.results.commands import Result
    from agent_bridge.i18n.catalogue import Texts

LONG = "A*very* `long` name | with <b>marks</b>"
NOW = datetime.now(UTC) - timedelta(hours=2, minutes=5)
REPORT = ContextReport("Ada", 12, 3400, 8000, "Be kind.\n\nAnswer in verse.", "", "small", NOW)
RESULTS: list[Result] = [
    REPORT,
    ContextReport(LONG, 1, None, None, None, "x" * 5_000, "", None),
    ContextReport(LONG, 0, 0, 8000, None, "", "", None),
    ContextBegun(LONG),
    ContextSaved(LONG),
    ContextForgotten(LONG),
    ImportBegun(LONG),
    ContextLoaded(LONG, LONG, 12),
    ContextLoaded(LONG, None, 1),
    ContextList(LONG, ()),
    ContextList(
        LONG, tuple(ContextOption(n, LONG if n % 2 else None, 5, NOW) for n in range(1, 21)), more=3, is_renewed=True
    ),
    Instructions(LONG, ""),
    Instructions(LONG, LONG),
    Instructions(LONG, "", is_new=True),
    Instructions(LONG, LONG, is_new=True),
    ModelChoice(LONG, "small", "small", ("large", "small")),
    ModelChoice(LONG, "small", "large"),
    *(ContextRefused(reason, LONG, LONG, LONG, 100) for reason in ContextRefusal),
]


@pytest.mark.parametrize("texts", [ENGLISH, RUSSIAN], ids=["en", "ru"])
@pytest.mark.parametrize("result", RESULTS, ids=lambda result: type(result).__name__)
def test_results_fit_a_phone(result: Result, texts: Texts) -> None:
    markdown = ResultRenderer(texts, "!ab").render(result)
    assert "{" not in markdown
    plain = to_unmarked(markdown)
    # No table, names as they are, and few lines.
    assert "|--" not in markdown
    assert LONG in plain or "marks" not in plain
    assert len(plain.splitlines()) <= 30
    assert len(plain) < 5_000


def test_a_report_has_one_figure_in_a_line() -> None:
    assert to_unmarked(ResultRenderer(ENGLISH, "!ab").render(REPORT)).splitlines() == [
        "Ada gets 12 messages before the next one: about 3400 of 8000 tokens.",
        "Begun 2 hours ago.",
        "Model: small",
        "System prompt: Be kind. Answer in verse.",
    ]


def test_a_list_has_numbers() -> None:
    options = (ContextOption(1, "before Oslo", 12, NOW), ContextOption(2, None, 1, NOW))
    assert to_unmarked(ResultRenderer(ENGLISH, "!ab").render(ContextList("Ada", options))).splitlines() == [
        "Conversations with Ada:",
        "",
        "1. before Oslo: 12 messages, saved 2 hours ago",
        "2. 1 message, ended 2 hours ago",
        "",
        "Send a number to go on with one, or !ab load <name>.",
    ]


def test_a_command_in_a_refusal_has_the_name_as_it_is_typed() -> None:
    taken = ContextRefused(ContextRefusal.NAME_TAKEN, "Ada", "Oslo <2>", "", 100)
    for texts in (ENGLISH, RUSSIAN):
        assert "!ab forget Oslo <2>" in to_unmarked(ResultRenderer(texts, "!ab").render(taken))

"""The rendering of typical Markdown: ``GOLDEN=write pytest …`` rewrites the golden files, which then need a review."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent_bridge.render.markdown.html import to_html
from agent_bridge.render.markdown.plain import to_plain
from support.html_checker import check

FOLDER = Path(__file__).resolve().parent.parent / "golden" / "markdown"
CASES = sorted(FOLDER.glob("*.md"))
#: Cases that stay half-open to their end, so that a growing text has another rendering.
HALF_OPEN: set[str] = set()


def compare(path: Path, found: str) -> None:
    if os.environ.get("GOLDEN") == "write":
        path.write_text(f"{found}\n", encoding="utf-8")
    assert path.read_text("utf-8") == f"{found}\n"


def test_there_are_cases() -> None:
    assert len(CASES) >= 30


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_html(case: Path) -> None:
    compare(case.with_suffix(".html"), to_html(case.read_text("utf-8")))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_plain_text(case: Path) -> None:
    compare(case.with_suffix(".txt"), to_plain(case.read_text("utf-8")).rstrip("\n"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_text_that_is_complete_looks_the_same_while_it_could_grow(case: Path) -> None:
    text = case.read_text("utf-8")
    assert to_html(text, live=True) == to_html(text)
    assert to_html(text.strip(), live=True) == to_html(text.strip())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_every_beginning_is_well_formed(case: Path) -> None:
    text = case.read_text("utf-8")
    for end in range(len(text)):
        check(to_html(text[:end], live=True))


def test_a_long_text_is_rendered_as_its_blocks_are() -> None:
    """The rendering by windows, which are cached, equals a rendering of the whole text."""
    texts = [case.read_text("utf-8") for case in CASES]
    texts = [text for text in texts if "]:" not in text and "<details" not in text]
    together = "\n\n<br>\n\n".join(f"{text}\n\nWord." for text in texts)
    assert len(together) < 4_000
    doubled = f"{together}\n\n# Again\n\n" * 4
    assert to_html(doubled) == "\n".join([to_html(f"{together}\n\n# Again")] * 4)

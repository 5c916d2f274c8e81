"""Writes generated files, or checks them."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TOP = Path(__file__).resolve().parent.parent
REFERENCE = TOP / "docs" / "reference"


def publish(pages: Mapping[Path, str], *, check: bool) -> int:
    """Write *pages*, or with *check* only compare them; return 0, or 1 if a file is not up to date."""
    stale = [path for path, text in pages.items() if not path.exists() or path.read_text("utf-8") != text]
    for path in stale:
        if check:
            print(f"{path.relative_to(TOP)} is not up to date: run make examples", file=sys.stderr)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(pages[path], encoding="utf-8")
    return 1 if check and stale else 0


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Return the lines of a Markdown table, and an empty one."""
    titles = list(head)
    lines = [_row(titles), "|".join(["", *("---" for _ in titles), ""])]
    return [*lines, *(_row(row) for row in rows), ""]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in cells)} |"


def plain(text: str) -> str:
    """Return *text* of people as Markdown that shows the same: only code between backticks has a meaning."""
    parts = re.split(r"(`+[^`]+`+)", text)
    return "".join(part if index % 2 else re.sub(r"([<*\\[\]])", r"\\\1", part) for index, part in enumerate(parts))


def code(text: str) -> str:
    """Return *text* as inline code, empty if it is empty."""
    return f"`{text}`" if text else ""

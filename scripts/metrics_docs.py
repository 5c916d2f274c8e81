"""Writes docs/metrics.md: an introduction (scripts/metrics_docs_head.md), and the metrics from their catalogue.

``--check`` compares the file, and fails if it differs.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from agent_bridge.metrics.catalogue import METRICS, OF_PROCESS, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agent_bridge.metrics.catalogue import Label, Metric

_ROOT = Path(__file__).resolve().parent.parent
_FILE = _ROOT / "docs" / "metrics.md"
_HEAD = Path(__file__).with_name("metrics_docs_head.md")


def document() -> str:
    """Return the text of docs/metrics.md."""
    lines = [_HEAD.read_text(encoding="utf-8").rstrip(), "", "## The metrics", "", *_table(METRICS)]
    lines += ["", "Linux tells these about the process:", "", *_table(OF_PROCESS)]
    lines += ["", "## Labels", "", "| metric | label | values |", "|---|---|---|"]
    lines += [
        f"| `{each.full_name}` | `{label.name}` | {_values(label)} |" for each in METRICS for label in each.labels
    ]
    lines += ["", "## Buckets", "", "| histogram | upper bounds in seconds |", "|---|---|"]
    for each in METRICS:
        if each.kind is Kind.HISTOGRAM:
            lines.append(f"| `{each.full_name}` | {', '.join(f'{bound:g}' for bound in each.buckets)} |")
    return "\n".join(lines) + "\n"


def _table(metrics: Sequence[Metric]) -> Iterator[str]:
    yield "| metric | type | scope | meaning |"
    yield "|---|---|---|---|"
    for each in metrics:
        labels = ", ".join(label.name for label in each.labels)
        name = f"`{each.full_name}{{{labels}}}`" if labels else f"`{each.full_name}`"
        yield f"| {name} | {each.kind} | {each.scope} | {each.help} |"


def _values(label: Label) -> str:
    return ", ".join(f"`{each}`" for each in label.values) or label.source


def main() -> int:
    """Write the file, or check it."""
    text = document()
    if "--check" in sys.argv[1:]:
        if _FILE.exists() and _FILE.read_text(encoding="utf-8") == text:
            return 0
        print(f"{_FILE} is not up to date: run scripts/metrics_docs.py")
        return 1
    _FILE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Writes docs/metrics.md: an introduction (scripts/metrics_docs_head.md), and the metrics from their catalogue.

``--check`` compares the file, and fails if it differs.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from agent_bridge.metrics.catalogue import METRICS, OF_PROCESS, Kind
from pages import TOP, publish

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agent_bridge.metrics.catalogue import Label, Metric

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


if __name__ == "__main__":
    sys.exit(publish({TOP / "docs" / "metrics.md": document()}, check="--check" in sys.argv[1:]))

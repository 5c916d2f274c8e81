"""Write the line counts into the reading lists of docs/architecture.md, or check them with --check.

A reading list is a table whose first column holds paths below agent_bridge/ and whose last column holds line counts.
Its last row is the total. The check fails if a file does not exist, or if a total differs by more than 5 %.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
DOCUMENT = TOP / "docs" / "architecture.md"
_ROW = re.compile(r"^\| `(?P<path>[\w/]+\.\w+)` \|(?P<text>.*)\| (?P<lines>\d+) \|$", re.MULTILINE)
_TOTAL = re.compile(r"^\| \*\*(?P<files>\d+) files\*\* \|(?P<text>.*)\| \*\*(?P<lines>[\d,]+)\*\* \|$", re.MULTILINE)
_TOLERANCE = 0.05


def counted(document: str) -> str:
    """Return *document* with the present line counts and totals.

    Raises:
        FileNotFoundError: a list names a file that does not exist.
    """
    done: list[str] = []
    counts: list[int] = []
    for line in document.splitlines(keepends=True):
        text = line
        if row := _ROW.match(line):
            counts.append(len((TOP / "agent_bridge" / row["path"]).read_text("utf-8").splitlines()))
            text = f"| `{row['path']}` |{row['text']}| {counts[-1]} |\n"
        elif total := _TOTAL.match(line):
            text = f"| **{len(counts)} files** |{total['text']}| **{sum(counts):,}** |\n"
            counts = []
        done.append(text)
    return "".join(done)


def totals(document: str) -> list[int]:
    """Return the totals of the reading lists of *document*, in lines."""
    return [int(found["lines"].replace(",", "")) for found in _TOTAL.finditer(document)]


def main() -> int:
    """Return 0, or 1 if --check found totals that are out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a total is out of date")
    check = parser.parse_args().check
    written = DOCUMENT.read_text("utf-8")
    present = counted(written)
    if not check:
        DOCUMENT.write_text(present, encoding="utf-8")
        return 0
    pairs = zip(totals(written), totals(present), strict=True)
    if not totals(present) or any(abs(old - new) > _TOLERANCE * new for old, new in pairs):
        sys.stderr.write(f"the reading lists of {DOCUMENT.name} are out of date: run scripts/reading_list.py\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

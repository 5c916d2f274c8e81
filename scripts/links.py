"""Checks the links of README.md, the other Markdown files at the top, and docs/: each file and each heading exists.

The documentation site checks its own links; this check also covers files outside docs/, and needs no packages.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from typing import Final
from urllib.parse import unquote

TOP = Path(__file__).resolve().parent.parent
INDEX: Final = "docs/index.md"
_FENCE = re.compile(r"^ *(`{3,}|~{3,}).*?^ *\1 *$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
_LINK = re.compile(r"\]\(<?([^()\s>]+(?:\([^()\s]*\))?)>?(?:\s+\"[^\"]*\")?\)|^\[[^]]+\]:\s+(\S+)", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:")


def anchors(text: str) -> set[str]:
    """Return the names of the headings of *text*, as GitHub and the site make them."""
    found: Counter[str] = Counter()
    names: set[str] = set()
    for heading in _HEADING.findall(_FENCE.sub("", text)):
        shown = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        name = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        names.add(f"{name}-{found[name]}" if found[name] else name)
        found[name] += 1
    return names


def links(text: str) -> list[str]:
    """Return the targets of the links and pictures of *text* that are not URLs."""
    shown = _CODE.sub("", _FENCE.sub("", text))
    targets = [first or second for first, second in _LINK.findall(shown)]
    return [target for target in targets if not _ELSEWHERE.match(target)]


def broken(top: Path) -> list[str]:
    """Return the broken links of the files below *top*, and the pages to which the index has no link."""
    files = [*sorted(top.glob("*.md")), *sorted((top / "docs").rglob("*.md"))]
    texts = {file: file.read_text("utf-8") for file in files}
    found: list[str] = []
    for file, text in texts.items():
        for target in links(text):
            path, _, anchor = target.partition("#")
            there = (file.parent / unquote(path)).resolve() if path else file
            if not there.exists():
                found.append(f"{file.relative_to(top)}: {target}: no such file")
            elif anchor and (there not in texts or unquote(anchor) not in anchors(texts[there])):
                found.append(f"{file.relative_to(top)}: {target}: no such heading")
    index = top / INDEX
    linked = {(index.parent / target.partition("#")[0]).resolve() for target in links(texts.get(index, ""))}
    pages = [file for file in texts if index.parent in file.parents and file not in {index, *linked}]
    return found + [f"{INDEX}: no link to {page.relative_to(top)}" for page in pages]


def main() -> int:
    """Return 0, or 1 if there are broken links."""
    found = broken(TOP)
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

"""Build the documentation site into build/site, and check that it loads nothing from other hosts.

It runs with the packages of locks/site.txt: make site.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
OUTPUT = TOP / "build" / "site"
#: Attributes with the address of something that a browser loads, by the element; the others of these are links.
_LOADED = {
    **dict.fromkeys(("audio", "embed", "iframe", "script", "source", "track", "video"), ("src",)),
    "img": ("src", "srcset"),
    "link": ("href",),
    "object": ("data",),
    "form": ("action",),
}
#: Relations of <link> that load nothing.
_NOT_LOADED = frozenset({"author", "canonical", "next", "prev", "search", "index", "top", "license"})


class _Loads(HTMLParser):
    """Collects the addresses that a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "link" and _NOT_LOADED.intersection((given.get("rel") or "").split()):
            return
        self.found += [given[name] or "" for name in _LOADED.get(tag, ()) if name in given]
        self.found += [word for word in (given.get("style") or "").split() if "url(" in word]


def loaded_from_elsewhere(folder: Path) -> list[str]:
    """Return the addresses on other hosts from which the pages and style sheets of *folder* load, with their files."""
    found: list[str] = []
    for file in sorted(folder.rglob("*.html")):
        parser = _Loads()
        parser.feed(file.read_text("utf-8"))
        found += [f"{file.relative_to(folder)}: {each}" for each in parser.found if _is_elsewhere(each)]
    for file in sorted(folder.rglob("*.css")):
        words = file.read_text("utf-8").replace("url(", "\nurl(").replace("@import", "\n@import").splitlines()
        loads = [word for word in words if word.startswith(("url(", "@import"))]
        found += [f"{file.relative_to(folder)}: {each[:80]}" for each in loads if _is_elsewhere(each.partition(")")[0])]
    return found


def _is_elsewhere(address: str) -> bool:
    # An address that begins with two slashes has the scheme of the page. Names of namespaces are in data: URLs.
    return "data:" not in address and ("://" in address or address.startswith(("//", "url(//")))


def main() -> int:
    """Return 0, or 1 if the site has faults."""
    shutil.rmtree(OUTPUT, ignore_errors=True)
    command = (sys.executable, "-m", "sphinx", "--builder", "html", "--fail-on-warning", "--quiet")
    if subprocess.run([*command, f"--doctree-dir={OUTPUT}.doctrees", TOP / "docs", OUTPUT], check=False).returncode:
        return 1
    found = loaded_from_elsewhere(OUTPUT)
    for each in found:
        print(f"loaded from another host: {each}", file=sys.stderr)
    if not found:
        print(f"the site: {OUTPUT / 'index.html'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

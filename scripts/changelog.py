"""Checks the form of CHANGELOG.md, or prints the notes of a release with ``--notes VERSION``.

Each release is a section ``## [1.2.3] - 2026-01-31``, the newest first; the first one may be ``unreleased`` and has the
version of the package. A released section begins with the revision of its database schema, of which
tests/migrations_data has a database. Lists of changes follow, under the headings of Keep a Changelog.
"""

from __future__ import annotations

import argparse
import datetime as dt
import re
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from agent_bridge import __version__

TOP = Path(__file__).resolve().parent.parent
DATABASES = TOP / "tests" / "migrations_data"
UNRELEASED: Final = "unreleased"
#: The headings of lists, in their order.
LISTS: Final = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
_SCHEMA = re.compile(r"^Database schema: (\d{4})\.$", re.MULTILINE)


@dataclass(frozen=True)
class Release:
    """A section of the changelog."""

    version: str
    #: A day in the form of ISO 8601, or UNRELEASED.
    date: str
    text: str

    @property
    def order(self) -> tuple[int, ...]:
        """The numbers of the version, or an empty tuple if it has another form."""
        return tuple(map(int, self.version.split("."))) if re.fullmatch(r"\d+\.\d+\.\d+", self.version) else ()

    @property
    def schema(self) -> str | None:
        """The revision of the database schema."""
        found = _SCHEMA.search(self.text)
        return found[1] if found else None


def releases(changelog: str) -> list[Release]:
    """Return the sections of *changelog*, in their order."""
    _, *sections = re.split(r"^## ", changelog, flags=re.MULTILINE)
    found: list[Release] = []
    for section in sections:
        heading, _, text = section.partition("\n")
        match = re.fullmatch(r"\[([^]]+)\](?: - (\S+))?", heading)
        found.append(Release(match[1], match[2] or "", text) if match else Release(heading, "", text))
    return found


def faults(changelog: str, version: str) -> list[str]:
    """Return the faults of *changelog* for a package of *version*, each as one line."""
    found = releases(changelog)
    told = [] if changelog.startswith("# Changelog\n") else ["the first line is not '# Changelog'"]
    if not found or found[0].version != version:
        told.append(f"the first section is not that of version {version}")
    for index, release in enumerate(found):
        told += [f"{release.version}: {fault}" for fault in _faults(release, is_first=index == 0)]
    for newer, older in pairwise(found):
        if newer.order <= older.order:
            told.append(f"{newer.version}: not newer than {older.version}, which is below it")
        if newer.date < older.date:
            told.append(f"{newer.version}: dated before {older.version}")
    return told


def _faults(release: Release, *, is_first: bool) -> list[str]:
    told = [] if release.order else ["the heading is not '## [1.2.3] - 2026-01-31'"]
    if release.date == UNRELEASED:
        if not is_first:
            told.append("only the first section may be unreleased")
    else:
        told += [] if _is_day(release.date) else [f"{release.date or 'no date'} is not a day such as 2026-01-31"]
        if release.schema is None:
            told.append("no line such as 'Database schema: 0003.'")
        elif not (DATABASES / f"release_{release.schema}.sql").is_file():
            told.append(f"no tests/migrations_data/release_{release.schema}.sql: run make release-database")
    names = re.findall(r"^### (.*)$", release.text, re.MULTILINE)
    if names != [name for name in LISTS if name in names] or not names:
        told.append(f"the lists are {names}, and not some of {list(LISTS)} in this order")
    for name, text in zip(names, re.split(r"^### .*$", release.text, flags=re.MULTILINE)[1:], strict=True):
        if not text.lstrip().startswith("- "):
            told.append(f"the list {name} does not begin with '- '")
    return told


def _is_day(text: str) -> bool:
    try:
        return dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def main() -> int:
    """Return 0, or 1 if the changelog has faults, or no release of the version."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notes", metavar="VERSION", help="print the section of this release")
    version = parser.parse_args().notes
    text = (TOP / "CHANGELOG.md").read_text("utf-8")
    told = faults(text, __version__)
    if version is not None and not told:
        notes = [release.text.strip() for release in releases(text) if release.version == version]
        told = [] if notes else [f"no section {version}"]
        sys.stdout.write("".join(f"{each}\n" for each in notes))
    for fault in told:
        print(f"CHANGELOG.md: {fault}", file=sys.stderr)
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())

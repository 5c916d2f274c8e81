"""The changelog has a section for each release, and its first one is that of the package."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from agent_bridge import __version__

TOP = Path(__file__).parents[2]
SCRIPT = runpy.run_path(str(TOP / "scripts" / "changelog.py"))
CHANGELOG = (TOP / "CHANGELOG.md").read_text("utf-8")
GOOD = """# Changelog

## [0.3.0] - unreleased

### Added

- This.

### Fixed

- That.

## [0.2.10] - 2026-02-28

Database schema: 0003.

### Changed

- More.

## [0.2.9] - 2026-02-28

Database schema: 0003.

### Security

- Less.
"""


def test_the_changelog_has_the_form() -> None:
    assert SCRIPT["faults"](CHANGELOG, __version__) == []
    assert SCRIPT["faults"](GOOD, "0.3.0") == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("# Changelog", "# Changes", "the first line is not '# Changelog'"),
        ("[0.3.0]", "[0.4.0]", "the first section is not that of version 0.3.0"),
        ("[0.2.10] - 2026", "[0.2.8] - 2026", "0.2.8: not newer than 0.2.9, which is below it"),
        ("[0.2.9] - 2026-02-28", "[0.2.9] - 2026-03-01", "0.2.10: dated before 0.2.9"),
        ("[0.2.9] - 2026-02-28", "[0.2.9] - 2026-02-29", "0.2.9: 2026-02-29 is not a day such as 2026-01-31"),
        ("[0.2.9] - 2026-02-28", "[0.2.9]", "0.2.9: no date is not a day such as 2026-01-31"),
        ("[0.2.9] - 2026-02-28", "[0.2.9] - unreleased", "0.2.9: only the first section may be unreleased"),
        ("[0.2.9] - 2026-02-28", "0.2.9", "0.2.9: no date is not a day such as 2026-01-31"),
        ("[0.2.9]", "[v0.2]", "v0.2: the heading is not '## [1.2.3] - 2026-01-31'"),
        ("### Added", "### New", "0.3.0: the lists are ['New', 'Fixed'], and not some of"),
        ("### Fixed", "### Added", "0.3.0: the lists are ['Added', 'Added'], and not some of"),
        ("### Added", "### Security", "0.3.0: the lists are ['Security', 'Fixed'], and not some of"),
        ("- That.\n", "", "0.3.0: the list Fixed does not begin with '- '"),
        ("28\n\nDatabase schema: 0003.", "28", "0.2.10: no line such as 'Database schema: 0003.'"),
        ("0003", "0002", "0.2.10: no tests/migrations_data/release_0002.sql: run make release-database"),
    ],
)
def test_faults(old: str, new: str, fault: str) -> None:
    assert old in GOOD
    told = SCRIPT["faults"](GOOD.replace(old, new, 1), "0.3.0")
    assert [each for each in told if each.startswith(fault)], told


def test_the_tag_of_a_release_has_its_whole_section(tmp_path: Path) -> None:
    found = re.search(r"`(git tag -a .*)`\.", (TOP / "docs" / "release.md").read_text("utf-8"))
    assert found is not None
    command = found[1].replace("1.2.3", "0.1.0")
    command = command.replace(".venv/bin/python scripts", f"{sys.executable} {TOP}/scripts")
    git = "git -c user.name=Test -c user.email=test@test.local"
    script = f"git init -q . && {git} commit -q --allow-empty -m one && {command.replace('git', git, 1)}"
    subprocess.run(["/bin/sh", "-ec", script], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(TOP)}, check=True)
    show = ("git", "-C", str(tmp_path), "cat-file", "tag", "v0.1.0")
    told = subprocess.run(show, check=True, capture_output=True, text=True).stdout
    (section,) = [each for each in SCRIPT["releases"](CHANGELOG) if each.version == "0.1.0"]
    assert told.partition("\n\n")[2].strip() == section.text.strip()

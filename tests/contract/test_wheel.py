"""The files of a release: any build of a commit makes the same bytes, and the wheel runs outside the checkout."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

import dist
from agent_bridge.store.postgres.embedded import start_postgres
from agent_bridge.store.postgres.migrate import check, migrations_folder
from support.watchdog import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKOUT = Path(__file__).parents[2]
CONFIG = """
homeserver: {address: http://127.0.0.1:9, domain: example.org}
appservice: {as_token: as, hs_token: hs}
upstreams: [{name: up, url: http://127.0.0.1:9/v1}]
"""
WHERE = "import agent_bridge.store.postgres.migrate as m; print(m.__file__, m.migrations_folder(), sep='\\n')"


def run(*command: str | Path, folder: Path) -> str:
    done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder outside the checkout, with a path short enough for PostgreSQL's socket."""
    with temporary_folder("ab-wh-") as folder:
        yield folder.resolve()


@dataclass(frozen=True)
class Build:
    """The folder of a build, and the commit of which it was made."""

    folder: Path
    commit: str

    @property
    def wheel(self) -> Path:
        (wheel,) = self.folder.glob("*.whl")
        return wheel

    @property
    def sdist(self) -> Path:
        (sdist,) = self.folder.glob("*.tar.gz")
        return sdist


def build(checkout: Path, *, umask: int, **environment: str) -> Build:
    command = [sys.executable, "scripts/dist.py"]
    environ = {**os.environ, **environment}
    done = subprocess.run(command, cwd=checkout, env=environ, umask=umask, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return Build(checkout / "dist", run("git", "rev-parse", "HEAD", folder=checkout).strip())


@pytest.fixture(scope="module")
def checkout(folder: Path) -> Path:
    """A checkout of one commit with the files of this one, also those that are not committed."""
    git: list[str | Path] = ["git", "-c", "user.name=Test", "-c", "user.email=test@test.local"]
    repository = folder / "repository"
    run(*git, "init", "--quiet", repository, folder=folder)
    run(*git, f"--git-dir={repository}/.git", f"--work-tree={CHECKOUT}", "add", "--all", folder=CHECKOUT)
    run(*git, "commit", "--quiet", "--message=A release", "--date=2026-01-02T03:04:05Z", folder=repository)
    run(*git, "reset", "--quiet", "--hard", folder=repository)
    return repository


@pytest.fixture(scope="module")
def built(checkout: Path) -> Build:
    return build(checkout, umask=0o022, TZ="UTC")


@pytest.fixture(scope="module")
def wheel(built: Build) -> Path:
    return built.wheel


@pytest.fixture(scope="module")
def installed(folder: Path, wheel: Path) -> Path:
    """The commands of a virtual environment that has the bridge from its wheel and no file of the checkout."""
    venv.create(folder / "venv")
    scripts = folder / "venv" / "bin"
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", scripts / "python"]
    run(*pip, "install", "--quiet", "--no-deps", wheel, folder=folder)
    # The other packages are those of this test's environment. Python does not search this path for path files, so
    # the editable installation of the checkout stays out.
    libraries = run(scripts / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=folder)
    (Path(libraries.strip()) / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return scripts


@pytest.mark.long  # The short form is the next test.
def test_another_build_has_the_same_bytes(folder: Path, checkout: Path, built: Build) -> None:
    other = folder / "another folder with a longer name"
    run("git", "clone", "--quiet", checkout, other, folder=folder)
    # Files that are not in the commit, and later times.
    (other / "agent_bridge" / "left_over.py").write_text("raise SystemExit\n")
    (other / "agent_bridge" / "__pycache__").mkdir()
    (other / "agent_bridge" / "__pycache__" / "left_over.pyc").write_bytes(b"left over")
    (other / "README.md").write_text("changed and not committed\n")
    for file in other.rglob("*.py"):
        os.utime(file, (2_000_000_000, 2_000_000_000))
    later = build(other, umask=0o077, TZ="Asia/Tokyo", LC_ALL="C", PYTHONHASHSEED="7", SOURCE_DATE_EPOCH="1")
    assert later.commit == built.commit
    for first, second in ((built.wheel, later.wheel), (built.sdist, later.sdist)):
        assert (second.name, second.read_bytes()) == (first.name, first.read_bytes())
    sums = (built.folder / "SHA256SUMS").read_text()
    assert sums == (later.folder / "SHA256SUMS").read_text()
    for file in (built.wheel, built.sdist):
        assert f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" in sums


def test_settings_of_git_do_not_change_the_files(folder: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "home").mkdir()
    (folder / "home" / ".gitattributes").write_text("*.py text eol=crlf\n*.md export-ignore\n")
    (folder / "home" / ".gitconfig").write_text("[core]\nautocrlf = true\nattributesFile = ~/.gitattributes\n")
    other = folder / "with settings"
    run("git", "clone", "--quiet", "--bare", checkout, other, folder=folder)
    (other / "info").mkdir(exist_ok=True)
    (other / "info" / "attributes").write_text("*.toml export-ignore\n")
    monkeypatch.setenv("HOME", str(folder / "home"))
    monkeypatch.setenv("GIT_DIR", str(folder / "of a hook"))
    monkeypatch.setattr(dist, "TOP", other)
    dist.export("HEAD", folder / "exported")
    for name in ("README.md", "pyproject.toml", "scripts/dist.py"):
        assert (folder / "exported" / name).read_bytes() == (checkout / name).read_bytes()


def test_files_have_the_time_of_the_commit_and_no_owner(checkout: Path, built: Build) -> None:
    time = int(run("git", "log", "-1", "--format=%ct", folder=checkout))
    with tarfile.open(built.sdist) as archive:
        assert {(file.mtime, file.uid, file.gid, file.uname, file.gname) for file in archive} == {(time, 0, 0, "", "")}
        assert {oct(file.mode) for file in archive} == {"0o644", "0o755"}
    with zipfile.ZipFile(built.wheel) as wheel:
        # A zip file has times without a zone, in steps of two seconds.
        there = datetime.fromtimestamp(time - time % 2, UTC).timetuple()[:6]
        assert {file.date_time for file in wheel.infolist()} == {there}


def test_the_source_distribution_holds_all_files_but_those_of_the_repository_itself(
    checkout: Path, built: Build
) -> None:
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    tracked = run("git", "ls-files", folder=checkout).splitlines()
    # Those of git and of the continuous integration.
    assert {name for name in tracked if not name.startswith((".git", ".ci/"))} == names - {"PKG-INFO", ".gitignore"}


def test_it_holds_all_files_of_the_package_and_nothing_else(wheel: Path, checkout: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    tracked = run("git", "ls-files", "agent_bridge", "alembic", folder=checkout).splitlines()
    expected = {
        name.replace("alembic/", "agent_bridge/migrations/", 1) if name.startswith("alembic/") else name
        for name in tracked
    }
    assert names == expected
    migrations = {file.relative_to(migrations_folder()).as_posix() for file in migrations_folder().rglob("*.py")}
    assert {"env.py", "versions/0001_first_tables.py"} <= migrations
    assert {f"agent_bridge/migrations/{name}" for name in migrations} <= names
    assert "agent_bridge/store/sql/turns.sql" in names


@pytest.mark.long
def test_it_migrates_a_database_of_its_own(folder: Path, installed: Path) -> None:
    (folder / "config.yaml").write_text(CONFIG)
    (folder / "config.yaml").chmod(0o600)
    program, migrations = run(installed / "python", "-c", WHERE, folder=folder).splitlines()
    assert Path(program).is_relative_to(folder / "venv")
    assert Path(migrations) == Path(program).parents[2] / "migrations"
    assert "up to date" in run(installed / "agent-bridge", "migrate", folder=folder)
    server = start_postgres(folder / "data" / "postgres")
    try:
        check(server.uri)
        with psycopg.connect(server.uri) as connection:
            assert connection.execute("SELECT version_num FROM alembic_version").fetchall() != []
            assert connection.execute("TABLE turn").fetchall() == []
            assert connection.execute("TABLE procrastinate_jobs").fetchall() == []
    finally:
        server.close()


def test_it_says_its_version(folder: Path, installed: Path, built: Build) -> None:
    version, python = built.wheel.name.split("-")[1], platform.python_version()
    assert run(installed / "agent-bridge", "--version", folder=folder) == (
        f"agent-bridge {version} (commit {built.commit[:12]}, Python {python})\n"
    )


@pytest.mark.long
def test_it_runs_in_an_empty_environment(folder: Path, wheel: Path) -> None:
    """The packages are those of locks/run.txt, which the image has too, and no others."""
    venv.create(folder / "empty")
    scripts = folder / "empty" / "bin"
    uv: list[str | Path] = [sys.executable, "-m", "uv", "pip"]
    install = [*uv, "install", "--quiet", "--python", scripts / "python"]
    run(*install, "--require-hashes", "--requirement", CHECKOUT / "locks" / "run.txt", folder=folder)
    run(*install, "--no-deps", wheel, folder=folder)
    run(*uv, "check", "--python", scripts / "python", folder=folder)
    assert run(scripts / "agent-bridge", "--version", folder=folder).startswith("agent-bridge ")
    assert "--config" in run(scripts / "agent-bridge", "doctor", "--help", folder=folder)
    answers = ("--homeserver", "http://127.0.0.1:9", "--domain", "example.org", "--upstream", "http://127.0.0.1:9/v1")
    run(scripts / "agent-bridge", "init", *answers, "--admin", "@admin:example.org", "--folder", "made", folder=folder)
    assert {file.name for file in (folder / "made").iterdir()} == {"config.yaml", "registration.yaml"}
    assert "up to date" in run(scripts / "agent-bridge", "migrate", "--config", "config.yaml", folder=folder / "made")

"""The wheel, built from the source distribution and run outside the checkout: it has the command and its migrations."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

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


@pytest.fixture(scope="module")
def wheel(folder: Path) -> Path:
    isolation = ["--no-isolation"] if importlib.util.find_spec("hatchling") else []
    run(sys.executable, "-m", "build", *isolation, "--outdir", folder / "dist", CHECKOUT, folder=folder)
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


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


def test_it_holds_the_package_and_its_migrations_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    migrations = {file.relative_to(migrations_folder()).as_posix() for file in migrations_folder().rglob("*.py")}
    assert {"env.py", "versions/0001_first_tables.py"} <= migrations
    assert {f"agent_bridge/migrations/{name}" for name in migrations} <= names
    package = CHECKOUT / "agent_bridge"
    statements = {file.relative_to(CHECKOUT).as_posix() for file in package.rglob("*.sql")}
    assert "agent_bridge/store/sql/turns.sql" in statements
    assert statements <= names
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"agent_bridge"}
    assert not [name for name in names if "__pycache__" in name]


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


def test_it_says_its_version(folder: Path, installed: Path, wheel: Path) -> None:
    assert run(installed / "agent-bridge", "--version", folder=folder).strip() == wheel.name.split("-")[1]

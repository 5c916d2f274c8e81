"""Fixtures that every test may use: a real PostgreSQL and a real Synapse, one of each per worker.

The fixtures import the application, so that a run of the unit tests does not load all of it.
"""

from __future__ import annotations

import gc
import os
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from support.watchdog import temporary_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from support.harness import BridgeHarness
    from support.letta_server import LettaServer
    from support.postgres import Cluster, Server

# A busy machine is slow now and then: a slow example is no failure. `make test-long` searches with more examples.
settings.register_profile("short", deadline=None, max_examples=25)
settings.register_profile("long", deadline=None, max_examples=500)
settings.load_profile("short")
#: The folders in the order of their start, so that two workers end at about the same time.
_FOLDERS = ("browser", "crash", "faults", "integration", "contract", "unit")
#: The folders with the most lines.
_HEAVY = ("unit", "contract", "integration", "crash")
#: Bytes of a value that is its own id.
_SHORT = 100
#: Folders whose tests form one group: they stop servers, measure times and share a homeserver.
_TOGETHER = {"crash", "faults"}


def pytest_itemcollected(item: pytest.Item) -> None:
    """Put the tests of a file, or of a folder that belongs together, into a group that one worker runs.

    The tests of a file share fixtures, and those with Letta's App Server share the server, which starts slowly. A test
    of integration/ that shares nothing with the other tests of its file forms its own group.
    """
    folder, fixtures = item.path.parent.name, getattr(item, "fixturenames", ())
    if "letta" in fixtures:
        group = "letta"
    elif folder in _TOGETHER:
        group = folder
    elif folder == "integration" and not _shares(item):
        return
    else:
        group = f"{folder}/{item.path.stem}"
    if item.get_closest_marker("xdist_group") is None:
        item.add_marker(pytest.mark.xdist_group(group))


def _shares(item: pytest.Item) -> bool:
    """Tell whether *item* has a fixture that the tests of its file share, for example a bridge."""
    found = item._fixtureinfo.name2fixturedefs.values() if isinstance(item, pytest.Function) else ()
    return any(each.scope == "module" for fixtures in found for each in fixtures)


def pytest_make_parametrize_id(val: object) -> str | None:
    """Return a short id for a file: each worker makes it itself, and it may contain the time."""
    return "file" if isinstance(val, bytes) and len(val) > _SHORT else None


def pytest_configure(config: pytest.Config) -> None:
    """Let each worker begin its collection with another folder: a file that one has compiled is ready for the others.

    In a fresh checkout each of them would compile every file. The garbage collector rests meanwhile: nothing that a
    collection makes is garbage.
    """
    gc.disable()
    if (worker := os.environ.get("PYTEST_XDIST_WORKER")) and config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        first = int(worker.removeprefix("gw")) % len(_HEAVY)
        folders = [*_HEAVY[first:], *_HEAVY[:first]]
        folders += [name for name in _FOLDERS if name not in folders]
        config.args[:] = [str(config.rootpath / "tests" / name) for name in folders]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slow folders first. The order is the same for all workers."""
    items.sort(key=lambda item: (_FOLDERS.index(item.path.parent.name), item.path))


def pytest_collection_finish() -> None:
    """Spare the garbage collector the tests: they live as long as the process, and each look at them takes time."""
    gc.freeze()
    # Few of the objects of a test outlive it; looks at them cost more than their memory.
    gc.set_threshold(50_000, 20, 50)
    gc.enable()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """The PostgreSQL server of TEST_DATABASE_URL, if it is set; else a new one.

    The variable names the database ``postgres`` and a superuser.
    """
    from support.postgres import Cluster, Server

    if uri := os.environ.get("TEST_DATABASE_URL"):
        with closing(Server(uri)) as running:
            yield running
        return
    # A short path: PostgreSQL's Unix socket lives in it.
    with temporary_folder("ab-pg-") as folder, Cluster(folder) as running:
        yield running


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server for the tests of one module, which may stop it and read its log."""
    from support.postgres import Cluster

    with temporary_folder("ab-pg-") as folder, Cluster(folder) as running:
        yield running


@pytest.fixture
def empty_database_url(postgres: Server) -> Iterator[str]:
    """A database without tables."""
    with postgres.database() as uri:
        yield uri


@pytest.fixture
def database_url(postgres: Server) -> Iterator[str]:
    """A database with every table and no rows."""
    with postgres.migrated() as uri:
        yield uri


@pytest.fixture(scope="session")
async def harness() -> AsyncIterator[BridgeHarness]:
    """A homeserver at which the bridge is registered."""
    from support.harness import new_harness

    async with new_harness() as running:
        yield running


@pytest.fixture(scope="session")
async def shared_letta() -> AsyncIterator[LettaServer]:
    """The App Server of :func:`letta`."""
    from support.letta_server import LettaServer

    async with LettaServer() as running:
        yield running


@pytest.fixture
async def letta(shared_letta: LettaServer) -> AsyncIterator[LettaServer]:
    """Letta's App Server, without agents."""
    if not shared_letta.is_running:
        # Seen now and then after a WebSocket that it has refused.
        await shared_letta.restart()
    yield shared_letta
    await shared_letta.clear()

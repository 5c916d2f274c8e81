"""Fixtures of the contract tests: a migrated database, empty for each test, a lane with a question, and servers."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import aiohttp
import psycopg
import pytest
from psycopg import sql

from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.store.postgres.database import Database
from agent_bridge.store.turns import Turns
from agent_bridge.upstream.conversation_store import MemoryConversations
from support.change_requests import asked
from support.fake_room import FakeRoom
from support.fault_server import FaultServer
from support.letta_questions import Store, connected
from support.letta_v1_questions import Dora
from support.records import NAMES
from support.scripted_app_server import ScriptedAppServer
from support.severable_proxy import Line
from support.turn_rows import accept, add_agent

# pytest rewrites the assertions of test modules only; without this call failures in the suites show no values.
pytest.register_assert_rewrite(
    "contract.upstream_suite",
    "contract.upstream_http_suite",
    "contract.upstream_memory_suite",
    "contract.upstream_runs_suite",
    "contract.upstream_extras_suite",
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from agent_bridge.upstream.letta.upstream import LettaUpstream
    from support.letta_v1_server import LettaV1Server
    from support.postgres import Server

_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
_SEQUENCES = "SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'"


@pytest.fixture(scope="session")
def migrated_url(postgres: Server) -> Iterator[str]:
    with postgres.migrated() as uri:
        yield uri


@pytest.fixture(scope="session")
def reset(migrated_url: str) -> sql.Composed:
    """The statements that empty the tables. TRUNCATE would make new files for each table, which takes twice as long."""
    with psycopg.connect(migrated_url) as connection:
        tables = [name for (name,) in connection.execute(_TABLES)]
        sequences = [name for (name,) in connection.execute(_SEQUENCES)]
    statements = [
        # Without the triggers of foreign keys.
        sql.SQL("SET session_replication_role = replica"),
        *(sql.SQL("DELETE FROM {}").format(sql.Identifier(name)) for name in tables),
        *(sql.SQL("SELECT setval({}, 1, false)").format(sql.Literal(name)) for name in sequences),
    ]
    return sql.SQL("; ").join(statements)


class Emptier:
    """Empties the tables of *uri* on one connection for all tests: a new one takes longer than the statements."""

    def __init__(self, uri: str, reset: sql.Composed) -> None:
        self._uri, self._reset = uri, reset
        self._connection = psycopg.connect(uri, autocommit=True)

    def empty(self) -> None:
        """Empty the tables. A test may have ended the connection."""
        try:
            self._connection.execute(self._reset)
        except psycopg.OperationalError:
            self.close()
            self._connection = psycopg.connect(self._uri, autocommit=True)
            self._connection.execute(self._reset)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@pytest.fixture(scope="session")
def emptier(migrated_url: str, reset: sql.Composed) -> Iterator[Emptier]:
    with closing(Emptier(migrated_url, reset)) as emptier:
        yield emptier


@pytest.fixture
def store_url(migrated_url: str, emptier: Emptier) -> str:
    """A database with every table and no rows."""
    emptier.empty()
    return migrated_url


@pytest.fixture(scope="session")
async def shared_database(migrated_url: str) -> AsyncIterator[Database]:
    """One pool for all tests: new connections for each test take longer than most tests."""
    async with Database(migrated_url) as database:
        yield database


@pytest.fixture
def database(shared_database: Database, store_url: str) -> Database:
    """The tables of *store_url*, without rows."""
    assert shared_database.uri == store_url
    return shared_database


@pytest.fixture
async def wire() -> AsyncIterator[FaultServer]:
    """A server that replies with any bytes."""
    async with FaultServer() as server:
        yield server


@pytest.fixture
async def app_server() -> AsyncIterator[ScriptedAppServer]:
    """An App Server with the agent ``Dora``."""
    async with ScriptedAppServer() as server:
        server.models = [{"id": "Dora"}]
        yield server


@pytest.fixture
def letta_store() -> Store:
    return Store()


@pytest.fixture
async def letta_upstream(app_server: ScriptedAppServer, letta_store: Store) -> AsyncIterator[LettaUpstream]:
    """The bridge's connection to *app_server*."""
    async with connected(app_server, letta_store) as upstream:
        yield upstream


@pytest.fixture(scope="session")
async def letta_v1() -> AsyncIterator[LettaV1Server]:
    """Letta's retired server, for tests with the mark of the same name."""
    from support.letta_v1_server import LettaV1Server

    async with LettaV1Server() as server:
        yield server


@pytest.fixture
async def dora(letta_v1: LettaV1Server) -> AsyncIterator[Dora]:
    """An agent of Letta's retired server."""
    agent = await letta_v1.create_agent("Dora")
    letta_v1.llm.forget()
    async with Line(letta_v1.port) as line:
        yield Dora(letta_v1, agent, line, MemoryConversations())
    await letta_v1.delete_agent(agent)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session


@pytest.fixture
def turns(database: Database) -> Turns:
    return Turns(database)


@pytest.fixture
async def agent(database: Database) -> int:
    """The row id of an agent with a room."""
    return await add_agent(database)


@pytest.fixture
async def lane(database: Database, agent: int) -> int:
    """The lane of an agent's room, in which ``$q`` waits."""
    (lane,) = await accept(database, asked("$q", agent))
    return lane


@pytest.fixture
async def room() -> AsyncIterator[FakeRoom]:
    """A room of a server in a homeserver's place."""
    async with FakeRoom() as room:
        yield room


@pytest.fixture
async def homeserver(room: FakeRoom) -> AsyncIterator[Homeserver]:
    """The server of *room*, as the bridge speaks to it."""
    async with homeserver_session() as session:
        yield Homeserver(room.root_url, "token", NAMES, session)

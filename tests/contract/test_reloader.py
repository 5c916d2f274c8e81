"""The reload of processes on a real PostgreSQL, with real files."""

from __future__ import annotations

import asyncio
import operator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from agent_bridge.bridge.queue.reloader import Reloader, answers_to
from agent_bridge.config.example import render
from agent_bridge.config.model import Config
from agent_bridge.config.source import ConfigSource
from agent_bridge.core.live import Live
from agent_bridge.core.results.reloads import ReloadOutcome
from agent_bridge.core.roles import Role
from agent_bridge.store.postgres.database import Database
from agent_bridge.store.postgres.locks import RELOADS, Locks
from agent_bridge.store.postgres.session import Session
from agent_bridge.store.postgres.signals import Signals
from agent_bridge.store.reloads import ReloadStore
from agent_bridge.web.loop_watchdog import LoopWatchdog
from support.conditions import eventually
from support.sessions import open_locks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

CANARY = "CANARY-of-a-secret"
#: Seconds that the tests give processes for an answer, and those in which there is none.
LONG, SHORT = 30.0, 0.5


def text(**changes: Any) -> str:
    """Return a config.yaml with secrets, and *changes*."""
    values: dict[str, Any] = {
        "homeserver": {"address": "http://localhost:8008", "domain": "example.org"},
        "appservice": {"as_token": f"{CANARY}-as", "hs_token": f"{CANARY}-hs"},
        "database": {"url": f"postgresql://bridge:{CANARY}@localhost/bridge"},
        "upstreams": [{"name": "letta", "url": "http://localhost:1416/v1", "api_key": "env:LETTA_KEY"}],
        "permissions": {"example.org": "member"},
    }
    return render(Config.model_validate(values | changes))


@dataclass
class Process:
    """A process of the bridge as far as reloads concern it."""

    file: Path
    config: Live[Config]
    reloader: Reloader
    store: ReloadStore
    hangups: asyncio.Event
    #: The configurations that counted.
    seen: list[Config]

    async def reload(self, within: float = LONG) -> list[ReloadOutcome | None]:
        """Request a reload, and return the outcomes of all processes."""
        report = await answers_to(self.store, await self.store.request(), within)
        return [each.outcome for each in report.processes]


@asynccontextmanager
async def process(url: str, file: Path, environ: dict[str, str] | None = None) -> AsyncIterator[Process]:
    """Run a process with *file*, which answers when the block begins."""
    file.write_text(text())  # noqa: ASYNC240  # a small file
    source = ConfigSource(file, {"LETTA_KEY": CANARY} if environ is None else environ)
    config, signals, hangups = Live(source.read(), same=operator.is_), Signals(), asyncio.Event()
    seen = [config.value]
    config.watch(lambda: seen.append(config.value))
    async with Session(url, signals) as session, Locks(session) as locks, Database(url) as database:
        reloader = Reloader(source, config, ReloadStore(database), locks, signals, hangups)
        task = asyncio.create_task(reloader.run())

        async def answers() -> bool:
            held = "SELECT 1 FROM advisory_lock WHERE kind = %s AND key = %s"
            return bool(await database.rows(held, (RELOADS, locks.process)))

        try:
            await eventually(answers, "the process answers")
            yield Process(file, config, reloader, ReloadStore(database), hangups, seen)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_live_keys_count_at_once_and_others_are_named(store_url: str, tmp_path: Path) -> None:
    async with process(store_url, tmp_path / "config.yaml") as one:
        before = one.config.value
        assert await one.reload() == [ReloadOutcome()]
        one.file.write_text(
            text(
                permissions={"example.org": "admin"},
                timezone="Europe/Oslo",
                quotas=[{"per": "user", "messages_per_minute": 3}],
                logging={"level": "debug", "format": "json"},
                rooms={"invite": ["@bob:example.org"], "private": True},
            )
        )
        live = ("rooms.invite", "permissions", "timezone", "quotas", "logging.level")
        restart = ("rooms.private", "logging.format")
        assert await one.reload() == [ReloadOutcome(live, restart)]
        now = one.config.value
        assert (now.permissions, now.timezone) == ({"example.org": Role.ADMIN}, "Europe/Oslo")
        assert (now.rooms.invite, now.rooms.private) == (("@bob:example.org",), False)
        assert (now.logging.level, now.logging.format) == ("debug", "console")
        assert [len(each.quotas) for each in one.seen[-2:]] == [0, 1], "all keys changed at once"
        # What needs a restart is named again, and the configuration can be taken back.
        assert await one.reload() == [ReloadOutcome((), restart)]
        one.file.write_text(text())
        assert await one.reload() == [ReloadOutcome(live)]
        assert one.config.value == before
        # A file of which the rest is not written yet takes no roles away.
        one.file.write_text(text().partition("\npermissions:")[0])
        (outcome,) = await one.reload()
        assert outcome is not None
        assert outcome.fault.startswith(f"{one.file}: permissions: gives nobody a role any more")
        assert one.config.value == before


async def test_a_secret_of_the_environment_is_read_again(store_url: str, tmp_path: Path) -> None:
    environ = {"LETTA_KEY": CANARY, "OTHER": f"{CANARY}-2"}
    async with process(store_url, tmp_path / "config.yaml", environ) as one:
        assert environ == {"OTHER": f"{CANARY}-2"}
        assert await one.reload() == [ReloadOutcome()]
        one.file.write_text(text().replace("env:LETTA_KEY", "env:OTHER"))
        assert await one.reload() == [ReloadOutcome((), ("upstreams[letta].api_key",))]
        assert environ == {}
        assert await one.reload() == [ReloadOutcome((), ("upstreams[letta].api_key",))]


def written(content: str) -> Callable[[Path], object]:
    return lambda file: file.write_text(content, encoding="utf-8")


#: A valid file with a change, and the lines of it that get faults.
CHANGED = text(timezone="Europe/Oslo")


def with_line(old: str, new: str) -> Callable[[Path], object]:
    assert CHANGED.count(old) == 1, old
    return written(CHANGED.replace(old, new))


def with_agents(content: str) -> Callable[[Path], object]:
    def write(file: Path) -> None:
        file.with_name("agents.yaml").write_text(content)
        file.write_text(text(agents_file="agents.yaml", timezone="Europe/Oslo"))

    return write


def as_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


#: Files that are not valid, and words of the fault.
FAULTS: list[tuple[Callable[[Path], object], str]] = [
    (as_folder, "config.yaml: cannot be read: Is a directory"),
    (lambda file: file.unlink(missing_ok=True), "config.yaml: does not exist"),
    (written(""), "config.yaml: is empty"),
    (written(CHANGED + "\n- not a key"), "is not YAML"),
    (written(CHANGED + "\nkey:\n\tkey: value"), "indent with spaces"),
    (lambda file: file.write_bytes(CHANGED.encode() + b"\xff"), "is not UTF-8 text"),
    (written(CHANGED + "\nunknown: value"), "unknown: is not a known key"),
    (written(CHANGED + "\npermissions: {}"), "permissions: is given twice"),
    # Without a blank, the value belongs to the key.
    (
        written(f"{CHANGED}\nquotas: [{{per: user, messages_per_minute: 1, match:{CANARY}}}]"),
        "quotas[0].match…: is not a known key",
    ),
    (with_line("example.org: member", "example.org: emperor"), "permissions.example.org: must be one of"),
    (with_line("example.org: member", '"@nobody": member'), "is not a Matrix user id"),
    (with_line("Europe/Oslo", "Mars/Olympus"), "timezone: must be a time zone"),
    (with_line(f"{CANARY}-as", f"[{CANARY}]"), "appservice.as_token: must be text"),
    (with_line("env:LETTA_KEY", "env:NOT_SET"), "the environment variable NOT_SET is not set"),
    (with_line("poll_interval: 0.5", "poll_interval: 0"), "upstreams[0].poll_interval: must be at least 0.05"),
    (with_agents("agents: []"), "agents.yaml:1: agents: must list at least one agent"),
    (with_agents("agents: [{id: a, label: A, upstream: nobody}]"), "is not the name of an upstream"),
]


async def rows(url: str) -> dict[str, list[Any]]:
    """Return all rows, but for those of the requests."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'reload%'"
        names = [name for (name,) in await (await connection.execute(query)).fetchall()]
        return {
            name: await (await connection.execute(f"SELECT * FROM {name}".encode())).fetchall()  # noqa: S608
            for name in names
        }


async def test_a_file_that_is_not_valid_changes_nothing(store_url: str, tmp_path: Path) -> None:
    assert len(FAULTS) >= 10
    async with process(store_url, tmp_path / "config.yaml") as one:
        before, tables, wrong = one.config.value, await rows(store_url), []
        for damage, words in FAULTS:
            damage(one.file)
            (outcome,) = await one.reload()
            if outcome is None or words not in outcome.fault or outcome.applied or outcome.restart:
                wrong.append((words, outcome))
            assert CANARY not in repr(outcome)
            if one.file.is_dir():
                one.file.rmdir()
        assert wrong == []
        assert one.config.value is before
        assert one.seen == [before]
        assert await rows(store_url) == tables
        one.file.write_text(text(timezone="Europe/Oslo"))
        assert await one.reload() == [ReloadOutcome(("timezone",))]


@pytest.mark.long
async def test_each_process_reads_its_own_file(store_url: str, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two", "three")]
    for each in folders:
        each.mkdir()
    async with (
        process(store_url, folders[0] / "config.yaml") as one,
        process(store_url, folders[1] / "config.yaml") as two,
        open_locks(store_url) as locks,
        locks.hold(RELOADS, locks.process),
    ):
        one.file.write_text(text(timezone="Europe/Oslo"))
        two.file.write_text("")
        report = await answers_to(one.store, await one.store.request(), SHORT * 4)
        outcomes = {each.outcome.fault[-28:] if each.outcome else "silent" for each in report.processes}
        assert outcomes == {"", "agent-bridge init writes one", "silent"}
        assert not report.is_complete
        assert not report.is_applied
        assert one.config.value.timezone == "Europe/Oslo"
        assert two.config.value.timezone == "UTC"


async def test_a_process_that_ends_is_not_waited_for(store_url: str, tmp_path: Path) -> None:
    async with process(store_url, tmp_path / "config.yaml") as one:
        async with open_locks(store_url) as locks, locks.hold(RELOADS, locks.process):
            request = await one.store.request()
        report = await answers_to(one.store, request, LONG)
        assert sorted(each.has_ended for each in report.processes) == [False, True]
        assert report.is_applied


async def test_no_process_runs(store_url: str) -> None:
    async with Database(store_url) as database:
        store = ReloadStore(database)
        report = await answers_to(store, await store.request(), LONG)
        assert (report.processes, report.is_applied) == ((), False)


async def test_a_request_counts_for_files_that_were_read_before(store_url: str, tmp_path: Path) -> None:
    """A process that is frozen or without the database answers later; one that starts later has read the file."""
    file = tmp_path / "config.yaml"
    async with Database(store_url) as database:
        store = ReloadStore(database)
        await store.request()
        async with process(store_url, file) as one:
            first = await one.store.newest(0)
            answered = "SELECT reload FROM reload_answer WHERE name IS NOT NULL"
            assert await one.reload() == [ReloadOutcome()]
            assert [row["reload"] for row in await database.rows(answered)] == [first.id + 1]
        file.write_text(text())
        source = ConfigSource(file, {"LETTA_KEY": CANARY})
        config, signals = Live(source.read(), same=operator.is_), Signals()
        file.write_text(text(timezone="Europe/Oslo"))
        requests = [await store.request() for _ in range(2)]
        async with Session(store_url, signals) as session, Locks(session) as locks:
            late = Reloader(source, config, store, locks, signals, asyncio.Event())
            await late.look()
            assert config.value.timezone == "Europe/Oslo"
            # Of several requests that wait, one reading answers all.
            requests = [await store.request() for _ in range(3)]
            await late.look()
            for request in requests:
                (found,) = (await store.report(request, LONG)).processes
                assert found.outcome == ReloadOutcome()


async def test_requests_of_earlier_days_are_deleted(store_url: str) -> None:
    async with Database(store_url) as database:
        store = ReloadStore(database)
        await store.request()
        await database.execute("UPDATE reload SET at = at - interval '25 hours'")
        newest = await store.request()
        assert [row["id"] for row in await database.rows("SELECT id FROM reload")] == [newest]


async def test_an_outcome_that_cannot_be_stored_is_told_later(store_url: str, tmp_path: Path) -> None:
    async with process(store_url, tmp_path / "config.yaml") as one, Database(store_url) as database:
        one.file.write_text(CHANGED)
        await database.execute("ALTER TABLE reload_answer ADD CONSTRAINT unanswered CHECK (name IS NULL)")
        try:
            one.hangups.set()

            async def applied() -> bool:
                return one.config.value.timezone == "Europe/Oslo"

            await eventually(applied, "the change counts")
        finally:
            await database.execute("ALTER TABLE reload_answer DROP CONSTRAINT unanswered")

        async def told() -> list[Any]:
            return await database.rows("SELECT applied FROM reload_answer WHERE name IS NOT NULL")

        assert await eventually(told, "the outcome is told") == [{"applied": ["timezone"]}]
        assert len(one.seen) == 2, "the file was read once"


async def test_a_hangup_in_an_outage_of_the_database_is_not_lost(store_url: str, tmp_path: Path) -> None:
    async with process(store_url, tmp_path / "config.yaml") as one, Database(store_url) as database:
        one.file.write_text(CHANGED)

        async def tries() -> int:
            # A number of a request that was refused is not given again.
            (row,) = await database.rows("SELECT coalesce(last_value, 0) AS value FROM reload_id_seq")
            return int(row["value"])

        before = await tries()
        await database.execute("ALTER TABLE reload ADD CONSTRAINT no_request CHECK (id < 0) NOT VALID")
        try:
            one.hangups.set()

            async def tried() -> bool:
                return await tries() > before

            await eventually(tried, "the process asks")
            assert one.config.value.timezone == "UTC"
        finally:
            await database.execute("ALTER TABLE reload DROP CONSTRAINT no_request")

        async def applied() -> bool:
            return one.config.value.timezone == "Europe/Oslo"

        await eventually(applied, "the change counts")


@pytest.mark.long
async def test_ten_thousand_permissions_do_not_block_the_process(store_url: str, tmp_path: Path) -> None:
    users: dict[str, Any] = {f"@user{number}:example.org": "member" for number in range(10_000)}
    async with process(store_url, tmp_path / "config.yaml") as one:
        one.file.write_text(text(permissions=users))
        async with LoopWatchdog() as watchdog:
            assert await one.reload(within=60) == [ReloadOutcome(("permissions",))]
        assert len(one.config.value.permissions) == len(users)
        assert max((each.computed for each in watchdog.stalls), default=0.0) < 0.2

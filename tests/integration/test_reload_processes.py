"""A reload of real processes: SIGHUP, several of them, frozen and killed ones, and a terminal that is closed."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.bridge.queue.reloader import answers_to
from agent_bridge.config.source import ConfigSource
from agent_bridge.core.results.reloads import ReloadOutcome
from agent_bridge.core.roles import Role
from agent_bridge.store.kv import KeyValues
from agent_bridge.store.postgres.database import Database
from agent_bridge.store.reloads import ReloadStore
from agent_bridge.store.roles import RoleStore
from support.conditions import DEADLINE, eventually
from support.harness import DOMAIN
from support.process import BridgeProcess, run_command, write_config
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent_bridge.config.model import Config
    from support.harness import BridgeHarness, Running

READ, RESTART, FAULT = (
    "the configuration was read again",
    "changes of the configuration need a restart",
    "the configuration is not valid: nothing changes",
)
BOB = f"@bob:{DOMAIN}"
NOBODY = [{"name": "none", "url": "http://127.0.0.1:9/v1"}]


def configured(harness: BridgeHarness, url: str, **sections: Any) -> Config:
    return harness.config(url, NOBODY, **({"logging": {"format": "json"}, "space": {}} | sections))


def folder(tmp_path: Path, name: str) -> Path:
    (tmp_path / name).mkdir()
    return tmp_path / name


def levels(process: BridgeProcess) -> list[str]:
    return [event["level"] for event in process.events]


async def ready(database: Database, count: int) -> bool:
    """Tell whether *count* processes answer requests."""
    return len(await database.rows("SELECT 1 FROM advisory_lock WHERE kind = 9")) == count


def logged(process: BridgeProcess, event: str, count: int) -> Callable[[], bool]:
    return lambda: len(process.logged(event)) >= count


async def test_sighup_reloads_in_all_processes(harness: BridgeHarness, database_url: str, tmp_path: Path) -> None:
    folders = [folder(tmp_path, name) for name in ("one", "two")]
    make: Callable[..., Config] = partial(configured, harness, database_url)
    one = BridgeProcess(folders[0], make())
    two = BridgeProcess(folders[1], make(), "worker")
    async with Database(database_url) as database, one, two:
        await eventually(partial(ready, database, 2), "both answer")
        write_config(folders[0], make(permissions={BOB: "owner"}, logging={"format": "json", "level": "debug"}))
        write_config(folders[1], make(timezone="Europe/Oslo", presence=True))
        one.signal(signal.SIGHUP)
        await one.wait_until(logged(one, READ, 1))
        await two.wait_until(logged(two, RESTART, 1))
        assert one.logged(READ)[0]["applied"] == ["permissions", "logging.level"]
        assert one.logged(RESTART) == []
        (line,) = two.logged(RESTART)
        assert (two.logged(READ)[0]["applied"], line["keys"], line["level"]) == (["timezone"], ["presence"], "warning")
        # The log has more lines from now on, and the role counts at once.
        await one.wait_until(lambda: "debug" in levels(one))

        async def role() -> Role | None:
            book = (await RoleStore(database).current()).book
            return None if book is None else book.role_of(BOB)

        async def is_owner() -> bool:
            return await role() is Role.OWNER

        await eventually(is_owner, "bob is an owner", 5)
        # A worker that is asked asks the others, too. A fault is one line, and changes nothing.
        write_config(folders[0], make(permissions={BOB: "member"})).write_text("permissions: nobody\n")
        two.signal(signal.SIGHUP)
        await one.wait_until(logged(one, FAULT, 1))
        await two.wait_until(logged(two, READ, 2))
        (line,) = one.logged(FAULT)
        assert line["level"] == "error"
        assert "config.yaml:1: permissions: must be a mapping" in line["faults"]
        assert await is_owner()
        write_config(folders[0], make(permissions={BOB: "member"}, logging={"format": "json", "level": "error"}))
        one.signal(signal.SIGHUP)

        async def is_member() -> bool:
            return await role() is Role.MEMBER

        await eventually(is_member, "bob is a member", 5)
        assert (await one.stop(), await two.stop()) == (0, 0)
        # The line about the reload, and those about the stop, are below the level.
        assert len(one.logged(READ)) == 1


async def test_a_frozen_process_reloads_when_it_goes_on(
    harness: BridgeHarness, database_url: str, tmp_path: Path
) -> None:
    folders = [folder(tmp_path, name) for name in ("one", "two")]
    make: Callable[..., Config] = partial(configured, harness, database_url)
    one = BridgeProcess(folders[0], make(), "worker")
    two = BridgeProcess(folders[1], make(), "worker")
    async with Database(database_url) as database, one, two:
        store = ReloadStore(database)
        await eventually(partial(ready, database, 2), "both answer")
        two.signal(signal.SIGSTOP)
        for each in folders:
            write_config(each, make(timezone="Europe/Oslo"))
        request = await store.request()
        report = await answers_to(store, request, 1)
        assert sorted((each.outcome is None, each.has_ended) for each in report.processes) == [
            (False, False),
            (True, False),
        ]
        two.signal(signal.SIGCONT)
        await two.wait_until(logged(two, READ, 1))
        assert two.logged(READ)[0]["applied"] == ["timezone"]
        report = await answers_to(store, request)
        assert [each.outcome for each in report.processes] == [ReloadOutcome(("timezone",))] * 2
        # One that is killed before its answer is not waited for, and reads the file when it starts.
        two.signal(signal.SIGSTOP)
        write_config(folders[1], make(timezone="Asia/Tokyo"))
        request = await store.request()
        await two.kill()
        report = await answers_to(store, request)
        assert sorted(each.has_ended for each in report.processes) == [False, True]
        again = BridgeProcess(folders[1], make(timezone="Asia/Tokyo"), "worker")
        async with again:
            await eventually(partial(ready, database, 2), "both answer again")
            report = await answers_to(store, await store.request())
            assert [each.outcome for each in report.processes] == [ReloadOutcome()] * 2
            assert again.logged(READ)[0]["applied"] == []


@pytest.mark.long
async def test_kills_while_permissions_change(harness: BridgeHarness, database_url: str, tmp_path: Path) -> None:
    """After a kill at any moment the next process has the file, and the book of roles follows it."""
    make: Callable[..., Config] = partial(configured, harness, database_url)
    config = make()
    async with Database(database_url) as database:
        for number, event in enumerate((None, READ, None)):
            async with BridgeProcess(tmp_path, config) as process:
                await eventually(partial(ready, database, 1), "it answers")
                user = f"@user{number}:{DOMAIN}"
                config = make(permissions={user: "admin"})
                write_config(tmp_path, config)
                process.signal(signal.SIGHUP)
                if event is not None:
                    await process.wait_for(event)
                await process.kill()
            async with BridgeProcess(tmp_path, config) as process:
                await eventually(partial(ready, database, 1), "it answers again")

                async def has_role(user: str = user) -> bool:
                    book = (await RoleStore(database).current()).book
                    return book is not None and dict(book.permissions) == {user: Role.ADMIN}

                await eventually(has_role, "the book has the permissions of the file")
                assert await process.stop() == 0


async def complete(running: Running) -> bool:
    """Tell whether every agent has all that belongs to its room."""
    space = await KeyValues(running.database).get(KeyValues.SPACE)
    found = await running.agents.all()
    has_avatars = all(each.home.avatar_applied == each.agent.avatar is not None for each in found)
    return has_avatars and not await running.agents.out_of_sync(space)


@pytest.mark.long
async def test_invitations_to_rooms_without_an_entry_from_the_space(
    harness: BridgeHarness, database_url: str, tmp_path: Path
) -> None:
    async with ScriptedUpstream("Ada", "Bea") as upstream, harness.person() as ann, harness.person() as bob:

        def write(*people: str) -> Path:
            rooms = {"join_rule": "invite", "lobby": True, "invite": people}
            return write_config(
                tmp_path, harness.config(database_url, [{"name": "u", "url": upstream.url}], rooms=rooms, space={})
            )

        source = ConfigSource(write(ann.user_id))
        async with harness.bridge(source.read(), source=source) as running:
            # The Space, the lobby, and a room for each agent.
            await ann.wait_for(lambda: len(ann.invites) == 4)
            # The comparisons of new rooms are over: the reload alone has the rooms compared again.
            await eventually(partial(complete, running), "nothing is left to be done")
            write(bob.user_id)
            report = await answers_to(ReloadStore(running.database), await ReloadStore(running.database).request())
            assert report.is_applied
            await bob.wait_for(lambda: len(bob.invites) == 4, 10)
            assert bob.invites.keys() == ann.invites.keys()


async def test_sighup_while_the_bridge_starts_is_a_reload(
    harness: BridgeHarness, database_url: str, tmp_path: Path
) -> None:
    """The default action of SIGHUP would end the process, and systemd would not start it again."""
    config = configured(harness, database_url)
    async with BridgeProcess(tmp_path, config, "worker", launcher=("support.early_hangup",)) as process:
        await process.wait_until(logged(process, READ, 1))
        assert await process.stop() == 0


async def test_a_terminal_that_is_closed_stops_the_bridge(
    harness: BridgeHarness, database_url: str, tmp_path: Path
) -> None:
    file = write_config(tmp_path, configured(harness, database_url))
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "agent_bridge", "worker", "--config", str(file)),
        stdin=theirs,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
        # nohup, under which the tests may run, has programs ignore it.
        preexec_fn=partial(signal.signal, signal.SIGHUP, signal.SIG_DFL),
    )
    try:
        async with Database(database_url) as database:
            await eventually(partial(ready, database, 1), "it answers")
        process.send_signal(signal.SIGHUP)
        # A process that lost the stop ends too, later, and with code 1.
        async with asyncio.timeout(DEADLINE):
            assert await process.wait() == 0
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        os.close(ours)
        os.close(theirs)


async def test_the_command_names_the_process_whose_file_has_a_fault(
    harness: BridgeHarness, database_url: str, tmp_path: Path
) -> None:
    folders = [folder(tmp_path, name) for name in ("one", "two", "operator")]
    make: Callable[..., Config] = partial(configured, harness, database_url)
    file = str(write_config(folders[2], make()))
    assert await run_command("reload", "--config", file) == (
        1,
        "No process of the bridge runs. It reads the configuration when it starts.\n",
    )
    one, two = (BridgeProcess(each, make(), "worker") for each in folders[:2])
    async with Database(database_url) as database, one, two:
        await eventually(partial(ready, database, 2), "both answer")
        write_config(folders[0], make(timezone="Europe/Oslo"))
        write_config(folders[1], make()).write_text("timezone: []\n")
        code, said = await run_command("reload", "--config", file)
        assert code == 1
        assert f"{one.pid}:\n\nThese changes count now: timezone." in said
        assert f"{two.pid}:\n\nThe configuration is not valid, and nothing changes:" in said
        assert f"{folders[1]}/config.yaml:1: timezone: must be text" in said

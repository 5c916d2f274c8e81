"""The commands of an operator: init, registration, doctor, migrate, run, demo."""

from __future__ import annotations

import asyncio
import stat
import sys
from typing import TYPE_CHECKING

import aiohttp
import pytest

from agent_bridge.core.errors import WorkEnded
from agent_bridge.demo.synapse import Synapse, free_port
from support.conditions import eventually
from support.process import run_command, write_config
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from pathlib import Path

    from support.harness import BridgeHarness


async def start_command(*arguments: str) -> tuple[int, str]:
    """Run ``agent-bridge`` with *arguments* in a new interpreter; return its exit code and its output."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agent_bridge", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


def changed_copy(config: Path, old: str, new: str) -> Path:
    """Return a copy of *config* with *new* in place of the first *old*."""
    copy = config.with_name("changed.yaml")
    copy.touch(mode=0o600)
    copy.write_text(config.read_text("utf-8").replace(old, new, 1), "utf-8")
    return copy


async def expect_no_password(config: Path, upstream: str) -> None:
    """Without its homeserver, doctor reports that alone, and the password of the URL *upstream* nowhere."""
    secret = changed_copy(config, upstream, upstream.replace("//", "//me:hush@"))
    code, said = await run_command("doctor", "-c", str(secret))
    assert code == 1
    assert "FAIL  homeserver" in said
    assert said.count("FAIL") == 1
    assert upstream in said
    assert "hush" not in said


async def test_an_operator_registers_a_bridge(tmp_path: Path, empty_database_url: str) -> None:
    """An operator begins with an empty folder. Synapse reads the file of init, and doctor finds no fault."""
    folder = tmp_path / "bridge"
    registration, port = folder / "registration.yaml", free_port()
    synapse = Synapse(tmp_path / "synapse", "example.test", registrations=[registration])
    async with ScriptedUpstream("x") as upstream:
        code, said = await run_command(
            *("init", "--homeserver", synapse.url, "--domain", "example.test", "--upstream", upstream.url),
            *("--admin", "@me:example.test", "--api-key", "", "--port", str(port), "--folder", str(folder)),
            *("--address", f"http://127.0.0.1:{port}"),
        )
        assert code == 0, said
        assert str(registration) in said
        config = folder / "config.yaml"
        assert {stat.S_IMODE(file.stat().st_mode) for file in (config, registration)} == {0o600}
        config.write_text(config.read_text("utf-8").replace("url: embedded", f"url: {empty_database_url}"), "utf-8")

        await expect_no_password(config, upstream.url)

        async with synapse:
            code, said = await run_command("doctor", "-c", str(config))
            assert code == 1
            assert "FAIL  people: the homeserver has no account @me:example.test" in said
            assert said.count("FAIL") == 1
            await synapse.register_user("me", "password")
            code, said = await run_command("doctor", "-c", str(config))
            assert code == 0, said
            assert "upstream letta" in said
            assert "1 agent" in said

            changed = changed_copy(config, "as_token: ", "as_token: not-")
            code, said = await run_command("doctor", "-c", str(changed))
            assert code == 1
            assert "FAIL  as_token" in said, said
            assert "--    namespaces: not checked" in said
            assert "--    homeserver → bridge: not checked" in said
            assert "FAIL  rate limiting" in said

            await expect_wrong_domain(changed_copy(config, "domain: example", "domain: m.example"))

            code, said = await run_command("registration", "-c", str(config), "-o", str(registration))
            assert code == 2
            assert "--force" in said
            before = registration.read_text("utf-8")
            code, said = await run_command("registration", "-c", str(config), "-o", str(registration), "--force")
            assert code == 0
            assert registration.read_text("utf-8") == before

    code, said = await run_command("migrate", "-c", str(config))
    assert code == 0


async def test_a_configuration_that_cannot_be_read_is_named_in_one_line(tmp_path: Path) -> None:
    code, said = await run_command("run", "-c", str(tmp_path / "nothing.yaml"))
    assert code == 2
    assert "agent-bridge init" in said
    code, said = await run_command("run", "-c", str(tmp_path))
    assert (code, said) == (2, f"{tmp_path}: cannot be read: Is a directory\n")


async def expect_wrong_domain(config: Path) -> None:
    """Have doctor check a *config* with the domain m.example.test."""
    code, said = await run_command("doctor", "-c", str(config))
    assert code == 1
    assert "homeserver.domain is m.example.test, and the homeserver calls itself example.test" in said, said
    assert "FAIL  homeserver:" not in said


async def test_a_bridge_without_its_database_says_so(tmp_path: Path, harness: BridgeHarness) -> None:
    config = harness.config("postgresql://nobody@127.0.0.1:9/none", [{"name": "u", "url": "http://127.0.0.1:9/v1"}])
    write_config(tmp_path, config)
    code, said = await start_command("run", "-c", str(tmp_path / "config.yaml"))
    assert code == 1
    assert "database" in said
    assert "Traceback" not in said


async def test_the_demo_says_one_thing_and_ends() -> None:
    code, said = await start_command("demo", "--once")
    assert code == 0, said
    assert "Hello! Who are you?" in said


@pytest.mark.long
async def test_the_demo_takes_a_real_upstream() -> None:
    async with ScriptedUpstream("real") as upstream:
        code, said = await start_command("demo", "--once", "--upstream", upstream.url)
        assert code == 0, said
        assert "Echo: Hello! Who are you?" in said


async def test_health_pages_of_a_running_bridge(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("x") as upstream, harness.talk(database_url, upstream) as talk:
        for path in ("/healthz", "/readyz", "/_matrix/mau/live", "/_matrix/mau/ready"):
            async with aiohttp.request("GET", talk.running.bridge.config.appservice.url + path) as response:
                assert (response.status, (await response.json())["status"]) == (200, "ok"), path

        async def report() -> dict[str, object] | None:
            await talk.running.database.execute("UPDATE kv SET value = '0' WHERE key = 'leader_beat'")
            async with aiohttp.request("GET", f"{talk.running.bridge.config.appservice.url}/readyz") as response:
                body: dict[str, object] = await response.json()
                return body if response.status == 503 else None

        body = await eventually(report, "the bridge is not ready")
        assert "no process leads" in str(body["leader"])


async def test_a_bridge_without_its_leader_ends(harness: BridgeHarness, database_url: str) -> None:
    """Its supervisor starts it again. A bridge without one of its parts would look well."""
    config = harness.config(database_url, [{"name": "gone", "url": "http://127.0.0.1:9/v1"}])

    async def run() -> None:
        async with harness.bridge(config) as running:
            (leading,) = (task for task in asyncio.all_tasks() if "Leader.run" in repr(task.get_coro()))
            leading.cancel()
            await asyncio.wait({running.task})

    async with asyncio.timeout(20):
        with pytest.raises(WorkEnded, match=r"^leader ended"):
            await run()


async def test_not_ready_without_a_homeserver(harness: BridgeHarness, database_url: str) -> None:
    config = harness.config(
        database_url,
        [{"name": "gone", "url": "http://127.0.0.1:9/v1"}],
        homeserver={"address": "http://127.0.0.1:9", "domain": "test.local"},
    )
    async with harness.bridge(config), aiohttp.ClientSession(config.appservice.url) as session:

        async def report() -> dict[str, object] | None:
            async with session.get("/readyz") as response:
                body: dict[str, object] = await response.json()
                asked = body["upstreams"] and "not asked" not in str(body["upstreams"])
                return body if response.status == 503 and asked else None

        body = await eventually(report, "the bridge is not ready")
        assert body["database"] == "ok"
        assert "cannot be reached" in str(body["homeserver"])
        assert "gone" in str(body["upstreams"])
        async with session.get("/healthz") as response:
            assert response.status == 200


async def test_why_explains_the_outcome_of_a_message(harness: BridgeHarness, database_url: str, tmp_path: Path) -> None:
    async with ScriptedUpstream("told") as upstream, harness.talk(database_url, upstream) as talk:
        event_id = await talk.say("hello")
        await talk.wait_for_answers(1)
        write_config(tmp_path, talk.running.bridge.config)
        code, said = await run_command("why", event_id, "-c", str(tmp_path / "config.yaml"))
        assert code == 0, said
        assert "It was answered." in said
        assert talk.answers[0].event_id in said
        code, said = await run_command("why", "$nothing", "-c", str(tmp_path / "config.yaml"))
        assert (code, "The bridge has no record of" in said) == (0, True)


async def test_doctor_names_a_hostname_that_is_none(harness: BridgeHarness, tmp_path: Path) -> None:
    """A name with an empty part fails before it is looked up."""
    config = harness.config("postgresql://nobody@127.0.0.1:9/none", [])
    appservice = config.appservice.model_copy(update={"hostname": "a..b"})
    write_config(tmp_path, config.model_copy(update={"appservice": appservice}))
    code, said = await run_command("doctor", "-c", str(tmp_path / "config.yaml"))
    assert code == 1
    assert "FAIL  homeserver → bridge: cannot listen on a..b:" in said
    assert "→ correct appservice.hostname" in said
    assert "Traceback" not in said


async def test_a_taken_port_is_named(harness: BridgeHarness, database_url: str, tmp_path: Path) -> None:
    config = harness.config(database_url, [{"name": "u", "url": "http://127.0.0.1:9/v1"}])
    async with harness.bridge(config):
        write_config(tmp_path, config)
        code, said = await run_command("run", "-c", str(tmp_path / "config.yaml"))
    assert code == 1
    assert f"cannot listen on 127.0.0.1:{config.appservice.port}" in said
    assert "Traceback" not in said

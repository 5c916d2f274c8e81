"""``agent-bridge init`` asks the operator and the servers."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from typer.testing import CliRunner

from agent_bridge.cli import cli
from agent_bridge.cli.doctor import Doctor, Finding, missing_for_letta
from agent_bridge.cli.probe import FoundUpstream, find_server_name, find_upstream
from agent_bridge.config.load import load
from agent_bridge.config.model import Config, DatabaseConfig
from agent_bridge.config.upstreams import UpstreamConfig
from agent_bridge.core.errors import UpstreamError, UpstreamUnreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NOWHERE = "http://127.0.0.1:9"
LETTA = [{"id": "Dora", "object": "model", "created": 0, "owned_by": "letta"}]


@asynccontextmanager
async def server(
    pages: dict[str, Any], *, key: str | None = None, header: str = "Authorization", refusal: Any = None
) -> AsyncIterator[str]:
    """Serve *pages* as JSON, by path; without *key* in *header* a page of *pages* is refused with *refusal*.

    It is an HTTP proxy too, which reaches itself under every name.
    """

    async def page(request: web.Request) -> web.Response:
        if request.path not in pages:
            raise web.HTTPNotFound
        if key is not None and request.headers.get(header, "").removeprefix("Bearer ") != key:
            return web.json_response(refusal, status=401)
        return web.json_response(pages[request.path])

    app = web.Application()
    app.router.add_get("/{path:.*}", page)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


async def test_a_homeserver_tells_its_name() -> None:
    async with server({"/_matrix/key/v2/server": {"server_name": "bed.test"}}) as url:
        assert await find_server_name(url) == "bed.test"
    assert await find_server_name(NOWHERE) is None
    async with server({"/_matrix/key/v2/server": []}) as url:
        assert await find_server_name(url) is None


def upstream_at(url: str, **settings: Any) -> UpstreamConfig:
    return UpstreamConfig.model_validate({"name": "u", "url": url, **settings})


async def test_an_upstream_is_found_with_and_without_v1() -> None:
    async with server({"/v1/models": {"data": LETTA}}) as url:
        expected = FoundUpstream(f"{url}/v1", is_letta=True, agents=1)
        assert await find_upstream(upstream_at(url)) == expected
        assert await find_upstream(upstream_at(f"{url}/v1/", api_key="key")) == expected
    async with server({"/models": [{"id": "m", "owned_by": "me"}]}) as url:
        assert await find_upstream(upstream_at(url)) == FoundUpstream(url, is_letta=False, agents=1)
    async with server({"/v1/models": {"error": "no"}}) as url:
        assert isinstance((await find_upstream(upstream_at(url))).agents, UpstreamError)
    assert isinstance((await find_upstream(upstream_at(NOWHERE))).agents, UpstreamUnreachable)


async def test_letta_without_agents_is_known_by_its_description() -> None:
    empty: dict[str, Any] = {"/v1/models": {"data": []}}
    async with server({**empty, "/app-server-info": {"type": "app_server_info_response"}}) as url:
        # Its WebSocket is missing.
        found = await find_upstream(upstream_at(url))
        assert (found.url, found.is_letta, found.agents, found.kind) == (f"{url}/v1", True, 0, "openai")
        assert "has no WebSocket" in str(found.obstacle)
    async with server(empty) as url:
        assert await find_upstream(upstream_at(url)) == FoundUpstream(f"{url}/v1", is_letta=False, agents=0)


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        # The words of Letta's App Server.
        ({"error": {"message": "missing websocket bearer token", "type": "authentication_error"}}, "Letta"),
        ({"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}, "the upstream"),
    ],
)
async def test_a_server_that_refuses_the_key_is_there(refusal: object, kind: str, tmp_path: Path) -> None:
    async with server({"/v1/models": LETTA}, key="right-key", refusal=refusal) as url:
        options = ("--homeserver", NOWHERE, "--domain", "bed.test", "--upstream", url, "--admin", "@me:bed.test")
        for key, problem in {
            None: "needs an API key",
            "wrong-key": "refuses the API key",
            "env:AB_UNSET": "AB_UNSET is not set here",
            "right-key": "Letta lists 1 agent",
        }.items():
            given = () if key is None else ("--api-key", key)
            code, said = await asyncio.to_thread(run_init, tmp_path, *options, *given, "--force")
            assert code == 0, said
            assert problem in said
            assert "wrong-key" not in said
            # The settings for Letta are written where the refusal tells that it is Letta.
            text = (tmp_path / "config.yaml").read_text()
            assert f"url: {url}/v1" in text
            assert ("\n    session_header: X-Letta-Chat-Key" in text) == (kind == "Letta" or key == "right-key")


def test_the_settings_for_letta() -> None:
    config = UpstreamConfig.model_validate({"name": "u", "url": NOWHERE})
    assert missing_for_letta(config) == [
        "history: server",
        "session_header: X-Letta-Chat-Key",
        "idempotency_header: Idempotency-Key",
    ]
    responses = {"api": "responses", "history": "server", "session_header": "x-letta-chat-key"}
    assert missing_for_letta(config.model_copy(update=responses)) == []


def run_init(folder: Path, *options: str, answers: str = "") -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["init", "--folder", str(folder), *options], input=answers)
    return result.exit_code, f"{result.output}{result.exception or ''}"


ALL = ("--homeserver", NOWHERE, "--domain", "bed.test", "--upstream", f"{NOWHERE}/v1", "--admin", "@me:bed.test")


def test_with_all_options_it_asks_nothing(tmp_path: Path) -> None:
    code, said = run_init(tmp_path, *ALL)
    assert code == 0, said
    assert f"No server answers at {NOWHERE}/v1" in said
    config = load(tmp_path / "config.yaml", {})
    assert config.upstreams[0].api_key is None
    assert config.templates.displayname == "Letta Agent: {name}"


def test_credentials_in_an_address_are_not_shown(tmp_path: Path) -> None:
    address = "http://me:hush@127.0.0.1:9"
    options = ("--homeserver", address, "--domain", "bed.test", "--upstream", address, "--admin", "@me:bed.test")
    code, said = run_init(tmp_path, *options)
    assert code == 0, said
    assert "No server answers at http://127.0.0.1:9: Connection refused" in said
    assert "hush" not in said


def test_each_answer_is_checked_and_the_key_is_not_shown(tmp_path: Path) -> None:
    answers = "\n".join(
        [
            "localhost",
            NOWHERE,
            "https://bed.test",
            "bed.test",
            "here",
            f"{NOWHERE}/v1",
            "hush",
            "me",
            "@me:bed.test",
            "y",
        ]
    )
    code, said = run_init(tmp_path, answers=answers)
    assert code == 0, said
    assert said.count("Error: ") == 4
    assert "must be an http:// or https:// URL" in said
    assert "must be a server name" in said
    assert "'me' is not a Matrix user id" in said
    assert "hush" not in said
    config = load(tmp_path / "config.yaml", {})
    assert (config.homeserver.domain, config.templates.displayname) == ("bed.test", "{name}")
    assert config.upstreams[0].api_key is not None
    assert config.upstreams[0].api_key.get_secret_value() == "hush"


@pytest.fixture
async def letta_and_homeserver() -> AsyncIterator[str]:
    pages = {"/_matrix/key/v2/server": {"server_name": "bed.test"}, "/v1/models": {"data": LETTA}}
    async with server(pages) as url:
        yield url


async def test_servers_are_asked_for_their_names_and_kinds(letta_and_homeserver: str, tmp_path: Path) -> None:
    options = ("--homeserver", letta_and_homeserver, "--upstream", letta_and_homeserver, "--admin", "@me:bed.test")
    code, said = await asyncio.to_thread(run_init, tmp_path, *options, "--domain", "matrix.bed.test")
    assert code == 1
    assert "the homeserver calls itself bed.test" in said
    # The name that the homeserver told is the default.
    code, said = await asyncio.to_thread(run_init, tmp_path, *options, answers="\n\n\n")
    assert code == 0, said
    assert "Letta lists 1 agent" in said
    [upstream] = load(tmp_path / "config.yaml", {}).upstreams
    assert upstream.url == f"{letta_and_homeserver}/v1"
    assert missing_for_letta(upstream) == []


def without_database(config: Config) -> Config:
    """Return *config* with a database that is away: its check takes no time."""
    return config.model_copy(update={"database": DatabaseConfig(url="postgresql://127.0.0.1:9/none")})


@pytest.mark.parametrize("reached_by", ["address", "proxy", "header"])
async def test_doctor_names_the_settings_that_letta_needs(reached_by: str, tmp_path: Path) -> None:
    run = await asyncio.to_thread(run_init, tmp_path, *ALL)
    assert run[0] == 0
    file = tmp_path / "config.yaml"
    config = load(file, {})
    needed: dict[str, Any] = {"key": "hush-hush", "header": "X-Team"} if reached_by == "header" else {}
    async with server({"/v1/models": {"data": LETTA}}, **needed) as url:
        ways: dict[str, dict[str, Any]] = {
            "address": {"url": f"{url}/v1"},
            "proxy": {"url": "http://letta.invalid/v1", "proxy": url},
            "header": {"url": f"{url}/v1", "headers": {"X-Team": "hush-hush"}},
        }
        upstream = UpstreamConfig.model_validate({"name": "letta", **ways[reached_by]})
        changed = without_database(config).model_copy(update={"upstreams": (upstream,)})
        found = [str(each) async for each in Doctor(changed, file, tmp_path / "registration.yaml").findings()]
    [line] = [each for each in found if "upstream letta" in each]
    assert line.startswith("FAIL")
    assert "set history: server, session_header: X-Letta-Chat-Key, idempotency_header: Idempotency-Key" in line


async def test_doctor_tells_about_the_agents_of_the_configuration(tmp_path: Path) -> None:
    assert (await asyncio.to_thread(run_init, tmp_path, *ALL))[0] == 0
    file, agents = tmp_path / "config.yaml", tmp_path / "agents.yaml"
    config = without_database(load(file, {})).model_copy(update={"agents_file": agents})
    file.write_text(file.read_text().replace("#agents_file", "agents_file"))
    models = [{"id": "gpt"}, {"id": "gpt-embedding", "object": "model"}]

    async def finding() -> Finding:
        checks = Doctor(changed, file, tmp_path / "registration.yaml")
        [found] = [each async for each in checks.findings() if each.check == "agents"]
        return found

    async with server({"/v1/models": {"data": models}}) as url:
        # The choice of agents that are discovered does not concern the entries.
        upstream = UpstreamConfig(name="up", url=f"{url}/v1", exclude=("*",))
        changed = config.model_copy(update={"upstreams": (upstream,)})
        agents.write_text("agents:\n  - {id: one, label: One, model: gpt}\n  - {id: gpt, label: Two}\n")
        found = await finding()
        assert (found.ok, found.text) == (True, f"2 in {agents}")
        (tmp_path / "text.png").write_text("no picture")
        agents.write_text(
            "agents:\n  - {id: one, label: One, model: gpt-9, avatar: none.png}\n"
            "  - {id: gpt, label: Two, avatar: text.png}\n"
            "  - {id: gpt-embedding, label: Three, avatar: 'http://127.0.0.1:9/three.png?key=s3cret'}\n"
        )
        found = await finding()
        assert not found.ok
        assert "One: up does not list the model gpt-9" in found.text
        assert "One: the avatar" in found.text
        assert "none.png cannot be read: No such file or directory" in found.text
        assert "Two: the avatar" in found.text
        assert "Three: the avatar http://127.0.0.1:9/three.png is not used" in found.text
        assert "s3cret" not in str(found)
        agents.write_text("agents:\n  - {id: one}\n")
        found = await finding()
        assert not found.ok
        assert f"{agents}:2: agents[0].label: is missing" in found.text


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a: [", "registration.yaml:1:5: is not YAML"),
        (b"a: 2024-99-99", "registration.yaml:1:4: is not a valid YAML value"),
        (b"[" * 1000, "registration.yaml: is nested too deeply"),
        (b"\xff", "registration.yaml: is not UTF-8 text"),
        (b"- a", "registration.yaml does not say rate_limited: false"),
        (None, "registration.yaml: No such file or directory"),
    ],
)
async def test_doctor_names_the_fault_of_a_registration(content: bytes | None, problem: str, tmp_path: Path) -> None:
    assert (await asyncio.to_thread(run_init, tmp_path, *ALL))[0] == 0
    file, written = tmp_path / "config.yaml", tmp_path / "registration.yaml"
    if content is None:
        await asyncio.to_thread(written.unlink)
    else:
        await asyncio.to_thread(written.write_bytes, content)
    [finding] = [
        each async for each in Doctor(load(file, {}), file, written).findings() if each.check == "rate limiting"
    ]
    assert not finding.ok
    assert problem in finding.text

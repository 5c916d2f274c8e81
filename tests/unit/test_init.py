"""agent-bridge init: the two files of a new bridge."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML

from agent_bridge.cli.init import InitAnswers, initialise, new_config, registration_hint, write_registration
from agent_bridge.config.load import load
from agent_bridge.config.registration import registration
from agent_bridge.core.errors import ConfigError
from agent_bridge.core.roles import Role

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWERS = InitAnswers(
    homeserver="http://localhost:8008/",
    domain="example.org",
    upstream="http://localhost:1416/v1",
    admin="@admin:example.org",
)


@pytest.fixture
def open_umask() -> Iterator[None]:
    """A process without a umask: the bridge has to set the modes of its files."""
    before = os.umask(0)
    yield
    os.umask(before)


def read(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path)


def mode(path: Path) -> str:
    return oct(path.stat().st_mode & 0o777)


@pytest.mark.usefixtures("open_umask")
def test_a_new_bridge(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "bridge"
    hint = initialise(ANSWERS, folder)
    config = load(folder / "config.yaml", {})
    assert config.homeserver.address == "http://localhost:8008"
    assert config.homeserver.domain == "example.org"
    assert config.appservice.url == "http://localhost:29340"
    assert config.database.data_dir == folder / "data"
    assert [(upstream.name, upstream.kind, upstream.url, upstream.api_key) for upstream in config.upstreams] == [
        ("letta", "openai", "http://localhost:1416/v1", None)
    ]
    assert config.rooms.invite == ("@admin:example.org",)
    assert config.permissions == {"*": Role.NONE, "example.org": Role.MEMBER, "@admin:example.org": Role.ADMIN}
    assert read(folder / "registration.yaml") == registration(config)
    assert hint == registration_hint(folder / "registration.yaml")
    assert sorted(path.name for path in folder.iterdir()) == ["config.yaml", "registration.yaml"]
    assert {mode(path) for path in folder.iterdir()} == {"0o600"}


def test_answers_that_are_not_the_default(tmp_path: Path) -> None:
    answers = dataclasses.replace(
        ANSWERS,
        upstream_name="other",
        api_key="env:THE_KEY",
        address="https://bridge.example.org",
        hostname="0.0.0.0",  # noqa: S104
        port=8080,
        database="env:DATABASE_URL",
    )
    initialise(answers, tmp_path)
    assert "api_key: env:THE_KEY\n" in (tmp_path / "config.yaml").read_text(), "the reference, not its value"
    config = load(tmp_path / "config.yaml", {"THE_KEY": "key", "DATABASE_URL": "postgresql://x/y"})
    assert (config.appservice.hostname, config.database.url) == ("0.0.0.0", "postgresql://x/y")  # noqa: S104
    assert config.upstreams[0].name == "other"
    assert config.upstreams[0].api_key is not None
    assert config.upstreams[0].api_key.get_secret_value() == "key"
    assert config.appservice.port == 8080
    assert read(tmp_path / "registration.yaml")["url"] == "https://bridge.example.org"


def test_tokens_are_long_and_never_the_same() -> None:
    services = [new_config(ANSWERS).appservice for _ in range(3)]
    tokens = {token.get_secret_value() for service in services for token in (service.as_token, service.hs_token)}
    assert len(tokens) == 6
    assert min(map(len, tokens)) >= 64


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (
            {"homeserver": "localhost", "domain": "https://example.org"},
            [
                "homeserver.address: must be an http:// or https:// URL, such as http://localhost:8008",
                "homeserver.domain: must be a server name, such as example.org",
                'permissions.https://example.org: must be a user id (@name:server), a server name, or "*"',
            ],
        ),
        ({"port": 70000}, ["appservice.port: must be at most 65535"]),
        # A port of the system's choice, where the homeserver never finds the bridge.
        ({"port": 0}, ["appservice.port: must be at least 1"]),
        ({"upstream_kind": "oracle"}, ["upstreams[0].kind: must be 'openai', 'letta', 'letta_v1' or 'a2a'"]),
        (
            {"admin": "admin"},
            [
                "rooms.invite[0]: 'admin' is not a Matrix user id (@name:server)",
            ],
        ),
        (
            {"api_key": "secret\n"},
            ["upstreams[0].api_key: must be one line of printable characters and must not be empty"],
        ),
    ],
)
def test_answers_that_cannot_be(tmp_path: Path, answers: dict[str, Any], expected: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        initialise(dataclasses.replace(ANSWERS, **answers), tmp_path / "new")
    assert str(caught.value).split("\n") == expected
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("existing", [["config.yaml"], ["registration.yaml"], ["config.yaml", "registration.yaml"]])
def test_nothing_is_replaced_unasked(tmp_path: Path, existing: list[str]) -> None:
    for name in existing:
        (tmp_path / name).write_text("mine")
    with pytest.raises(ConfigError) as caught:
        initialise(ANSWERS, tmp_path)
    assert str(caught.value).split("\n") == [
        f"{tmp_path / name}: already exists; --force replaces it" for name in existing
    ]
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(existing, "mine")


@pytest.mark.usefixtures("open_umask")
def test_force_replaces_both_with_private_files(tmp_path: Path) -> None:
    for name in ("config.yaml", "registration.yaml"):
        (tmp_path / name).write_text("mine")
    initialise(ANSWERS, tmp_path, force=True)
    assert read(tmp_path / "registration.yaml") == registration(load(tmp_path / "config.yaml", {}))
    assert {path.name: mode(path) for path in tmp_path.iterdir()} == {
        "config.yaml": "0o600",
        "registration.yaml": "0o600",
    }


def test_a_link_to_nowhere_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="already exists"):
        initialise(ANSWERS, tmp_path)


@pytest.mark.usefixtures("open_umask")
def test_registration_is_made_again(tmp_path: Path) -> None:
    initialise(ANSWERS, tmp_path)
    config = load(tmp_path / "config.yaml", {})
    path = tmp_path / "registration.yaml"
    before = path.read_text()
    with pytest.raises(ConfigError, match="already exists; --force replaces it"):
        write_registration(config, path)
    path.write_text("broken")
    path.chmod(0o644)
    assert write_registration(config, path, force=True) == registration_hint(path)
    assert path.read_text() == before
    assert mode(path) == "0o600"


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"file: cannot be created: File exists"):
        initialise(ANSWERS, tmp_path / "file")
    with pytest.raises(ConfigError, match=r"gone/registration.yaml: cannot be written: No such file or directory"):
        write_registration(new_config(ANSWERS), tmp_path / "gone" / "registration.yaml")


def test_a_device_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "registration.yaml")
    with pytest.raises(ConfigError, match=r"registration.yaml: is not a regular file"):
        write_registration(new_config(ANSWERS), tmp_path / "registration.yaml", force=True)
    assert (tmp_path / "registration.yaml").is_fifo()


def test_hint_names_the_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    hint = registration_hint(Path("registration.yaml"))
    assert f"app_service_config_files:\n  - {tmp_path}/registration.yaml\n" in hint
    assert "Synapse must read it too" in hint


def test_hint_is_valid_yaml_for_odd_paths(tmp_path: Path) -> None:
    path = tmp_path / "a: b # 'c'" / "registration.yaml"
    block = registration_hint(path).split("\n\n")[1]
    assert YAML(typ="safe", pure=True).load(block) == {"app_service_config_files": [str(path)]}

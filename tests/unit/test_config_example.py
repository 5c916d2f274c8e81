"""The text of config.yaml: complete, commented, and equal to its configuration when it is read back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from agent_bridge.config.agents import AgentsFile
from agent_bridge.config.example import example, example_agents, render, render_agents
from agent_bridge.config.load import load
from agent_bridge.config.model import Config
from agent_bridge.config.registration import registration, to_yaml
from agent_bridge.config.section import Section
from agent_bridge.config.text import flow
from agent_bridge.config.types import Origin
from agent_bridge.config.upstreams import UpstreamConfig
from agent_bridge.core.errors import ConfigError

TOP = Path(__file__).resolve().parents[2]
MINIMAL: dict[str, Any] = {
    "homeserver": {"address": "http://localhost:8008", "domain": "example.org"},
    "appservice": {"as_token": "first", "hs_token": "second"},
    "upstreams": [{"name": "letta", "url": "http://localhost:1416/v1"}],
}


def written_and_read(values: dict[str, Any], folder: Path) -> tuple[Config, Config]:
    """Return *values* as a configuration, and the configuration that is read from its text in a file."""
    file = folder / "config.yaml"
    file.write_text(render(Config.model_validate(values)), encoding="utf-8")
    origin = Origin(folder, {"KEY": "from the environment"})
    return Config.model_validate(values, context=origin), load(file, dict(origin.environ))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("config.example.yaml", render(example())),
        ("agents.example.yaml", render_agents(example_agents())),
        ("registration.example.yaml", to_yaml(registration(example()))),
    ],
    ids=["config", "agents", "registration"],
)
def test_example_files_are_what_the_schema_says(name: str, text: str) -> None:
    assert (TOP / name).read_text("utf-8") == text, "run scripts/examples.py"


def test_the_script_agrees() -> None:
    script = [sys.executable, str(TOP / "scripts" / "examples.py"), "--check"]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_placeholders_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(render(example()))
    with pytest.raises(ConfigError) as caught:
        load(file, {"LETTA_API_KEY": "key"})
    assert [line.split(": ")[1] for line in str(caught.value).split("\n")] == [
        "appservice.as_token",
        "appservice.hs_token",
    ]


def test_example_reads_back(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(render(example()).replace('"<as_token: agent-bridge init writes one>"', "first"))
    file.write_text(file.read_text().replace('"<hs_token: agent-bridge init writes one>"', "second"))
    read = load(file, {"LETTA_API_KEY": "key"})
    wanted = example()
    assert read.model_copy(update={"appservice": None, "database": None, "upstreams": None}) == (
        wanted.model_copy(update={"appservice": None, "database": None, "upstreams": None})
    )
    assert read.appservice.url == wanted.appservice.url
    assert read.database.data_dir == tmp_path / "data"
    assert read.upstreams[0].model_copy(update={"api_key": None}) == (
        wanted.upstreams[0].model_copy(update={"api_key": None})
    )


def test_every_key_is_shown_with_a_comment() -> None:
    text = render(example()) + render_agents(example_agents())
    lines = [line.strip().removeprefix("- ") for line in text.splitlines()]
    sections: list[type[Section]] = [Config]
    for section in sections:
        for name, field in section.model_fields.items():
            at = [i for i, line in enumerate(lines) if line.removeprefix("#").startswith(f"{name}:")]
            assert at, f"{name} is not shown"
            assert any(lines[i - 1].startswith("# ") for i in at), f"{name} has no comment"
            kinds = [field.annotation, *getattr(field.annotation, "__args__", ())]
            sections += [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section)]
    assert len(sections) == 29, "the walk found every section"


def test_every_optional_key_has_an_example() -> None:
    """A key that is not set can be shown only by an example."""
    shown = render(Config.model_validate(MINIMAL)).splitlines()
    assert not [line for line in shown if line.endswith(": null")]


def test_commented_out_keys_are_valid(tmp_path: Path) -> None:
    # Each key has an effect with one API or the other.
    text = render(Config.model_validate(MINIMAL)).replace("api: chat", "api: responses")
    lines = [line.replace("#", "", 1) if line.strip().startswith("#") else line for line in text.splitlines()]
    kept = [line for old, line in zip(text.splitlines(), lines, strict=True) if not is_comment(old)]
    # The keys of another kind.
    kept = [line for line in kept if not line.strip().startswith(("cards:", "trusted_hosts:"))]
    fields = UpstreamConfig.model_fields
    values = {key: (fields[key].examples or [None])[0] for key in ("cards", "trusted_hosts")}
    UpstreamConfig.model_validate({"name": "up", "kind": "a2a", "url": "http://localhost", **values})
    # The list of agents is here or there.
    kept.remove("agents_file: agents.yaml")
    file = tmp_path / "config.yaml"
    file.write_text("\n".join(kept))
    config = load(
        file,
        {
            "LETTA_API_KEY": "key",
            "TEAM_KEY": "team",
            "SYNC_TOKEN": "sync",
            "METRICS_TOKEN": "scrape",
            "ENCRYPTION_SECRET": "secret",
        },
    )
    assert config.upstreams[0].session_header == "X-Letta-Chat-Key"
    assert config.upstreams[0].headers["X-Team"].get_secret_value() == "team"
    assert config.rooms.invite == ("@admin:example.org",)
    assert config.rooms.version == "12"
    assert [each.label for each in config.agents] == ["Translator"]
    assert config.appservice.address == "http://localhost:29340"


def test_the_example_of_agents_reads_back_with_all_its_keys() -> None:
    text = render_agents(example_agents())
    assert AgentsFile.model_validate(YAML().load(text)).agents == tuple(example_agents())
    shown = "\n".join(line.replace("    #", "    ", 1) for line in text.splitlines() if not is_comment(line))
    first = AgentsFile.model_validate(YAML().load(shown)).agents[0]
    assert None not in first.model_dump().values()


def test_agents_of_the_configuration_read_back(tmp_path: Path) -> None:
    agents = [each.model_dump() for each in example_agents()]
    wanted, read = written_and_read({**MINIMAL, "agents": agents}, tmp_path)
    assert read == wanted
    assert read.agents == tuple(example_agents())


def is_comment(line: str) -> bool:
    return line.strip().startswith("# ")


def test_comments_fit_into_a_screen() -> None:
    assert max(len(line) for line in render(example()).splitlines() if is_comment(line)) <= 100


def test_several_upstreams(tmp_path: Path) -> None:
    upstreams = [{"name": f"server-{number}", "url": f"http://localhost:{number}"} for number in range(3)]
    wanted, read = written_and_read({**MINIMAL, "upstreams": upstreams}, tmp_path)
    assert read == wanted


def test_references_stay_as_written(tmp_path: Path) -> None:
    values = {**MINIMAL, "database": {"url": "postgresql://me:p@h/d", "data_dir": "state"}}
    values["upstreams"] = [{"name": "a", "url": "http://b", "api_key": "env:KEY", "headers": {"K": "env:KEY"}}]
    text = render(Config.model_validate(values))
    assert "    api_key: env:KEY\n" in text
    assert "  data_dir: state\n" in text
    wanted, read = written_and_read(values, tmp_path)
    assert read == wanted
    assert read.upstreams[0].headers["K"].get_secret_value() == "from the environment"


def test_defaults_read_back(tmp_path: Path) -> None:
    wanted, read = written_and_read(MINIMAL, tmp_path)
    assert read == wanted


ODD_WORDS = ["null", "~", "yes", "NO", "on", "true", "0x1f", "1e3", "12:30", "2001-02-03", ".inf", "=", "<<"]
ODD_SIGNS = ["[a]", "{", "'", '"', "---", "...", "!tag", "&a", "*a", "%", "@", "`", "- a", "? a", "a:", "a: b", "a #b"]
ODD_SPACE = ["", " ", "\\", "\\n", "a\nb", "\ta", "\r\n", "\x7f", "\x85", "\xa0", "\u2028", "\ufeff", "\uffff"]
#: A configuration cannot hold NUL.
TEXT = st.text(max_size=40).map(lambda text: text.replace("\0", "")) | st.sampled_from(
    ODD_WORDS + ODD_SIGNS + ODD_SPACE
)
TEMPLATE = st.lists(
    TEXT.map(lambda text: text.replace("{", "(").replace("}", ")")) | st.sampled_from(["{name}", "{id}", "{upstream}"]),
    max_size=4,
).map("".join)
SECRET = st.text("abcXYZ0189~!@#$%^&*()_+-=[]{}|;':\",./>?` \\", min_size=1).filter(
    lambda text: text == text.strip() and not text.startswith("env:")
)
LOCALPART = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters=":"), min_size=1, max_size=20)
HEADER = st.from_regex(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,20}", fullmatch=True)
USER = LOCALPART.map(lambda localpart: f"@{localpart}:example.org")


@given(
    token=SECRET,
    names=st.tuples(TEXT, TEXT, TEXT),
    globs=st.lists(TEXT, max_size=3),
    headers=st.dictionaries(HEADER, SECRET, max_size=3),
    templates=st.tuples(TEMPLATE, TEMPLATE),
    users=st.lists(USER, max_size=3),
    seconds=st.floats(0.0, exclude_min=True, allow_infinity=False),
    data_dir=TEXT,
)
def test_odd_values_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    token: str,
    names: tuple[str, str, str],
    globs: list[str],
    headers: dict[str, str],
    templates: tuple[str, str],
    users: list[str],
    seconds: float,
    data_dir: str,
) -> None:
    values = {
        **MINIMAL,
        "appservice": {"as_token": token, "hs_token": "h", "bot_displayname": names[0], "id": names[0] or "x"},
        "database": {"data_dir": data_dir},
        "upstreams": [
            {
                "name": "letta",
                "url": "http://localhost",
                "system_prompt": names[1],
                "include": globs,
                "headers": headers,
                "connect_timeout": seconds,
            }
        ],
        "templates": {"displayname": templates[0], "room_topic": templates[1]},
        "space": {"name": names[1], "topic": names[2]},
        "rooms": {"invite": users},
        "permissions": {"*": "none", **dict.fromkeys(users, "owner")},
    }
    wanted, read = written_and_read(values, tmp_path_factory.getbasetemp())
    assert read == wanted
    assert read.appservice.as_token == wanted.appservice.as_token


@given(
    value=st.recursive(
        TEXT | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
        max_leaves=8,
    )
)
def test_flow_is_read_alike_by_old_and_new_yaml(value: object) -> None:
    text = flow(value)
    assert "\n" not in text
    for version in ("1.1", "1.2"):
        yaml = YAML(typ="safe", pure=True)
        yaml.version = version
        assert yaml.load(f"key: {text}")["key"] == value


def test_flow_knows_its_types() -> None:
    with pytest.raises(TypeError, match="cannot write a NoneType as YAML"):
        flow(None)

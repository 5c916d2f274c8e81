"""The agents of the configuration: each fault with its file and line, in config.yaml and in a file of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent_bridge.config.agents_source import AgentsSource
from agent_bridge.config.load import load
from agent_bridge.core.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

HEAD = """\
homeserver: {address: http://localhost:8008, domain: example.org}
appservice: {as_token: first-token, hs_token: second-token}
"""
ONE = """\
upstreams:
  - {name: letta, url: http://localhost:1416/v1}
"""
SEVERAL = """\
upstreams:
  - {name: openai, url: http://localhost:1416/v1}
  - {name: server, url: http://localhost:1417/v1, history: server}
  - {name: letta, url: http://localhost:1418, kind: letta}
"""
ADA = "  - id: ada\n    label: Ada\n"
EMPTY = "agents: must list at least one agent; without agents, remove the key agents, or agents_file"
NO_PROMPT = "agents[0].system_prompt: must not be empty; remove the key"
REMEMBERS = "has no effect with history: server, only with history: bridge; remove the key"
NO_YAML = (
    "is not YAML: expected the node content, but found '<stream end>' while parsing a flow node from line 2; quote "
    "text with special characters"
)

#: The entries of a list, with one upstream; the faults with the lines after that of ``agents:``.
WITH_ONE: dict[str, tuple[str, list[tuple[int, str]]]] = {
    "no entries": (" []", [(0, EMPTY)]),
    "no value": ("", [(0, "agents: has no value; it must be a list")]),
    "text": (" ada", [(0, "agents: must be a list")]),
    "an entry of text": ("\n  - ada\n", [(1, "agents[0]: must be a section (key: value)")]),
    "an empty id": ('\n  - id: ""\n    label: Ada\n', [(1, "agents[0].id: must not be empty")]),
    "a blank label": ("\n  - id: ada\n    label: ' '\n", [(2, "agents[0].label: must not be empty")]),
    "no label": (
        "\n  - id: ada\n",
        [(1, "agents[0].label: is missing; add it. Name for people. A change renames the agent and its room.")],
    ),
    "a number as id": (
        "\n  - id: 4\n    label: Ada\n",
        [(1, "agents[0].id: must be text (in quotes, if it looks like a number or a date)")],
    ),
    "a long id": (f"\n  - id: {'é' * 128}\n    label: Ada\n", [(1, "agents[0].id: must have at most 255 bytes")]),
    "a label of two lines": (
        '\n  - id: ada\n    label: "A\\nda"\n',
        [(2, "agents[0].label: must be one line of visible characters, without blanks at its ends or two in a row")],
    ),
    "a label that turns the direction": (
        '\n  - id: ada\n    label: "A\\u202Eda"\n',
        [(2, "agents[0].label: must be one line of visible characters, without blanks at its ends or two in a row")],
    ),
    "an unknown key": (
        f"\n{ADA}    temprature: 1\n",
        [(3, "agents[0].temprature: is not a known key; did you mean temperature?")],
    ),
    "a key twice": (
        f"\n{ADA}    label: Bea\n",
        [(3, "agents[0].label: is given twice, first on line {line}; remove one of them")],
    ),
    "the same id": (
        f"\n{ADA}  - id: ADA\n    label: Bea\n",
        [(3, "agents[1].id: is the same as agents[0].id; each id must be unique")],
    ),
    "the same label": (
        f"\n{ADA}  - id: bea\n    label: ada\n",
        [(4, "agents[1].label: is the same as agents[0].label; each label must be unique")],
    ),
    "an unknown upstream": (
        f"\n{ADA}    upstream: gemini\n",
        [(3, "agents[0].upstream: is not the name of an upstream; known names: letta")],
    ),
    "too hot": (f"\n{ADA}    temperature: 2.1\n", [(3, "agents[0].temperature: must be at most 2")]),
    "a temperature in quotes": (f"\n{ADA}    temperature: '1'\n", [(3, "agents[0].temperature: must be a number")]),
    "an empty prompt": (f"\n{ADA}    system_prompt: ''\n", [(3, NO_PROMPT)]),
    "a prompt that the database cannot hold": (
        f'\n{ADA}    system_prompt: "a\\x07b"\n',
        [(3, "agents[0].system_prompt: must not contain control characters")],
    ),
    "a picture of another scheme": (
        f"\n{ADA}    avatar: ftp://example.org/ada.png\n",
        [
            (
                3,
                "agents[0].avatar: must be a path or an http:// or https:// URL, such as https://example.org/ada.png",
            )
        ],
    ),
    "several faults": (
        f"\n{ADA}    upstream: gemini\n  - id: ada\n    label: Bea\n    upstream: gpt\n",
        [
            (3, "agents[0].upstream: is not the name of an upstream; known names: letta"),
            (4, "agents[1].id: is the same as agents[0].id; each id must be unique"),
            (6, "agents[1].upstream: is not the name of an upstream; known names: letta"),
        ],
    ),
}  # fmt: skip
#: The same with three upstreams of different kinds.
WITH_SEVERAL: dict[str, tuple[str, list[tuple[int, str]]]] = {
    "which upstream": (
        f"\n{ADA}",
        [(1, "agents[0]: needs the key upstream, because there are several: openai, server, letta")],
    ),
    "a prompt for Letta": (
        f"\n{ADA}    upstream: letta\n    system_prompt: Be kind.\n",
        [
            (4, "agents[0].system_prompt: has no effect with kind: letta, only with kind: openai; remove the key"),
        ],
    ),
    "a temperature for Letta": (
        f"\n{ADA}    upstream: letta\n    temperature: 1\n",
        [
            (4, "agents[0].temperature: has no effect with kind: letta, only with kind: openai; remove the key"),
        ],
    ),
    "a prompt for a server that remembers": (
        f"\n{ADA}    upstream: server\n    system_prompt: Be kind.\n",
        [
            (
                4,
                f"agents[0].system_prompt: {REMEMBERS}",
            ),
        ],
    ),
}
CASES = [(f"{name}", ONE, *case) for name, case in WITH_ONE.items()]
CASES += [(f"{name}", SEVERAL, *case) for name, case in WITH_SEVERAL.items()]


def source_of(folder: Path, upstreams: str, *, agents_file: bool = False) -> tuple[AgentsSource, Path]:
    """Return the source, and the file of the agents, which follow its text."""
    file = folder / "config.yaml"
    file.write_text(HEAD + upstreams + ("agents_file: agents.yaml\n" if agents_file else ""), encoding="utf-8")
    return AgentsSource(load(file, {}), file), folder / "agents.yaml" if agents_file else file


def faults(source: AgentsSource) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        source.read()
    return str(caught.value).splitlines()


@pytest.mark.parametrize(("upstreams", "text", "expected"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_faults_have_file_and_line(tmp_path: Path, upstreams: str, text: str, expected: list[tuple[int, str]]) -> None:
    inside = tmp_path / "inside"
    beside = tmp_path / "beside"
    inside.mkdir()
    beside.mkdir()
    source, config = source_of(inside, upstreams)
    first = len(config.read_text().splitlines()) + 1
    config.write_text(f"{config.read_text()}agents:{text}", encoding="utf-8")
    wanted = [f"{config}:{first + line}: {words}".format(line=first + 2) for line, words in expected]
    assert faults(source) == wanted
    with pytest.raises(ConfigError) as caught:
        load(config, {})
    assert str(caught.value).splitlines() == wanted
    source, file = source_of(beside, upstreams, agents_file=True)
    file.write_text(f"# A file of its own.\nagents:{text}", encoding="utf-8")
    assert faults(source) == [f"{file}:{line + 2}: {words}".format(line=4) for line, words in expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "agents.yaml: is empty; agents.example.yaml shows one"),
        ("- id: ada\n", "agents.yaml:1: must be a mapping (key: value)"),
        ("agents: {\n", f"agents.yaml:2:1: {NO_YAML}"),
        ("agent: []\n", "agents.yaml:1: agents: is missing; add it. An agent of the configuration."),
    ],
    ids=["empty", "no key", "no YAML", "another key"],
)  # fmt: skip
def test_a_file_without_agents(tmp_path: Path, text: str, expected: str) -> None:
    source, file = source_of(tmp_path, ONE, agents_file=True)
    file.write_text(text, encoding="utf-8")
    assert faults(source)[0] == f"{tmp_path}/{expected}"


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    source, file = source_of(tmp_path, ONE, agents_file=True)
    assert faults(source) == [f"{file}: does not exist; agents.example.yaml shows one"]
    content = source.content
    file.mkdir()
    assert faults(source) == [f"{file}: cannot be read: Is a directory"]
    assert source.content != content


def test_a_start_does_not_read_the_other_file(tmp_path: Path) -> None:
    """A fault in it must not stop the bridge, which has the last valid version in its tables."""
    _, file = source_of(tmp_path, ONE, agents_file=True)
    assert load(tmp_path / "config.yaml", {}).agents_file == file


def test_one_list_only(tmp_path: Path) -> None:
    source, file = source_of(tmp_path, ONE)
    file.write_text(f"{file.read_text()}agents:\n{ADA}agents_file: agents.yaml\n")
    wanted = [f"{file}:8: agents_file: cannot be used beside agents; move the entries into the file"]
    assert faults(source) == wanted
    with pytest.raises(ConfigError) as caught:
        load(file, {})
    assert str(caught.value).splitlines() == wanted


def test_the_other_keys_of_config_yaml_are_left_alone(tmp_path: Path) -> None:
    """They count at the next start: a fault in them is told then."""
    source, file = source_of(tmp_path, ONE)
    file.write_text(f"{HEAD}{ONE}nonsense: true\nagents:\n{ADA}")
    assert [each.id for each in source.read()] == ["ada"]


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    source, file = source_of(tmp_path, ONE)
    file.write_text(f"{HEAD}{ONE}agents:\n  - id: ada\n    label: 's3cret\n")
    assert "s3cret" not in "\n".join(faults(source))
    file.write_text(f"{HEAD}{ONE}agents:\n  - id: ada\n    label: s3cret\n    avatar: s3cret://s3cret\n")
    assert "s3cret" not in "\n".join(faults(source))


def test_changes_are_seen(tmp_path: Path) -> None:
    source, file = source_of(tmp_path, ONE)
    assert source.read() == ()
    file.write_text(f"{HEAD}{ONE}agents:\n{ADA}    avatar: pictures/ada.png\n")
    [ada] = source.read()
    assert ada.avatar == str(tmp_path / "pictures" / "ada.png")
    before = source.stats()
    assert before[tmp_path / "pictures" / "ada.png"] is None
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "ada.png").write_bytes(b"picture")
    assert source.stats() != before
    file.write_text(f"{HEAD}{ONE}agents_file: sub/agents.yaml\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "agents.yaml").write_text(f"agents:\n{ADA}    avatar: https://example.org/ada.png?size=9\n")
    [ada] = source.read()
    assert ada.avatar == "https://example.org/ada.png?size=9"
    assert set(source.stats()) == {file, tmp_path / "sub" / "agents.yaml"}


def test_a_list_without_a_file_is_that_of_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"{HEAD}{SEVERAL}agents:\n{ADA}    upstream: openai\n    temperature: 0\n    system_prompt: |\n"
                    "      Be kind.\n      Be brief.\n")  # fmt: skip
    config = load(file, {})
    [ada] = AgentsSource(config, None).read()
    assert (ada.upstream, ada.temperature, ada.system_prompt) == ("openai", 0, "Be kind.\nBe brief.\n")

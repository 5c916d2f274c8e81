"""agent-bridge init --check: the files are compared with this version, and nothing is written."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from agent_bridge.cli.check import InitCheck, check_files
from agent_bridge.cli.init import InitAnswers, initialise

if TYPE_CHECKING:
    from pathlib import Path

AS, HS = "0123456789abcdef" * 3, "fedcba9876543210" * 3


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The two files of a new bridge."""
    answers = InitAnswers(
        homeserver="http://localhost:8008",
        domain="example.org",
        upstream="http://localhost:1416/v1",
        admin="@admin:example.org",
        api_key="env:LETTA_API_KEY",
    )
    initialise(answers, tmp_path)
    return tmp_path


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = [each for each in folder.iterdir() if each.is_file()]
    return {each.name: (each.read_bytes(), each.stat().st_mtime_ns) for each in files}


def checked(folder: Path, **environ: str) -> InitCheck:
    """Return the result; nothing is written, and no secret is shown."""
    before = contents(folder)
    result = check_files(folder / "config.yaml", folder / "registration.yaml", environ)
    assert contents(folder) == before
    written = b"".join(content for content, _ in before.values()).decode("latin-1")
    for secret in (*environ.values(), *re.findall(r"s_token: (\S{20,})", written)):
        assert secret not in result.json + result.text
    return result


def codes(result: InitCheck) -> list[str]:
    return [each.code for each in result.findings]


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_the_files_of_init_need_no_change(folder: Path) -> None:
    result = checked(folder)
    assert (result.status, result.exit_code, result.findings, result.new_keys) == ("unchanged", 0, [], [])
    assert result.unset == ["LETTA_API_KEY"], "neither the environment nor the network is needed"
    assert checked(folder, LETTA_API_KEY="hush-hush").unset == []


def test_without_a_configuration(tmp_path: Path) -> None:
    result = checked(tmp_path)
    assert (result.status, result.exit_code, codes(result)) == ("missing", 3, ["missing"])
    assert result.text.count("agent-bridge init") == 1


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        ("when_busy:", "busy:", "old_name", "lanes.when_busy: has its old name busy; rename it"),
        ("bot_username: agentbridge", "bot_username: robot", "registration_differs", "sender_localpart, namespaces"),
    ],
)
def test_changes(folder: Path, old: str, new: str, code: str, said: str) -> None:
    replace(folder / "config.yaml", old, new)
    result = checked(folder)
    assert (result.status, result.exit_code, codes(result)) == ("changes", 4, [code])
    assert said in result.text


def test_tokens_that_are_weak_or_the_same(folder: Path) -> None:
    config = folder / "config.yaml"
    lines = [line for line in config.read_text().splitlines() if "s_token: " not in line]
    at = lines.index("appservice:")
    lines[at + 1 : at + 1] = ["  as_token: short", "  hs_token: short"]
    config.write_text("\n".join(lines))
    result = checked(folder)
    assert codes(result) == ["weak_token", "weak_token", "equal_tokens", "registration_differs"]
    assert "appservice.as_token and appservice.hs_token are the same" in result.text
    assert result.exit_code == 4


def test_every_token_of_the_configuration_counts(folder: Path) -> None:
    config = folder / "config.yaml"
    replace(config, "  #token: env:METRICS_TOKEN", "  token: scrape")
    replace(config, "  #secret: env:ENCRYPTION_SECRET", "  secret: hidden")
    replace(config, "    #webhook_token: env:SYNC_TOKEN", f"    webhook_token: {HS}")
    result = checked(folder)
    assert [(each.code, each.severity) for each in result.findings] == [
        ("weak_token", "change"),
        ("weak_token", "hint"),
    ]
    assert "metrics.token can be guessed" in result.text
    assert "encryption.secret can be guessed" in result.text
    assert "warned then that the keys of agents have changed" in result.text
    replace(config, "token: scrape", f"token: {HS}")
    result = checked(folder)
    assert codes(result) == ["weak_token", "equal_tokens"]
    assert "upstreams[0].webhook_token and metrics.token are the same" in result.text


def test_the_tokens_of_the_registration_count_if_those_of_the_configuration_are_elsewhere(folder: Path) -> None:
    refer_to_environment(folder)
    registration = folder / "registration.yaml"
    text = re.sub(r"(as|hs)_token: .*", r"\1_token: short", registration.read_text())
    registration.write_text(text)
    result = checked(folder)
    assert codes(result) == ["weak_token", "weak_token", "equal_tokens", "not_compared"]
    assert f"{registration}: as_token can be guessed" in result.text
    assert f"{registration}: as_token and {registration}: hs_token are the same" in result.text
    assert result.text.count("set appservice.hs_token to the output of") == 2
    # One of the configuration may be the same as one of the registration.
    registration.write_text(text.replace("hs_token: short", f"hs_token: {HS}"))
    replace(folder / "config.yaml", "  #token: env:METRICS_TOKEN", f"  token: {HS}")
    result = checked(folder)
    assert codes(result) == ["weak_token", "equal_tokens", "not_compared"]
    # With the variables, those of the configuration count, and the registration has to be written again.
    result = checked(folder, AS_TOKEN=AS, HS_TOKEN=f"{HS}0")
    assert codes(result) == ["registration_differs"]
    # The bridge reads the tokens of the configuration: a faulty one leaves only those of the registration.
    replace(folder / "config.yaml", "language: en", "language: xx")
    assert codes(checked(folder)) == ["fault", "weak_token"]


def refer_to_environment(folder: Path) -> None:
    """Have the configuration read its tokens from the environment."""
    config = folder / "config.yaml"
    config.write_text(re.sub(r"^  (as|hs)_token: .*$", _reference, config.read_text(), flags=re.MULTILINE))


def _reference(found: re.Match[str]) -> str:
    return f"  {found[1]}_token: env:{found[1].upper()}_TOKEN"


def test_references_to_the_environment(folder: Path) -> None:
    registration = folder / "registration.yaml"
    refer_to_environment(folder)
    replace(folder / "config.yaml", "  url: embedded", "  url: env:DATABASE_URL")
    result = checked(folder)
    assert (result.status, codes(result)) == ("unchanged", ["not_compared"])
    assert result.unset == ["AS_TOKEN", "DATABASE_URL", "HS_TOKEN", "LETTA_API_KEY"]
    result = checked(folder, AS_TOKEN=AS, HS_TOKEN=HS)
    assert "as_token, hs_token" in result.text
    assert codes(result) == ["registration_differs"]
    registration.unlink()
    assert codes(checked(folder)) == ["registration_missing"]
    # A value that is there has to be valid.
    assert checked(folder, DATABASE_URL="mysql://hush").exit_code == 2


def test_faults(folder: Path) -> None:
    replace(folder / "config.yaml", "logging:", "loging:\n  level: 1\nlogging:")
    replace(folder / "config.yaml", "language: en", "language: xx\n#language: en")
    result = checked(folder)
    assert (result.status, result.exit_code, codes(result)) == ("invalid", 2, ["fault", "fault"])
    assert "language: must be 'en' or 'ru'" in result.text
    assert "loging: is not a known key; did you mean logging?" in result.text


def test_a_missing_key_is_a_fault(folder: Path) -> None:
    replace(folder / "config.yaml", "  domain: example.org", "")
    result = checked(folder)
    assert result.exit_code == 2
    assert "homeserver.domain: is missing; add it." in result.text


def test_keys_that_the_file_does_not_have_are_a_hint(folder: Path) -> None:
    replace(folder / "config.yaml", "  drain_timeout: 20\n", "")
    result = checked(folder)
    assert (result.status, result.new_keys) == ("unchanged", ["lanes.drain_timeout"])
    assert "config upgrade --add-new" in result.text


def test_a_file_with_agents_counts(folder: Path) -> None:
    replace(folder / "config.yaml", "#agents_file: agents.yaml", "agents_file: agents.yaml")
    assert checked(folder).exit_code == 2
    (folder / "agents.yaml").write_text("agents:\n  - id: a\n    label: A\n    model: m\n    no: 1\n")
    result = checked(folder)
    assert result.exit_code == 2
    assert "agents.yaml:5: agents[0].no: is not a known key" in result.text
    (folder / "agents.yaml").write_text("agents:\n  - id: a\n    label: A\n    model: m\n")
    assert checked(folder).exit_code == 0


@pytest.mark.parametrize("name", ["config.yaml", "registration.yaml"])
def test_files_that_others_can_read(folder: Path, name: str) -> None:
    (folder / name).chmod(0o640)
    result = checked(folder)
    assert (result.exit_code, codes(result)) == (4, ["permissions"])
    assert f"chmod 600 {folder / name}" in result.text


@pytest.mark.parametrize("content", ["- a\n", "a: [\n", "\xff", ""])
def test_a_registration_that_is_none(folder: Path, content: str) -> None:
    (folder / "registration.yaml").write_bytes(content.encode("latin-1"))
    result = checked(folder)
    assert result.exit_code == 4
    assert codes(result)[0] in {"registration_invalid", "registration_differs"}


@pytest.mark.parametrize("content", [b"a: [\n", b"\xff", b"", b"a: \x00", b"- a\n"])
def test_a_configuration_that_is_none(folder: Path, content: bytes) -> None:
    (folder / "config.yaml").write_bytes(content)
    result = checked(folder)
    assert (result.status, result.exit_code) == ("invalid", 2)


def test_files_that_cannot_be_read(folder: Path) -> None:
    for name in ("registration.yaml", "config.yaml"):
        (folder / name).unlink()
        (folder / name).mkdir()
        result = checked(folder)
        assert (result.status, result.exit_code) == ("unreadable", 1)
        assert f"{folder / name}: cannot be read: Is a directory" in result.text


def test_the_result_for_programs(folder: Path) -> None:
    replace(folder / "config.yaml", "when_busy:", "busy:")
    found = json.loads(checked(folder).json)
    assert found.keys() == {"status", "config", "registration", "findings", "new_keys", "unset"}
    assert found["findings"][0].keys() == {"severity", "code", "text", "remedy"}
    assert (found["status"], found["findings"][0]["severity"]) == ("changes", "change")

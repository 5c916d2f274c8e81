"""The files in contrib/, Dockerfile and compose.yaml fit together, and fit the bridge."""

from __future__ import annotations

import configparser
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment
from ruamel.yaml import YAML
from typer.main import get_command

from agent_bridge import __version__
from agent_bridge.cli import cli
from agent_bridge.cli.check import CheckFinding, InitCheck, Status
from agent_bridge.config.conversations import LanesConfig
from agent_bridge.config.model import AppServiceConfig
from agent_bridge.web import health

TOP = Path(__file__).resolve().parents[2]
CONTRIB = TOP / "contrib"
DOCKERFILE = (TOP / "Dockerfile").read_text()
PORT = AppServiceConfig.model_fields["port"].default
DRAIN = LanesConfig.model_fields["drain_timeout"].default


def read(path: Path) -> list[Any]:
    return list(YAML(typ="safe", pure=True).load_all(path))


def in_image(pattern: str) -> str:
    found = re.search(pattern, DOCKERFILE)
    assert found, pattern
    return found[1]


MANIFEST = {each["kind"]: each for each in read(CONTRIB / "kubernetes" / "agent-bridge.yaml")}
POD = MANIFEST["Deployment"]["spec"]["template"]
CONTAINER = POD["spec"]["containers"][0]
USER = int(in_image(r"useradd --system --uid (\d+)"))


def expect_command(arguments: list[str]) -> None:
    """The command line of the bridge knows the commands and the options in *arguments*."""
    command: Any = get_command(cli)
    words = list(arguments)
    while commands := getattr(command, "commands", None):
        command = commands[words.pop(0)]
    known = {name for parameter in command.params for name in parameter.opts}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known


def test_the_manifest_fits_the_image() -> None:
    security = POD["spec"]["securityContext"]
    assert (security["runAsNonRoot"], security["runAsUser"], security["fsGroup"]) == (True, USER, USER)
    expect_command(CONTAINER["args"])
    ports = [each["containerPort"] for each in CONTAINER["ports"]]
    assert ports == [PORT] == [int(in_image(r"EXPOSE (\d+)"))] == [MANIFEST["Service"]["spec"]["ports"][0]["port"]]
    mounts = {each["mountPath"]: each["name"] for each in CONTAINER["volumeMounts"]}
    volumes = {each["name"]: each for each in POD["spec"]["volumes"]}
    assert set(mounts.values()) == set(volumes)
    # The configuration is where the image looks for it, and the group of the user may read it.
    assert mounts[str(Path(in_image(r"AGENT_BRIDGE_CONFIG=(\S+)")).parent)] == "config"
    assert volumes["config"]["secret"]["defaultMode"] == 0o440
    assert CONTAINER["image"].endswith(f":{__version__}")


def test_two_processes_are_ready_when_they_can_answer() -> None:
    source = Path(health.__file__).read_text()
    for probe, path in (("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
        assert CONTAINER[probe]["httpGet"] == {"path": path, "port": "http"}
        assert f'add_get("{path}"' in source
    assert MANIFEST["Deployment"]["spec"]["replicas"] == 2
    assert MANIFEST["Deployment"]["spec"]["strategy"] == {"type": "Recreate"}
    assert MANIFEST["PodDisruptionBudget"]["spec"]["minAvailable"] == 1
    assert POD["spec"]["terminationGracePeriodSeconds"] > DRAIN
    labels = POD["metadata"]["labels"]
    spec = MANIFEST["PodDisruptionBudget"]["spec"]
    assert spec["selector"]["matchLabels"] == MANIFEST["Service"]["spec"]["selector"] == labels
    assert MANIFEST["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert MANIFEST["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels


def test_a_process_in_a_cluster_has_no_rights() -> None:
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert POD["spec"]["automountServiceAccountToken"] is False


def test_compose_fits_the_image() -> None:
    (compose,) = read(TOP / "compose.yaml")
    bridge = compose["services"]["bridge"]
    assert bridge["ports"] == [f"127.0.0.1:{PORT}:{PORT}"]
    config = Path(in_image(r"AGENT_BRIDGE_CONFIG=(\S+)")).parent
    assert bridge["volumes"] == [f"./config:{config}:ro"]
    assert int(bridge["stop_grace_period"].removesuffix("s")) > DRAIN
    assert (bridge["read_only"], bridge["cap_drop"]) == (True, ["ALL"])
    secrets = {each["name"] for each in CONTAINER["env"]}
    assert secrets == set(bridge["environment"]), "docs/docker.md and docs/deployment.md name the same variables"


def test_the_unit_fits_the_tasks() -> None:
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # keys are in upper and lower case
    unit.read(CONTRIB / "agent-bridge.service")
    service = unit["Service"]
    program, *arguments = service["ExecStart"].split()
    expect_command(arguments)
    assert int(service["TimeoutStopSec"]) > DRAIN
    assert service["RestartPreventExitStatus"] == "2"
    (play,) = read(CONTRIB / "ansible" / "playbook.yml")[0]
    names = play["vars"]
    home = names["agent_bridge_home"]
    assert service["User"] == names["agent_bridge_user"]
    assert program == f"{names['agent_bridge_venv']}/bin/agent-bridge"
    assert (service["WorkingDirectory"], arguments[-1]) == (home, f"{home}/config.yaml")
    assert service["EnvironmentFile"] == f"-{names['agent_bridge_environment']}"
    assert __version__ in names["agent_bridge_package"]
    expect_command(["init", *names["agent_bridge_answers"]])


def tasks() -> list[dict[str, Any]]:
    (found,) = read(CONTRIB / "ansible" / "tasks.yml")
    return [task for each in found for task in (each, *each.get("block", ()))]


def test_the_tasks_use_commands_of_the_bridge() -> None:
    commands = [task["ansible.builtin.command"]["argv"] for task in tasks() if "ansible.builtin.command" in task]
    lists = [each[1:] for each in commands if isinstance(each, list)]
    assert [each[:2] for each in lists] == [
        ["init", "--check"],
        ["config", "upgrade"],
        ["registration", "--force"],
        ["init", "--check"],
    ]
    for each in lists:
        expect_command(each)
    checks = [task for task in tasks() if "failed_when" in task]
    assert checks[0]["failed_when"] == "agent_bridge_check.rc not in [0, 3, 4]"


def test_the_tasks_know_their_variables_and_handlers() -> None:
    ((play,),) = read(CONTRIB / "ansible" / "playbook.yml")
    text = (CONTRIB / "ansible" / "tasks.yml").read_text()
    made = {name for task in tasks() for name in (task.get("register"), *task.get("vars", {})) if name}
    used = set(re.findall(r"agent_bridge_\w+", text)) - made
    assert used <= set(play["vars"])
    handlers = {each["name"] for each in play["handlers"]}
    assert {task["notify"] for task in tasks() if "notify" in task} == handlers


def test_secrets_reach_the_bridge_as_they_are() -> None:
    secrets = {"A": "p\"a\\s$s `#x' y", "B": "'quoted'", "C": "plain", "D": 5, "E": "from a vault\n"}
    environment = Environment(trim_blocks=True, keep_trailing_newline=True, autoescape=False)  # noqa: S701  # no HTML
    environment.filters["quote"] = shlex.quote
    (content,) = (each["ansible.builtin.copy"]["content"] for each in tasks() if "secrets" in each["name"])
    written = environment.from_string(content).render(agent_bridge_secrets=secrets)
    # systemd and a shell take this way of quoting in the same way; measured with systemd 252.
    assert written.splitlines() == [
        """A='p"a\\s$s `#x'"'"' y'""",
        """B=''"'"'quoted'"'"''""",
        "C=plain",
        "D=5",
        "E='from a vault'",
    ]


def test_check_mode_looks_at_nothing_that_is_not_there() -> None:
    found = {task["name"]: task for task in tasks()}
    (block,) = (task for task in found.values() if "block" in task)
    assert block["when"] == "not ansible_check_mode or agent_bridge_file.stat.exists"
    assert found["Give Synapse a copy of the registration"]["when"].startswith("not ansible_check_mode or (")
    needing = [task for task in tasks() if "agent_bridge_program }}" in str(task) and "block" not in task]
    assert [task for task in needing if task not in block["block"] and "ansible.builtin.stat" not in task] == []


@pytest.mark.parametrize("status", Status)
def test_the_documentation_has_each_status(status: Status) -> None:
    page = (TOP / "docs" / "deployment.md").read_text()
    assert f"| {InitCheck(status, '', '').exit_code} | `{status}` |" in page


def test_the_documentation_has_each_code() -> None:
    source = (TOP / "agent_bridge" / "cli" / "check.py").read_text()
    codes = set(re.findall(r'code ?= ?"(\w+)"', source)) | {"missing", "unreadable", "invalid"}
    assert len(codes) > 10
    page = (TOP / "docs" / "deployment.md").read_text()
    assert [code for code in codes if f"`{code}`" not in page] == []
    assert CheckFinding.__dataclass_fields__.keys() == {"severity", "code", "text", "remedy"}

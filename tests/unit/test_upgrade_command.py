"""agent-bridge config upgrade writes the whole file or nothing, with the rights of the former one."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from agent_bridge.cli.file_replacement import replace_content
from agent_bridge.cli.upgrade import UpgradeReport, upgrade_file
from agent_bridge.core.errors import BridgeError, ConfigError
from support.watchdog import temporary_folder

TOP = Path(__file__).resolve().parents[2]
NOBODY = 65534
OLD = """\
homeserver: {address: "http://localhost:8008", domain: example.org, compare_interval: 60}
appservice: {as_token: first-token, hs_token: second-token}  # secret
upstreams: []
"""
NEW = OLD.replace("compare_interval", "backfill_interval")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config.yaml"
    file.touch(mode=0o640)
    file.chmod(0o640)
    file.write_text(OLD)
    return file


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def upgrade(file: Path, *, check: bool = False) -> UpgradeReport:
    return upgrade_file(file, add_new=False, check=check)


#: Run ``agent-bridge`` with the further arguments: as the user of the second, if it is not 0, and with files of at most
#: as many bytes as the first says, as on a full disk. A user who may not read the modules has them already.
START = """
import encodings.utf_8_sig, os, resource, sys
import agent_bridge.cli.check, agent_bridge.cli.init, agent_bridge.cli.upgrade
from agent_bridge.__main__ import main
most, user = map(int, sys.argv[1:3])
if most:
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
if user:
    os.setgroups([]), os.setgid(user), os.setuid(user)
sys.argv[:3] = ["agent-bridge"]
main()
"""


def run(*arguments: str, most: int = 0, user: int = 0) -> tuple[int, str]:
    """Return the exit code and the output of ``agent-bridge`` with *arguments*."""
    command = [sys.executable, "-c", START, str(most), str(user), *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, cwd=TOP)
    return done.returncode, done.stdout + done.stderr


def test_the_file_is_replaced_once(config: Path) -> None:
    assert upgrade(config, check=True).status == "changes"
    assert upgrade(config, check=True).exit_code == 4
    assert (config.read_text(), names(config.parent)) == (OLD, ["config.yaml"])
    before = config.stat()
    report = upgrade(config)
    assert (report.status, report.exit_code, report.backup) == ("changed", 0, f"{config}.bak")
    copy = Path(f"{config}.bak")
    assert (config.read_text(), copy.read_text()) == (NEW, OLD)
    for file in (config, copy):
        found = file.stat()
        assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o640, before.st_uid, before.st_gid)
    report = upgrade(config)
    assert (report.status, report.exit_code, report.backup, report.changes) == ("unchanged", 0, None, ())
    assert names(config.parent) == ["config.yaml", "config.yaml.bak"]


def test_an_earlier_copy_stays(config: Path) -> None:
    copies = [Path(f"{config}.bak"), Path(f"{config}.bak1")]
    copies[0].write_text("mine")
    copies[1].symlink_to("nowhere")
    report = upgrade(config)
    assert report.backup == f"{config}.bak2"
    assert Path(report.backup).read_text() == OLD
    assert copies[0].read_text() == "mine"
    assert not copies[1].exists()


def test_a_link_stays_a_link(config: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    link = folder / "config.yaml"
    link.symlink_to("../config.yaml")
    report = upgrade(link)
    assert (link.is_symlink(), config.read_text(), report.backup) == (True, NEW, f"{config}.bak")
    assert names(folder) == ["config.yaml"]


def test_the_command_tells_changes_from_no_changes(config: Path) -> None:
    code, said = run("config", "upgrade", "-c", str(config), "--check")
    assert (code, said.splitlines()[-1]) == (4, f"changes: {config}")
    code, said = run("config", "upgrade", "-c", str(config), "--json")
    found = json.loads(said)
    assert (code, found["status"], found["backup"]) == (0, "changed", f"{config}.bak")
    change = {"line": 1, "key": "homeserver.backfill_interval", "action": "renamed", "old": "compare_interval"}
    assert found["changes"] == [change]
    code, said = run("config", "upgrade", "-c", str(config))
    assert (code, said) == (0, f"unchanged: {config}\n")
    config.write_text(OLD + "no: 1\n")
    code, said = run("config", "upgrade", "-c", str(config))
    assert code == 2
    assert f"{config}:4: no: is not a known key" in said
    code, said = run("init", "--check", "--folder", str(config.parent), "--force")
    assert code == 2
    assert "--force has no effect with --check" in said
    assert run("init", "--check", "--folder", str(config.parent / "none"))[0] == 3


def test_a_full_disk_changes_nothing(config: Path) -> None:
    code, said = run("config", "upgrade", "-c", str(config), most=100)
    assert (code, said) == (1, f"agent-bridge: {config}: cannot be replaced: File too large\n")
    assert (config.read_text(), names(config.parent)) == (OLD, ["config.yaml"])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_changes_nothing() -> None:
    with temporary_folder("ab-up-") as folder:
        config = folder / "config.yaml"
        config.write_text(OLD)
        config.chmod(0o644)
        # In the second one the user may make files, but not for the owner.
        for mode, reason in ((0o555, "Permission denied"), (0o777, "Operation not permitted")):
            folder.chmod(mode)
            code, said = run("config", "upgrade", "-c", str(config), user=NOBODY)
            assert code == 1
            assert said.startswith(
                f"agent-bridge: {config}: cannot be replaced: {reason}; run the command as its owner"
            )
            assert (config.read_text(), names(folder)) == (OLD, ["config.yaml"])
        config.chmod(0o600)
        code, said = run("init", "--check", "--folder", str(folder), user=NOBODY)
        assert (code, said.splitlines()[0]) == (1, f"FAIL  {config}: cannot be read: Permission denied")
        # A mounted secret belongs to root, and the group of the bridge reads it.
        os.chown(config, 0, NOBODY)
        for mode, is_exposed in ((0o440, False), (0o444, True)):
            config.chmod(mode)
            _, said = run("init", "--check", "--folder", str(folder), user=NOBODY)
            assert (f"{config} can be read by other users" in said) is is_exposed


def test_a_file_that_changes_meanwhile_stays(config: Path) -> None:
    with pytest.raises(BridgeError, match="was changed meanwhile"):
        replace_content(config, b"something else", b"new")
    assert (config.read_text(), names(config.parent)) == (OLD, ["config.yaml"])


def test_only_files_are_replaced(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        upgrade(tmp_path)
    with pytest.raises(ConfigError, match="does not exist"):
        upgrade(tmp_path / "none.yaml")
    with pytest.raises(BridgeError, match="is not a regular file"):
        replace_content(Path(os.devnull), b"", b"new")

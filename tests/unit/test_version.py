"""The line of ``agent-bridge --version``; tests/contract/test_wheel.py has that of a release."""

from __future__ import annotations

import platform
import subprocess
from typing import TYPE_CHECKING

import pytest

from agent_bridge import __version__
from agent_bridge.cli import version

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit, as the checkout of the program."""
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "file.py").touch()
    git = ("git", "-C", str(tmp_path), "-c", "user.name=Test", "-c", "user.email=test@test.local")
    for made in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "--message=A commit")):
        subprocess.run([*git, *made], check=True)
    monkeypatch.setattr(version, "_PACKAGE", tmp_path / "package")
    # The source distribution, in which these tests run too, has the commit of the release.
    monkeypatch.setattr(version, "__commit__", "$Format:%H$")
    return tmp_path


def line(commit: str) -> str:
    return f"agent-bridge {__version__} ({commit}, Python {platform.python_version()})"


def test_a_checkout_tells_its_commit_and_whether_files_differ(checkout: Path) -> None:
    command = ("git", "-C", str(checkout), "rev-parse", "HEAD")
    commit = subprocess.run(command, check=True, capture_output=True, text=True).stdout[:12]
    assert version.version_line() == line(f"commit {commit}")
    (checkout / "package" / "file.py").write_text("changed\n")
    assert version.version_line() == line(f"commit {commit}-dirty")


def test_without_git_the_commit_is_unknown(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(checkout))
    assert version.version_line() == line("commit unknown")


def test_an_installation_in_the_repository_of_another_program_does_not_tell_its_commit(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version, "_PACKAGE", checkout / "venv" / "lib" / "package")
    assert version.version_line() == line("commit unknown")


def test_a_hook_in_the_repository_of_another_program_does_not_change_the_commit(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("git", "-C", str(checkout), "rev-parse", "HEAD")
    commit = subprocess.run(command, check=True, capture_output=True, text=True).stdout[:12]
    other = tmp_path_factory.mktemp("other")
    git = ("git", "-C", str(other), "-c", "user.name=Test", "-c", "user.email=test@test.local")
    for words in (("init", "--quiet"), ("commit", "--quiet", "--allow-empty", "--message=Of another program")):
        subprocess.run([*git, *words], check=True)
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    assert version.version_line() == line(f"commit {commit}")

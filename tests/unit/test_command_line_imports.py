"""The command line: it loads the parts of the bridge only for the commands that need them, and guards the terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from agent_bridge.core.names import printable

_LOADED = "import sys; {}; print(*sys.modules)"


def loaded_by(statement: str) -> set[str]:
    """Return the modules that a new interpreter has loaded after *statement*."""
    run = subprocess.run(
        [sys.executable, "-c", _LOADED.format(statement)], check=True, capture_output=True, text=True, timeout=60
    )
    return set(run.stdout.split())


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        (
            "import agent_bridge.cli",
            {"agent_bridge.app", "agent_bridge.config.model", "agent_bridge.demo", "aiohttp", "pydantic"},
        ),
        ("import agent_bridge.cli.init", {"agent_bridge.app", "agent_bridge.store", "aiohttp", "psycopg"}),
    ],
)
def test_a_command_loads_what_it_needs(statement: str, absent: set[str]) -> None:
    loaded = loaded_by(statement)
    assert statement.split()[1] in loaded
    assert not loaded & (
        absent | {"sqlalchemy", "alembic", "agent_bridge.cli.doctor", "agent_bridge.store.postgres.migrate"}
    )


def run(*arguments: str, output: int | IO[bytes] = subprocess.PIPE, **environ: str) -> tuple[int, str]:
    """Run ``agent-bridge``; return its exit code and the text that it wrote."""
    command = [sys.executable, "-m", "agent_bridge", *arguments]
    done = subprocess.run(
        command, check=False, stdout=output, stderr=subprocess.PIPE, timeout=60, env={**os.environ, **environ}
    )
    return done.returncode, ((done.stdout or b"") + done.stderr).decode()


def test_a_terminal_of_another_encoding_gets_escapes(tmp_path: Path) -> None:
    folder = str(tmp_path / "Größe 你")
    code, said = run("registration", "--config", f"{folder}/none", PYTHONIOENCODING="ascii")
    assert code == 2
    assert "Gr\\xf6\\xdfe \\u4f60/none: does not exist" in said
    code, said = run("init", "--help", PYTHONIOENCODING="ascii")
    assert code == 0
    assert "Traceback" not in said


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_output_that_cannot_be_written_is_an_error_in_words(unbuffered: str) -> None:
    with Path("/dev/full").open("wb") as full:
        assert run("--version", output=full, PYTHONUNBUFFERED=unbuffered) == (
            1,
            "agent-bridge: the output cannot be written: No space left on device\n",
        )


def test_an_interrupt_while_modules_are_loaded_has_no_traceback() -> None:
    statement = (
        "import builtins, runpy, sys; load = builtins.__import__\n"
        "def stop(name, *rest, **more):\n"
        "    if name == 'agent_bridge.cli': raise KeyboardInterrupt\n"
        "    return load(name, *rest, **more)\n"
        "builtins.__import__ = stop; runpy.run_module('agent_bridge', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", statement], check=False, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Привет, 👩\u200d💻!\n\t- a", "Привет, 👩\u200d💻!\n\t- a"),
        ("\x1b]0;owned\x07\x1b[2J", "\\x1b]0;owned\\x07\\x1b[2J"),
        ("\x9b2J", "\\x9b2J"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("a\rb\ud800\U000e0041", "a\\rb\\ud800\\U000e0041"),
    ],
)
def test_a_terminal_gets_no_control_characters(text: str, shown: str) -> None:
    assert printable(text) == shown

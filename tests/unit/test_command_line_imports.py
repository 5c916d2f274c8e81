"""The command line: it loads the parts of the bridge only for the commands that need them, and guards the terminal."""

from __future__ import annotations

import subprocess
import sys

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

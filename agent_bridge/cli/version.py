"""The version that ``agent-bridge --version`` prints."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

from agent_bridge import __commit__, __version__

_PACKAGE = Path(__file__).resolve().parent.parent
_WITHIN = 5
_DIGITS = 12


def version_line() -> str:
    """Return one line: the version, the commit if it is known, and the version of Python."""
    commit = f"commit {found}" if (found := _commit()) else "commit unknown"
    return f"agent-bridge {__version__} ({commit}, Python {platform.python_version()})"


def _commit() -> str:
    """Return the commit of the release, or of the checkout with ``-dirty`` if files differ from it, or nothing."""
    if not __commit__.startswith("$"):
        return __commit__[:_DIGITS]
    if not (_PACKAGE.parent / ".git").exists():
        return ""
    command = ("git", "-C", str(_PACKAGE), "describe", "--always", "--dirty", "--exclude=*", f"--abbrev={_DIGITS}")
    # A hook of git names the repository of another program in GIT_DIR.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_WITHIN, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()

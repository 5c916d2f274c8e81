"""Text for a terminal."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import typer

from agent_bridge.core.errors import BridgeError
from agent_bridge.core.names import printable


def use_any_encoding() -> None:
    """Escape the characters that the encoding of the terminal lacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """Write *text*, made :func:`printable`, and a line break to the standard output.

    Raises:
        BridgeError: it cannot be written.
        BrokenPipeError: the reader ended, which typer makes exit code 1.
    """
    try:
        typer.echo(printable(text))
    except BrokenPipeError:
        raise
    except OSError as error:
        # Else the end of the program writes the text once more, and changes the exit code.
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        raise BridgeError(f"the output cannot be written: {error.strerror}") from error

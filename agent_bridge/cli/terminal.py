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


def is_open() -> bool:
    """Tell whether the process has a standard error: it was not started with it closed."""
    stream: object = sys.stderr
    return stream is not None


def note(line: str) -> None:
    """Print a line that is no part of the result to the standard error. Without one, nobody reads it."""
    if is_open():
        print(printable(line), file=sys.stderr)  # noqa: T201


def ask_operator(question: str) -> str:
    """Return the answer of the operator; without one, it is empty."""
    try:
        return str(typer.prompt(question, default="", show_default=False))
    except typer.Abort:
        return ""

"""Text for a terminal."""

from __future__ import annotations

import io
import sys
import unicodedata

import typer

from agent_bridge.core.errors import BridgeError

#: Unicode categories that a terminal interprets or does not show: controls, formats, surrogates, private use.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co"})
#: Line breaks, tabs and the joiner of emoji.
_KEPT = frozenset("\n\t\u200d")


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
        raise BridgeError(f"the output cannot be written: {error.strerror}") from error


def printable(text: str) -> str:
    """Return *text* with escaped control characters, so that untrusted names cannot control the terminal."""
    return "".join(_escaped(char) for char in text)


def _escaped(char: str) -> str:
    if char in _KEPT or unicodedata.category(char) not in _HIDDEN:
        return char
    return char.encode("unicode_escape").decode("ascii")

"""The page of the command line, from the declarations of its commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer.main

from agent_bridge.cli import cli
from pages import code, plain, table

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROGRAM = "agent-bridge"
_HEAD = """\
<!-- Written by scripts/reference_docs.py from the declarations of the commands. -->
# Command line

`agent-bridge --help` and `agent-bridge COMMAND --help` show the same in the terminal; `agent-bridge --version` prints
the version, the commit and the version of Python; `agent-bridge --install-completion` completes commands in your
shell.

Exit code 0: done; 1: failed; 2: invalid configuration or arguments. Commands with further codes name them. Commands
of operators read `config.yaml` of the current folder, or the file of `--config` or `AGENT_BRIDGE_CONFIG`. Commands of
programs reach a bridge by its [API](../api.md); [programs](../programs.md) tells how they find address and token.
"""


def document() -> str:
    """Return the text of the page."""
    lines = [_HEAD]
    for name, command in _commands(typer.main.get_command(cli), _PROGRAM):
        lines += _section(name, command)
    return "\n".join(lines).rstrip() + "\n"


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield the commands below *command* that people see, with their complete names."""
    if not hasattr(command, "commands"):
        yield name, command
        return
    for each, found in command.commands.items():
        if not found.hidden:
            yield from _commands(found, f"{name} {each}")


def _section(name: str, command: Any) -> Iterator[str]:
    shown = [each for each in command.params if not each.hidden and each.name != "help"]
    words = [_argument(each) for each in shown if each.param_type_name == "argument"]
    options = ["[OPTIONS]"] if len(words) < len(shown) else []
    yield f"## {name.removeprefix(_PROGRAM + ' ')}"
    yield ""
    yield code(" ".join([name, *options, *words]))
    yield ""
    yield _paragraphs(command.help or "")
    yield ""
    if shown:
        yield from table(("argument", "meaning", "default"), (_row(each) for each in shown))


def _argument(parameter: Any) -> str:
    word = parameter.name.upper() + (" …" if parameter.nargs == -1 else "")
    return word if parameter.required else f"[{word}]"


def _row(parameter: Any) -> tuple[str, str, str]:
    if parameter.param_type_name == "argument":
        name = code(_argument(parameter))
    else:
        name = ", ".join(map(code, [*parameter.opts, *parameter.secondary_opts]))
    text = plain(parameter.help or "")
    if parameter.envvar:
        text = f"{text} Environment: `{parameter.envvar}`."
    if parameter.required:
        return name, text, "needed"
    default = parameter.default
    is_shown = default not in (None, False, "", ()) and not callable(default) and parameter.show_default
    return name, text, code(str(default).lower() if isinstance(default, bool) else str(default)) if is_shown else ""


def _paragraphs(text: str) -> str:
    return "\n\n".join(plain(" ".join(part.split())) for part in text.split("\n\n"))

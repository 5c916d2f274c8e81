"""The results of the command ``letta`` as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.results.server_commands import CommandRefusal
from agent_bridge.render.content import escape, fenced, in_backticks

if TYPE_CHECKING:
    from agent_bridge.core.results.server_commands import (
        ServerCommandDone,
        ServerCommandList,
        ServerCommandRefused,
    )
    from agent_bridge.i18n.catalogue import Texts


def render_list(result: ServerCommandList, texts: Texts, prefix: str) -> str:
    """Return the list of a server's commands; the bridge has descriptions for those without one."""
    if not result.commands:
        return texts.commands.letta_none.format(agent=escape(result.agent))
    lines = []
    for each in result.commands:
        line = " ".join(["letta", each.name, *([each.arguments] if each.arguments else [])])
        words = each.description or texts.commands.letta_help.get(each.name, "")
        lines.append(f"- `{prefix} {in_backticks(line)}`{': ' if words else ''}{escape(words)}")
    return "\n".join([texts.commands.letta_head.format(agent=escape(result.agent)), "", *lines])


def render_done(result: ServerCommandDone, texts: Texts) -> str:
    """Return the end of a command. The words of the server and of the agent are shown literally."""
    text = texts.commands.letta_done if result.succeeded else texts.commands.letta_failed
    blocks = [text.format(name=in_backticks(result.name))]
    blocks += [fenced(each) for each in (result.output.strip(), result.said.strip()) if each]
    return "\n\n".join(blocks)


def render_refused(result: ServerCommandRefused, texts: Texts, prefix: str) -> str:
    """Return why a command was not run."""
    key: str = result.reason
    if result.reason is CommandRefusal.UNKNOWN and result.nearest is not None:
        key = "nearest"
    return texts.commands.letta_refused[key].format(
        name=in_backticks(result.name), prefix=prefix, nearest=in_backticks(result.nearest or "")
    )

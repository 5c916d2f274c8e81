"""Writes docs/mcp.md: an introduction (scripts/mcp_docs_head.md), and the tools from their declarations.

``--check`` compares the file, and fails if it differs.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent_bridge.api.mcp.tools import all_tools
from pages import TOP, publish

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent_bridge.api.mcp.tool import Tool

_HEAD = Path(__file__).with_name("mcp_docs_head.md")


def document() -> str:
    """Return the text of docs/mcp.md."""
    tools = all_tools()
    lines = [_HEAD.read_text(encoding="utf-8").rstrip(), "", "## Tools", ""]
    lines += ["| tool | effect | capability | function of the API |", "|---|---|---|---|"]
    for tool in tools:
        capability = f"`{tool.endpoint.capability}`" if tool.endpoint.capability else ""
        route = ", ".join(f"`{each.method} {each.path}`" for each in (tool.endpoint, *tool.also))
        lines.append(f"| [`{tool.name}`](#{tool.name}) | {tool.description} | {capability} | {route} |")
    lines += ["", "The results are those of the functions of the [API](api.md).", ""]
    for tool in tools:
        lines += _arguments(tool)
    return "\n".join(lines).rstrip() + "\n"


def _arguments(tool: Tool) -> Iterator[str]:
    yield f"### {tool.name}"
    yield ""
    schema = tool.input_schema()
    if not schema.get("properties"):
        yield "No arguments."
        yield ""
        return
    required = set(schema.get("required", ()))
    yield "| argument | type | meaning |"
    yield "|---|---|---|"
    for name, values in schema["properties"].items():
        kind = _type(values) + ("" if name in required else f", default {_default(values)}")
        yield f"| `{name}` | {kind} | {values.get('description', '')} |"
    yield ""


def _default(values: dict[str, Any]) -> str:
    found = values.get("default")
    return "none" if found in (None, "", [], {}) else f"`{str(found).lower()}`"


def _type(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    return str(schema.get("type", "any"))


if __name__ == "__main__":
    sys.exit(publish({TOP / "docs" / "mcp.md": document()}, check="--check" in sys.argv[1:]))

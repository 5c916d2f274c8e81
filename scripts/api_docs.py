"""Writes docs/api.md: an introduction (scripts/api_docs_head.md), and the endpoints from their declarations.

``--check`` compares the file, and fails if it differs.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent_bridge.api.endpoints import all_endpoints
from agent_bridge.api.openapi import openapi_document
from agent_bridge.api.problems import STATUSES
from pages import TOP, publish

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = Path(__file__).with_name("api_docs_head.md")
_REF = "#/components/schemas/"


def document() -> str:
    """Return the text of docs/api.md."""
    endpoints = all_endpoints()
    spec = openapi_document(endpoints)
    schemas: dict[str, Any] = spec["components"]["schemas"]
    lines = [_HEAD.read_text(encoding="utf-8").rstrip(), ""]
    for tag in spec["tags"]:
        lines += [f"## {tag['name']}", ""]
        for endpoint in endpoints:
            if endpoint.tag == tag["name"]:
                lines += _endpoint(spec["paths"][endpoint.path][endpoint.method.lower()], endpoint, schemas)
    lines += ["## Problems", "", "| status | code | meaning |", "|---|---|---|"]
    ordered = sorted(STATUSES.items(), key=lambda each: (each[1][0], each[0]))
    lines += [f"| {status} | `{code}` | {title} |" for code, (status, title) in ordered]
    return "\n".join(lines) + "\n"


def _endpoint(operation: dict[str, Any], endpoint: Any, schemas: dict[str, Any]) -> Iterator[str]:
    yield f"### `{endpoint.method} {endpoint.path}`"
    yield ""
    yield f"{endpoint.summary}." + (f" {' '.join(endpoint.description.split())}" if endpoint.description else "")
    yield ""
    needs = [f"permission *{endpoint.permission}*"]
    if endpoint.capability is not None:
        needs.insert(0, f"capability `{endpoint.capability}`")
    yield f"Needs: {', '.join(needs)}."
    yield ""
    given = [each for each in operation["parameters"] if each["in"] != "header"]
    rows = [(each["name"], each["in"], _type(each["schema"]), each.get("description", "")) for each in given]
    if endpoint.body is not None:
        rows += [(name, "body", kind, about) for name, kind, about in _fields(endpoint.body.__name__, schemas)]
    if endpoint.takes_file:
        rows.append(("", "body", "binary", "The file."))
    if rows:
        yield "| parameter | in | type | meaning |"
        yield "|---|---|---|---|"
        for name, place, kind, about in rows:
            yield f"| {f'`{name}`' if name else ''} | {place} | {kind} | {about} |"
        yield ""
    statuses = [endpoint.status, *(status for status, _ in endpoint.others)]
    yield f"Response {' or '.join(map(str, statuses))}:"
    yield ""
    yield "| field | type | meaning |"
    yield "|---|---|---|"
    for name, kind, about in _fields(endpoint.response.__name__, schemas):
        yield f"| `{name}` | {kind} | {about} |"
    yield ""
    special = [f"`{each}`" for each in endpoint.problems]
    if special:
        yield f"Problems beside the usual ones: {', '.join(special)}."
        yield ""


def _fields(model: str, schemas: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield name, type and meaning of the fields of *model*, and of the models in its lists."""
    schema = schemas[model]
    required = set(schema.get("required", ()))
    for name, values in schema["properties"].items():
        kind = _type(values)
        about = values.get("description", "")
        is_input = "default" in values or name not in required
        yield f"{prefix}{name}", kind + (", optional" if is_input and not prefix else ""), about
        nested = values.get("items", {}).get("$ref")
        if nested:
            yield from _fields(nested.removeprefix(_REF), schemas, f"{prefix}{name}[].")


def _type(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if "$ref" in schema:
        return "object"
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    if schema.get("format") == "date-time":
        return "time"
    return str(schema.get("type", "any"))


if __name__ == "__main__":
    sys.exit(publish({TOP / "docs" / "api.md": document()}, check="--check" in sys.argv[1:]))

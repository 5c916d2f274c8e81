"""The page of the configuration, from its schema."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from agent_bridge.config.kinds import users_of
from agent_bridge.config.live_keys import LIVE_KEYS
from agent_bridge.config.model import Config
from agent_bridge.config.section import Section
from agent_bridge.config.text import flow
from agent_bridge.config.upstreams import UpstreamConfig
from agent_bridge.core.roles import Role
from pages import code, plain, table

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = """\
<!-- Written by scripts/reference_docs.py from the schema of the configuration. -->
# Configuration

`agent-bridge init` writes `config.yaml`; `config.example.yaml` has the same keys with their descriptions as comments,
and `agents.example.yaml` those of `agents_file`. A key that the bridge does not know is an error, and each error
names its file, line and key. `env:NAME` in the place of a secret reads it from the environment.

Keys marked with ↻ count after `agent-bridge reload`, all others after a restart ([changing the
configuration](../operations.md#changing-the-configuration)).
"""
_NAMES = {
    Decimal: "number",
    IPv4Network: "network",
    IPv6Network: "network",
    Path: "path",
    Role: "role",
    SecretStr: "secret",
    bool: "true or false",
    float: "number",
    int: "whole number",
    str: "text",
}


def document() -> str:
    """Return the text of the page."""
    lines = [_HEAD, "## Keys of the file", ""]
    lines += table(("key", "type", "default", "meaning"), _top_rows())
    for name, field in Config.model_fields.items():
        if section := section_of(field.annotation):
            lines += _section(name, field, section)
    return "\n".join(lines).rstrip() + "\n"


def _top_rows() -> Iterator[tuple[str, str, str, str]]:
    for name, field in Config.model_fields.items():
        section = section_of(field.annotation)
        if section is None:
            yield _row(name, field, name)
        else:
            about = field.description or inspect.getdoc(section) or ""
            kind = "section" if inspect.isclass(field.annotation) else "list of sections"
            yield f"[`{name}`](#{name}){_mark(name)}", kind, _default(field), plain(about)


def _section(name: str, field: FieldInfo, section: type[Section]) -> Iterator[str]:
    yield f"## {name}"
    yield ""
    yield plain((inspect.getdoc(section) or field.description or "").replace("\n", " "))
    yield ""
    place = f"{name}." if inspect.isclass(field.annotation) else ""
    yield from table(("key", "type", "default", "meaning"), _rows(section, place))


def _rows(section: type[Section], place: str, prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    for name, field in section.model_fields.items():
        key, kind, default, about = _row(f"{prefix}{name}", field, f"{place}{name}" if place else "")
        users = users_of(name) if section is UpstreamConfig else ""
        yield key, kind, default, f"{about} Only with {users}." if users else about
        if nested := section_of(field.annotation):
            yield from _rows(nested, "", f"{prefix}{name}[].")


def _row(name: str, field: FieldInfo, path: str) -> tuple[str, str, str, str]:
    kind = f"{_type(field.annotation)}{_bounds(field)}"
    return f"`{name}`{_mark(path)}", kind, _default(field), plain(field.description or "")


def _mark(path: str) -> str:
    return " ↻" if path in LIVE_KEYS else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined or value is None or isinstance(value, Section) or value in ("", (), {}):
        return ""
    return code(flow(int(value) if isinstance(value, float) and value.is_integer() else value))


def section_of(annotation: Any) -> type[Section] | None:
    """Return the section that *annotation* is or is a list of."""
    if inspect.isclass(annotation) and issubclass(annotation, Section):
        return annotation
    return next((found for each in get_args(annotation) if (found := section_of(each))), None)


def _type(annotation: Any) -> str:
    """Return the name of a type for people."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        found = _type(arguments[0])
    elif origin is Literal:
        found = ", ".join(code(str(each)) for each in arguments)
    elif origin is tuple:
        found = f"list of {_type(arguments[0])}"
    elif inspect.isclass(origin) and issubclass(origin, Mapping):
        found = f"{_type(arguments[0])}: {_type(arguments[1])}"
    elif arguments:
        found = " or ".join(dict.fromkeys(_type(each) for each in arguments if each is not type(None)))
    else:
        found = _NAMES.get(annotation) or _class_name(annotation)
    return found


def _class_name(annotation: type) -> str:
    if issubclass(annotation, Section):
        return "section"
    if issubclass(annotation, Enum):
        return ", ".join(code(str(each.value)) for each in annotation)
    return annotation.__name__.lower()


def _bounds(field: FieldInfo) -> str:
    words = {
        Ge: "≥ {0.ge}",
        Gt: "> {0.gt}",
        Le: "≤ {0.le}",
        Lt: "< {0.lt}",
        MaxLen: "at most {0.max_length} characters",
    }
    found = [*field.metadata, *_inner_metadata(field.annotation)]
    return "".join(f", {words[type(each)].format(each)}" for each in found if type(each) in words)


def _inner_metadata(annotation: Any) -> Iterator[Any]:
    """Yield the bounds of the types of which *annotation* is made: those of ``Money`` in ``Money | None``."""
    for argument in get_args(annotation):
        if isinstance(argument, FieldInfo):
            yield from argument.metadata
        elif type(argument).__module__ == "annotated_types":
            yield argument
        else:
            yield from _inner_metadata(argument)

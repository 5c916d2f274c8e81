"""config.yaml as text, with the descriptions of the schema as comments."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

from agent_bridge.config.agents import AgentConfig
from agent_bridge.config.kinds import users_of
from agent_bridge.config.live_keys import LIVE_KEYS
from agent_bridge.config.model import Config
from agent_bridge.config.section import Section
from agent_bridge.config.text import flow
from agent_bridge.config.upstreams import UpstreamConfig

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pydantic.fields import FieldInfo

_WIDTH = 100
_INDENT = "  "
_HEAD = (
    "Configuration of agent_bridge. "
    "A line such as #key: value shows a key that is not set. "
    "A key that the bridge does not know is an error. "
    "env:NAME in the place of a secret reads it from the environment. "
    "Keys with the mark [reload] count after agent-bridge reload, all others after a restart."
)
_LIVE = " [reload]"
_AGENTS_HEAD = (
    "Agents that agent_bridge adds to those that it discovers. "
    "config.yaml names this file: agents_file: agents.yaml, or has the list itself, under the same key. "
    "A line such as #key: value shows a key that is not set. "
    "A change takes effect within seconds. A file with faults changes nothing, and the administrators are told."
)


def example() -> Config:
    """Return the configuration that config.example.yaml shows; its tokens are placeholders."""
    return Config.model_validate(
        {
            "homeserver": {"address": "http://localhost:8008", "domain": "example.org"},
            "appservice": {
                "address": "http://localhost:29340",
                "as_token": "<as_token: agent-bridge init writes one>",
                "hs_token": "<hs_token: agent-bridge init writes one>",
            },
            "upstreams": [{"name": "letta", "url": "http://localhost:1416/v1", "api_key": "env:LETTA_API_KEY"}],
            "rooms": {"invite": ["@admin:example.org"]},
            "permissions": {"*": "none", "example.org": "member", "@admin:example.org": "admin"},
            "quotas": [{"per": "user", "role": "member", "messages_per_minute": 60}],
            "prices": {"models": [{"match": "gpt-5*", "input": 1.25, "output": 10, "cached": 0.125}]},
        }
    )


def render(config: Config) -> str:
    """Return the text of a config.yaml with the values of *config*.

    It contains every key in the order of the model, below its description. A key that has its default value and an
    example is commented out. Secrets are written in plain text.
    """
    blocks = [_comment(_HEAD, "")]
    blocks += [_block(name, field, getattr(config, name)) for name, field in Config.model_fields.items()]
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def example_agents() -> Sequence[AgentConfig]:
    """Return the agents that agents.example.yaml shows: two that share a model."""
    return (
        AgentConfig(id="translator", label="Translator", model="gpt-5-mini", temperature=0.2),
        AgentConfig(id="poet", label="Poet", model="gpt-5-mini", system_prompt="Answer in verse.", temperature=1.2),
    )


def render_agents(agents: Sequence[AgentConfig]) -> str:
    """Return the text of a file with *agents*. The first one has every key, below its description."""
    first, *others = agents
    lines = [*_comment(_AGENTS_HEAD, ""), "", "agents:", *_item(first, _INDENT)]
    for each in others:
        given = [(key, value) for key in type(each).model_fields if (value := getattr(each, key)) is not None]
        entries = [f"{key}: {flow(value)}" for key, value in given]
        lines += ["", f"{_INDENT}- {entries[0]}", *(f"{_INDENT}  {entry}" for entry in entries[1:])]
    return "\n".join(lines) + "\n"


def _block(name: str, field: FieldInfo, value: object) -> list[str]:
    """Return the lines of one top-level key."""
    about = _comment(f"{field.description}{_mark(name)}", "")
    match value:
        case Section():
            return [*_comment(inspect.getdoc(value), ""), f"{name}:", *_keys(value, _INDENT, f"{name}.")]
        case Mapping() if value:
            entries = [f"{_INDENT}{flow(key)}: {flow(item)}" for key, item in value.items()]
            return [*about, f"{name}:", *entries]
        case tuple() if value:
            items = [line for item in value for line in _item(item, _INDENT)]
            return [*about, f"{name}:", *items]
        case _:
            return [*about, _line(name, field, value)]


def _item(section: Section, indent: str) -> Iterator[str]:
    """Yield the lines of one item of a list. The first line that is not a comment gets the dash."""
    bullet = f"{indent}- "
    for line in _keys(section, " " * len(bullet)):
        if bullet and not line.lstrip().startswith("#"):
            yield bullet + line.lstrip()
            bullet = ""
        else:
            yield line


def _keys(section: Section, indent: str, place: str = "") -> Iterator[str]:
    """Yield the lines of the keys of *section*, which is at *place*; an item of a list has none."""
    for name in type(section).model_fields:
        yield from _key(type(section), name, getattr(section, name), indent, place)


def _key(kind: type[Section], name: str, value: object, indent: str, place: str) -> Iterator[str]:
    field = kind.model_fields[name]
    users = users_of(name) if issubclass(kind, UpstreamConfig) else ""
    only = f" Only with {users}." if users else ""
    mark = _mark(f"{place}{name}") if place else ""
    yield from _comment(f"{field.description or ''}{only}{mark}", indent)
    if isinstance(value, tuple) and value and isinstance(value[0], Section):
        yield f"{indent}{name}:"
        for item in value:
            yield from _item(item, indent + _INDENT)
    else:
        yield indent + _line(name, field, value)


def unset_block(name: str) -> list[str]:
    """Return the lines that show the top-level key *name*, which is not set, below its description."""
    field = Config.model_fields[name]
    kind = section_of(name)
    value = field.get_default(call_default_factory=True) if kind is None else kind()
    return list(_commented(_block(name, field, value)))


def section_of(name: str) -> type[Section] | None:
    """Return the section that the top-level key *name* has; None for a value or a list."""
    kind = Config.model_fields[name].annotation
    return kind if inspect.isclass(kind) and issubclass(kind, Section) else None


def unset_key(kind: type[Section], name: str, indent: str, place: str = "") -> list[str]:
    """Return the lines that show the key *name* of a section, which is not set; *place* as in ``lanes.``."""
    value = kind.model_fields[name].get_default(call_default_factory=True)
    return list(_commented(_key(kind, name, value, indent, place)))


def _commented(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        text = line.lstrip(" ")
        yield line if text.startswith("#") else f"{line[: len(line) - len(text)]}#{text}"


def _line(name: str, field: FieldInfo, value: object) -> str:
    if field.examples and value == field.get_default(call_default_factory=True):
        return f"#{name}: {flow(field.examples[0])}"
    return f"{name}: {flow(value)}"


def _mark(path: str) -> str:
    """Return the mark of the key at *path*, empty if its change needs a restart."""
    return _LIVE if path in LIVE_KEYS else ""


def _comment(text: str | None, indent: str) -> list[str]:
    prefix = f"{indent}# "
    return textwrap.wrap(text or "", _WIDTH, initial_indent=prefix, subsequent_indent=prefix, break_on_hyphens=False)

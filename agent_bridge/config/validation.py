"""Faults of a configuration as sentences. pydantic finds the faults."""

from __future__ import annotations

import difflib
import inspect
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, get_args
from urllib.parse import urlsplit

from pydantic import ValidationError

from agent_bridge.config.agents import upstream_of
from agent_bridge.config.model import Config
from agent_bridge.config.section import Section
from agent_bridge.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic_core import ErrorDetails

    from agent_bridge.config.agents import AgentConfig, AgentsSection
    from agent_bridge.config.types import Origin
    from agent_bridge.config.upstreams import UpstreamConfig

_Model = TypeVar("_Model", bound=Section)
#: Path to a value: keys of mappings, indices of lists.
Place = tuple[str | int, ...]

_NAME = re.compile(r"[\w-]*")
#: Names of this machine, also as those on which a server listens.
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0", "::"})  # noqa: S104  # names to compare
#: The paths of the bridge for programs.
_OWN_PATHS = ("v1", "a2a", "mcp")
# By the error types of pydantic; the context of an error fills the placeholders.
_WORDS = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "dict_type": "must be a mapping (key: value)",
    "enum": "must be {expected}",
    "finite_number": "must be a finite number",
    "float_type": "must be a number",
    "greater_than": "must be more than {gt:.15g}",
    "greater_than_equal": "must be at least {ge:.15g}",
    "int_type": "must be a whole number",
    "less_than_equal": "must be at most {le:.15g}",
    "literal_error": "must be {expected}",
    "model_type": "must be a section (key: value)",
    "path_type": "must be a path, as text",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must not be empty",
    "string_type": "must be text (in quotes, if it looks like a number or a date)",
    "tuple_type": "must be a list",
    "value_error": "{error}",
}


@dataclass(frozen=True, slots=True)
class ConfigFault:
    """One fault of a configuration."""

    place: Place
    #: The fault and its remedy, without the value, which may be a secret.
    words: str

    @property
    def key(self) -> str:
        """The place in the form ``upstreams[1].url``."""
        dotted = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.place)
        return dotted.removeprefix(".")

    def __str__(self) -> str:
        return f"{self.key}: {self.words}" if self.place else self.words


def check(values: Mapping[Any, Any], origin: Origin | None = None) -> Config | list[ConfigFault]:
    """Return the configuration with *values*, or every fault of them."""
    found = validated(Config, values, origin)
    if isinstance(found, list):
        return found
    return [*two_lists(found), *own_upstreams(found), *agent_faults(found.agents, found.upstreams)] or found


def validated(section: type[_Model], values: Any, origin: Origin | None = None) -> _Model | list[ConfigFault]:
    """Return *values* as a *section*, or every fault that the section alone shows."""
    try:
        return section.model_validate(values, context=origin)
    except ValidationError as error:
        return [_fault(details, section) for details in error.errors(include_url=False)]


def two_lists(section: Config | AgentsSection) -> list[ConfigFault]:
    """Return the fault of a *section* with two sources of agents."""
    if section.agents and section.agents_file is not None:
        return [ConfigFault(("agents_file",), "cannot be used beside agents; move the entries into the file")]
    return []


def own_upstreams(config: Config) -> Iterator[ConfigFault]:
    """Yield a fault for each address of an upstream that is one of the bridge itself.

    Its agents would become agents of the upstream, ask themselves, and wait for their own answers.
    """
    for at, upstream in enumerate(config.upstreams):
        base = upstream.url.rstrip("/")
        cards = (
            (("cards", number), card if "://" in card else f"{base}/{card}")
            for number, card in enumerate(upstream.cards)
        )
        for place, address in ((("url",), upstream.url), *cards):
            if _is_own(address, config):
                yield ConfigFault(
                    ("upstreams", at, *place), "is an address of this bridge, whose agents cannot be agents of it again"
                )


def _is_own(address: str, config: Config) -> bool:
    parts = urlsplit(address)
    api, service = config.api, config.appservice
    listeners = {(service.hostname, service.port), (api.hostname, service.port if api.port is None else api.port)}
    host = parts.hostname or ""
    if any(parts.port == port and (host == own or (host in _LOOPBACK and own in _LOOPBACK)) for own, port in listeners):
        return True
    # A reverse proxy may have other servers on the same host.
    given, public = f"{address.rstrip('/')}/".lower(), (api.public_url or "").rstrip("/").lower()
    return bool(public) and given.startswith(tuple(f"{public}/{each}/" for each in _OWN_PATHS))


def agent_faults(agents: Sequence[AgentConfig], upstreams: Sequence[UpstreamConfig]) -> Iterator[ConfigFault]:
    """Yield the faults of the list *agents* that its entries show together, or beside their *upstreams*."""
    names = ", ".join(each.name for each in upstreams)
    seen: dict[tuple[str, str], int] = {}
    for at, entry in enumerate(agents):
        for key, value in (("id", entry.id), ("label", entry.label)):
            first = seen.setdefault((key, value.casefold()), at)
            if first != at:
                yield ConfigFault(
                    ("agents", at, key), f"is the same as agents[{first}].{key}; each {key} must be unique"
                )
        upstream = upstream_of(entry, upstreams)
        if upstream is None and entry.upstream is None:
            yield ConfigFault(("agents", at), f"needs the key upstream, because there are several: {names}")
        elif upstream is None:
            yield ConfigFault(("agents", at, "upstream"), f"is not the name of an upstream; known names: {names}")
        else:
            yield from _without_effect(entry, upstream, at)


def _without_effect(entry: AgentConfig, upstream: UpstreamConfig, at: int) -> Iterator[ConfigFault]:
    """Yield a fault for each key of *entry* that has no effect on its *upstream*."""
    for key in ("system_prompt", "temperature"):
        if getattr(entry, key) is None:
            continue
        place = ("agents", at, key)
        if upstream.kind != "openai":
            words = f"has no effect with kind: {upstream.kind}, only with kind: openai; remove the key"
            yield ConfigFault(place, words)
        elif key == "system_prompt" and upstream.history == "server":
            yield ConfigFault(place, "has no effect with history: server, only with history: bridge; remove the key")


def config_from(values: Mapping[str, Any]) -> Config:
    """Return the configuration with *values*; ``env:NAME`` and relative paths stay as they are written.

    Raises:
        ConfigError: lists every fault in its own line, as ``key: fault``.
    """
    found = check(values)
    if isinstance(found, Config):
        return found
    raise ConfigError("\n".join(map(str, found)))


def _fault(details: ErrorDetails, root: type[Section]) -> ConfigFault:
    place, kind = details["loc"], details["type"]
    if place[-1:] == ("[key]",):  # pydantic's mark for the key of a mapping
        place = place[:-1]
    if kind == "missing":
        return ConfigFault(place, _missing(place, root))
    if kind in {"extra_forbidden", "invalid_key"}:
        return ConfigFault((*place[:-1], _named(place[-1])), _unknown(place, root))
    template = _WORDS.get(kind)
    words = template.format(**details.get("ctx", {})) if template else details["msg"]
    if details["input"] is None:
        words = f"has no value; it {words}"
    return ConfigFault(place, words)


def _missing(place: Place, root: type[Section]) -> str:
    field = _section(place[:-1], root).model_fields[str(place[-1])]
    inner = _section_in(field.annotation)
    about = field.description or (inspect.getdoc(inner) if inner else None)
    return f"is missing; add it. {about}"


def _named(key: str | int) -> str | int:
    """Return an unknown *key* up to the end of its name: without a blank behind the colon, a value belongs to it."""
    name = _NAME.match(key) if isinstance(key, str) else None
    return key if name is None or name[0] == key else f"{name[0]}…"


def _unknown(place: Place, root: type[Section]) -> str:
    known = list(_section(place[:-1], root).model_fields)
    near = difflib.get_close_matches(str(place[-1]), known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(known)}"
    return f"is not a known key; {hint}"


def _section(place: Place, root: type[Section]) -> type[Section]:
    """Return the section at *place* below *root* in the schema."""
    section = root
    for part in place:
        if isinstance(part, str):
            section = _section_in(section.model_fields[part].annotation) or section
    return section


def _section_in(annotation: Any) -> type[Section] | None:
    """Return the section that is the type of a field or of its items; None if there is none."""
    candidates = (annotation, *get_args(annotation))
    return next((kind for kind in candidates if inspect.isclass(kind) and issubclass(kind, Section)), None)

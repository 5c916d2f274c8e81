"""The kinds of upstreams, and the keys of an upstream's section that only some kinds use."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, get_args

from agent_bridge.core.errors import ConfigError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from agent_bridge.config.model import UpstreamConfig

UpstreamKind = Literal["openai", "letta", "letta_v1"]

#: The names of the kinds.
KINDS = ", ".join(get_args(UpstreamKind))
#: Keys that only some kinds use.
KINDS_OF_KEYS: MappingProxyType[str, tuple[UpstreamKind, ...]] = MappingProxyType(
    {
        "api": ("openai",),
        "model_ids": ("openai",),
        "history": ("openai",),
        "system_prompt": ("openai",),
        "session_header": ("openai",),
        "idempotency_header": ("openai",),
        "transcription_model": ("openai",),
        "approvals": ("letta", "letta_v1"),
        "approval_timeout": ("letta", "letta_v1"),
        "matrix_tools": ("letta",),
    }
)


def parse_kind(text: str) -> UpstreamKind:
    """Return the kind called *text*.

    Raises:
        ConfigError: there is none.
    """
    for kind in get_args(UpstreamKind):
        if text == kind:
            found: UpstreamKind = kind
            return found
    raise ConfigError(f"--kind: must be one of {KINDS}")


def default_of(section: type[BaseModel], key: str) -> object:
    """Return the default of *key*."""
    return section.model_fields[key].get_default(call_default_factory=True)


def refuse_unused(section: type[BaseModel], key: str, value: object, kind: str | None) -> None:
    """Refuse a *value* of *key* that has no effect with *kind*; None: the kind is not valid. A default is accepted.

    Raises:
        ValueError: names the kinds that use the key.
    """
    if kind is None or kind in KINDS_OF_KEYS[key] or value == default_of(section, key):
        return
    kinds = " or ".join(f"kind: {each}" for each in KINDS_OF_KEYS[key])
    raise ValueError(f"has no effect with kind: {kind}, only with {kinds}; remove the key")


def unused_keys(section: UpstreamConfig, kind: UpstreamKind) -> list[str]:
    """Return the keys of *section* that are set and would have no effect with *kind*."""
    keys = [key for key, kinds in KINDS_OF_KEYS.items() if kind not in kinds]
    return [key for key in keys if getattr(section, key) != default_of(type(section), key)]


def as_kind(section: UpstreamConfig, kind: UpstreamKind) -> UpstreamConfig:
    """Return *section* with another *kind*. Keys without an effect have their defaults."""
    defaults = {key: default_of(type(section), key) for key in unused_keys(section, kind)}
    return section.model_copy(update={"kind": kind, **defaults})

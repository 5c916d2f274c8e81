"""The kinds of upstreams, and the keys of an upstream's section that only some kinds use."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, get_args

from agent_bridge.core.errors import ConfigError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from agent_bridge.config.upstreams import UpstreamConfig

UpstreamKind = Literal["openai", "letta", "letta_v1", "a2a"]

#: The names of the kinds.
KINDS = ", ".join(get_args(UpstreamKind))
_OPENAI, _APPROVING = ("openai",), ("letta", "letta_v1", "api: responses")
#: Keys that only some kinds use: the kinds, or the API of ``kind: openai`` that uses the key.
KINDS_OF_KEYS: MappingProxyType[str, tuple[str, ...]] = MappingProxyType(
    {
        "api": _OPENAI,
        "model_ids": _OPENAI,
        "history": _OPENAI,
        "system_prompt": _OPENAI,
        "session_header": _OPENAI,
        "idempotency_header": _OPENAI,
        "transcription_model": _OPENAI,
        "speech_model": _OPENAI,
        "speech_voice": _OPENAI,
        "speech_format": _OPENAI,
        "report_usage": _OPENAI,
        "approvals": _APPROVING,
        "approval_timeout": _APPROVING,
        "matrix_tools": ("letta",),
        "import_history": ("letta", "letta_v1"),
        "cards": ("a2a",),
        "trusted_hosts": ("a2a",),
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


def users_of(key: str) -> str:
    """Return the settings that use *key*, as words for people; empty: every kind."""
    return " or ".join(each if ":" in each else f"kind: {each}" for each in KINDS_OF_KEYS.get(key, ()))


def refuse_unused(section: type[BaseModel], key: str, value: object, kind: str | None, api: str | None) -> None:
    """Refuse a *value* of *key* that has no effect with *kind* and *api*; None: not valid. A default is accepted.

    Raises:
        ValueError: names the settings that use the key.
    """
    if kind is None or api is None or _is_used(key, kind, api) or value == default_of(section, key):
        return
    raise ValueError(f"has no effect with kind: {kind}, only with {users_of(key)}; remove the key")


def unused_keys(section: UpstreamConfig, kind: UpstreamKind) -> list[str]:
    """Return the keys of *section* that are set and would have no effect with *kind*."""
    keys = [key for key in KINDS_OF_KEYS if not _is_used(key, kind, section.api)]
    return [key for key in keys if getattr(section, key) != default_of(type(section), key)]


def as_kind(section: UpstreamConfig, kind: UpstreamKind) -> UpstreamConfig:
    """Return *section* with another *kind*. Keys without an effect have their defaults."""
    defaults = {key: default_of(type(section), key) for key in unused_keys(section, kind)}
    return section.model_copy(update={"kind": kind, **defaults})


def _is_used(key: str, kind: str, api: str) -> bool:
    users = KINDS_OF_KEYS[key]
    return kind in users or (kind == "openai" and f"api: {api}" in users)

"""The configuration that counts, as lines without secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr
from yarl import URL

from agent_bridge.config.live_keys import LIVE_KEYS
from agent_bridge.config.section import Section
from agent_bridge.config.text import flow
from agent_bridge.core.roles import Role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent_bridge.config.model import Config

#: Characters of a value that are shown.
_MOST = 400
#: Characters of the shortest secret that is looked for in other values: a shorter one is in many words.
_SHORTEST = 6


@dataclass(frozen=True, slots=True)
class ConfigLine:
    """A key with its value."""

    path: str
    #: None: it is a secret.
    value: str | None
    #: Whether a change counts without a restart.
    is_live: bool


def config_lines(config: Config) -> list[ConfigLine]:
    """Return all keys of *config* with their values, in the order of the file.

    Secrets are hidden: values of the type for secrets, passwords in addresses, and other values that contain one.
    """
    lines = list(_lines(config, ""))
    secrets = {
        text
        for _, value in lines
        if isinstance(value, SecretStr) and len(text := value.get_secret_value()) >= _SHORTEST
    }
    return [ConfigLine(path, _shown(value, secrets), _is_live(path)) for path, value in lines]


def _lines(section: Section, place: str) -> Iterator[tuple[str, Any]]:
    for name, field in type(section).model_fields.items():
        value, path = getattr(section, name), f"{place}{name}"
        if isinstance(value, Section):
            yield from _lines(value, f"{path}.")
        elif isinstance(value, tuple) and value and isinstance(value[0], Section):
            for number, item in enumerate(value):
                label = getattr(item, "name", None) or getattr(item, "id", None) or number
                yield from _lines(item, f"{path}[{label}].")
        elif isinstance(value, Mapping):
            for key, item in value.items():
                yield f"{path}.{key}", item
        elif not field.repr:
            # It may have a password in a place that is not known here.
            yield path, (isinstance(value, str) and _without_query(value)) or SecretStr("")
        else:
            yield path, value


def _shown(value: Any, secrets: set[str]) -> str | None:
    if isinstance(value, SecretStr):
        return None
    text = _without_password(value) if isinstance(value, str) else _text(value)
    if text is None or any(secret in text for secret in secrets):
        return None
    return text if len(text) <= _MOST else f"{text[:_MOST]}…"


def _text(value: Any) -> str:  # noqa: PLR0911 - a table of types
    """Return *value*, which is no text, in one line. A secret within it is no part of the line."""
    match value:
        case None:
            return "null"
        case SecretStr():
            return "•••"
        case Section():
            given = {key: getattr(value, key) for key in type(value).model_fields if key in value.model_fields_set}
            return _text(given)
        case Mapping():
            return "{" + ", ".join(f"{_text(key)}: {_text(item)}" for key, item in value.items()) + "}"
        case tuple() | list():
            return "[" + ", ".join(map(_text, value)) + "]"
        case bool() | int() | float() | Decimal() | Role() | Path():
            return flow(value)
        case _:
            return _without_password(str(value)) or ""


def _without_query(text: str) -> str | None:
    """Return the address *text* without its query, from which libpq also reads passwords, and without its password.

    None if the password is not found: libpq takes a question mark before the @ for a part of it.
    """
    address, _, query = text.partition("?")
    return None if "@" in query else _without_password(address.partition("#")[0])


def _without_password(text: str) -> str | None:
    """Return *text*; without the secrets if it is an address; None if it may have one that is not found.

    A name without a password is one, too: proxies and servers take tokens in its place.
    """
    if "://" not in text or "@" not in text:
        return text
    try:
        url = URL(text)
    except ValueError:
        return None
    is_named = url.password is not None or url.scheme.startswith("postgres")
    bare = url.with_password(None) if is_named else url.with_user(None)
    return str(bare.with_query(None)) if url.host else None


def _is_live(path: str) -> bool:
    first, _, rest = path.partition(".")
    return not {path, first.partition("[")[0], f"{first}.{rest.partition('.')[0]}"}.isdisjoint(LIVE_KEYS)

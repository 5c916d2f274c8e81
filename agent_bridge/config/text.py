"""Values as YAML text that means the same in YAML 1.1 (Synapse) and YAML 1.2 (the bridge)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from pydantic import SecretStr

from agent_bridge.config.section import Section
from agent_bridge.core.roles import Role

# Text that is a plain string in both versions, in block style and in flow style.
_PLAIN = re.compile(r"[A-Za-z/](?:[A-Za-z0-9_./-]|[ :](?=[A-Za-z0-9_./-]))*")
_WORDS_WITH_A_MEANING = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
# Characters that YAML does not allow or reads as a line break, even between double quotes.
_UNPRINTABLE = re.compile("[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


def flow(value: object) -> str:
    """Return *value* as one line of YAML; secrets are written in plain text.

    Raises:
        TypeError: the configuration has no values of this type.
    """
    if isinstance(value, str | Path | SecretStr | Role):
        return _scalar(_plain(value))
    if isinstance(value, bool | int):
        return json.dumps(value)
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float):
        digits, exponent, power = repr(value).partition("e")
        # Without the decimal point YAML 1.1 reads it as text.
        return (digits if "." in digits else f"{digits}.0") + exponent + power
    if isinstance(value, Section):
        # Keys that are left out have their defaults.
        value = {key: getattr(value, key) for key in type(value).model_fields if key in value.model_fields_set}
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{flow(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(map(flow, value)) + "]"
    raise TypeError(f"cannot write a {type(value).__name__} as YAML")


def _plain(value: str | Path | SecretStr | Role) -> str:
    match value:
        case SecretStr():
            return value.get_secret_value()
        case Role():
            return value.name.lower()
        case _:
            return str(value)


def _scalar(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS_WITH_A_MEANING:
        return text
    # A JSON string is a double-quoted YAML scalar, except for characters that only YAML rejects.
    quoted = json.dumps(text, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: f"\\U{ord(found[0]):08x}", quoted)

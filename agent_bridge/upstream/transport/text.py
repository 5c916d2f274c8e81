"""What is done to everything that an upstream sends before the rest of the bridge sees it."""

from __future__ import annotations

import json
from typing import Any


def load_json(text: str | bytes) -> Any:
    """Return the value of a JSON document.

    Raises:
        ValueError: *text* is none, or is nested beyond reason.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def json_text(value: Any) -> str:
    """Return *value*, which came as JSON, as JSON for people; an ellipsis where it is nested beyond reason."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "…"


def storable(text: str) -> str:
    """Return *text* as PostgreSQL and Matrix can hold it.

    NUL is left out, and half a surrogate pair becomes U+FFFD.
    """
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\0", "")


def one_line(text: str) -> str:
    """Return *text* :func:`storable`, and with every run of white space made one blank."""
    return " ".join(storable(text).split())


def shorten(text: str, limit: int) -> str:
    """Return at most *limit* characters of *text*, the last one an ellipsis where something is missing."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"

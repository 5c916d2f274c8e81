"""What an upstream says of its own failure: the innermost human words in whatever shape they come."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_bridge.upstream.transport.text import load_json, one_line, shorten

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Characters that are shown of an upstream's words.
MAX_WORDS = 300

_MAX_DEPTH = 10
#: Where words are, best first: ``{"error": {"message": …}}``, ``{"detail": …}``, a list of ``{"msg": …}``.
_WORD_KEYS = ("message", "detail", "msg", "error")
_CODE_KEYS = ("code", "type", "error_type")
#: Letta Code puts the JSON of a language model's answer behind that answer's status.
_EMBEDDED = re.compile(r"\s*(?:\d{3}:)?\s*([\[{].*[\]}])\s*", re.DOTALL)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.DOTALL | re.IGNORECASE)
_KEY = re.compile(r"\b(?:sk|pk|rk)-[\w*-]{6,}|(?<=Bearer )(?=\S*\d)\S{6,}", re.ASCII)
_HIDDEN = "[hidden]"
#: Shorter ones are no secrets, and hiding them would garble the words.
_MIN_SECRET = 4

_TOO_LONG_CODES = frozenset({"context_length_exceeded", "exceed_context_size_error"})
_TOO_LONG = re.compile(
    r"maximum context length|exceeds the available context|prompt is too long"
    r"|context[ _]?window[ _]?exceeded",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Problem:
    """A failure in the upstream's words."""

    #: None where it has none.
    words: str | None
    #: Every code and type on the way to the words.
    codes: frozenset[str] = frozenset()

    @property
    def too_long(self) -> bool:
        """Whether the conversation does not fit the model's context."""
        return bool(self.codes & _TOO_LONG_CODES or (self.words and _TOO_LONG.search(self.words)))

    @property
    def no_such_model(self) -> bool:
        """Whether there is no agent of that name."""
        return "model_not_found" in self.codes

    def shown(self, secrets: Iterable[str]) -> str | None:
        """Return the words on one short line and without *secrets* or anything that looks like a key."""
        if self.words is None:
            return None
        words = one_line(self.words)
        for secret in sorted(secrets, key=len, reverse=True):
            if len(secret) >= _MIN_SECRET:
                words = words.replace(secret, _HIDDEN)
        return shorten(_KEY.sub(_HIDDEN, words), MAX_WORDS) or None


def problem_of(value: Any) -> Problem:
    """Read the JSON value, or the text, in which an upstream tells what went wrong."""
    codes: set[str] = set()
    words = _dig(value, codes, _MAX_DEPTH)
    return Problem(words, frozenset(codes))


def problem_in(body: bytes) -> Problem:
    """Read the body of a failed answer."""
    text = body.decode("utf-8", "replace")
    try:
        return problem_of(load_json(text))
    except ValueError:
        pass
    if text.lstrip().startswith("<"):
        title = _TITLE.search(text)
        return Problem(title[1] if title else None)
    return problem_of(text)


def _dig(value: Any, codes: set[str], depth: int) -> str | None:
    if depth == 0:
        return None
    if isinstance(value, str):
        return _dig_text(value, codes, depth)
    if isinstance(value, list):
        found = (_dig(item, codes, depth - 1) for item in value)
        return "; ".join(words for words in found if words) or None
    if isinstance(value, dict):
        codes.update(str(value[key]) for key in _CODE_KEYS if isinstance(value.get(key), str | int))
        for key in _WORD_KEYS:
            if words := _dig(value.get(key), codes, depth - 1):
                return words
    return None


def _dig_text(text: str, codes: set[str], depth: int) -> str | None:
    embedded = _EMBEDDED.fullmatch(text)
    if embedded:
        try:
            inner = _dig(load_json(embedded[1]), codes, depth - 1)
        except ValueError:
            inner = None
        if inner:
            return inner
    return text.strip() or None

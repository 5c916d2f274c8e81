"""Finds the message in the error report of an upstream, in any of the JSON shapes that servers use."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_bridge.upstream.transport.failure_kind import FailureKind, kind_of, names_other_cause
from agent_bridge.upstream.transport.text import load_json, one_line, shorten

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Characters of an upstream's message that people see.
MAX_MESSAGE = 300

#: Lists and objects inside each other, and items of a list, that are searched for a message.
_MAX_DEPTH, _MAX_ITEMS = 10, 20
#: Keys of the message, best first: ``{"error": {"message": …}}``, ``{"detail": …}``, a list of ``{"msg": …}``.
_MESSAGE_KEYS = ("message", "detail", "msg", "status_msg", "error", "errors", "base_resp", "title", "reason")
_CODE_KEYS = ("code", "type", "error_type", "status", "status_code", "statusCode", "reason")
#: Keys of a value that is no report of a failure, if it has no other sign of one.
_RESULTS = ("choices", "data", "output", "usage", "object", "type", "model", "delta", "response", "text")
_FAILED = ("error", "fail", "failure")
_SUCCESS = frozenset({"0", "200", "success", "ok", "OK"})
_NO_ERROR = frozenset({"", "null", "none"})
_DIGITS = 3
_FAILURES = range(400, 600)
#: Letta Code reports the failure of a language model as that model's status, followed by the JSON of its report.
_EMBEDDED = re.compile(r"(?:\d{3}:\s*)?([\[{].*[\]}])", re.DOTALL)
_TITLE = re.compile(r"<title\b[^<>]{0,200}>([^<]*)", re.IGNORECASE)
#: Characters of a text that may contain a message or another report, and of a code.
_MAX_TEXT, _MAX_CODE = 64 * 1024, 200
_KEY = re.compile(r"\b(?:sk|pk|rk)-[\w*-]{6,}|(?<=Bearer )(?=\S*\d)\S{6,}", re.ASCII)
_HIDDEN = "[hidden]"
#: Shorter configured values are no secrets, and replacing them would garble the message.
_MIN_SECRET = 4


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """A failure as the upstream reports it."""

    #: The innermost message, None if the report has none.
    message: str | None
    #: Every code and type on the path to the message.
    codes: frozenset[str] = frozenset()

    @property
    def kind(self) -> FailureKind | None:
        """The kind of the failure by its codes or, if they do not tell it, by its words."""
        return kind_of(self.codes, self.message or "")

    @property
    def names_cause(self) -> bool:
        """Whether the report has a kind, or its words name a cause that less history does not remove."""
        return self.kind is not None or names_other_cause(self.message or "")

    @property
    def about_key(self) -> bool:
        """Whether the report is about the key."""
        return self.kind is FailureKind.BAD_KEY

    @property
    def status(self) -> int | None:
        """The HTTP status among the codes, None without one."""
        numbers = (
            int(code) for code in sorted(self.codes) if code.isascii() and code.isdecimal() and len(code) <= _DIGITS
        )
        return next((number for number in numbers if number in _FAILURES), None)

    def redacted(self, secrets: Iterable[str]) -> str | None:
        """Return the message on one short line, without *secrets* and without anything that looks like a key."""
        if self.message is None:
            return None
        line = one_line(self.message)
        for secret in sorted(secrets, key=len, reverse=True):
            if len(secret) >= _MIN_SECRET:
                line = line.replace(secret, _HIDDEN)
        return shorten(_KEY.sub(_HIDDEN, line), MAX_MESSAGE) or None


def parse_error(value: Any) -> ErrorReport:
    """Read a report that is a JSON value or a text."""
    codes: set[str] = set()
    message = _find_message(value, codes, _MAX_DEPTH)
    return ErrorReport(message, frozenset(codes))


def failure_in(value: Mapping[str, Any]) -> ErrorReport | None:
    """Return the failure that *value* reports, None for any other value.

    Servers report failures with the HTTP status 200, or in a stream, in many forms: an ``error``, ``success: false``, a
    ``code`` with a message, or a message alone.
    """
    base, code = value.get("base_resp"), value.get("code")
    status = base.get("status_code") if isinstance(base, dict) else None
    failed = (
        is_failure(value.get("error"))
        or "error" in (value.get("object"), value.get("type"))
        or value.get("success") is False
        or value.get("ok") is False
        or (status is not None and str(status) not in _SUCCESS)
        or (not value.get("choices") and value.get("status") in _FAILED)
    )
    if failed:
        return parse_error(value)
    if any(key in value for key in _RESULTS):
        return None
    words = parse_error({key: value.get(key) for key in ("message", "msg", "detail")}).message
    return parse_error(value) if words and (code is None or str(code) not in _SUCCESS) else None


def is_failure(error: Any) -> bool:
    """Tell whether the value of a key ``error`` reports a failure: ``{"code": 0, "message": ""}`` does not."""
    if isinstance(error, str):
        return error.strip().lower() not in _NO_ERROR
    if isinstance(error, dict):
        said = [value for value in error.values() if value]
        return any(isinstance(value, dict | list) or str(value) not in _SUCCESS for value in said)
    return bool(error)


def parse_error_body(body: bytes) -> ErrorReport:
    """Read the body of an error response: JSON, a web page with a title, or plain text."""
    text = body.decode("utf-8", "replace")
    try:
        return parse_error(load_json(text))
    except ValueError:
        pass
    if text.lstrip().startswith("<"):
        title = _TITLE.search(text)
        return ErrorReport(title[1] if title else None)
    return parse_error(text)


def _find_message(value: Any, codes: set[str], depth: int) -> str | None:
    """Return the innermost message in *value*, and add the codes on the path to *codes*."""
    if depth == 0:
        return None
    if isinstance(value, str):
        return _find_embedded(value[:_MAX_TEXT].strip(), codes, depth)
    if isinstance(value, list):
        found = (_find_message(item, codes, depth - 1) for item in value[:_MAX_ITEMS])
        return "; ".join(message for message in found if message) or None
    if isinstance(value, dict):
        codes.update(str(value[key])[:_MAX_CODE] for key in _CODE_KEYS if isinstance(value.get(key), str | int))
        for key in _MESSAGE_KEYS:
            if message := _find_message(value.get(key), codes, depth - 1):
                return message
    return None


def _find_embedded(text: str, codes: set[str], depth: int) -> str | None:
    """Return the message of the JSON that is the whole of *text*, else *text* itself; None for an empty *text*."""
    embedded = _EMBEDDED.fullmatch(text)
    if embedded:
        try:
            message = _find_message(load_json(embedded[1]), codes, depth - 1)
        except ValueError:
            message = None
        if message:
            return message
    return text or None

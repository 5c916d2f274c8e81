"""Reads reports of tokens, in the words of the OpenAI API (both paths) and of Letta."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_bridge.core.usage import Usage
from agent_bridge.upstream.transport.json_values import mapping

if TYPE_CHECKING:
    from collections.abc import Mapping

_INPUT = ("input_tokens", "prompt_tokens")
_OUTPUT = ("output_tokens", "completion_tokens")
_DETAILS = ("input_tokens_details", "prompt_tokens_details")
_WRITTEN, _TOTAL = ("cache_write_tokens",), ("total_tokens",)
_CACHED = ("cached_tokens", "cached_input_tokens", "prompt_cache_hit_tokens")
#: A larger number is no number of tokens, and a sum of many has to fit the database.
_MOST = 10**12


def read_usage(value: Any) -> Usage | None:
    """Return the report *value*; None if it is none, or reports no tokens."""
    report = mapping(value)
    if not report:
        return None
    read, written = _number(report, _INPUT) or 0, _number(report, _OUTPUT) or 0
    details = next((mapping(report[key]) for key in _DETAILS if key in report), {})
    cached = _number(report, _CACHED)
    if cached is None:
        cached = _number(details, _CACHED)
    # The App Server of Letta counts tokens of the cache apart from the others, and all of them in its sum.
    apart = (cached or 0) + (_number(report, _WRITTEN) or 0)
    if (_number(report, _TOTAL) or 0) >= read + written + apart:
        read += apart
    return Usage(read, written, cached) if read or written else None


def _number(report: Mapping[str, Any], keys: tuple[str, ...]) -> int | None:
    """Return the first number of tokens among the values of *keys*."""
    values = (report.get(key) for key in keys)
    numbers = (each for each in values if isinstance(each, int) and not isinstance(each, bool))
    return next((each for each in numbers if 0 <= each <= _MOST), None)

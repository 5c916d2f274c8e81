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
_CACHED = ("cached_tokens", "cached_input_tokens", "prompt_cache_hit_tokens")
#: A larger number is no number of tokens, and a sum of many has to fit the database.
_MOST = 10**12


def read_usage(value: Any) -> Usage | None:
    """Return the report *value*; None if it is none, or reports no tokens."""
    report = mapping(value)
    found = Usage(_number(report, _INPUT) or 0, _number(report, _OUTPUT) or 0)
    if not found.input_tokens and not found.output_tokens:
        return None
    details = next((mapping(report[key]) for key in _DETAILS if key in report), {})
    cached = _number(report, _CACHED)
    return Usage(found.input_tokens, found.output_tokens, _number(details, _CACHED) if cached is None else cached)


def _number(report: Mapping[str, Any], keys: tuple[str, ...]) -> int | None:
    """Return the first number of tokens among the values of *keys*."""
    values = (report.get(key) for key in keys)
    numbers = (each for each in values if isinstance(each, int) and not isinstance(each, bool))
    return next((each for each in numbers if 0 <= each <= _MOST), None)

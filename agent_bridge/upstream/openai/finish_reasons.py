"""Finish reasons: the words of servers for the end of an answer, in the terms of the OpenAI API."""

from __future__ import annotations

import re

#: Finish reasons of an answer that needs the result of a tool to continue.
TOOL_REASONS = frozenset({"tool_calls", "function_call"})
#: Finish reasons of an answer that is not complete, worst first. An answer has the worst of its reasons.
_WORST = ("error", "abort", "content_filter", "length")
#: The finish reason for each pattern. The first pattern in a server's word decides.
_PATTERNS = tuple(
    (re.compile(pattern), reason)
    for pattern, reason in (
        (r"max_?(?:output_?|completion_?|new_?)?(?:tokens|length)|length|token_?limit|context|truncat", "length"),
        (
            r"filter|safety|sensitive|recitation|prohibited|block|spii|guardrail|moderat|policy|refus|inspection|flagged",
            "content_filter",
        ),
        (r"error|fail|insufficient|malformed|unexpected|overload|time_?d?_?out|unavailable|exhausted", "error"),
        (r"abort|cancel|interrupt|incomplete|disconnect|kill", "abort"),
    )
)
_TOOL_WORDS = frozenset({"tool_use", "tool_call", "tool_calls", "tools"})


def finish_reason(word: str) -> str:
    """Return the finish reason that a server means by *word*. An unknown word is returned in lower case."""
    word = word.strip().lower().replace("-", "_").replace(" ", "_")
    if word in _TOOL_WORDS:
        return "tool_calls"
    return next((reason for pattern, reason in _PATTERNS if pattern.search(word)), word)


def worse(earlier: str | None, later: str) -> str:
    """Return the reason that counts if the same answer has two: the worse one, else the *later* one."""
    return next((reason for reason in _WORST if reason in {earlier, later}), later)

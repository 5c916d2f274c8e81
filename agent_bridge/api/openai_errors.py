"""Errors in the form of the OpenAI API."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from aiohttp import web

from agent_bridge.api.problems import STATUSES
from agent_bridge.core.program_problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Codes that clients of the OpenAI API know; other problems keep theirs.
_CODES: Mapping[Problem, str] = MappingProxyType(
    {
        Problem.TOKEN_MISSING: "invalid_api_key",
        Problem.TOKEN_INVALID: "invalid_api_key",
        Problem.AGENT_NOT_FOUND: "model_not_found",
        Problem.USER_NOT_FOUND: "model_not_found",
        Problem.AGENT_AT_REST: "model_not_found",
        Problem.HANDLE_NOT_FOUND: "previous_response_not_found",
        Problem.TOO_MANY_REQUESTS: "rate_limit_exceeded",
        Problem.QUOTA_REACHED: "insufficient_quota",
        Problem.TEXT_TOO_LONG: "context_length_exceeded",
    }
)
_PARAMS: Mapping[Problem, str] = MappingProxyType(
    {
        Problem.AGENT_NOT_FOUND: "model",
        Problem.AGENT_AMBIGUOUS: "model",
        Problem.AGENT_AT_REST: "model",
        Problem.USER_NOT_FOUND: "model",
        Problem.ROOM_NOT_FOUND: "model",
        Problem.HANDLE_NOT_FOUND: "previous_response_id",
    }
)
#: The longest pause in seconds after which clients repeat a request: for a longer one they guess a short one.
_LONGEST_PAUSE = 60
_UNAUTHENTICATED, _FORBIDDEN, _TOO_MANY, _SERVER = 401, 403, 429, 500
#: A second request would ask again, or is refused in the same way: clients repeat others by themselves.
_FINAL = frozenset(
    {
        Problem.ANSWER_TIMEOUT,
        Problem.ANSWER_FAILED,
        Problem.ANSWER_STOPPED,
        Problem.NOBODY_ANSWERS,
        Problem.ENCRYPTED,
        Problem.REFUSED,
    }
)


def openai_error(
    problem: Problem,
    detail: str = "",
    *,
    more: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Return the response that tells *problem*; *more* may have the field *errors* of a problem."""
    status = 404 if _CODES.get(problem) == "model_not_found" else STATUSES[problem][0]
    head = {**(headers or {}), "Cache-Control": "no-store"}
    waits_long = problem is Problem.QUOTA_REACHED and not 0 < int(head.get("Retry-After", 0)) <= _LONGEST_PAUSE
    if problem in _FINAL or waits_long:
        head["x-should-retry"] = "false"
    text = json.dumps({"error": error_content(problem, detail, more)}, ensure_ascii=False)
    return web.Response(text=text, status=status, headers=head, content_type="application/json")


def error_content(problem: Problem, detail: str = "", more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the object *error*."""
    status, title = STATUSES[problem]
    faults = (more or {}).get("errors") or [{}]
    return {
        "message": f"{title}: {detail}" if detail else title,
        "type": _type(status),
        "code": _CODES.get(problem, str(problem)),
        "param": faults[0].get("field") or _PARAMS.get(problem),
    }


def _type(status: int) -> str:
    if status == _UNAUTHENTICATED:
        return "authentication_error"
    if status == _FORBIDDEN:
        return "permission_error"
    if status == _TOO_MANY:
        return "rate_limit_error"
    return "server_error" if status >= _SERVER else "invalid_request_error"

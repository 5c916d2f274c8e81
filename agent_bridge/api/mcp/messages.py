"""Bodies of requests as messages of JSON-RPC.

The SDK takes a request whose id has another type for a notification in the revisions with a handshake, so its client
waits in vain, and answers other faults with the texts of its own models.
"""

from __future__ import annotations

import json
from typing import Any

_PARSE_ERROR, _INVALID_REQUEST, _INVALID_PARAMS = -32700, -32600, -32602


def fault_of(body: bytes) -> dict[str, Any] | None:
    """Return the error response to *body*; None: it is one request or notification, with parameters by name."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return _error(_PARSE_ERROR, "The body is no JSON in UTF-8")
    if not isinstance(message, dict):
        return _error(_INVALID_REQUEST, "The body is one message, a JSON object: there are no batches")
    given = message.get("id")
    if "id" in message and not _is_id(given):
        return _error(_INVALID_REQUEST, "id is a string or an integer; a notification has none")
    if message.get("jsonrpc") != "2.0":
        return _error(_INVALID_REQUEST, 'jsonrpc is "2.0"', given)
    method = message.get("method")
    if not isinstance(method, str):
        return _error(
            _INVALID_REQUEST, "method is a string: the server sends no requests, so it takes no responses", given
        )
    text = _fault_of_parameters(method, message.get("params"))
    return None if text is None else _error(_INVALID_PARAMS, text, given)


def _fault_of_parameters(method: str, given: Any) -> str | None:
    if not isinstance(given, dict | None):
        return "params is an object"
    if method == "tools/call":
        parameters = given or {}
        if not isinstance(parameters.get("name"), str):
            return "params.name is the name of a tool, a string"
        if not isinstance(parameters.get("arguments"), dict | None):
            return "params.arguments is an object"
    return None


def _is_id(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _error(code: int, text: str, given: Any = None) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": given, "error": {"code": code, "message": text}}

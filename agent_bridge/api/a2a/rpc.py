"""Requests of JSON-RPC as the A2A protocol uses it, and their errors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_bridge.core.program_problems import Problem
from agent_bridge.core.programs import LONGEST_KEY
from agent_bridge.matrix.events import clean

if TYPE_CHECKING:
    from agent_bridge.core.program_problems import ProgramRefused

Json = dict[str, Any]

PARSE, INVALID, NO_METHOD, BAD_PARAMETERS = -32700, -32600, -32601, -32602
TASK_NOT_FOUND, NOT_CANCELABLE, UNSUPPORTED, CONTENT_TYPE, WRONG_VERSION = -32001, -32002, -32004, -32005, -32009
_REASONS = {
    TASK_NOT_FOUND: "TASK_NOT_FOUND",
    NOT_CANCELABLE: "TASK_NOT_CANCELABLE",
    UNSUPPORTED: "UNSUPPORTED_OPERATION",
    CONTENT_TYPE: "CONTENT_TYPE_NOT_SUPPORTED",
    WRONG_VERSION: "VERSION_NOT_SUPPORTED",
}
#: Problems that a response of JSON-RPC tells; the others have a status of HTTP.
_PROBLEMS = {
    Problem.HANDLE_NOT_FOUND: TASK_NOT_FOUND,
    Problem.INVALID_REQUEST: BAD_PARAMETERS,
    Problem.KEY_REUSED: BAD_PARAMETERS,
    Problem.TEXT_TOO_LONG: BAD_PARAMETERS,
    Problem.ROOM_NOT_FOUND: BAD_PARAMETERS,
    Problem.NOBODY_ANSWERS: UNSUPPORTED,
    Problem.COMMANDS_ONLY: UNSUPPORTED,
    Problem.ENCRYPTED: UNSUPPORTED,
}
_GAP = "\n\n"


class RpcError(Exception):
    """A request fails with the error *code*."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code

    @classmethod
    def of(cls, refused: ProgramRefused) -> RpcError | None:
        """Return the error for a refused function; None: it has a status of HTTP."""
        code = _PROBLEMS.get(refused.problem)
        return None if code is None else cls(code, refused.detail or str(refused.problem))

    def response(self, request_id: Any) -> Json:
        """Return the response."""
        error: Json = {"code": self.code, "message": str(self)}
        if self.code in _REASONS:
            info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "domain": "a2a-protocol.org"}
            error["data"] = [info | {"reason": _REASONS[self.code]}]
        return {"jsonrpc": "2.0", "id": request_id, "error": error}


@dataclass(frozen=True, slots=True)
class RpcRequest:
    """A request."""

    id: str | int | None
    method: str
    params: Json

    @classmethod
    def parse(cls, body: bytes) -> RpcRequest:
        """Return the request in *body*.

        Raises:
            RpcError: there is none.
        """
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            raise RpcError(PARSE, "the body is no JSON") from None
        fits = isinstance(value, dict) and value.get("jsonrpc") == "2.0" and isinstance(value.get("method"), str)
        params = value.get("params", {}) if fits else None
        request_id = value.get("id") if fits else None
        if not isinstance(params, dict) or not isinstance(request_id, str | int | None):
            raise RpcError(INVALID, "the body is no request of JSON-RPC 2.0")
        return cls(request_id, value["method"], params)

    def text(self, name: str) -> str:
        """Return a parameter that is an id.

        Raises:
            RpcError: it is missing, or none.
        """
        return checked_id(self.params.get(name), name)


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to an agent; each id may be empty."""

    id: str
    text: str
    context_id: str
    task_id: str

    @classmethod
    def parse(cls, value: Any) -> NewMessage:
        """Return the message in the parameters of a request.

        Raises:
            RpcError: there is none, or it has parts that agents do not get.
        """
        if not isinstance(value, dict) or not isinstance(value.get("parts"), list) or not value["parts"]:
            raise RpcError(BAD_PARAMETERS, "message has parts")
        ids = [checked_id(value.get(name) or None, name, needed=False) for name in ("contextId", "taskId")]
        text = _GAP.join(filter(None, map(_words, value["parts"])))
        if clean(text) != text:
            raise RpcError(BAD_PARAMETERS, "message has characters that cannot be sent")
        return cls(checked_id(value.get("messageId"), "messageId"), text, *ids)


def checked_id(value: Any, name: str, *, needed: bool = True) -> str:
    """Return *value*, which is an id; empty for None if it is not *needed*.

    Raises:
        RpcError: it is none.
    """
    if value is None and not needed:
        return ""
    if not isinstance(value, str) or not value or len(value) > 2 * LONGEST_KEY or clean(value) != value:
        raise RpcError(BAD_PARAMETERS, f"{name} is a text of 1 to {2 * LONGEST_KEY} characters")
    return value


def _words(part: Any) -> str:
    if isinstance(part, dict) and isinstance(part.get("text"), str):
        return str(part["text"])
    if isinstance(part, dict) and "data" in part:
        return f"```json\n{json.dumps(part['data'], ensure_ascii=False)}\n```"
    raise RpcError(CONTENT_TYPE, "messages have parts with text or data")

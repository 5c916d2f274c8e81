"""Bodies and queries of requests, read within limits and checked by models."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, TypeVar

import aiohttp
from pydantic import ValidationError

from agent_bridge.core.program_problems import Problem, ProgramRefused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from aiohttp import web

    from agent_bridge.api.model import ApiModel

Model = TypeVar("Model", bound="ApiModel")

#: Bytes of a JSON body, of one with a whole conversation, and of a file, and seconds until a body has arrived.
MAX_JSON, MAX_CONVERSATION, MAX_FILE, _TIMEOUT = 256 * 1024, 4 * 1024 * 1024, 50 * 1024 * 1024, 60.0
_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii"})
#: Faults that one response names, and characters of the name of a field, which may be any text of the request.
_NAMED, _LONGEST_NAME = 20, 200
#: The name of a type in the place of a fault.
_TYPE = re.compile(r"[\[(]|\A[A-Z]\w*\Z|\A(str|int|float|bool)\Z")


async def read_body(request: web.Request, limit: int, grow: Callable[[], Awaitable[None]] | None = None) -> bytes:
    """Return the body of *request*. *grow* is awaited once before more than ``MAX_JSON`` bytes are kept.

    Raises:
        ProgramRefused: it has more than *limit* bytes, or does not arrive as a whole.
    """
    too_large = ProgramRefused(Problem.BODY_TOO_LARGE, f"the body may have {limit} bytes")
    if (request.content_length or 0) > limit:
        raise too_large
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise ProgramRefused(Problem.UNSUPPORTED_MEDIA_TYPE, "the body may not be compressed")
    body = bytearray()
    try:
        async with asyncio.timeout(_TIMEOUT) as deadline:
            async for piece in request.content.iter_any():
                if grow is not None and len(body) + len(piece) > MAX_JSON:
                    # The sender has no part in the length of this wait.
                    deadline.reschedule(None)
                    await grow()
                    deadline.reschedule(asyncio.get_running_loop().time() + _TIMEOUT)
                    grow = None
                body += piece
                if len(body) > limit:
                    raise too_large
    except (TimeoutError, ConnectionError, aiohttp.ClientError):
        raise ProgramRefused(Problem.BODY_INCOMPLETE) from None
    return bytes(body)


def parsed_json(request: web.Request, body: bytes, model: type[Model]) -> Model:
    """Return the JSON *body* of *request*.

    Raises:
        ProgramRefused: it has another type, or another form; the error names the fields.
    """
    if request.content_type != "application/json" or (request.charset or "utf-8").lower() not in _CHARSETS:
        raise ProgramRefused(Problem.UNSUPPORTED_MEDIA_TYPE, "Content-Type is application/json, in UTF-8")
    try:
        return model.model_validate_json(body, strict=True)
    except ValidationError as error:
        raise _invalid("body", error.errors(include_url=False, include_context=False, include_input=False)) from None


def parsed_query(request: web.Request, model: type[Model] | None) -> Model | None:
    """Return the query of *request*; without a *model* it must be empty.

    Raises:
        ProgramRefused: it has another form; the error names the parameters.
    """
    values = dict(request.query)
    if model is None:
        if values:
            raise _invalid("query", [{"loc": (name,), "msg": "there is no such parameter"} for name in values])
        return None
    return parsed_values(values, model, "query")


def parsed_values(values: Mapping[str, Any], model: type[Model], place: str) -> Model:
    """Return *values*, those of *place* in the request, as a *model*.

    Raises:
        ProgramRefused: they have another form; the error names them.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _invalid(place, error.errors(include_url=False, include_context=False, include_input=False)) from None


def _invalid(place: str, faults: Iterable[Any]) -> ProgramRefused:
    errors = [
        # pydantic writes these words before those of a validator.
        {"field": _field(fault["loc"]) or place, "message": str(fault["msg"]).removeprefix("Value error, ")}
        for fault in list(faults)[:_NAMED]
    ]
    first = f"{errors[0]['field']}: {errors[0]['message']}" if errors else ""
    return ProgramRefused(Problem.INVALID_REQUEST, first, more={"errors": errors})


def _field(place: Sequence[str | int]) -> str:
    """Return the name of the field at *place*, without the types of unions that pydantic names behind it."""
    parts = [str(part) for part in place]
    return ".".join([*parts[:1], *(each for each in parts[1:] if not _TYPE.search(each))])[:_LONGEST_NAME]

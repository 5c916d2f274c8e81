"""The OpenAPI 3.1 document, made of the declarations of the endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic.json_schema import models_json_schema

from agent_bridge import __version__
from agent_bridge.api.problems import CONTENT_TYPE, STATUSES, TYPE
from agent_bridge.core.program_problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agent_bridge.api.endpoint import Endpoint
    from agent_bridge.api.model import ApiModel

_REF = "#/components/schemas/{model}"
#: Problems of all endpoints.
_COMMON = (
    Problem.TOKEN_MISSING,
    Problem.TOKEN_INVALID,
    Problem.CAPABILITY_MISSING,
    Problem.INVALID_REQUEST,
    Problem.TOO_MANY_REQUESTS,
    Problem.INTERNAL,
    Problem.UNAVAILABLE,
)
_ABOUT = {
    "room": "A room id, an alias, or the name of an agent.",
    "event_id": "An event id.",
    "server": "The name, the number or the room id of a server.",
    "channel": "The name of a channel, `server/name`, or a room id.",
    "root": "The first event of a thread.",
    "task": "Number of the task.",
    "handle": "The handle of the question.",
}


def openapi_document(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """Return the document about *endpoints*."""
    schemas = _schemas(endpoints)
    paths: dict[str, dict[str, Any]] = {}
    for each in endpoints:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "agent_bridge",
            "version": __version__,
            "description": "Programs act in the name of a person or an agent, in ordinary rooms of Matrix.",
        },
        "security": [{"token": []}],
        "tags": [{"name": name} for name in dict.fromkeys(each.tag for each in endpoints)],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "ab_…"}},
            "schemas": {**schemas, "Problem": _PROBLEM},
        },
    }


_PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "An error (RFC 9457).",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri", "examples": [f"{TYPE}room_not_found"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "enum": [str(each) for each in STATUSES]},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}


def _schemas(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    inputs = [model for each in endpoints for model in (each.body, each.query) if model is not None]
    outputs = [each.response for each in endpoints]
    _, definitions = models_json_schema(
        [*((each, "validation") for each in dict.fromkeys(inputs)), *((each, "serialization") for each in outputs)],
        ref_template=_REF,
    )
    found: dict[str, Any] = definitions["$defs"]
    return dict(sorted(found.items()))


def _operation(endpoint: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    problems = list(dict.fromkeys([*_COMMON, *endpoint.problems, *([Problem.KEY_REUSED] if endpoint.writes else [])]))
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "tags": [endpoint.tag],
        "summary": endpoint.summary,
        "parameters": [*_parameters(endpoint, schemas)],
        "responses": {**_responses(endpoint), **_problem_responses(problems)},
        "x-capability": None if endpoint.capability is None else str(endpoint.capability),
        "x-permission": str(endpoint.permission),
    }
    if endpoint.description:
        operation["description"] = endpoint.description
    if endpoint.body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _ref(endpoint.body)}}}
    elif endpoint.takes_file:
        operation["requestBody"] = {
            "required": True,
            "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
        }
    return operation


def _parameters(endpoint: Endpoint, schemas: dict[str, Any]) -> Iterable[dict[str, Any]]:
    for part in endpoint.parts:
        about = {"description": _ABOUT.get(part, "")}
        yield {"name": part, "in": "path", "required": True, "schema": {"type": "string"}, **about}
    if endpoint.query is not None:
        schema = schemas[endpoint.query.__name__]
        for name, values in schema["properties"].items():
            about = {"description": values["description"]} if "description" in values else {}
            rest = {key: value for key, value in values.items() if key not in {"description", "title"}}
            is_required = name in schema.get("required", ())
            yield {"name": name, "in": "query", "required": is_required, "schema": rest, **about}
    if endpoint.streams:
        yield {
            "name": "Last-Event-ID",
            "in": "header",
            "required": False,
            "schema": {"type": "string"},
            "description": "The id of the last event that the program has.",
        }
    if endpoint.writes:
        yield {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "maxLength": 200},
            "description": "A repeat with the same key, body and token has the same response, and no further effect.",
        }


def _responses(endpoint: Endpoint) -> dict[str, Any]:
    kind = "text/event-stream" if endpoint.streams else "application/json"
    content = {kind: {"schema": _ref(endpoint.response)}}
    found = {str(endpoint.status): {"description": "Done.", "content": content}}
    return found | {str(status): {"description": text, "content": content} for status, text in endpoint.others}


def _problem_responses(problems: Iterable[Problem]) -> dict[str, Any]:
    by_status: dict[int, list[Problem]] = {}
    for each in problems:
        by_status.setdefault(STATUSES[each][0], []).append(each)
    content = {CONTENT_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}}}
    return {
        str(status): {"description": ", ".join(str(each) for each in found), "content": content}
        for status, found in sorted(by_status.items())
    }


def _ref(model: type[ApiModel]) -> dict[str, str]:
    return {"$ref": _REF.format(model=model.__name__)}

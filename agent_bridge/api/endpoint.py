"""Declarations of endpoints: a typed function is a route, and a part of the OpenAPI document.

A function gets an :class:`ApiCall` first. Its other parameters are named after the parts of the path, or are *body*
(a model of the JSON body), *query* (a model of the query) or *file* (a body of any type). It returns a model, or
:class:`Responded` with another status than the declared one. The first line of its docstring is the summary.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_type_hints

from agent_bridge.api.model import ApiModel

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
    from types import ModuleType

    from agent_bridge.api.services import ApiServices
    from agent_bridge.api.streams import StreamEvent
    from agent_bridge.bridge.programs.requests import Call, Outcome
    from agent_bridge.core.permissions import Permission
    from agent_bridge.core.program_problems import Problem
    from agent_bridge.core.programs import Capability, Token

_PARAMETER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class FileBody:
    """A body of any type."""

    data: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One call of an endpoint."""

    services: ApiServices
    token: Token
    #: Name of the call for functions that act once.
    once: Call
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Responded:
    """A response with its own status."""

    model: ApiModel
    status: int
    #: Whether an earlier request with the same key had it.
    is_repeat: bool = False

    @classmethod
    def of(cls, outcome: Outcome, model: type[ApiModel], **more: Any) -> Responded:
        """Return the response that tells *outcome*: its content and the fields *more*, as *model*."""
        return cls(model(**outcome.content, **more), outcome.status, outcome.is_repeat)


@dataclass(frozen=True, slots=True)
class StreamedTexts:
    """A response that is a stream of server-sent events."""

    #: Each text has whole events.
    texts: AsyncGenerator[str, None]
    #: Returns the last event for a token that does not count any more.
    refused: Callable[[], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An endpoint."""

    method: str
    path: str
    #: Name of the function.
    name: str
    #: Heading in the documents.
    tag: str
    capability: Capability | None
    #: Needed in the room that the path names, else everywhere.
    permission: Permission
    #: Status of the response, and other ones that the function returns, with their meanings.
    status: int
    others: Sequence[tuple[int, str]]
    #: Problems that are special to it.
    problems: Sequence[Problem]
    #: Whether it changes something, so that an Idempotency-Key counts.
    writes: bool
    #: Whether it may take long, because it waits.
    waits: bool
    summary: str
    description: str
    #: Names of the parts of the path.
    parts: tuple[str, ...]
    query: type[ApiModel] | None
    body: type[ApiModel] | None
    takes_file: bool
    response: type[ApiModel]
    run: Callable[..., Any]
    #: Whether errors have the form of the OpenAI API, which also has streams and large bodies.
    is_openai: bool = False
    #: Whether it is a stream: the function is a generator, and *response* the model of each event.
    streams: bool = False

    @property
    def has_room(self) -> bool:
        """Whether the path names a room, a server or a channel: its function checks the permission there."""
        return not {"room", "server", "channel"}.isdisjoint(self.parts)


def endpoint(
    method: str,
    path: str,
    *,
    tag: str,
    capability: Capability | None,
    permission: Permission,
    status: int = 200,
    others: Sequence[tuple[int, str]] = (),
    problems: Sequence[Problem] = (),
    waits: bool = False,
    is_openai: bool = False,
) -> Callable[[Callable[..., Awaitable[ApiModel | Responded | StreamedTexts]]], Endpoint]:
    """Return a decorator that makes an endpoint of an async function.

    Raises:
        TypeError: the function's signature fits no request.
    """

    def declare(function: Callable[..., Awaitable[ApiModel | Responded | StreamedTexts]]) -> Endpoint:
        hints = get_type_hints(function)
        parts = tuple(_PARAMETER.findall(path))
        names = [name for name in inspect.signature(function).parameters if name != "call"]
        unknown = [name for name in names if name not in {*parts, "body", "query", "file"}]
        response = _response(hints["return"])
        if unknown or response is None:
            raise TypeError(f"{function}: {unknown} are no parts of a request, or its result is no model")
        summary, _, description = inspect.cleandoc(function.__doc__ or "").partition("\n\n")
        return Endpoint(
            method=method,
            path=path,
            name=function.__name__,
            tag=tag,
            capability=capability,
            permission=permission,
            status=status,
            others=others,
            problems=problems,
            writes=method != "GET",
            waits=waits,
            summary=summary.replace("\n", " ").removesuffix("."),
            description=description.strip(),
            parts=parts,
            query=hints.get("query"),
            body=hints.get("body"),
            takes_file="file" in names,
            response=response,
            run=function,
            is_openai=is_openai,
        )

    return declare


def stream_endpoint(
    path: str,
    *,
    tag: str,
    capability: Capability,
    permission: Permission,
    response: type[ApiModel],
    problems: Sequence[Problem] = (),
) -> Callable[[Callable[..., AsyncGenerator[StreamEvent | None, None]]], Endpoint]:
    """Return a decorator that makes a stream of an async generator of events, whose data are *response*.

    The function gets the header ``Last-Event-ID`` as *last_id* (empty: none).
    """

    def declare(function: Callable[..., AsyncGenerator[StreamEvent | None, None]]) -> Endpoint:
        hints = get_type_hints(function)
        summary, _, description = inspect.cleandoc(function.__doc__ or "").partition("\n\n")
        return Endpoint(
            method="GET",
            path=path,
            name=function.__name__,
            tag=tag,
            capability=capability,
            permission=permission,
            status=200,
            others=(),
            problems=problems,
            writes=False,
            waits=False,
            summary=summary.replace("\n", " ").removesuffix("."),
            description=description.strip(),
            parts=(),
            query=hints.get("query"),
            body=None,
            takes_file=False,
            response=response,
            run=function,
            streams=True,
        )

    return declare


def endpoints_of(*modules: ModuleType) -> tuple[Endpoint, ...]:
    """Return the endpoints that *modules* declare, in their order.

    Raises:
        ValueError: two endpoints have the same path and method.
    """
    found = [each for module in modules for each in vars(module).values() if isinstance(each, Endpoint)]
    if len({(each.method, each.path) for each in found}) < len(found):
        raise ValueError("two endpoints have the same path and method")
    return tuple(found)


def _response(hint: Any) -> type[ApiModel] | None:
    types = [each for each in getattr(hint, "__args__", ()) or (hint,) if isinstance(each, type)]
    return next((each for each in types if issubclass(each, ApiModel)), None)

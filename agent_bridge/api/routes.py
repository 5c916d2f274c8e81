"""The routes of the API: each request is recognised, limited, checked and carried out, and each error is a problem."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp import web

from agent_bridge.api.bodies import MAX_CONVERSATION, MAX_FILE, MAX_JSON, parsed_json, parsed_query, read_body
from agent_bridge.api.endpoint import ApiCall, FileBody, Responded, StreamedTexts
from agent_bridge.api.limits import Buckets, Places, SharedPlaces
from agent_bridge.api.openai_errors import error_content, openai_error
from agent_bridge.api.openapi import openapi_document
from agent_bridge.api.problems import problem_response
from agent_bridge.api.proxies import address_of
from agent_bridge.api.refusals import refusal, refused_response
from agent_bridge.api.streams import Streams
from agent_bridge.api.token_watch import TokenWatch, require_counting
from agent_bridge.bridge.programs.requests import Call, random_key
from agent_bridge.core.ids import MAX_ID_BYTES
from agent_bridge.core.program_problems import Problem, ProgramRefused
from agent_bridge.core.programs import LONGEST_KEY, TOKEN_PREFIX, token_hash
from agent_bridge.matrix.appservice import OF_PROGRAM
from agent_bridge.matrix.events import clean

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
    from ipaddress import IPv4Network, IPv6Network

    from agent_bridge.api.endpoint import Endpoint
    from agent_bridge.api.problems import Respond
    from agent_bridge.api.services import ApiServices
    from agent_bridge.core.programs import Token

_log = logging.getLogger(__name__)

#: Header that names a request, and the one that tells that an earlier request had the response.
KEY, REPLAYED = "Idempotency-Key", "Idempotent-Replayed"
#: Seconds of a request beside a wait that it asks for, requests of a token at a time, failed ones of an address in a
#: minute, and characters of a token.
_TIMEOUT, _AT_A_TIME, _FAILURES, _LONGEST_TOKEN = 60.0, 32, 30, 200
#: Files that are held in memory at a time, and those of one token.
_FILES, _OWN_FILES = 4, 2
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class ApiRoutes:
    """``/v1/…``, without the routes of triggers and upstreams.

    Headers and bodies have secrets: nothing of a request is logged but its function, its token's number and its
    sender's address. No cross-origin request is answered, so no web page uses a token.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        services: ApiServices,
        *,
        requests_per_minute: int,
        trusted_proxies: Sequence[IPv4Network | IPv6Network] = (),
        most_streams: int = 1_000,
    ) -> None:
        self._endpoints = endpoints
        self._services = services
        self._files = SharedPlaces(_FILES, _OWN_FILES)
        self._trusted = trusted_proxies
        self._buckets = Buckets(requests_per_minute)
        self._strangers = Buckets(_FAILURES)
        self._places = Places(_AT_A_TIME)
        self._streams = Streams(most_streams)
        self._watch = TokenWatch(services.tokens)
        self._document: bytes | None = None

    def add_routes(self, app: web.Application) -> None:
        """Add the routes, and one for all other paths below ``/v1/``."""
        app.on_shutdown.append(self._streams.end)
        app.router.add_route("*", "/v1/openapi.json", self._openapi)
        by_path: dict[str, dict[str, Endpoint]] = {}
        for each in self._endpoints:
            by_path.setdefault(each.path, {})[each.method] = each
        for path, methods in by_path.items():
            app.router.add_route("*", path, _Resource(self, methods).handle)
        app.router.add_route("*", "/v1/{path:.*}", _unknown)
        # The end of the process waits for the requests.
        app.on_shutdown.append(self._end_waits)

    @property
    def open_streams(self) -> int:
        """The number of open streams of this process."""
        return self._streams.open

    async def answer(self, endpoint: Endpoint, request: web.Request) -> web.StreamResponse:
        """Return the response of *endpoint* to *request*."""
        respond = openai_error if endpoint.is_openai else problem_response
        act = partial(self._streamed if endpoint.streams else self._carried_out, endpoint, request)
        return await self.guarded(
            endpoint.name, request, act, waits=endpoint.waits, lasts=endpoint.streams, respond=respond
        )

    async def guarded(
        self,
        name: str,
        request: web.Request,
        act: Callable[[Token], Awaitable[web.StreamResponse]],
        *,
        waits: bool = False,
        lasts: bool = False,
        respond: Respond = problem_response,
    ) -> web.StreamResponse:
        """Return the response of *act*, the function *name*, for the token of *request*; or that of the problem.

        *waits*: it may wait for answers; *lasts*: it has no limit of time; *respond* makes the response of a problem.
        A response that has begun must not raise anything.
        """
        seconds = _TIMEOUT + (self._services.longest_wait if waits else 0)
        try:
            async with asyncio.timeout(None if lasts else seconds):
                token = await self._token(request)
                with self._places.taken(token.id, partial(_has_caller, request)):
                    return await act(token)
        except Exception as error:  # noqa: BLE001 - refusal() logs it, and a program must not read our internals
            return refused_response(refusal(name, error), respond)

    async def stream(
        self, request: web.Request, token: Token, texts: AsyncGenerator[str, None], refused: Callable[[], str] = str
    ) -> web.StreamResponse:
        """Send *texts* as long as *token* counts, and the last event *refused*. See :meth:`Streams.serve_texts`."""
        with self._watch.watched(token.id) as is_permitted:
            return await self._streams.serve_texts(request, texts, is_permitted, refused)

    async def _streamed(self, endpoint: Endpoint, request: web.Request, token: Token) -> web.StreamResponse:
        self.check(endpoint, token)
        query = parsed_query(request, endpoint.query)
        call = ApiCall(self._services, token, Call(token, random_key(), "", endpoint.name))
        last_id = clean(request.headers.get("Last-Event-ID", ""))[:MAX_ID_BYTES]
        events = endpoint.run(call, query=query, last_id=last_id)
        with self._watch.watched(token.id) as is_permitted:
            return await self._streams.serve(request, events, is_permitted)

    async def _end_waits(self, _app: web.Application) -> None:
        await self._services.asks.end_waits()
        await self._services.client_agents.end_waits()

    async def _token(self, request: web.Request) -> Token:
        """Return the token of *request*, which counts now.

        Raises:
            ProgramRefused: there is none, or it was used too often.
        """
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        given = given.strip()
        if scheme.lower() != "bearer" or not given:
            raise ProgramRefused(Problem.TOKEN_MISSING)
        is_token = given.startswith(TOKEN_PREFIX) and len(given) <= _LONGEST_TOKEN
        token = await self._services.tokens.find(token_hash(given)) if is_token else None
        if token is None:
            address = address_of(request, self._trusted)
            self._strangers.take(address)
            _log.warning("a request from %s has no token that counts", address)
            raise ProgramRefused(Problem.TOKEN_INVALID)
        request[OF_PROGRAM] = True
        self._buckets.take(str(token.id))
        await self._services.tokens.used_now(token)
        return token

    def check(self, endpoint: Endpoint, token: Token) -> None:
        """Return if *token* may be used for *endpoint*.

        Raises:
            ProgramRefused: it may not.
        """
        if endpoint.capability is not None and endpoint.capability not in token.capabilities:
            raise ProgramRefused(Problem.CAPABILITY_MISSING, f"the token is not for {endpoint.capability}")
        if not endpoint.has_room:
            self._services.access.require(token, endpoint.permission)

    async def body(
        self, request: web.Request, token: Token, limit: int, grow: Callable[[], Awaitable[None]] | None = None
    ) -> bytes:
        """Return the body of *request*, see :func:`read_body`; *token* counts after it.

        Raises:
            ProgramRefused: the body has another form, or the token was revoked while it arrived.
        """
        begin = time.monotonic()
        body = await read_body(request, limit, grow)
        await require_counting(self._services.tokens, token.id, begin)
        return body

    async def _carried_out(self, endpoint: Endpoint, request: web.Request, token: Token) -> web.StreamResponse:
        self.check(endpoint, token)
        arguments: dict[str, Any] = {part: _part(request, part) for part in endpoint.parts}
        query = parsed_query(request, endpoint.query)
        if query is not None:
            arguments["query"] = query
        body = b""
        if endpoint.takes_file:
            async with self._files.taken(token.id):
                body = await self.body(request, token, MAX_FILE)
                self.check(endpoint, token)
                kind = request.headers.get("Content-Type", "application/octet-stream")
                return await self._run(endpoint, request, token, arguments | {"file": FileBody(body, kind)}, body)
        if endpoint.body is not None:
            body = await self.body(request, token, MAX_CONVERSATION if endpoint.is_openai else MAX_JSON)
            self.check(endpoint, token)
            arguments["body"] = parsed_json(request, body, endpoint.body)
        return await self._run(endpoint, request, token, arguments, body)

    async def _run(
        self, endpoint: Endpoint, request: web.Request, token: Token, arguments: dict[str, Any], body: bytes
    ) -> web.StreamResponse:
        once = Call(token, _key(request), _digest(request, body), endpoint.name)
        begin = time.monotonic()
        result = await endpoint.run(ApiCall(self._services, token, once, request.headers), **arguments)
        if isinstance(result, StreamedTexts):
            return await self.stream(request, token, result.texts, result.refused)
        responded = result if isinstance(result, Responded) else Responded(result, endpoint.status)
        await require_counting(self._services.tokens, token.id, begin, waits=endpoint.waits)
        headers = _HEADERS | ({REPLAYED: "true"} if responded.is_repeat else {})
        text = responded.model.model_dump_json()
        return web.Response(text=text, status=responded.status, headers=headers, content_type="application/json")

    async def _openapi(self, request: web.Request) -> web.Response:
        if request.method != "GET":
            return _wrong_method(["GET"])
        if self._document is None:
            document = await asyncio.to_thread(openapi_document, self._endpoints)
            self._document = json.dumps(document, ensure_ascii=False).encode()
        return web.Response(body=self._document, content_type="application/json")


class _Resource:
    """The endpoints of one path, by method."""

    def __init__(self, routes: ApiRoutes, methods: dict[str, Endpoint]) -> None:
        self._routes = routes
        self._methods = methods

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Return the response to *request*."""
        endpoint = self._methods.get(request.method)
        if endpoint is not None:
            return await self._routes.answer(endpoint, request)
        is_openai = any(each.is_openai for each in self._methods.values())
        return _wrong_method(self._methods, openai_error if is_openai else problem_response)


def _wrong_method(allowed: Iterable[str], respond: Callable[..., web.Response] = problem_response) -> web.Response:
    return respond(Problem.METHOD_NOT_ALLOWED, headers={"Allow": ", ".join(sorted(allowed))})


async def _unknown(_request: web.Request) -> web.Response:
    # Clients of the OpenAI API try paths that the bridge does not have: they read the error in their form.
    return problem_response(Problem.NOT_FOUND, more={"error": error_content(Problem.NOT_FOUND)})


def _has_caller(request: web.Request) -> bool:
    return request.transport is not None and not request.transport.is_closing()


def _part(request: web.Request, name: str) -> str:
    value = request.match_info[name]
    if not value or len(value) > MAX_ID_BYTES or value != clean(value):
        fault = {"field": name, "message": f"has 1 to {MAX_ID_BYTES} characters that can be sent"}
        raise ProgramRefused(Problem.INVALID_REQUEST, f"{name}: {fault['message']}", more={"errors": [fault]})
    return value


def _key(request: web.Request) -> str:
    given = request.headers.get(KEY)
    if given is None:
        return random_key()
    if not (given.isascii() and given.isprintable() and 0 < len(given) <= LONGEST_KEY):
        text = f"{KEY} has 1 to {LONGEST_KEY} characters of ASCII"
        raise ProgramRefused(Problem.INVALID_REQUEST, text, more={"errors": [{"field": KEY, "message": text}]})
    return f"given:{given}"


def _digest(request: web.Request, body: bytes) -> str:
    head = f"{request.method} {request.rel_url}\n".encode("utf-8", "surrogatepass")
    return hashlib.sha256(head + body).hexdigest()

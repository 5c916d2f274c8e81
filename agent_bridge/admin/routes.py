"""The routes of the page: each request is recognised, limited and answered in bounded time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import parse_qsl

import structlog
from aiohttp import web

from agent_bridge.admin.security import HEADERS
from agent_bridge.api.bodies import read_body
from agent_bridge.core.admin import PATH
from agent_bridge.core.errors import StoreError
from agent_bridge.core.program_problems import Problem, ProgramRefused
from agent_bridge.matrix.appservice import OF_PROGRAM

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from agent_bridge.admin.assets import Assets
    from agent_bridge.admin.security import BrowserSecurity
    from agent_bridge.admin.templates import Templates
    from agent_bridge.admin.visitors import Visitor, Visitors

    #: Answers a request of a person who may enter.
    Act = Callable[["Visit"], Awaitable["Shown | web.StreamResponse"]]
    #: Answers a request of a stranger.
    PublicAct = Callable[[web.Request, Mapping[str, str]], Awaitable["Shown | web.StreamResponse"]]

Result = TypeVar("Result")
_log = structlog.stdlib.get_logger(__name__)

#: Seconds within which a page is made, and pages that are made at a time: each needs a connection of the database.
WITHIN, AT_A_TIME = 5.0, 3
#: Bytes and fields of a form.
_MOST, _FIELDS = 16 * 1024, 20
#: Codes of failures, by the kind of the problem.
_STATUS: Final = {
    "unavailable": 503,
    "not_found": 404,
    "too_many": 429,
    "refused": 403,
    "bad_link": 403,
    "no_role": 403,
    "no_token": 403,
    "no_openid": 502,
    "no_homeserver": 502,
    "failed": 500,
}
_PROBLEMS: Final = {Problem.TOO_MANY_REQUESTS: "too_many"}


@dataclass(frozen=True, slots=True)
class Visit:
    """A request of a person who may enter."""

    request: web.Request
    visitor: Visitor
    #: The fields of the form.
    form: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_part(self) -> bool:
        """Whether htmx asks for a part of a page."""
        return _is_part(self.request)

    def query(self, name: str) -> str:
        """Return a parameter of the query; empty without it. PostgreSQL has no text with a NUL."""
        return self.request.query.get(name, "").replace("\0", "")


@dataclass(frozen=True, slots=True)
class Shown:
    """A page: a template with values."""

    template: str
    values: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200


class Failure(Exception):
    """A page that tells of a failure, by its code in the catalogue."""

    def __init__(self, code: str, retry_after: float | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.retry_after = retry_after


class WorkLimiter:
    """Waits for work with the database, *within* seconds, of *most* pieces at a time.

    Work that hangs is cancelled and not waited for, because the cancellation of a statement waits for the server, too.
    It keeps its place until it ends, so that a frozen database has few connections of the page.
    """

    def __init__(self, within: float = WITHIN, most: int = AT_A_TIME) -> None:
        self._within = within
        self._places = asyncio.Semaphore(most)

    async def wait_for(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return the result of *work*.

        Raises:
            StoreError: there is none in time.
        """
        task = asyncio.create_task(self._placed(work))
        try:
            done, _ = await asyncio.wait({task}, timeout=self._within)
        except asyncio.CancelledError:
            _abandon(task)
            raise
        if not done:
            _abandon(task)
            raise StoreError("the database did not answer in time")
        return task.result()

    async def _placed(self, work: Coroutine[Any, Any, Result]) -> Result:
        try:
            async with self._places:
                return await work
        finally:
            # Work that got no place has not begun.
            work.close()


class AdminRoutes:
    """``/admin`` and the paths below it. Every response has the headers that limit the browser."""

    def __init__(
        self,
        security: BrowserSecurity,
        visitors: Visitors,
        templates: Templates,
        assets: Assets,
        limiter: WorkLimiter,
        *,
        pages: Mapping[str, Act],
        actions: Mapping[str, Act],
        public: Mapping[tuple[str, str], PublicAct],
        streams: Mapping[str, Act],
        end: Callable[[web.Application], Awaitable[None]],
    ) -> None:
        self._security = security
        self._visitors = visitors
        self._templates = templates
        self._assets = assets
        self._limiter = limiter
        self._pages = pages
        self._actions = actions
        self._public = public
        self._streams = streams
        self._end = end

    def add_routes(self, app: web.Application) -> None:
        """Add the routes, and one for all other paths below ``/admin``."""
        router = app.router
        for path, page in self._pages.items():
            router.add_get(f"{PATH}{path}", _Handler(self, page).show)
        for path, act in self._streams.items():
            router.add_get(f"{PATH}{path}", _Handler(self, act).stream, allow_head=False)
        for path, act in self._actions.items():
            router.add_post(f"{PATH}{path}", _Handler(self, act).change)
        for (method, path), public in self._public.items():
            router.add_route(method, f"{PATH}{path}", _PublicHandler(self, public).answer)
        router.add_get(f"{PATH}/static/{{digest}}/{{name}}", self._assets.serve)
        for path in (PATH, PATH + "/{path:.*}"):
            router.add_route("*", path, _PublicHandler(self, _unknown).answer)
        app.on_shutdown.append(self._end)

    async def show(self, request: web.Request, act: Act) -> web.StreamResponse:
        """Return the page that *act* makes for a person who may enter; others are shown how to sign in."""

        async def work() -> web.StreamResponse:
            visitor = await self._visitor(request)
            if visitor is None:
                return self._to_login(request)
            return await self._made(request, await act(Visit(request, visitor)), visitor)

        return await self._guarded(request, self._limiter.wait_for(work()))

    async def stream(self, request: web.Request, act: Act) -> web.StreamResponse:
        """Return the response of *act*, which takes its time, for a person who may enter."""

        async def work() -> web.StreamResponse:
            visitor = await self._limiter.wait_for(self._visitor(request))
            if visitor is None:
                return web.Response(status=403, headers=HEADERS)
            return await self._made(request, await act(Visit(request, visitor)), visitor)

        return await self._guarded(request, work())

    async def change(self, request: web.Request, act: Act) -> web.StreamResponse:
        """Return the response of *act*, which changes something, to a form of a person who may enter."""

        async def work() -> web.StreamResponse:
            form = await self._form(request)

            async def changed() -> web.StreamResponse:
                visitor = await self._visitor(request)
                if visitor is None:
                    return self._to_login(request)
                if form.get("form") != visitor.form_token:
                    raise Failure("refused")
                return await self._made(request, await act(Visit(request, visitor, form)), visitor)

            return await self._limiter.wait_for(changed())

        return await self._guarded(request, work())

    async def answer(self, request: web.Request, act: PublicAct) -> web.StreamResponse:
        """Return the response of *act* to anybody."""

        async def work() -> web.StreamResponse:
            form = await self._form(request) if request.method == "POST" else {}
            return await self._made(request, await act(request, form), None)

        return await self._guarded(request, work())

    async def _guarded(self, request: web.Request, work: Coroutine[Any, Any, web.StreamResponse]) -> web.StreamResponse:
        try:
            return await work
        except Failure as failure:
            return self._failed(failure.code, failure.retry_after)
        except ProgramRefused as refused:
            return self._failed(_PROBLEMS.get(refused.problem, "refused"), refused.retry_after)
        except StoreError as error:
            _log.warning("the admin page cannot read the database", error=str(error))
            return self._failed("unavailable")
        except ConnectionError:
            raise
        except Exception:  # noqa: BLE001 - logged; its words may be secrets, so the browser gets none of them
            _log.exception("the admin page failed", page=request.path.removeprefix(PATH)[:20])
            return self._failed("failed")

    async def _visitor(self, request: web.Request) -> Visitor | None:
        visitor = await self._visitors.find(self._security.session_of(request))
        if visitor is not None:
            # A browser keeps its connections.
            request[OF_PROGRAM] = True
        return visitor

    async def _form(self, request: web.Request) -> dict[str, str]:
        """Return the fields of a form, which a page of the bridge has sent.

        Raises:
            Failure: another page has sent it, or it is no form of the page.
        """
        if not self._security.is_own(request):
            raise Failure("refused")
        body = await read_body(request, _MOST)
        if request.content_type == "application/json":
            return {"json": body.decode("utf-8", "replace")}
        try:
            return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_FIELDS))
        except ValueError:
            raise Failure("refused") from None

    async def _made(
        self, request: web.Request, made: Shown | web.StreamResponse, visitor: Visitor | None
    ) -> web.StreamResponse:
        """Return *made*; a page as HTML, which a thread renders: long ones would block the event loop."""
        if isinstance(made, web.StreamResponse):
            if not made.prepared:
                made.headers.extend({name: HEADERS[name] for name in HEADERS if name not in made.headers})
            return made
        here = request.path.removeprefix(PATH).strip("/").partition("/")[0]
        values = {"here": here, "visitor": visitor, **made.values}
        text = await asyncio.to_thread(self._templates.render, made.template, **values)
        return self._html(text, made.status)

    def _failed(self, code: str, retry_after: float | None = None) -> web.Response:
        text = self._templates.render("failure.html", here=None, visitor=None, code=code)
        response = self._html(text, _STATUS[code])
        if retry_after is not None:
            response.headers["Retry-After"] = str(max(1, round(retry_after)))
        return response

    def _html(self, text: str, status: int) -> web.Response:
        return web.Response(text=text, status=status, content_type="text/html", charset="utf-8", headers=HEADERS)

    def _to_login(self, request: web.Request) -> web.Response:
        # htmx follows a redirection within a part of the page.
        if _is_part(request):
            return web.Response(status=403, headers={**HEADERS, "HX-Redirect": f"{PATH}/login"})
        return redirect("/login")


class _Handler:
    """The route of a page for people who may enter."""

    def __init__(self, routes: AdminRoutes, act: Act) -> None:
        self._routes = routes
        self._act = act

    async def show(self, request: web.Request) -> web.StreamResponse:
        return await self._routes.show(request, self._act)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        return await self._routes.stream(request, self._act)

    async def change(self, request: web.Request) -> web.StreamResponse:
        return await self._routes.change(request, self._act)


class _PublicHandler:
    """The route of a page for everybody."""

    def __init__(self, routes: AdminRoutes, act: PublicAct) -> None:
        self._routes = routes
        self._act = act

    async def answer(self, request: web.Request) -> web.StreamResponse:
        return await self._routes.answer(request, self._act)


def _is_part(request: web.Request) -> bool:
    return request.headers.get("HX-Request") == "true"


def redirect(path: str) -> web.Response:
    """Return a redirection to a page of the bridge, whatever the request had."""
    return web.Response(status=303, headers={**HEADERS, "Location": f"{PATH}{path}"})


async def _unknown(request: web.Request, _form: Mapping[str, str]) -> web.Response:
    if request.path == f"{PATH}/" and request.method == "GET":
        return redirect("")
    raise Failure("not_found")


def _abandon(task: asyncio.Task[Any]) -> None:
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    task.cancel()

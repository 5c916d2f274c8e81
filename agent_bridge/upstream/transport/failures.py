"""Which error of the bridge each failure of an upstream is."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from agent_bridge.core.errors import (
    AgentGone,
    AnswerInterrupted,
    ConversationTooLong,
    UpstreamBusy,
    UpstreamError,
    UpstreamFailed,
    UpstreamRefused,
)
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.transport.error_body import Problem, problem_in

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


#: A server that has no such path says so; one behind a gateway may say that it does not do such a thing.
_NO_PATH = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED})
#: Statuses of a request that is not understood.
_NOT_TAKEN = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, HTTPStatus.UNPROCESSABLE_ENTITY})
#: The request was turned away before the agent saw it.
_BUSY = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_NO_ENTRY = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """An HTTP answer that is not a success."""

    status: int
    #: Looked up without regard to case.
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What a request was about: the default is the list of agents."""

    #: The agent that was asked, None when none was.
    model: str | None = None
    #: Whether images went along.
    images: bool = False
    #: Whether there is another way when the server lacks the path.
    optional: bool = False
    #: Whether it was about text for a voice message.
    voice: bool = False


class PathMissing(UpstreamRefused):
    """The server lacks a path that there is another way for; nothing was asked of an agent."""


@dataclass(frozen=True, slots=True)
class Failures:
    """The failures of one upstream.

    ``retryable`` of every error says whether asking again may help and cannot make an agent act twice.
    """

    #: The upstream's name.
    who: str
    #: What must not be repeated to anybody.
    secrets: tuple[str, ...] = field(repr=False)
    #: Whether a repeated question is harmless.
    idempotent: bool

    def of_response(self, response: ErrorResponse, now: datetime, about: RequestContext) -> UpstreamError:
        """Return what *reply* to a request *about* something means."""
        problem = problem_in(response.body)
        detail = problem.shown(self.secrets)
        wait = retry_after(response.headers, now)
        who, status = self.who, response.status
        if status in _BUSY:
            return UpstreamBusy(Text("upstream_busy", who=who, status=status), retry_after=wait, detail=detail)
        if about.optional and status in _NO_PATH and not problem.no_such_model:
            return PathMissing(Text("upstream_refused", who=who, status=status), detail=detail)
        if about.model is not None and (status == HTTPStatus.NOT_FOUND or problem.no_such_model):
            return AgentGone(Text("agent_gone_named", who=who, agent=about.model), detail=detail)
        if problem.too_long and status >= HTTPStatus.BAD_REQUEST and status not in _NO_ENTRY:
            return ConversationTooLong(Text("conversation_too_long"), detail=detail)
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return UpstreamRefused(Text(_refusal(status, about), who=who, status=status), detail=detail)
        error = UpstreamFailed(Text("upstream_failed", who=who, status=status), retry_after=wait, detail=detail)
        # A gateway that reaches nobody passed nothing on; any other failure may come after the agent acted.
        error.retryable = self.harmless(about) or status == HTTPStatus.BAD_GATEWAY
        return error

    def in_answer(self, problem: Problem, *, begun: bool) -> UpstreamError:
        """Return what a *problem* means that stands where an answer should, or go on when it has *begun*."""
        detail = problem.shown(self.secrets)
        if problem.too_long and not begun:
            return ConversationTooLong(Text("conversation_too_long"), detail=detail)
        if problem.no_such_model and not begun:
            return AgentGone(Text("agent_gone_upstream", who=self.who), detail=detail)
        return AnswerInterrupted(Text("answer_problem", who=self.who), detail=detail)

    def cut(self, how: Text, about: RequestContext) -> AnswerInterrupted:
        """Return what it means that the connection ended, as *how* tells, before the answer did."""
        error = AnswerInterrupted(how)
        # The repeat joins the same turn, and brings its answer from the start.
        error.retryable = self.harmless(about)
        return error

    def harmless(self, about: RequestContext) -> bool:
        """Tell whether a request *about* something may be repeated when it may have arrived.

        Nobody acts on a recording.
        """
        return self.idempotent or about.voice


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds that an answer asks to be left alone for, None when it does not.

    ``Retry-After`` (RFC 9110, section 10.2.3) has seconds or a date, ``retry-after-ms`` of OpenAI is finer.
    """
    milliseconds = _seconds(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _seconds(value)
    if seconds is not None or value is None:
        return seconds
    try:
        return max(0.0, (parsedate_to_datetime(value) - now).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


def _refusal(status: int, about: RequestContext) -> str:
    """Return the name of the text for a request that the upstream refused."""
    if status < HTTPStatus.BAD_REQUEST:
        return "upstream_redirects"
    if status in _NO_ENTRY:
        return "upstream_key"
    if status == HTTPStatus.NOT_FOUND:
        return "voice_no_path" if about.voice else "upstream_no_list"
    if about.images and status in _NOT_TAKEN:
        return "upstream_no_images"
    return "upstream_refused"


def _seconds(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return max(0.0, number) if math.isfinite(number) else None

"""Maps the failures of an upstream to the errors of the bridge."""

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
from agent_bridge.core.http import delay_of
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.transport.error_body import ErrorReport, parse_error_body

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


#: Statuses of a server, or of a gateway before it, that lacks the requested path.
_NO_PATH = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED})
#: Statuses of a server that cannot handle the content of the request.
_UNPROCESSABLE = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, HTTPStatus.UNPROCESSABLE_ENTITY})
#: Statuses of a request that was rejected before it reached the agent.
_BUSY = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_UNAUTHORIZED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """An HTTP response whose status is not a success."""

    status: int
    #: Lookups ignore the case of the name.
    headers: Mapping[str, str]
    #: The beginning of the body.
    body: bytes


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The purpose of a request, which decides the error for its failure. The default is a request for the agents."""

    #: The agent that gets the question, None if the request asks no agent.
    model: str | None = None
    #: Whether the question contains images.
    images: bool = False
    #: Whether the bridge uses another path if the server lacks this one.
    optional_path: bool = False
    #: Whether the request transcribes a recording.
    transcription: bool = False


class PathMissing(UpstreamRefused):
    """The server lacks an optional path. No agent got the question."""


@dataclass(frozen=True, slots=True)
class ErrorMapper:
    """Makes the bridge's errors of one upstream's failures.

    ``retryable`` of every error is true if a repeat may succeed and cannot make an agent act twice.
    """

    #: The upstream's name.
    upstream: str
    #: Texts that no error may contain: keys and tokens.
    secrets: tuple[str, ...] = field(repr=False)
    #: Whether a repeated question is harmless.
    idempotent: bool

    def from_response(self, response: ErrorResponse, now: datetime, context: RequestContext) -> UpstreamError:
        """Return the error for a *response* that arrived at the time *now*."""
        report = parse_error_body(response.body)
        detail = report.redacted(self.secrets)
        delay = retry_after(response.headers, now)
        upstream, status = self.upstream, response.status
        if status in _BUSY:
            return UpstreamBusy(
                Text("upstream_busy", upstream=upstream, status=status), retry_after=delay, detail=detail
            )
        if context.optional_path and status in _NO_PATH and not report.no_such_model:
            return PathMissing(Text("upstream_refused", upstream=upstream, status=status), detail=detail)
        if context.model is not None and (status == HTTPStatus.NOT_FOUND or report.no_such_model):
            return AgentGone(Text("agent_gone_named", upstream=upstream, agent=context.model), detail=detail)
        if report.too_long and status >= HTTPStatus.BAD_REQUEST and status not in _UNAUTHORIZED:
            return ConversationTooLong(Text("conversation_too_long"), detail=detail)
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return UpstreamRefused(Text(_refusal(status, context), upstream=upstream, status=status), detail=detail)
        error = UpstreamFailed(
            Text("upstream_failed", upstream=upstream, status=status), retry_after=delay, detail=detail
        )
        # A gateway that reaches no server passed nothing on. Any other failure may follow an act of the agent.
        error.retryable = self.may_repeat(context) or status == HTTPStatus.BAD_GATEWAY
        return error

    def from_answer(self, report: ErrorReport, *, begun: bool) -> UpstreamError:
        """Return the error for a *report* inside an answer; *begun* tells whether the agent had begun to answer."""
        detail = report.redacted(self.secrets)
        if report.too_long and not begun:
            return ConversationTooLong(Text("conversation_too_long"), detail=detail)
        if report.no_such_model and not begun:
            return AgentGone(Text("agent_gone_upstream", upstream=self.upstream), detail=detail)
        return AnswerInterrupted(Text("answer_problem", upstream=self.upstream), detail=detail)

    def interrupted(self, cause: Text, context: RequestContext) -> AnswerInterrupted:
        """Return the error for a connection that ended before the answer did."""
        error = AnswerInterrupted(cause)
        # A repeat joins the same turn and returns its answer from the beginning.
        error.retryable = self.may_repeat(context)
        return error

    def may_repeat(self, context: RequestContext) -> bool:
        """Tell whether a request may be repeated that perhaps arrived.

        A transcription may: no agent acts on it.
        """
        return self.idempotent or context.transcription


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds after which a server wants the next request, None if it names none.

    ``retry-after-ms``, an extension of OpenAI, takes precedence over ``Retry-After`` (RFC 9110, section 10.2.3), which
    holds seconds or a date.
    """
    milliseconds, seconds = delay_of(headers.get("retry-after-ms")), delay_of(headers.get("retry-after"))
    delay = seconds if milliseconds is None else milliseconds / 1000
    if delay is None:
        return _seconds_until(headers.get("retry-after", ""), now)
    return delay if math.isfinite(delay) else None


def _seconds_until(date: str, now: datetime) -> float | None:
    try:
        return max(0.0, (parsedate_to_datetime(date) - now).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


def _refusal(status: int, context: RequestContext) -> str:
    """Return the name of the text for a refused request."""
    if status < HTTPStatus.BAD_REQUEST:
        return "upstream_redirects"
    if status in _UNAUTHORIZED:
        return "upstream_key"
    if status == HTTPStatus.NOT_FOUND:
        return "voice_no_path" if context.transcription else "upstream_no_list"
    if context.images and status in _UNPROCESSABLE:
        return "upstream_no_images"
    return "upstream_refused"

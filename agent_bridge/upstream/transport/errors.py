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
    QuestionRefused,
    UpstreamBusy,
    UpstreamError,
    UpstreamFailed,
    UpstreamRefused,
)
from agent_bridge.core.http import delay_of
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.transport.error_body import ErrorReport, parse_error_body
from agent_bridge.upstream.transport.failure_kind import FailureKind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


#: Statuses of a server, or of a gateway before it, that lacks the requested path.
_NO_PATH = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE, HTTPStatus.NOT_IMPLEMENTED})
#: Statuses of a server that does not want requests at this path, unless its words tell another cause.
_UNWANTED = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY})
#: Statuses of a server that cannot handle the content of the request.
_UNPROCESSABLE = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, HTTPStatus.UNPROCESSABLE_ENTITY})
#: Statuses of a server whose context is perhaps too small. The agent has not got the question.
_PERHAPS_TOO_LONG = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY})
_OVERLOADED = 529
#: Statuses of a request that was rejected before it reached the agent.
_BUSY = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.SERVICE_UNAVAILABLE,
        _OVERLOADED,
    }
)
#: Statuses of a gateway that reaches no server: it passed nothing on. 521 and 523 are those of Cloudflare.
_NOT_PASSED_ON = frozenset({HTTPStatus.BAD_GATEWAY, 521, 523})
_UNAUTHORIZED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
#: The status whose failure a report without a status is like.
_UNKNOWN = 500


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
    #: Whether the request has a text read aloud.
    speech: bool = False


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
        error = self._by_kind(report, response.status, context) or self._by_status(report, response.status, context)
        if not isinstance(error, UpstreamRefused):
            error.retry_after = retry_after(response.headers, now)
        return error

    def from_handshake(self, response: ErrorResponse, now: datetime) -> UpstreamError:
        """Return the error for the *response* of a server that opens no WebSocket. No question was sent."""
        upstream, status = self.upstream, response.status
        if status == HTTPStatus.NOT_FOUND or status < HTTPStatus.MULTIPLE_CHOICES:
            # Perhaps a gateway waits for the server.
            return _not_begun(UpstreamFailed(Text("upstream_no_websocket", upstream=upstream, status=status)))
        if status == HTTPStatus.FORBIDDEN:
            return UpstreamRefused(Text("upstream_origin", upstream=upstream, status=status))
        if status == HTTPStatus.UPGRADE_REQUIRED:
            return UpstreamRefused(Text("upstream_upgrade", upstream=upstream, status=status))
        return self.from_response(response, now, RequestContext())

    def from_answer(self, report: ErrorReport, *, begun: bool) -> UpstreamError:
        """Return the error for a *report* inside an answer; *begun* tells whether the agent had begun to answer."""
        detail, status = report.redacted(self.secrets), report.status
        if not begun:
            if report.kind is FailureKind.NO_PATH:
                return PathMissing(Text("answer_problem", upstream=self.upstream), detail=detail)
            if error := self._by_kind(report, status or _UNKNOWN, RequestContext("")):
                return error
            if status in _BUSY or report.kind is FailureKind.LOADING:
                return self._busy(status or HTTPStatus.SERVICE_UNAVAILABLE, detail)
        error = AnswerInterrupted(Text("answer_problem", upstream=self.upstream), detail=detail)
        return _not_begun(error) if not begun and status in _NOT_PASSED_ON else error

    def _by_kind(self, report: ErrorReport, status: int, context: RequestContext) -> UpstreamError | None:
        """Return the error for a failure whose kind is known, None for any other failure."""
        detail, kind = report.redacted(self.secrets), report.kind
        error: UpstreamError | None = None
        if context.model is None:
            return None
        if kind is FailureKind.NO_CREDIT or status == HTTPStatus.PAYMENT_REQUIRED:
            error = UpstreamFailed(Text("upstream_no_credit", upstream=self.upstream), detail=detail)
            error.retryable = False
        elif status == HTTPStatus.UNAUTHORIZED or HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            pass
        elif kind is FailureKind.FLAGGED:
            error = QuestionRefused(Text("question_flagged", upstream=self.upstream), detail=detail)
        elif kind is FailureKind.NO_SUCH_MODEL and status != HTTPStatus.FORBIDDEN:
            text = Text("agent_gone_upstream", upstream=self.upstream)
            if context.model:
                text = Text("agent_gone_named", upstream=self.upstream, agent=context.model)
            error = AgentGone(text, detail=detail)
        elif status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE or (
            kind is FailureKind.TOO_LONG and status not in _BUSY | _UNAUTHORIZED
        ):
            error = ConversationTooLong(Text("conversation_too_long"), detail=detail)
        return error

    def _by_status(self, report: ErrorReport, status: int, context: RequestContext) -> UpstreamError:
        """Return the error for a response with *status*."""
        upstream, detail = self.upstream, report.redacted(self.secrets)
        is_failure = status >= HTTPStatus.INTERNAL_SERVER_ERROR
        if status in _BUSY or (report.kind is FailureKind.LOADING and is_failure):
            return self._busy(status, detail)
        unwanted = status in _UNWANTED and report.kind is None
        if context.optional_path and (status in _NO_PATH or unwanted or report.kind is FailureKind.NO_PATH):
            return PathMissing(Text("upstream_refused", upstream=upstream, status=status), detail=detail)
        if context.model is not None and status == HTTPStatus.NOT_FOUND:
            # The list of agents tells whether the agent is gone. Perhaps a gateway waits for the server.
            return _not_begun(UpstreamFailed(Text("upstream_no_path", upstream=upstream, status=status), detail=detail))
        if not is_failure:
            text = Text(_refusal(status, report, context), upstream=upstream, status=status)
            refused = UpstreamRefused(text, detail=detail)
            # Servers have many words for a context that is too small. No words of theirs may block a room for good.
            refused.perhaps_too_long = status in _PERHAPS_TOO_LONG and not report.names_cause
            return refused
        error = UpstreamFailed(Text("upstream_failed", upstream=upstream, status=status), detail=detail)
        # Any other failure than that of a gateway may follow an act of the agent.
        error.retryable = self.may_repeat(context)
        return _not_begun(error) if status in _NOT_PASSED_ON else error

    def _busy(self, status: int, detail: str | None) -> UpstreamBusy:
        error = UpstreamBusy(Text("upstream_busy", upstream=self.upstream, status=int(status)), detail=detail)
        # A limit of requests may last for hours: the server says when to repeat, and more requests do not help.
        error.not_begun = status != HTTPStatus.TOO_MANY_REQUESTS
        return error

    def interrupted(self, cause: Text, context: RequestContext) -> AnswerInterrupted:
        """Return the error for a connection that ended before the answer did."""
        error = AnswerInterrupted(cause)
        # A repeat joins the same turn and returns its answer from the beginning.
        error.retryable = self.may_repeat(context)
        return error

    def may_repeat(self, context: RequestContext) -> bool:
        """Tell whether a request may be repeated that perhaps arrived.

        A transcription may, and speech: no agent acts on them.
        """
        return self.idempotent or context.transcription or context.speech


def _not_begun(error: UpstreamError) -> UpstreamError:
    """Return *error* as one of a request that reached no agent."""
    error.retryable = error.not_begun = True
    return error


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


def _refusal(status: int, report: ErrorReport, context: RequestContext) -> str:
    """Return the name of the text for a refused request."""
    if status < HTTPStatus.BAD_REQUEST:
        return "upstream_redirects"
    if status == HTTPStatus.UNAUTHORIZED or (status == HTTPStatus.FORBIDDEN and report.about_key):
        return "upstream_key"
    if status == HTTPStatus.NOT_FOUND:
        if context.speech:
            return "speech_no_path"
        return "voice_no_path" if context.transcription else "upstream_no_list"
    if context.images and status in _UNPROCESSABLE:
        return "upstream_no_images"
    return "upstream_refused"

"""Which error of the bridge each failure of an upstream is, and the words for it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from agent_bridge.core.errors import (
    AgentGone,
    AnswerBroken,
    UpstreamBusy,
    UpstreamError,
    UpstreamFailed,
    UpstreamRefused,
)
from agent_bridge.upstream.problems import Problem, problem_in

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

#: The request was turned away before the agent saw it.
_BUSY = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_NO_ENTRY = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_TOO_LONG = "the conversation is too long for this agent's model"


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer that is not a success."""

    status: int
    #: Looked up without regard to case.
    headers: Mapping[str, str]
    body: bytes


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

    def of_reply(self, reply: Reply, now: datetime, *, model: str | None = None) -> UpstreamError:
        """Return what *reply* means when *model* was asked, or when None the list of agents."""
        problem = problem_in(reply.body)
        detail = problem.shown(self.secrets)
        wait = retry_after(reply.headers, now)
        status = reply.status
        if status in _BUSY:
            return UpstreamBusy(f"{self.who} is busy ({status})", retry_after=wait, detail=detail)
        if model is not None and (status == HTTPStatus.NOT_FOUND or problem.no_such_model):
            return AgentGone(f"{self.who} has no agent {model!r} any more", detail=detail)
        refusal = self._refusal(status, problem)
        if refusal is not None:
            return UpstreamRefused(refusal, detail=detail)
        error = UpstreamFailed(f"{self.who} failed ({status})", retry_after=wait, detail=detail)
        # A gateway that reaches nobody passed nothing on; any other failure may come after the agent acted.
        error.retryable = self.idempotent or status == HTTPStatus.BAD_GATEWAY
        return error

    def in_answer(self, problem: Problem, *, begun: bool) -> UpstreamError:
        """Return what a *problem* means that stands where an answer should, or go on when it has *begun*."""
        detail = problem.shown(self.secrets)
        if problem.too_long and not begun:
            return UpstreamRefused(_TOO_LONG, detail=detail)
        if problem.no_such_model and not begun:
            return AgentGone(f"{self.who} has no such agent any more", detail=detail)
        return AnswerBroken(f"{self.who} reported a failure", detail=detail)

    def cut(self, how: str) -> AnswerBroken:
        """Return what it means that the connection ended, as *how* tells, before the answer did."""
        error = AnswerBroken(how)
        # The repeat joins the same turn, and brings its answer from the start.
        error.retryable = self.idempotent
        return error

    def _refusal(self, status: int, problem: Problem) -> str | None:
        """Return why asking again does not help, None when it may."""
        if status < HTTPStatus.BAD_REQUEST:
            return f"{self.who} answered with a redirect ({status}): configure the url that it leads to"
        if status in _NO_ENTRY:
            return f"{self.who} does not accept the api_key ({status})"
        if status == HTTPStatus.NOT_FOUND:
            return f"{self.who} has no list of agents ({status}): is its url right? It usually ends in /v1"
        if problem.too_long:
            return _TOO_LONG
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return f"{self.who} refused the request ({status})"
        return None


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


def _seconds(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return max(0.0, number) if math.isfinite(number) else None

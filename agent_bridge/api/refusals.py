"""Errors of functions as the problems that programs read."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

from agent_bridge.api.problems import problem_response
from agent_bridge.core.errors import HomeserverError, HomeserverRefused, StoreError
from agent_bridge.core.program_problems import Problem, ProgramRefused

if TYPE_CHECKING:
    from aiohttp import web

    from agent_bridge.api.problems import Respond

_log = logging.getLogger(__name__)

#: Seconds after which a program may repeat a request that could not be carried out.
_AGAIN = 5


def refusal(name: str, error: Exception) -> ProgramRefused:
    """Return the problem of the function *name* that raised *error*, and log those that are no refusals."""
    if isinstance(error, ProgramRefused):
        return error
    if isinstance(error, HomeserverRefused):
        _log.info("the homeserver refuses %s of a program: %s", name, error.errcode)
        return ProgramRefused(Problem.REFUSED, more={"errcode": error.errcode})
    if isinstance(error, HomeserverError | StoreError | TimeoutError):
        _log.error("%s of a program is not carried out, it may be repeated: %s", name, error)
        return ProgramRefused(Problem.UNAVAILABLE, retry_after=_AGAIN)
    _log.error("%s of a program failed", name, exc_info=error)
    return ProgramRefused(Problem.INTERNAL)


def refused_response(refused: ProgramRefused, respond: Respond = problem_response) -> web.Response:
    """Return the response that tells a refusal; *respond* makes it."""
    headers = {}
    if refused.retry_after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(refused.retry_after)))
    if refused.problem in {Problem.TOKEN_MISSING, Problem.TOKEN_INVALID}:
        headers["WWW-Authenticate"] = "Bearer"
    return respond(refused.problem, refused.detail, more=refused.more, headers=headers)

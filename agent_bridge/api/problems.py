"""Errors of the API: ``application/problem+json`` (RFC 9457), with codes that stay."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import web

from agent_bridge.core.program_problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Beginning of the ``type`` of a problem; its code follows.
TYPE = "urn:agent-bridge:problem:"
CONTENT_TYPE = "application/problem+json"
#: Status and title of each problem.
STATUSES: Mapping[Problem, tuple[int, str]] = MappingProxyType(
    {
        Problem.TOKEN_MISSING: (401, "The request has no bearer token"),
        Problem.TOKEN_INVALID: (401, "The token does not count, or does not count any more"),
        Problem.CAPABILITY_MISSING: (403, "The token is not for this function"),
        Problem.ROLE_MISSING: (403, "The identity of the token lacks the role for it"),
        Problem.MUTED: (403, "The identity of the token is muted"),
        Problem.NOT_PERMITTED: (403, "The identity of the token lacks the power for it in the room"),
        Problem.AGENTS_ONLY: (403, "This function is for tokens of agents"),
        Problem.NOT_FOUND: (404, "There is no such path"),
        Problem.METHOD_NOT_ALLOWED: (405, "The path has other methods"),
        Problem.ORIGIN_NOT_ALLOWED: (403, "Web pages of other origins may not use the bridge"),
        Problem.ROOM_NOT_FOUND: (404, "The token reaches no such room"),
        Problem.NO_LOBBY: (404, "There is no lobby"),
        Problem.MESSAGE_NOT_FOUND: (404, "There is no such message in the room"),
        Problem.AGENT_NOT_FOUND: (404, "There is no such agent"),
        Problem.USER_NOT_FOUND: (404, "There is no such user"),
        Problem.SERVER_NOT_FOUND: (404, "There is no such server"),
        Problem.HANDLE_NOT_FOUND: (404, "The identity of the token has made no such request"),
        Problem.AGENT_AMBIGUOUS: (409, "Several agents have the name"),
        Problem.AGENT_AT_REST: (409, "The agent is gone or retired"),
        Problem.NOT_OWN_MESSAGE: (403, "No program of the identity has sent the message"),
        Problem.INVALID_REQUEST: (400, "The request has another form"),
        Problem.UNSUPPORTED_MEDIA_TYPE: (415, "The body has another type"),
        Problem.BODY_TOO_LARGE: (413, "The body is too large"),
        Problem.BODY_INCOMPLETE: (408, "The body did not arrive as a whole"),
        Problem.TEXT_TOO_LONG: (413, "The text does not fit a message"),
        Problem.FILE_TOO_LARGE: (413, "The homeserver takes no file of that size"),
        Problem.CURSOR_UNKNOWN: (410, "The feed does not have the cursor: begin anew"),
        Problem.CURSOR_EXPIRED: (410, "Events behind the cursor were deleted: begin anew"),
        Problem.KEY_REUSED: (422, "Another request had the same Idempotency-Key"),
        Problem.ALREADY_REACTED: (409, "The message has this reaction already"),
        Problem.NOBODY_ANSWERS: (409, "No agent would answer"),
        Problem.COMMANDS_ONLY: (409, "The room is for commands of people"),
        Problem.ENCRYPTED: (409, "The messages of the room are encrypted"),
        Problem.TOO_MANY_AGENTS: (409, "There are as many agents that connect themselves as are allowed"),
        Problem.NAME_TAKEN: (409, "Another one has the name"),
        Problem.PROFILE_NOT_OURS: (409, "The bridge cannot change this part of the profile"),
        Problem.QUESTION_NOT_FOUND: (404, "There was no such question"),
        Problem.QUESTION_OVER: (409, "The question does not wait any more"),
        Problem.THREAD_NOT_FOUND: (404, "There is no such thread with a name in the room"),
        Problem.THREAD_IN_USE: (409, "A message came into the thread after the request"),
        Problem.CONFIRMATION_MISSING: (409, "A deletion is for good: confirm has to be the name"),
        Problem.TASK_NOT_FOUND: (404, "The token reaches no such task"),
        Problem.VOTE_NOT_FOUND: (404, "The token reaches no such vote"),
        Problem.TASK_REFUSED: (409, "The task cannot be made or changed so: reason tells why"),
        Problem.VOTE_REFUSED: (409, "The vote is not accepted: reason tells why"),
        Problem.TOO_MANY: (409, "There are as many as are allowed"),
        Problem.TOO_MANY_CHATS: (409, "The person has as many chats as are allowed"),
        Problem.TOO_MANY_REQUESTS: (429, "The token is used too often"),
        Problem.ROOM_FULL: (429, "Too many messages wait in the room"),
        Problem.UNSUPPORTED_PARAMETER: (400, "The parameter asks for something that no agent does"),
        Problem.ANSWER_TIMEOUT: (504, "Nobody has answered in time: the question stays in the room"),
        Problem.ANSWER_FAILED: (502, "The agent could not answer"),
        Problem.QUOTA_REACHED: (429, "A quota refuses the question"),
        Problem.ANSWER_STOPPED: (409, "A person has ended the answer"),
        Problem.REFUSED: (409, "The homeserver refuses it"),
        Problem.UNAVAILABLE: (503, "The bridge cannot do it at the moment: a repeat goes on"),
        Problem.INTERNAL: (500, "The bridge failed"),
    }
)


class Respond(Protocol):
    """Makes the response of a problem in the form of one API."""

    def __call__(
        self,
        problem: Problem,
        detail: str = "",
        *,
        more: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> web.Response:
        """Return the response that tells *problem*, with further fields."""


def problem_response(
    problem: Problem,
    detail: str = "",
    *,
    more: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Return the response that tells *problem*, with further fields."""
    content = problem_content(problem, detail) | dict(more or {})
    text = json.dumps(content, ensure_ascii=False)
    return web.Response(text=text, status=content["status"], headers=headers, content_type=CONTENT_TYPE)


def problem_content(problem: Problem, detail: str = "") -> dict[str, Any]:
    """Return the fields that all problems have."""
    status, title = STATUSES[problem]
    content: dict[str, Any] = {"type": f"{TYPE}{problem}", "title": title, "status": status, "code": str(problem)}
    return content | ({"detail": detail} if detail else {})

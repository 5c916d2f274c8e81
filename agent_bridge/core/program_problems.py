"""Why a request of a program is refused. The values are stable: programs compare them."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from agent_bridge.core.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class Problem(StrEnum):
    """Codes of problems."""

    #: The request has no token, or one that does not count.
    TOKEN_MISSING = "token_missing"  # noqa: S105 - no secret
    TOKEN_INVALID = "token_invalid"  # noqa: S105
    #: The token is not for functions of this kind.
    CAPABILITY_MISSING = "capability_missing"
    #: The identity of the token lacks the role for it.
    ROLE_MISSING = "role_missing"
    MUTED = "muted"
    #: The identity lacks the power for it in the room.
    NOT_PERMITTED = "not_permitted"
    #: It is for tokens of agents.
    AGENTS_ONLY = "agents_only"
    #: There is no such path.
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    #: A web page of another origin has sent the request.
    ORIGIN_NOT_ALLOWED = "origin_not_allowed"
    #: There is no such room, or the identity is not in it, or the token is not for it.
    ROOM_NOT_FOUND = "room_not_found"
    #: The configuration has no lobby.
    NO_LOBBY = "no_lobby"
    MESSAGE_NOT_FOUND = "message_not_found"
    AGENT_NOT_FOUND = "agent_not_found"
    USER_NOT_FOUND = "user_not_found"
    SERVER_NOT_FOUND = "server_not_found"
    HANDLE_NOT_FOUND = "handle_not_found"
    #: Several agents have the name.
    AGENT_AMBIGUOUS = "agent_ambiguous"
    #: The agent is gone or retired.
    AGENT_AT_REST = "agent_at_rest"
    #: The program of the identity has not sent the message.
    NOT_OWN_MESSAGE = "not_own_message"
    #: The request has another form.
    INVALID_REQUEST = "invalid_request"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    BODY_TOO_LARGE = "body_too_large"
    BODY_INCOMPLETE = "body_incomplete"
    TEXT_TOO_LONG = "text_too_long"
    FILE_TOO_LARGE = "file_too_large"
    #: The cursor of a subscription is of another database, or events behind it were deleted.
    CURSOR_UNKNOWN = "cursor_unknown"
    CURSOR_EXPIRED = "cursor_expired"
    #: Another request had the same Idempotency-Key.
    KEY_REUSED = "idempotency_key_reused"
    ALREADY_REACTED = "already_reacted"
    #: No agent would answer.
    NOBODY_ANSWERS = "nobody_answers"
    #: The room takes commands of people alone.
    COMMANDS_ONLY = "commands_only"
    #: The messages of the room are encrypted.
    ENCRYPTED = "encrypted"
    #: There are as many as are allowed.
    TOO_MANY = "too_many"
    TOO_MANY_CHATS = "too_many_chats"
    TOO_MANY_AGENTS = "too_many_agents"
    #: Another one has the name.
    NAME_TAKEN = "name_taken"
    #: The thread has no name, or there is none.
    THREAD_NOT_FOUND = "thread_not_found"
    #: A message came into the thread after the request.
    THREAD_IN_USE = "thread_in_use"
    #: A deletion needs the name in *confirm*.
    CONFIRMATION_MISSING = "confirmation_missing"
    #: There is no such task or vote in a room that the token reaches.
    TASK_NOT_FOUND = "task_not_found"
    VOTE_NOT_FOUND = "vote_not_found"
    #: The change of a task, or the vote, is not accepted as they are now; *reason* is why.
    TASK_REFUSED = "task_refused"
    VOTE_REFUSED = "vote_refused"
    #: Another one than the bridge changes this part of the profile.
    PROFILE_NOT_OURS = "profile_not_ours"
    #: There was no such question.
    QUESTION_NOT_FOUND = "question_not_found"
    #: The question does not wait for a reply any more.
    QUESTION_OVER = "question_over"
    TOO_MANY_REQUESTS = "too_many_requests"
    #: A parameter asks for something that no agent does.
    UNSUPPORTED_PARAMETER = "unsupported_parameter"
    #: Nobody has answered in time; the question stays.
    ANSWER_TIMEOUT = "answer_timeout"
    #: The agent could not answer.
    ANSWER_FAILED = "answer_failed"
    #: A person has ended the answer.
    ANSWER_STOPPED = "answer_stopped"
    #: A quota refuses the question.
    QUOTA_REACHED = "quota_reached"
    #: As many messages as may wait in a room wait there.
    ROOM_FULL = "room_full"
    #: The homeserver refuses it.
    REFUSED = "refused"
    #: The database or the homeserver does not answer: nothing is lost, a repeat goes on.
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


class ProgramRefused(BridgeError):
    """A request of a program is refused. It had no effect."""

    def __init__(
        self,
        problem: Problem,
        detail: str = "",
        *,
        retry_after: float | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail or str(problem))
        self.problem = problem
        #: A sentence for the author of the program; empty: the problem says all.
        self.detail = detail
        self.retry_after = retry_after
        #: Further fields of the response.
        self.more: Mapping[str, Any] = more or {}

"""The errors of the bridge. Each error knows its cause in every language, and whether and when a repeat may succeed.

::

    BridgeError
    ├── ConfigError                 the configuration is wrong (exit code 2)
    ├── CannotListen                the address of the endpoint is in use
    ├── WorkEnded                   a part of the process ended that must not end
    ├── StoreError                  the database
    │   ├── StoreRefused            values that can never be stored
    │   ├── TurnLost                another worker has claimed the turn
    │   ├── LockLost                the connection that held a lock was lost
    │   ├── DatabaseUnsuitable      too old a server, or another encoding than UTF8
    │   ├── SchemaTooNew            migrated by a newer program
    │   └── SchemaTooOld            not migrated
    ├── HomeserverError             the homeserver
    │   ├── HomeserverUnavailable   no response, 429 or 5xx: retryable
    │   │   ├── RegistrationRejected  its copy of the registration is another one
    │   │   │   └── TokenRejected   it does not know the as_token
    │   │   └── UserNotRegistered   it does not know the ghost or the bot
    │   └── HomeserverRefused       4xx
    │       └── RoomOutOfReach      an alias points to a room that the bridge cannot enter
    ├── UpstreamError               a server of agents
    │   ├── UpstreamUnreachable     no connection, or no first byte: retryable
    │   ├── UpstreamBusy            429, 503 or the like, perhaps with Retry-After: retryable
    │   ├── UpstreamFailed          5xx before the first byte: retryable
    │   ├── UpstreamRefused         4xx
    │   │   ├── ConversationTooLong the conversation exceeds the context of the model
    │   │   │   └── MessageTooLong  the message alone exceeds it
    │   │   └── QuestionRefused     the upstream does not answer a question of this content
    │   ├── UpstreamProtocolError   a response that does not follow the API
    │   ├── AnswerInterrupted       an error or a lost connection inside the stream
    │   │   └── AnswerFiltered      a filter of the upstream stopped the answer
    │   ├── AnswerEmpty             a stream without an answer
    │   │   └── AnswerMissing       a stream without anything
    │   ├── AnswerTooLong           the answer exceeds the limit of characters or of time
    │   └── AgentGone               the upstream no longer has the agent
    └── FileRefused                 a file that is not accepted, with its problem
        └── TooLarge                the file exceeds the limit of bytes
"""

from __future__ import annotations

from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING

from agent_bridge.i18n.catalogue import Text
from agent_bridge.i18n.english import ENGLISH

if TYPE_CHECKING:
    from agent_bridge.i18n.catalogue import Texts

#: Causes about the settings of an upstream, which only operators understand.
_ABOUT_SETTINGS = frozenset(
    {
        "upstream_redirects",
        "upstream_key",
        "upstream_no_list",
        "upstream_unusable",
        "upstream_no_http",
        "upstream_encoding",
        "upstream_no_tls",
        "upstream_perhaps_http",
        "upstream_perhaps_https",
        "upstream_no_websocket",
        "upstream_origin",
        "upstream_upgrade",
        "letta_version",
        "letta_lacks",
        "upstream_web_page",
        "voice_no_path",
        "answer_no_completion",
        "answer_no_json",
    }
)
#: Causes whose texts name the remedy for operators.
_WITH_REMEDY = frozenset({"upstream_upgrade", "letta_version", "letta_lacks"})


class BridgeError(Exception):
    """Base of all expected errors."""

    #: Whether a repeat of the same request may succeed.
    retryable: bool = False
    #: Seconds that the other side asked to wait before a repeat; None: it named no time.
    retry_after: float | None = None

    def says(self, _texts: Texts, /) -> str:
        """Return the cause for people, without secrets, in the language of the texts.

        It is the end of a sentence. Errors that only operators see, on a terminal, are English in every language.
        """
        return str(self)


class ConfigError(BridgeError):
    """The configuration is wrong. The message names file, line, key and remedy."""


class CannotListen(BridgeError):
    """The bridge cannot listen on its address."""


class WorkEnded(BridgeError):
    """A part of the process ended that must not end. The process ends too, so that its supervisor starts it again."""


class StoreError(BridgeError):
    """The database cannot be used."""

    def says(self, texts: Texts, /) -> str:
        """Return the same cause for all database errors: only the log has the message of the database."""
        return texts.database_failed


class StoreRefused(StoreError):
    """The database refused the statement; a repeat has the same result."""


class TurnLost(StoreError):
    """Another worker has claimed the turn; this worker's writes are rejected."""


class LockLost(StoreError):
    """The connection that held the lock was lost: another process may hold the lock now."""


class DatabaseUnsuitable(StoreError):
    """The server is too old for the bridge, or an encoding is not UTF8. The remedy follows the first colon."""


class SchemaTooNew(StoreError):
    """The database was migrated by a newer program than this one."""


class SchemaTooOld(StoreError):
    """The database lacks migrations that this program needs."""


class HomeserverError(BridgeError):
    """A request to the homeserver failed."""

    def __init__(self, text: Text, *, status: int | None = None, errcode: str | None = None) -> None:
        super().__init__(ENGLISH.render(text))
        self._text = text
        #: HTTP status; None without a response.
        self.status = status
        #: ``errcode`` of the Matrix spec; None if the body has none.
        self.errcode = errcode

    @property
    def had_no_effect(self) -> bool:
        """Whether the request was certainly not carried out; without a response, or behind a proxy, it may be yet."""
        return self.status is not None and self.status < HTTPStatus.INTERNAL_SERVER_ERROR

    def says(self, texts: Texts, /) -> str:
        """Return the cause, including the message of the homeserver."""
        return texts.render(self._text)


class HomeserverUnavailable(HomeserverError):
    """The homeserver did not respond, or responded with 429 or 5xx."""

    retryable = True


class RegistrationRejected(HomeserverUnavailable):
    """The homeserver has another registration of the bridge. The request itself may be correct."""


class TokenRejected(RegistrationRejected):
    """The homeserver does not know the ``as_token``. The request itself may be correct."""


class UserNotRegistered(HomeserverUnavailable):
    """The homeserver does not know the user of the request: it was reset, or restored from an older backup."""


class HomeserverRefused(HomeserverError):
    """The homeserver refused the request; a repeat has the same result."""


class RoomOutOfReach(HomeserverRefused):
    """The alias of a new room points to a room that its creator cannot enter."""

    def __init__(self, text: Text, *, room_id: str, status: int | None = None, errcode: str | None = None) -> None:
        super().__init__(text, status=status, errcode=errcode)
        #: The room that has the alias.
        self.room_id = room_id


class UpstreamError(BridgeError):
    """A request to an upstream failed."""

    #: Whether the upstream is away or starts, so that a message may wait for minutes. Implies *retryable*.
    not_begun: bool = False
    #: Whether the same question may succeed with less history. The upstream did nothing.
    perhaps_too_long: bool = False
    #: HTTP status of the response that is the cause, and the beginning of its body; None without a response.
    status: int | None = None
    body: bytes = b""

    def __init__(self, text: Text, *, retry_after: float | None = None, detail: str | None = None) -> None:
        super().__init__(ENGLISH.render(text))
        self._text = text
        self.retry_after = retry_after
        #: The upstream's message, shortened; None without one.
        self.detail = detail

    def says(self, texts: Texts, /) -> str:
        """Return the cause, followed by the upstream's message, which is not translated."""
        cause = self.cause(texts)
        return f"{cause}: {self.detail}" if self.detail else cause

    def cause(self, texts: Texts, /) -> str:
        """Return the cause without the upstream's message."""
        return texts.render(self._text)

    @property
    def is_about_settings(self) -> bool:
        """Whether only operators understand the cause."""
        return self._text.name in _ABOUT_SETTINGS

    @property
    def names_remedy(self) -> bool:
        """Whether the cause contains the remedy for operators."""
        return self._text.name in _WITH_REMEDY

    @property
    def is_about_key(self) -> bool:
        """Whether the server needs an API key, or refuses the one of the request."""
        return self._text.name == "upstream_key"

    def cause_in_room(self, texts: Texts, agent: str, /) -> str:
        """Return the cause for the people in the room of *agent*: without names and settings that operators know."""
        name = "upstream_misfit" if self.is_about_settings else self._text.name
        values = dict(self._text.values)
        if "upstream" in values or name != self._text.name:
            values["upstream"] = texts.agents_server.format(agent=agent)
        return texts.render(Text(name, **values))

    def remedy(self, texts: Texts, /) -> str:
        """Return the remedy as a whole sentence."""
        return texts.for_admins(texts.look_at_server)


class UpstreamUnreachable(UpstreamError):
    """The upstream could not be reached, or closed the connection before the first byte of its response."""

    retryable = True
    not_begun = True

    def remedy(self, texts: Texts, /) -> str:
        """Return to try again."""
        return texts.try_again


class UpstreamBusy(UpstreamError):
    """The upstream asked for a later repeat (429, 503 or the like)."""

    retryable = True

    def remedy(self, texts: Texts, /) -> str:
        """Return to try again later."""
        return texts.try_later


class UpstreamFailed(UpstreamError):
    """The upstream failed before the first byte of its answer (5xx)."""

    retryable = True


class UpstreamRefused(UpstreamError):
    """The upstream refused the request (4xx)."""

    def remedy(self, texts: Texts, /) -> str:
        """Return to check the configuration."""
        return texts.for_admins(texts.look_at_config)


class ConversationTooLong(UpstreamRefused):
    """The conversation exceeds the context of the agent's model."""

    perhaps_too_long = True

    def remedy(self, texts: Texts, /) -> str:
        """Return to shorten the conversation."""
        return texts.shorten


class MessageTooLong(ConversationTooLong):
    """The message alone exceeds the context of the agent's model."""

    def remedy(self, texts: Texts, /) -> str:
        """Return to send a shorter message."""
        return texts.send_less


class QuestionRefused(UpstreamRefused):
    """The upstream does not answer a question of this content."""

    def remedy(self, texts: Texts, /) -> str:
        """Return to ask in other words."""
        return texts.say_otherwise


class UpstreamProtocolError(UpstreamError):
    """The upstream's response does not follow its API."""

    def remedy(self, texts: Texts, /) -> str:
        """Return to check the configuration."""
        return texts.for_admins(texts.look_at_config)


class AnswerInterrupted(UpstreamError):
    """The answer began and did not reach its end."""

    def remedy(self, texts: Texts, /) -> str:
        """Return to try again."""
        return texts.try_again


class AnswerFiltered(AnswerInterrupted):
    """A filter of the upstream stopped the answer."""

    def remedy(self, texts: Texts, /) -> str:
        """Return to ask in other words."""
        return texts.say_otherwise


class AnswerEmpty(UpstreamError):
    """The upstream ended its answer without any text or file."""

    def remedy(self, texts: Texts, /) -> str:
        """Return to try again."""
        return texts.try_again


class AnswerMissing(AnswerEmpty):
    """The upstream ended its answer without any sign of work, as some servers do if the conversation is too long."""

    perhaps_too_long = True


class AnswerTooLong(UpstreamError):
    """The answer exceeds the configured limit of characters or of time."""

    def remedy(self, texts: Texts, /) -> str:
        """Return to ask for a shorter answer."""
        return texts.ask_for_less


class AgentGone(UpstreamError):
    """The upstream does not have the agent, or no longer has it."""

    def remedy(self, texts: Texts, /) -> str:
        """Return to talk to another agent."""
        return texts.for_admins(texts.ask_another)


class FileProblem(StrEnum):
    """Why a file is not accepted."""

    #: More bytes than the limit.
    TOO_LARGE = "too large"
    #: More files than the limit.
    TOO_MANY = "too many"
    #: More pixels than the limit.
    TOO_MANY_PIXELS = "too many pixels"
    #: A format that the bridge does not read.
    UNSUPPORTED = "unsupported"
    #: A supported format, but the file is cut off, damaged or protected by a password.
    UNREADABLE = "unreadable"
    #: A document without text, such as a scan.
    NO_TEXT = "no text"
    #: Reading it takes too much time or memory.
    TOO_HARD = "too hard"
    #: The optional package that reads it is not installed.
    NOT_INSTALLED = "not installed"
    #: A link to an address that the bridge does not fetch from.
    FORBIDDEN = "forbidden"
    #: A link that does not deliver a file.
    UNREACHABLE = "unreachable"
    #: End-to-end encrypted, or without a link.
    ENCRYPTED = "encrypted"


class FileRefused(BridgeError):
    """A file is not accepted."""

    def __init__(self, message: str, problem: FileProblem) -> None:
        super().__init__(message)
        self.problem = problem

    def says(self, texts: Texts, /) -> str:
        """Return the problem of the file."""
        return texts.file_problems[self.problem]


class TooLarge(FileRefused):
    """A file has more bytes than the limit."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the file is larger than {limit} bytes", FileProblem.TOO_LARGE)
        #: The limit in bytes.
        self.limit = limit

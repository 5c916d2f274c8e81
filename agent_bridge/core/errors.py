"""One tree of errors. Each knows whether trying again can help, when, and what a person may be told.

::

    BridgeError
    ├── ConfigError               the configuration is wrong (exit code 2)
    ├── CannotListen              the door's address is taken
    ├── StoreError                the database
    │   ├── StoreRefused          values that can never be stored
    │   ├── TurnLost              another worker goes on with the turn
    │   ├── LockLost              a lock that was held is not held any more
    │   ├── SchemaTooNew          made by a newer program
    │   └── SchemaTooOld          not migrated
    ├── HomeserverError           the Matrix side
    │   ├── HomeserverUnavailable refused, timed out, 5xx: try again
    │   └── HomeserverRefused     4xx: trying again does not help
    ├── UpstreamError             the agents' side
    │   ├── UpstreamUnreachable   no answer was begun: try again
    │   ├── UpstreamBusy          429 or 503, perhaps with a time: try again
    │   ├── UpstreamFailed        5xx before the first byte: try again
    │   ├── UpstreamRefused       4xx: trying again does not help
    │   │   └── ConversationTooLong   more than the model takes
    │   ├── UpstreamNonsense      an answer that is not the API's
    │   ├── AnswerBroken          an error or a cut inside the stream
    │   ├── AnswerEmpty           a stream without an answer
    │   ├── AnswerTooLong         more characters, or more time, than is allowed
    │   └── AgentGone             the upstream has no such agent any more
    └── FileRefused               a file that is not taken, with its cause
        └── TooLarge              more bytes than are taken
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from agent_bridge.i18n.english import ENGLISH

if TYPE_CHECKING:
    from agent_bridge.i18n.catalogue import Text, Texts


class BridgeError(Exception):
    """Something the bridge expects to go wrong now and then."""

    #: Whether the same request may succeed later.
    retryable: bool = False
    #: Seconds after which the other side asked to be tried again.
    retry_after: float | None = None

    def says(self, _texts: Texts, /) -> str:
        """Return what a person may be told: the cause in the language of the words, without secrets.

        It ends a sentence. What only operators meet, on a terminal, is English in any language.
        """
        return str(self)


class ConfigError(BridgeError):
    """The configuration is wrong; the message names file, line, key and mend."""


class CannotListen(BridgeError):
    """The address that the homeserver shall reach cannot be listened on."""


class StoreError(BridgeError):
    """The database cannot be used."""

    def says(self, texts: Texts, /) -> str:
        """Return that it cannot: what the database said of it is for the log alone."""
        return texts.database_failed


class StoreRefused(StoreError):
    """The database answered and will not do what it was asked, however often: trying again does not help."""


class TurnLost(StoreError):
    """Somebody else took the turn up since: what this worker still had to write about it counts no more."""


class LockLost(StoreError):
    """The database may have given the lock to somebody else."""


class SchemaTooNew(StoreError):
    """The database was migrated by a newer program than this one."""


class SchemaTooOld(StoreError):
    """The database lacks migrations that this program needs."""


class HomeserverError(BridgeError):
    """The homeserver did not do what it was asked."""

    def __init__(self, text: Text, *, status: int | None = None, errcode: str | None = None) -> None:
        super().__init__(ENGLISH.render(text))
        self._text = text
        #: HTTP status, None when there was no answer.
        self.status = status
        #: ``errcode`` of the Matrix spec, None when the body had none.
        self.errcode = errcode

    def says(self, texts: Texts, /) -> str:
        """Return the cause in words, the homeserver's own included."""
        return texts.render(self._text)


class HomeserverUnavailable(HomeserverError):
    """No answer, or one that says "not now"."""

    retryable = True


class HomeserverRefused(HomeserverError):
    """An answer that will stay the same."""


class UpstreamError(BridgeError):
    """An upstream did not answer as asked."""

    def __init__(self, text: Text, *, retry_after: float | None = None, detail: str | None = None) -> None:
        super().__init__(ENGLISH.render(text))
        self._text = text
        self.retry_after = retry_after
        #: The upstream's own words, shortened; None when it had none.
        self.detail = detail

    def says(self, texts: Texts, /) -> str:
        """Return the cause in words, with the upstream's own words behind it, untranslated."""
        cause = self.cause(texts)
        return f"{cause}: {self.detail}" if self.detail else cause

    def cause(self, texts: Texts, /) -> str:
        """Return the cause in the bridge's words alone."""
        return texts.render(self._text)

    def remedy(self, texts: Texts, /) -> str:
        """Return what a person can do about it, in a sentence."""
        return texts.look_at_server


class UpstreamUnreachable(UpstreamError):
    """The upstream could not be reached, or closed before it began to answer."""

    retryable = True

    def remedy(self, texts: Texts, /) -> str:
        """Return to try again."""
        return texts.try_again


class UpstreamBusy(UpstreamError):
    """The upstream asked to be tried later (429 or 503)."""

    retryable = True

    def remedy(self, texts: Texts, /) -> str:
        """Return to be patient."""
        return texts.try_later


class UpstreamFailed(UpstreamError):
    """The upstream failed before it began to answer (5xx)."""

    retryable = True


class UpstreamRefused(UpstreamError):
    """The upstream will not take this request (4xx)."""

    def remedy(self, texts: Texts, /) -> str:
        """Return to look at what is configured."""
        return texts.look_at_config


class ConversationTooLong(UpstreamRefused):
    """What was said is more than the agent's model takes."""

    def remedy(self, texts: Texts, /) -> str:
        """Return to make it shorter."""
        return texts.shorten


class UpstreamProtocolError(UpstreamError):
    """The upstream answered something that is not its API."""

    def remedy(self, texts: Texts, /) -> str:
        """Return to look at what is configured."""
        return texts.look_at_config


class AnswerInterrupted(UpstreamError):
    """The answer began and did not come to its end."""

    def remedy(self, texts: Texts, /) -> str:
        """Return to try again."""
        return texts.try_again


class AnswerEmpty(UpstreamError):
    """The upstream ended its answer without saying anything."""

    def remedy(self, texts: Texts, /) -> str:
        """Return to try again."""
        return texts.try_again


class AnswerTooLong(UpstreamError):
    """The answer grew, or took, beyond what the configuration allows."""

    def remedy(self, texts: Texts, /) -> str:
        """Return to ask for less."""
        return texts.ask_for_less


class AgentGone(UpstreamError):
    """The upstream has no such agent (any more)."""

    def remedy(self, texts: Texts, /) -> str:
        """Return to turn to somebody else."""
        return texts.ask_another


class FileProblem(StrEnum):
    """What is the matter with a file."""

    #: More bytes than are taken.
    TOO_LARGE = "too large"
    #: More pixels than are taken.
    TOO_MANY_PIXELS = "too many pixels"
    #: A format that nothing here reads.
    UNSUPPORTED = "unsupported"
    #: A format that is read, but not this file: cut, damaged, or locked by a password.
    UNREADABLE = "unreadable"
    #: A document without any text, as a scan is.
    NO_TEXT = "no text"
    #: Reading it took too long, or too much memory.
    TOO_HARD = "too hard"
    #: Whoever installed the bridge left out what reads it.
    NOT_INSTALLED = "not installed"
    #: A link to where the bridge does not go.
    FORBIDDEN = "forbidden"
    #: A link that gave no file.
    UNREACHABLE = "unreachable"
    #: Encrypted end to end, or without any link.
    ENCRYPTED = "encrypted"


class FileRefused(BridgeError):
    """A file cannot be taken."""

    def __init__(self, message: str, problem: FileProblem) -> None:
        super().__init__(message)
        self.problem = problem

    def says(self, texts: Texts, /) -> str:
        """Return what is the matter with it."""
        return texts.file_problems[self.problem]


class TooLarge(FileRefused):
    """A file has more bytes than are taken."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the file is larger than {limit} bytes", FileProblem.TOO_LARGE)
        #: Bytes that are taken, at most.
        self.limit = limit

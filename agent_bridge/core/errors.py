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
    └── UpstreamError             the agents' side
        ├── UpstreamUnreachable   no answer was begun: try again
        ├── UpstreamBusy          429 or 503, perhaps with a time: try again
        ├── UpstreamFailed        5xx before the first byte: try again
        ├── UpstreamRefused       4xx: trying again does not help
        ├── UpstreamNonsense      an answer that is not the API's
        ├── AnswerBroken          an error or a cut inside the stream
        ├── AnswerEmpty           a stream without an answer
        ├── AnswerTooLong         more characters, or more time, than is allowed
        └── AgentGone             the upstream has no such agent any more
"""

from __future__ import annotations


class BridgeError(Exception):
    """Something the bridge expects to go wrong now and then."""

    #: Whether the same request may succeed later.
    retryable: bool = False
    #: Seconds after which the other side asked to be tried again.
    retry_after: float | None = None

    @property
    def says(self) -> str:
        """What a person may be told: the cause in words, without secrets."""
        return str(self)


class ConfigError(BridgeError):
    """The configuration is wrong; the message names file, line, key and mend."""


class CannotListen(BridgeError):
    """The address that the homeserver shall reach cannot be listened on."""


class StoreError(BridgeError):
    """The database cannot be used."""


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

    def __init__(self, message: str, *, status: int | None = None, errcode: str | None = None) -> None:
        super().__init__(message)
        #: HTTP status, None when there was no answer.
        self.status = status
        #: ``errcode`` of the Matrix spec, None when the body had none.
        self.errcode = errcode


class HomeserverUnavailable(HomeserverError):
    """No answer, or one that says "not now"."""

    retryable = True


class HomeserverRefused(HomeserverError):
    """An answer that will stay the same."""


class UpstreamError(BridgeError):
    """An upstream did not answer as asked."""

    def __init__(self, message: str, *, retry_after: float | None = None, detail: str | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        #: The upstream's own words, shortened; None when it had none.
        self.detail = detail

    @property
    def says(self) -> str:
        """The cause in words, with the upstream's own words behind it."""
        return f"{self}: {self.detail}" if self.detail else str(self)


class UpstreamUnreachable(UpstreamError):
    """The upstream could not be reached, or closed before it began to answer."""

    retryable = True


class UpstreamBusy(UpstreamError):
    """The upstream asked to be tried later (429 or 503)."""

    retryable = True


class UpstreamFailed(UpstreamError):
    """The upstream failed before it began to answer (5xx)."""

    retryable = True


class UpstreamRefused(UpstreamError):
    """The upstream will not take this request (4xx)."""


class UpstreamNonsense(UpstreamError):
    """The upstream answered something that is not its API."""


class AnswerBroken(UpstreamError):
    """The answer began and did not come to its end."""


class AnswerEmpty(UpstreamError):
    """The upstream ended its answer without saying anything."""


class AnswerTooLong(UpstreamError):
    """The answer grew, or took, beyond what the configuration allows."""


class AgentGone(UpstreamError):
    """The upstream has no such agent (any more)."""

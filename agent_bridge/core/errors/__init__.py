"""The errors of the bridge. Each error knows its cause in every language, and whether and when a repeat may succeed.

::

    BridgeError
    ├── ConfigError                 the configuration is wrong (exit code 2)
    ├── CannotListen                the address of the endpoint is in use
    ├── WorkEnded                   a part of the process ended that must not end
    ├── StoreError                  the database
    │   ├── StoreRefused            values that can never be stored
    │   ├── RowUnreadable           a row has a value that no program of the bridge writes
    │   ├── TurnLost                another worker has claimed the turn
    │   ├── LockLost                the connection that held a lock was lost
    │   ├── DatabaseUnsuitable      too old a server, or another encoding than UTF8
    │   ├── SchemaTooNew            migrated by a newer program
    │   └── SchemaTooOld            not migrated
    ├── HomeserverError             the homeserver
    │   ├── HomeserverUnavailable   no response, 429 or 5xx: retryable
    │   │   ├── RateLimited         429 to background work, which waits
    │   │   ├── RegistrationRejected  its copy of the registration is another one
    │   │   │   └── TokenRejected   it does not know the as_token
    │   │   └── UserNotRegistered   it does not know the ghost or the bot
    │   └── HomeserverRefused       4xx
    │       ├── RoomOutOfReach      an alias points to a room that the bridge cannot enter
    │       └── ServerOutOfReach    another server does not answer the homeserver
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
    ├── KeyMissing                  nobody of the bridge has the key of an encrypted event (yet)
    ├── Unreadable                  an encrypted event that can never be read
    └── FileRefused                 a file that is not accepted, with its problem
        └── TooLarge                the file exceeds the limit of bytes
"""

from __future__ import annotations

from agent_bridge.core.errors.base import (
    BridgeError,
    CannotListen,
    ConfigError,
    WorkEnded,
)
from agent_bridge.core.errors.database import (
    DatabaseUnsuitable,
    LockLost,
    RowUnreadable,
    SchemaTooNew,
    SchemaTooOld,
    StoreError,
    StoreRefused,
    TurnLost,
)
from agent_bridge.core.errors.files import (
    FileProblem,
    FileRefused,
    TooLarge,
)
from agent_bridge.core.errors.homeserver import (
    HomeserverError,
    HomeserverRefused,
    HomeserverUnavailable,
    RateLimited,
    RegistrationRejected,
    RoomOutOfReach,
    ServerOutOfReach,
    TokenRejected,
    UserNotRegistered,
)
from agent_bridge.core.errors.keys import (
    KeyMissing,
    Unreadable,
)
from agent_bridge.core.errors.upstream import (
    AgentGone,
    AgentSilent,
    AnswerAwaited,
    AnswerEmpty,
    AnswerFiltered,
    AnswerInterrupted,
    AnswerMissing,
    AnswerTooLong,
    ConversationTooLong,
    MessageTooLong,
    QuestionRefused,
    UpstreamBusy,
    UpstreamError,
    UpstreamFailed,
    UpstreamProtocolError,
    UpstreamRefused,
    UpstreamUnreachable,
)

__all__ = [
    "AgentGone",
    "AgentSilent",
    "AnswerAwaited",
    "AnswerEmpty",
    "AnswerFiltered",
    "AnswerInterrupted",
    "AnswerMissing",
    "AnswerTooLong",
    "BridgeError",
    "CannotListen",
    "ConfigError",
    "ConversationTooLong",
    "DatabaseUnsuitable",
    "FileProblem",
    "FileRefused",
    "HomeserverError",
    "HomeserverRefused",
    "HomeserverUnavailable",
    "KeyMissing",
    "LockLost",
    "MessageTooLong",
    "QuestionRefused",
    "RateLimited",
    "RegistrationRejected",
    "RoomOutOfReach",
    "RowUnreadable",
    "SchemaTooNew",
    "SchemaTooOld",
    "ServerOutOfReach",
    "StoreError",
    "StoreRefused",
    "TokenRejected",
    "TooLarge",
    "TurnLost",
    "Unreadable",
    "UpstreamBusy",
    "UpstreamError",
    "UpstreamFailed",
    "UpstreamProtocolError",
    "UpstreamRefused",
    "UpstreamUnreachable",
    "UserNotRegistered",
    "WorkEnded",
]

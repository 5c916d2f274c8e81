"""Programs that use the HTTP API: their tokens, and the identity of a token."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from agent_bridge.core.actors import Actor

if TYPE_CHECKING:
    from datetime import datetime

#: Tokens of one person, or of one agent, that count at a time.
MOST_TOKENS = 20
#: The first characters of a token.
TOKEN_PREFIX = "ab_"  # noqa: S105 - no secret
#: Characters of a token's name, and of an ``Idempotency-Key``.
LONGEST_TOKEN_NAME, LONGEST_KEY = 80, 200
#: Key in the content of an event of the bridge that shows an action of a person's program: the user id of the person.
SAID_BY = "org.agent_bridge.said_by"
#: Key in the content of an event of a ghost that a program of its agent sent; its value is true.
BY_PROGRAM = "org.agent_bridge.api"
#: Key of a profile that counts for one message (MSC4144), as clients know it.
PROFILE = "com.beeper.per_message_profile"


class Capability(StrEnum):
    """A group of functions that a token may be limited to."""

    #: See agents, people, rooms and messages.
    READ = "read"
    #: Send messages and files, and edit and redact own ones.
    SEND = "send"
    #: Have agents answer, and wait for the answer.
    ASK = "ask"
    REACT = "react"
    #: Register and remove agents that connect themselves.
    REGISTER = "register"
    #: Subscribe to events.
    SUBSCRIBE = "subscribe"
    #: Make chats and direct chats; make, change, enter and leave servers and channels.
    CREATE = "create"


#: The capabilities of a token for which none are named.
ALL_CAPABILITIES = frozenset(Capability)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token that counts, and its identity as it is now."""

    #: Row id: the number by which people name it.
    id: int
    #: One line.
    name: str
    #: User id of the identity: a person, or the ghost of an agent.
    user_id: str
    #: Row id and name of the agent; None: a person.
    agent: int | None = None
    agent_name: str | None = None
    #: Whether the agent is gone or retired.
    is_at_rest: bool = False
    capabilities: frozenset[Capability] = ALL_CAPABILITIES
    #: Room ids to which it is limited; None: all rooms of the identity.
    rooms: frozenset[str] | None = None
    #: User id; empty: an operator made it on the command line.
    made_by: str = ""
    created_at: datetime
    #: To the minute.
    last_used_at: datetime | None = None
    expires_at: datetime | None = None

    @property
    def actor(self) -> Actor:
        """The identity, as functions take it."""
        return Actor(self.user_id, self.agent)

    @property
    def is_agent(self) -> bool:
        """Whether its identity is an agent."""
        return self.agent is not None

    def reaches(self, room_id: str) -> bool:
        """Tell whether the token may be used for a room, as far as its own limits go."""
        return self.rooms is None or room_id in self.rooms


def random_token() -> str:
    """Return a token of 256 random bits."""
    return _token(secrets.token_bytes(32))


def derived_token(key: str, nonce: str) -> str:
    """Return the token that belongs to *nonce*, a random text, for the holder of *key*."""
    return _token(hmac.new(key.encode(), b"token of the program " + nonce.encode(), hashlib.sha256).digest())


def token_hash(token: str) -> str:
    """Return the hexadecimal SHA-256 of *token*, which is stored in its place."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _token(code: bytes) -> str:
    return TOKEN_PREFIX + base64.urlsafe_b64encode(code).decode().rstrip("=")

"""The admin page: secrets of links and sessions, and the records that its pages show."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from agent_bridge.core.agents import AgentState
    from agent_bridge.core.rooms import KindName
    from agent_bridge.core.turns import TurnKind, TurnState

#: The path of the page, and that of a one-time link without its secret.
PATH, LINK_PATH = "/admin", "/admin/login/"
#: Seconds for which a link can be used.
LINK_SECONDS = 300


class AdminAction(StrEnum):
    """An action that the page records."""

    SIGN_IN = "sign_in"
    SIGN_IN_OPENID = "sign_in_openid"
    SIGN_OUT = "sign_out"
    RETRY = "retry"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class ActionEntry:
    """An action that was recorded."""

    id: int
    at: datetime
    user_id: str
    #: An :class:`AdminAction`; other versions of the bridge may write others.
    action: str
    #: Public name of a turn; empty: none.
    subject: str


@dataclass(frozen=True, slots=True)
class AgentRow:
    """An agent in the list."""

    id: int
    name: str
    #: By which the list is sorted.
    sort_key: str
    ghost: str
    upstream: str
    state: AgentState
    #: The home; None: there is none.
    room_id: str | None
    problems: tuple[str, ...]
    #: Time of the last request to the agent, as far as it is kept; None: none is.
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class LaneRow:
    """A lane with open turns."""

    #: Row id.
    id: int
    room_id: str
    #: None: the bridge does not know the room.
    room_kind: KindName | None
    #: Number of the chat.
    number: int | None
    in_thread: bool
    #: None: the bot's lane.
    agent: str | None
    #: Whether a worker has claimed its head.
    is_busy: bool
    waiting: int
    #: When the oldest turn was written, or asked again.
    oldest: datetime
    #: Why the lane waits although its head is not claimed: it has to be retried, or its room is looked at.
    not_before: datetime | None
    #: Public name of the first message that is open; None: none is.
    head: str | None


@dataclass(frozen=True, slots=True)
class TurnMoment:
    """A change of a turn, for the live activity. It has no words of people."""

    #: Row id and public name of the turn.
    id: int
    key: str
    kind: TurnKind
    #: QUEUED: it was received; RUNNING: a worker claimed it; otherwise its end.
    state: TurnState
    at: datetime
    agent: str | None
    room_kind: KindName | None
    number: int | None
    #: Seconds from the message to *at*; None: it was just received.
    seconds: float | None


def link_secret(key: str, nonce: str) -> str:
    """Return the secret of the link that belongs to *nonce*, a random text, for the holder of *key*."""
    return _text(hmac.new(key.encode(), b"link to the admin page " + nonce.encode(), hashlib.sha256).digest())


def random_secret() -> str:
    """Return a secret of 256 random bits."""
    return _text(secrets.token_bytes(32))


def secret_hash(secret: str) -> str:
    """Return the hexadecimal SHA-256 of *secret*, which is stored in its place."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def form_token(session: str) -> str:
    """Return the text that forms of the session with the secret *session* carry: other sites do not know it."""
    return _text(hmac.new(session.encode("utf-8", "surrogatepass"), b"form of the admin page", hashlib.sha256).digest())


def _text(code: bytes) -> str:
    return base64.urlsafe_b64encode(code).decode().rstrip("=")

"""Calls of agents and people as models, by programs that speak the OpenAI API."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

#: Characters of earlier messages that are quoted: the question has to fit an event together with them.
_QUOTED = 12_000


@dataclass(frozen=True, slots=True)
class Said:
    """A message as the program sends it."""

    #: ``user`` or ``assistant``.
    role: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """All that the program sends: the conversation so far, of which the last messages of the user are the question."""

    messages: Sequence[Said]
    #: System messages, or ``instructions``; empty: none.
    instructions: str = ""
    #: Name of the conversation; empty: none is given.
    conversation: str = ""
    #: Public name of an earlier request, whose conversation goes on; empty: none.
    previous: str = ""
    #: The room in which it is said; empty: the usual one.
    room: str = ""

    @property
    def question(self) -> str:
        """The messages of the user behind the last one of the assistant; empty: there are none."""
        return "\n\n".join(each.text for each in self.messages[self._earlier :])

    @property
    def fingerprint(self) -> str | None:
        """SHA-256 of the instructions; None without."""
        text = self.instructions.encode("utf-8", "surrogatepass")
        return hashlib.sha256(text).hexdigest() if self.instructions else None

    def words(self, *, is_known: bool, instructions: str | None) -> str:
        """Return the Markdown that is said: the question, below a quotation of what the thread does not have.

        *is_known*: the thread has the earlier messages. *instructions*: fingerprint of those that it has.
        """
        missing = [] if is_known else [*self.messages[: self._earlier]]
        if self.instructions and self.fingerprint != instructions:
            missing.insert(0, Said("system", self.instructions))
        if not missing:
            return self.question
        return f"{_quotation(missing)}\n\n{self.question}"

    @property
    def _earlier(self) -> int:
        """The number of messages before the question."""
        return max((at + 1 for at, each in enumerate(self.messages) if each.role != "user"), default=0)


def _quotation(messages: Sequence[Said]) -> str:
    """Return *messages* as a quotation; of a long conversation, the instructions and the end."""
    left, kept = _QUOTED, list[str]()
    for each in reversed(messages):
        if len(each.text) > left and kept:
            break
        kept.append(f"**{each.role}:** {each.text[-_QUOTED:]}")
        left -= len(each.text)
    if len(kept) < len(messages):
        kept.append("…")
    lines = "\n\n".join(reversed(kept)).splitlines()
    return "\n".join(f"> {line}".rstrip() for line in lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """An agent, or a person, who may be asked."""

    #: Localpart of the ghost, or user id of the person: it stays when names change.
    id: str
    name: str
    #: Name of the agent's upstream; ``person``.
    owner: str
    created_at: datetime
    is_agent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall:
    """A question that was said."""

    #: Public name of the request.
    handle: str
    room_id: str
    event_id: str
    #: Name of the model as the program gave it, and user id of the one who answers.
    model: str
    target: str
    #: Seconds since 1970.
    created: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAnswer:
    """The answer to a call."""

    #: Markdown; empty without.
    text: str
    #: ``answered``, ``stopped`` or ``failed``.
    status: str
    #: Why there is no whole answer.
    error: str = ""
    #: Whether a quota refuses the question, and seconds until the quota counts anew; None: it never does.
    is_over_quota: bool = False
    again_in: float | None = None
    #: Tokens; None: not reported.
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None

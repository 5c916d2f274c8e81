"""Calls of agents and people as models, by programs that speak the OpenAI API."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

#: Bytes of earlier messages that are quoted, and of a question together with them, which has to fit an event with the
#: name of the person. A question that leaves less than the last number is refused as too long.
_QUOTED, _FITS, _LEAST = 12_000, 29_500, 500
#: The role of instructions, and the line between two quoted messages.
_TOLD, _BETWEEN = "system", "\n>\n"


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
            missing.insert(0, Said(_TOLD, self.instructions))
        if not missing:
            return self.question
        left = _FITS - len(self.question.encode("utf-8", "surrogatepass"))
        return f"{_quotation(missing, max(min(_QUOTED, left), _LEAST))}\n\n{self.question}"

    @property
    def _earlier(self) -> int:
        """The number of messages before the question."""
        return max((at + 1 for at, each in enumerate(self.messages) if each.role != "user"), default=0)


def _quotation(messages: Sequence[Said], most: int) -> str:
    """Return *messages* as a quotation of about *most* bytes: of long ones, the instructions and the end."""
    told = [_quoted(each, most // 2) for each in messages if each.role == _TOLD]
    spoken = [each for each in messages if each.role != _TOLD]
    left, kept = most - sum(len(each.encode("utf-8", "surrogatepass")) for each in told), list[str]()
    for each in reversed(spoken):
        part = _quoted(each, left) if not kept else _quoted(each)
        left -= len(part.encode("utf-8", "surrogatepass")) + len(_BETWEEN)
        if left < 0 and kept:
            break
        kept.append(part)
    if len(kept) < len(spoken):
        kept.append("> …")
    return _BETWEEN.join([*told, *reversed(kept)])


def _quoted(said: Said, most: int | None = None) -> str:
    """Return *said* as a quotation; of one with more than *most* bytes the end."""
    text = said.text if most is None else said.text[-max(most, 1) :]
    while True:
        lines = f"**{said.role}:** {text}".splitlines()
        quoted = "\n".join(f"> {line}".rstrip() for line in lines)
        over = 0 if most is None else len(quoted.encode("utf-8", "surrogatepass")) - most
        if over <= 0 or not text:
            return quoted
        # A character has up to four bytes.
        text = text[max(over // 4, 1) :]


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

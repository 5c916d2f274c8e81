"""Results of the commands about the conversation with an agent: its contexts, instructions and model."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from datetime import datetime


class ContextRefusal(StrEnum):
    """Why a command about a conversation changed nothing."""

    #: The command concerns one agent, and the room has several.
    NO_AGENT = "no_agent"
    #: The command takes the name of an agent, and the room has several.
    UNNAMED = "unnamed"
    #: The named agent is not in the room.
    ABSENT = "absent"
    #: The configuration has the agent's server no more.
    NO_UPSTREAM = "no_upstream"
    #: The agent's server has one memory for all rooms.
    ONE_MEMORY = "one_memory"
    #: The agent's server keeps the conversation, and copies none.
    NO_COPIES = "no_copies"
    #: The agent's server chooses the model, or gets no instructions.
    NO_MODELS = "no_models"
    #: Nothing was said yet.
    EMPTY = "empty"
    #: A copy with this name exists.
    NAME_TAKEN = "name_taken"
    #: A number is no name: it means an entry of a list.
    NUMBER = "number"
    #: The person has saved as many copies as allowed.
    TOO_MANY = "too_many"
    #: No copy has this name; the same, and one has a similar name.
    UNKNOWN = "unknown"
    SIMILAR = "similar"
    #: No model has this name; the same, and one has a similar name.
    UNKNOWN_MODEL = "unknown_model"
    SIMILAR_MODEL = "similar_model"
    #: The copy was deleted in the meantime.
    GONE = "gone"
    #: The agent's server does not tell earlier messages.
    NO_HISTORY = "no_history"
    #: The agent's server has no conversation for the room.
    NOT_BEGUN = "not_begun"


@dataclass(frozen=True, slots=True)
class ContextRefused:
    """Nothing was changed."""

    reason: ContextRefusal
    #: Name of the agent, empty if there is not one.
    agent: str = ""
    #: The name that the person gave, and a similar one that exists.
    name: str = ""
    nearest: str = ""
    #: The largest number of copies.
    most: int = 0


@dataclass(frozen=True, slots=True)
class ContextBegun:
    """The agent goes on without the messages before."""

    agent: str


@dataclass(frozen=True, slots=True)
class ContextReport:
    """The content of the next request to the agent, besides the next message."""

    agent: str
    #: Number of the earlier messages: those of the request, or of the conversation that the server keeps.
    messages: int
    #: Estimated tokens of these messages, and the largest number in a request; None: the server keeps the messages.
    tokens: int | None
    budget: int | None
    #: The system message; None: the request has none.
    system_prompt: str | None
    #: Instructions of people that the agent's server gets with a message; empty without such.
    instructions: str
    #: The model that is asked, if people chose another one than the agent's own; else empty.
    model: str
    #: When the conversation began; None: nothing was said yet.
    began: datetime | None

    @property
    def is_on_server(self) -> bool:
        """Whether the agent's server keeps the conversation, not the bridge."""
        return self.budget is None


@dataclass(frozen=True, slots=True)
class Instructions:
    """The instructions of people for the agent in the room."""

    agent: str
    #: Empty: there are none.
    text: str
    #: Whether the command changed them.
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """The models that the agent can be asked as in the room."""

    agent: str
    #: The one that is asked, and the agent's own.
    current: str
    own: str
    #: All of them; empty if the command changed the model.
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ContextSaved:
    """The conversation so far was saved."""

    name: str


@dataclass(frozen=True, slots=True)
class ContextOption:
    """A conversation in a numbered list."""

    number: int
    #: None: it ended in the room.
    name: str | None
    messages: int
    #: When it was saved, or when it ended.
    at: datetime


@dataclass(frozen=True, slots=True)
class ContextList:
    """The conversations that the person can load."""

    agent: str
    options: tuple[ContextOption, ...]
    #: The number of those that are left out: older ones.
    more: int = 0
    #: Whether it comes in place of a choice, by a number of no list or of an old one.
    is_renewed: bool = False


@dataclass(frozen=True, slots=True)
class ContextLoaded:
    """The agent goes on with an earlier conversation."""

    agent: str
    #: None: one that had ended in the room.
    name: str | None
    messages: int


@dataclass(frozen=True, slots=True)
class ContextForgotten:
    """A saved copy was deleted."""

    name: str


@dataclass(frozen=True, slots=True)
class ImportBegun:
    """An import of earlier messages is requested; its progress appears in the same message."""

    agent: str


ContextResult: TypeAlias = (
    ContextBegun
    | ContextForgotten
    | ContextList
    | ContextLoaded
    | ContextRefused
    | ContextReport
    | ContextSaved
    | ImportBegun
    | Instructions
    | ModelChoice
)

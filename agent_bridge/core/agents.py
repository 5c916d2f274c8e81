"""Agents: the records of the table ``agent``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class AgentState(StrEnum):
    """States of an agent."""

    #: Its upstream lists it, or the configuration has an entry for it: it has a ghost and a room, or gets them next.
    ACTIVE = "active"
    #: Its upstream lists it, but listed too many new agents at once: an operator must accept it.
    HELD = "held"
    #: Its upstream no longer lists it, or its entry was removed: the room stays, the ghost does not answer.
    GONE = "gone"
    #: An operator put it away, or it has been gone for long: the Space does not list its room, which may be deleted.
    RETIRED = "retired"

    @property
    def is_at_rest(self) -> bool:
        """Whether the agent answers nothing, and may come back."""
        return self in {AgentState.GONE, AgentState.RETIRED}


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """What the entry of an agent in the configuration sets; empty values: nothing."""

    system_prompt: str | None = None
    temperature: float | None = None
    #: The first message in a new room, in Markdown.
    greeting: str | None = None
    #: The picture and the description that replace those of the upstream. The picture is the value of
    #: :attr:`Agent.image`.
    image: str = ""
    description: str = ""


#: Nothing is set.
NO_SETTINGS = AgentSettings()


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent of an upstream, and its ghost."""

    #: Row id.
    id: int
    #: Name of the upstream in the configuration.
    upstream: str
    #: Id within the upstream; never changes.
    agent_id: str
    #: Its current name in the upstream's API: the ``model`` of a request.
    model: str
    #: Its name on the upstream, for people.
    name: str
    #: Localpart of its ghost; never changes.
    ghost: str
    #: Desired display name of the ghost.
    displayname: str
    #: Display name that the ghost was given last; None before the ghost exists.
    displayname_applied: str | None
    #: Its state, and the time of the last change of the state.
    state: AgentState
    state_since: datetime
    #: Address of its picture (empty: the bridge draws one), and the one from which *avatar* was made (None: there is no
    #: avatar yet).
    image: str = ""
    image_applied: str | None = None
    #: ``mxc://`` URL of the picture that the bridge uploaded for it.
    avatar: str | None = None
    #: Its description, by its entry or by the upstream.
    description: str = ""
    #: The kind of upstream whose list has *model*.
    kind: str = "openai"
    #: The id of the configuration's entry that stands for it; None: it is one that its upstream lists.
    entry: str | None = None
    settings: AgentSettings = NO_SETTINGS
    #: User id of the person who retired it: a list that has it does not bring it back; None: nobody did.
    retired_by: str | None = None
    #: The status text that it has set; None: none.
    status_text: str | None = None
    #: Whether it has itself shown as away although it answers.
    away: bool = False

    @property
    def presence(self) -> str:
        """The ``presence`` of the Matrix spec while it is there."""
        return presence_of(away=self.away)


def presence_of(*, away: bool) -> str:
    """Return the ``presence`` of the Matrix spec of an agent that is there, or has itself shown as away."""
    return "unavailable" if away else "online"

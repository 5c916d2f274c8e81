"""The actor of a function that people and agents share: the user that acts, by a command, a tool or a program."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """A person, or an agent by its ghost. An agent never has more permissions than the role *agent*."""

    #: User id: of the person, or of the ghost.
    user_id: str
    #: Row id of the agent; None: a person.
    agent: int | None = None

    @property
    def is_agent(self) -> bool:
        """Whether an agent acts."""
        return self.agent is not None

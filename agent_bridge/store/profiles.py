"""Profiles: the fields that the ghosts of agents have, and those that they should have."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent_bridge.store.postgres.database import Database

_SQL = Statements("profiles")


class Activity(StrEnum):
    """Activities of an agent."""

    ANSWERS = "answers"
    #: A tool call waits for the decision of a person.
    ASKS = "asks"


@dataclass(frozen=True, slots=True)
class ProfileChange:
    """The fields of a ghost that differ from the desired ones."""

    #: Row id of the agent, and localpart of its ghost.
    agent: int
    ghost: str
    #: The desired description, None for a profile without fields; and the one that the profile has.
    description: str | None
    description_applied: str | None
    #: The same for the activity, None if it does nothing.
    activity: Activity | None
    activity_applied: str | None

    @property
    def has_new_description(self) -> bool:
        """Whether the description differs."""
        return self.description != self.description_applied

    @property
    def has_new_activity(self) -> bool:
        """Whether the activity differs."""
        return self.activity != self.activity_applied


class Profiles:
    """The columns ``agent.description_applied`` and ``agent.activity_applied``; one process at a time uses them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def next_change(self, after: float, without: Iterable[int], *, shows: bool) -> ProfileChange | None:
        """Return a profile that is to be changed, of none of the agents *without*; None if there is none.

        An agent answers if it has done so for *after* seconds. Not *shows*: all fields are to be emptied.

        Raises:
            StoreError: the database did not respond.
        """
        values = {"after": after, "without": list(without), "shows": shows}
        row = await self._database.row(_SQL["next_change"], values)
        if row is None:
            return None
        activity = None if row["activity"] is None else Activity(row["activity"])
        return ProfileChange(**row | {"activity": activity})

    async def description_applied(self, agent: int, description: str | None) -> None:
        """Record the description that a profile has.

        Raises:
            StoreError: the database did not respond.
        """
        await self._database.execute(_SQL["description_applied"], {"agent": agent, "description": description})

    async def activity_applied(self, agent: int, activity: Activity | None) -> None:
        """Record the activity that a profile has.

        Raises:
            StoreError: the database did not respond.
        """
        await self._database.execute(_SQL["activity_applied"], {"agent": agent, "activity": activity})

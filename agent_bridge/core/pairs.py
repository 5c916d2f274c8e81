"""Direct rooms of two agents, or of two people: at most one for each pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.core.ids import short_hash
from agent_bridge.core.names import one_line

if TYPE_CHECKING:
    from agent_bridge.core.agents import Agent

#: Hexadecimal digits of the key of a pair, and characters of a name in the name of its room.
_KEY_LENGTH, _NAME_LENGTH = 16, 60


@dataclass(frozen=True, slots=True)
class PairMember:
    """One of the two: an agent or a person."""

    user_id: str
    #: Name for people.
    name: str
    #: None: a person.
    agent: Agent | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """Two users in the order of their ids, so that both orders are the same pair."""

    low: PairMember
    high: PairMember

    @classmethod
    def of(cls, one: PairMember, other: PairMember) -> Pair:
        """Return the pair of two different users, in any order."""
        low, high = sorted((one, other), key=lambda each: each.user_id)
        return cls(low, high)

    @property
    def members(self) -> tuple[PairMember, PairMember]:
        """Both of them."""
        return self.low, self.high

    @property
    def is_of_agents(self) -> bool:
        """Whether both are agents."""
        return self.low.agent is not None and self.high.agent is not None

    @property
    def key(self) -> str:
        """The same for both orders, and in every database."""
        return f"pair.{short_hash(f'{self.low.user_id} {self.high.user_id}', _KEY_LENGTH)}"

    @property
    def room_name(self) -> str:
        """The name of their room."""
        return ", ".join(one_line(each.name)[:_NAME_LENGTH] for each in self.members)


@dataclass(frozen=True, slots=True)
class ListedPair:
    """The room of a pair, for administrators: they know that it exists."""

    room_id: str
    #: User ids.
    low: str
    high: str
    #: Seconds since it was made.
    age: float

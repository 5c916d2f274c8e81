"""The lobby: a room of several agents. Each question mentions one agent or several. Each of these answers once."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from crash.asked import LAST
from crash.spots import SETTLED_WITHIN, Spot, in_thread, join
from support.conditions import eventually

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent_bridge.config.model import Config
    from crash.asked import Change, Question
    from crash.spots import Said
    from support.person import Person

#: Part of the questions that mention all agents; the others mention one.
_TO_ALL = 0.6


@dataclass(frozen=True, slots=True)
class Group:
    """A room of several agents: one spot for each."""

    spots: tuple[Spot, ...]
    said: list[Said] = field(default_factory=list)
    #: Agents are asked; no message interrupts another one.
    interrupts: bool = False

    @property
    def people(self) -> tuple[Person, ...]:
        """The people."""
        return self.spots[0].people

    async def ask(self, question: Question, by: Person | None = None, content: Mapping[str, Any] | None = None) -> Said:
        """Send the question once; it mentions the agents that its key determines."""
        asked = self._asked(question)
        mentions = {"m.mentions": {"user_ids": [spot.ghost for spot in asked]}}
        said = await self.spots[0].send(question, by or self.people[0], dict(content or {}) | mentions)
        self.said.append(said)
        for spot in asked:
            spot.said.append(said)
        return said

    async def ask_in_thread(self, question: Question, root: Said, by: Person) -> Said:
        """Send the question into the thread of *root*, which other agents may have answered."""
        return await self.ask(replace(question, thread=root.question.key), by, in_thread(root))

    async def change(self, said: Said, change: Change, edited: Question | None = None) -> None:
        """Do *change* with the question of *said*; *edited* is the new one of an edit."""
        await self.spots[0].change(said, change, edited)

    def _asked(self, question: Question) -> Sequence[Spot]:
        draw = random.Random(question.key)  # noqa: S311
        if question.key.endswith(LAST) or draw.random() < _TO_ALL:
            return self.spots
        return [draw.choice(self.spots)]


async def enter_lobby(config: Config, spots: Sequence[Spot], count: int) -> Group:
    """Have the people of *spots* enter the lobby, when it has the agents of the first *count* of them."""
    first = spots[0]
    alias = f"#{config.namespace.lobby_alias_localpart}:{config.namespace.domain}"
    room_id = await eventually(partial(first.person.resolve, alias), "there is a lobby", SETTLED_WITHIN)
    for person in first.people:
        await join(person, room_id)
    said: list[Said] = []
    agents = [
        Spot(room_id, spot.localpart, spot.ghost, spot.model, spot.people, said_to_all=said) for spot in spots[:count]
    ]
    ghosts = {spot.ghost for spot in agents}
    for person in first.people:
        await person.wait_for(partial(_has, person, room_id, ghosts), SETTLED_WITHIN)
    return Group(tuple(agents), said)


def _has(person: Person, room_id: str, users: set[str]) -> bool:
    return person.room(room_id).members() >= users

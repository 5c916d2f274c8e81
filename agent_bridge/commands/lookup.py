"""How people name things: agents by name, messages by link, commands by a word that may have a typo."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING
from urllib.parse import unquote

from agent_bridge.core.agents import AgentState
from agent_bridge.core.names import folded
from agent_bridge.core.permissions import Permission

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from agent_bridge.commands.registry import CommandContext
    from agent_bridge.store.agents import AgentRoom

#: Similarity of two names, between 0 and 1, from which one may be meant by the other.
_SIMILAR = 0.6
#: The same for names that are suggested, and their number.
_SUGGESTED, _SUGGESTIONS = 0.4, 3
#: The same for the names of commands, which are short.
_SIMILAR_WORD = 0.5
#: First characters of user ids and aliases.
_SIGILS = frozenset({"@", "#"})
_LINK = re.compile(r"(?:matrix\.to/#/|matrix:roomid/)(?P<room>[^/?]+)/(?:e/)?(?P<event>[^/?)\s]+)")


class Closeness(IntEnum):
    """How close a name has to be to the one of an agent."""

    WHOLE = 0
    #: Also its beginning, or a part of it.
    PART = 1
    SIMILAR = 2


@dataclass(frozen=True, slots=True)
class MessageReference:
    """A message, as a person names it."""

    #: An event id, a turn's name or the beginning of one.
    name: str
    #: Room id or alias; None when the person gave no link.
    room: str | None = None


async def visible_agents(ctx: CommandContext) -> list[AgentRoom]:
    """Return the agents that the caller may know of: a held agent has no room yet, so only admins see it."""
    agents = await ctx.services.agents.all()
    return [each for each in agents if ctx.can(Permission.OPERATE) or each.agent.state is not AgentState.HELD]


def find_agents(name: str, agents: Sequence[AgentRoom], closeness: Closeness = Closeness.SIMILAR) -> list[AgentRoom]:
    """Return the agents that *name* may mean: all that the strictest comparison with a match finds.

    Comparisons, strictest first: ghost, room or listed id; name; name in any case; id, which may be a former name;
    beginning; part; similar name. *closeness* is that of the last one. Agents at rest count only if no other one
    matches. A ghost or a name may have an ``@`` before it, and a ghost a ``#``, as the alias of its home has. An ``@``
    alone is the beginning of no name.
    """
    ghost = name[1:] if name[:1] in _SIGILS else name
    typed, name = name, name.removeprefix("@")
    sought = folded(name)
    comparisons: tuple[Callable[[AgentRoom], bool], ...] = (
        lambda c: c.agent.ghost in {ghost, ghost.replace("=2f", "/").replace("=2b", "+")} or c.home.room_id == name,
        # Several entries of the configuration may have one model.
        lambda c: bool(
            {name, typed} & {c.agent.entry or c.agent.model, c.agent.name, c.home.name, c.agent.displayname}
        ),
        lambda c: sought == folded(c.agent.name),
        lambda c: sought in {c.agent.ghost, folded(c.agent.agent_id)},
        lambda c: folded(c.agent.name).startswith(sought),
        lambda c: sought in folded(c.agent.name),
        lambda c: difflib.SequenceMatcher(None, sought, folded(c.agent.name)).ratio() >= _SIMILAR,
    )
    last = {Closeness.WHOLE: -3, Closeness.PART: -1, Closeness.SIMILAR: None}[closeness]
    for matches in comparisons[:last] if sought.strip() else comparisons[:2]:
        if found := [agent_room for agent_room in agents if matches(agent_room)]:
            return [each for each in found if not each.agent.state.is_at_rest] or found
    return []


def similar_agents(name: str, agents: Sequence[AgentRoom]) -> list[AgentRoom]:
    """Return the agents whose names are most similar to *name*, the nearest first."""
    sought = folded(name.removeprefix("@"))
    ratios = [(difflib.SequenceMatcher(None, sought, folded(each.agent.name)).ratio(), each) for each in agents]
    near = sorted((each for each in ratios if each[0] >= _SUGGESTED), key=lambda each: -each[0])
    return [agent_room for _, agent_room in near[:_SUGGESTIONS]]


def nearest(word: str, names: Iterable[str]) -> str | None:
    """Return the one of *names* that is most similar to *word*; None when none is similar."""
    similar = difflib.get_close_matches(word.casefold(), list(names), n=1, cutoff=_SIMILAR_WORD)
    return similar[0] if similar else None


def parse_reference(text: str) -> MessageReference:
    """Return the message that *text* names: by a link (matrix.to or ``matrix:`` URI), an event id, or a turn's name.

    A link may stand inside other text. Event ids and names may stand in backticks or angle brackets.
    """
    text = text.strip().strip("<>`")
    found = _LINK.search(text)
    if found is None:
        return MessageReference(text)
    room, event = unquote(found["room"]), unquote(found["event"])
    return MessageReference(
        event if event.startswith("$") else f"${event}", room if room.startswith(("!", "#")) else f"!{room}"
    )

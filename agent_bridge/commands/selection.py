"""The command ``agent``: lists the agents, and selects one of them by number or by name."""

from __future__ import annotations

import re
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from agent_bridge.commands.argument_kinds import AgentChoice, ArgumentError, the_agent
from agent_bridge.commands.effects import once
from agent_bridge.commands.entries import agent_entry
from agent_bridge.commands.pages import number_of_pages
from agent_bridge.commands.registry import CommandContext, command
from agent_bridge.core.agents import AgentState
from agent_bridge.core.names import one_line
from agent_bridge.core.permissions import Permission
from agent_bridge.core.results.commands import Argument, ArgumentProblem, Group
from agent_bridge.core.results.selection import (
    AgentChoices,
    AgentOption,
    AgentSelected,
    CannotEnter,
    RoomBound,
)
from agent_bridge.core.rooms import ChoiceKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agent_bridge.commands.effects import Effect
    from agent_bridge.core.rooms import Room
    from agent_bridge.store.agents import AgentRoom
    from agent_bridge.store.postgres.database import Connection

#: Agents of one page.
_PAGE = 20
_WANTED_PAGE = re.compile(r"page(?:\s+(?P<page>[0-9]{1,9}))?", re.IGNORECASE)
#: The argument of the command.
_CHOICE = Argument("choice", required=False)
_NUMBER = re.compile(r"#?(?P<number>[0-9]{1,6})")


@command("agent", group=Group.AGENTS, permission=Permission.READ, example="2")
async def agent(
    ctx: CommandContext, choice: AgentChoice | None = None
) -> AgentChoices | AgentSelected | RoomBound | CannotEnter:
    """List the agents, or select one for the caller; a room whose people have yet to choose is bound to it.

    A number refers to the list that the caller was shown last. A number of an old list shows a new one. Running twice
    has the effect of the first run.
    """
    known = {each.agent.id: each for each in await ctx.services.agents.all()}
    room = (await ctx.services.rooms.contexts([ctx.room_id])).get(ctx.room_id)
    # A word of which nothing is visible is no name.
    wanted = choice if choice and one_line(choice) else ""
    effect = await once(ctx, partial(_act, ctx, wanted, known, binds=room is not None and room.is_unbound))
    if "listed" in effect:
        return await listed(ctx, effect, known)
    chosen = known[effect["agent"]]
    entry = agent_entry(chosen, ctx.services.namespace.domain)
    if not effect["binds"]:
        return AgentSelected(entry, _other_agent(room, chosen, known))
    owner = await ctx.services.binding.bind(ctx.room_id, chosen.agent)
    if owner is None:
        return CannotEnter(entry.name, ctx.services.namespace.user_id(chosen.agent.ghost))
    return RoomBound(entry.name) if owner == chosen.agent.id else AgentSelected(entry, known[owner].agent.name)


async def offer(ctx: CommandContext) -> AgentChoices:
    """Show the list from which the people of a room choose the agent that answers there."""
    known = {each.agent.id: each for each in await ctx.services.agents.all()}
    return await listed(ctx, await once(ctx, partial(_act, ctx, "", known, binds=True)), known)


async def _act(
    ctx: CommandContext, choice: str, known: Mapping[int, AgentRoom], connection: Connection, *, binds: bool
) -> Effect:
    """Show a page of the list, or select the agent that *choice* means.

    Raises:
        ArgumentError: *choice* means no agent, or no page of the list.
    """
    found = await ctx.services.choices.shown(connection, ctx.sender, ChoiceKind.AGENTS)
    shown = None if found is None else found.items
    page = _WANTED_PAGE.fullmatch(choice)
    number = _NUMBER.fullmatch(choice)
    if choice and page is None:
        if number is None:
            return await _select(ctx, connection, await _named(ctx, choice, known), binds=binds)
        if shown is not None:
            return await _select(ctx, connection, numbered(int(number["number"]), shown, known), binds=binds)
    # The pages of one list have the same order and purpose: their numbers go on.
    goes_on = page is not None and found is not None
    items = shown if goes_on and shown is not None else in_order(known.values())
    purpose = found.command if goes_on and found is not None else "agent"
    wanted = int(page["page"] or 1) if page is not None else 1
    number_of_pages(wanted, len(items), _PAGE)
    await ctx.services.choices.show(
        connection,
        ctx.sender,
        ChoiceKind.AGENTS,
        items,
        room_id=ctx.room_id,
        thread=ctx.thread,
        turn=ctx.turn,
        command=purpose,
        title=found.title if goes_on and found is not None else None,
    )
    return {"listed": items, "page": wanted, "renewed": number is not None, "binds": binds, "for": purpose}


async def _select(ctx: CommandContext, connection: Connection, chosen: AgentRoom, *, binds: bool) -> Effect:
    await ctx.services.selections.select(connection, ctx.sender, chosen.agent.id)
    return {"agent": chosen.agent.id, "binds": binds}


async def _named(ctx: CommandContext, name: str, known: Mapping[int, AgentRoom]) -> AgentRoom:
    """Return the agent that *name* means: a name, roughly, a user id or an alias."""
    visible = [each for each in known.values() if each.agent.state is not AgentState.HELD]
    return present(await the_agent(_CHOICE, name, visible, ctx.services.namespace.domain))


def numbered(number: int, shown: Sequence[int], known: Mapping[int, AgentRoom]) -> AgentRoom:
    """Return the agent with a number of the list *shown*.

    Raises:
        ArgumentError: the list has no such number, or the agent is gone.
    """
    if not 1 <= number <= len(shown):
        raise ArgumentError(ArgumentProblem.NO_SUCH_NUMBER, _CHOICE, str(number), most=len(shown))
    return present(known[shown[number - 1]])


def present(agent_room: AgentRoom) -> AgentRoom:
    """Return *agent_room*.

    Raises:
        ArgumentError: the agent is gone, or an operator has yet to accept it.
    """
    if agent_room.agent.state is not AgentState.ACTIVE:
        raise ArgumentError(ArgumentProblem.AGENT_GONE, _CHOICE, agent_room.agent.name)
    return agent_room


def in_order(agents: Iterable[AgentRoom]) -> list[int]:
    """Return the row ids of the agents that can be selected, by name."""
    active = [each.agent for each in agents if each.agent.state is AgentState.ACTIVE]
    return [each.id for each in sorted(active, key=lambda each: (each.name.casefold(), each.id))]


async def listed(ctx: CommandContext, effect: Effect, known: Mapping[int, AgentRoom]) -> AgentChoices:
    """Return the page of the list of agents that the command has shown."""
    items: list[int] = effect["listed"]
    page: int = effect["page"]
    pages = number_of_pages(page, len(items), _PAGE)
    start = (page - 1) * _PAGE
    selected = (await ctx.services.selections.selected([ctx.sender])).get(ctx.sender)
    names = Counter(known[item].agent.name.casefold() for item in items)
    options = tuple(
        AgentOption(
            number,
            known[item].agent.name,
            known[item].agent.description,
            is_current=item == selected,
            ghost=known[item].agent.ghost if names[known[item].agent.name.casefold()] > 1 else "",
        )
        for number, item in enumerate(items[start : start + _PAGE], start + 1)
    )
    return AgentChoices(
        options,
        page,
        pages,
        is_for_room=effect["binds"],
        is_renewed=effect["renewed"],
        is_for_chat=effect["for"] == "new",
    )


def _other_agent(room: Room | None, chosen: AgentRoom, known: Mapping[int, AgentRoom]) -> str | None:
    """Return the name of the agent of *room*, if that is not the one *chosen*."""
    owner = None if room is None else room.owner
    return None if owner is None or owner == chosen.agent.id else known[owner].agent.name

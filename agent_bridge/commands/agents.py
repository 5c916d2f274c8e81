"""Commands about agents: list them, invite people into their rooms."""

from __future__ import annotations

from dataclasses import replace

from agent_bridge.bridge.rooms.invitations import invite_home, may_enter
from agent_bridge.commands.argument_kinds import PageNumber, UserId
from agent_bridge.commands.entries import agent_entry, personal_entries
from agent_bridge.commands.lookup import visible_agents
from agent_bridge.commands.pages import number_of_pages
from agent_bridge.commands.registry import CommandContext, command
from agent_bridge.core.agents import AgentState
from agent_bridge.core.ids import parse_user_id
from agent_bridge.core.permissions import Permission, lowest_role
from agent_bridge.core.results.commands import (
    AgentEntry,
    AgentList,
    Group,
    Invited,
    NoRoomYet,
    NotPermitted,
    RoomAddress,
)
from agent_bridge.core.roles import Role
from agent_bridge.store.agents import AgentRoom

#: Agents of one page.
_PAGE = 50
_FIRST = PageNumber(1)


@command("agents", group=Group.AGENTS, permission=Permission.READ, example="2")
async def agents(ctx: CommandContext, page: PageNumber = _FIRST) -> AgentList:
    """List the agents, fifty on a page. Only reads."""
    found = sorted(await visible_agents(ctx), key=lambda each: each.agent.name.casefold())
    pages = number_of_pages(page, len(found), _PAGE)
    shown = found[(page - 1) * _PAGE : page * _PAGE]
    entries = await personal_entries(ctx, shown)
    return AgentList(entries, is_for_admin=ctx.can(Permission.OPERATE), page=page, pages=pages)


@command("invite", group=Group.AGENTS, permission=Permission.JOIN, example="Ada @bob:example.org")
async def invite(
    ctx: CommandContext, agent: AgentRoom, user: UserId | None = None
) -> Invited | NoRoomYet | NotPermitted:
    """Invite *user*, or the caller, into the room of *agent*.

    Without the role of an admin only the caller, who was invited before, or may enter from the Space, and was not
    removed. The agent's ghost invites to a direct conversation. The homeserver does not repeat an invitation that the
    person has not answered, and it does not invite a member. So running twice has another effect only for a person who
    left the room in between. With private rooms, the command opens the person's own room with the agent, once.
    """
    services, person = ctx.services, user or ctx.sender
    if agent.home.room_id is None:
        return await _open(ctx, agent, person) if services.private_rooms else NoRoomYet(agent.agent.name)
    if not ctx.can(Permission.MEMBERS) and (
        person != ctx.sender or not await may_enter(services.homeserver, services.kv, agent, person)
    ):
        return NotPermitted("invite", lowest_role(Permission.MEMBERS))
    was_invited = await invite_home(services.homeserver, agent, person)
    # A member that comes from the Space may do so as long as the Space lets it in.
    if ctx.can(Permission.MEMBERS) and person not in agent.home.invited:
        await services.agents.invited(agent.home.id, person)
    return await _invited(ctx, agent_entry(agent, services.namespace.domain), person, was_member=not was_invited)


async def _open(ctx: CommandContext, agent: AgentRoom, person: str) -> Invited | NoRoomYet | NotPermitted:
    """Open the own room of *person* with *agent*; only an admin may do so for others."""
    services = ctx.services
    if person != ctx.sender and not ctx.can(Permission.MEMBERS):
        return NotPermitted("invite", lowest_role(Permission.MEMBERS))
    if agent.agent.state is not AgentState.ACTIVE:
        return NoRoomYet(agent.agent.name)
    known = (await services.direct_chats.rooms_of(person)).get(agent.agent.id)
    room_id = await services.direct.open(agent.agent, person)
    ghost = services.namespace.user_id(agent.agent.ghost)
    is_member = room_id == known and await services.homeserver.membership(room_id, person, ghost) == "join"
    entry = replace(agent_entry(agent, services.namespace.domain), room=RoomAddress(room_id, services.namespace.domain))
    return await _invited(ctx, entry, person, was_member=is_member)


async def _invited(ctx: CommandContext, entry: AgentEntry, person: str, *, was_member: bool) -> Invited:
    services = ctx.services
    is_local = parse_user_id(person)[1] == services.namespace.domain
    return Invited(
        agent=entry,
        user=person,
        was_member=was_member,
        may_talk=services.roles.of(person) >= Role.AGENT,
        exists=not is_local or await services.homeserver.has_user(person),
    )

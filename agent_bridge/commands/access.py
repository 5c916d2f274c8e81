"""Commands about the rooms that people enter and leave: ``invite`` and ``leave``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.lifecycle.invite_everywhere import INVITE
from agent_bridge.bridge.rooms.invitations import may_enter
from agent_bridge.bridge.rooms.kinds import is_made
from agent_bridge.commands.argument_kinds import ArgumentError, Place, UserId
from agent_bridge.commands.effects import once
from agent_bridge.commands.lookup import Closeness, find_agents, visible_agents
from agent_bridge.commands.moderation import is_unknown, refusal_about, users_of_bridge
from agent_bridge.commands.registry import CommandContext, command
from agent_bridge.core.agents import AgentState
from agent_bridge.core.errors import ServerOutOfReach
from agent_bridge.core.permissions import Permission, lowest_role
from agent_bridge.core.results.access import Arrival, Invited, InvitingBegun, NamedRoom, RoomLeft
from agent_bridge.core.results.commands import (
    Argument,
    ArgumentProblem,
    Group,
    NoRoomYet,
    NotPermitted,
    RoomAddress,
)
from agent_bridge.core.results.people import PersonRefusal, PersonRefused
from agent_bridge.core.roles import Role
from agent_bridge.core.rooms import KindName
from agent_bridge.store.agents import AgentRoom

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from agent_bridge.commands.effects import Effect
    from agent_bridge.core.rooms import Room
    from agent_bridge.store.postgres.database import Connection

#: Why nobody was invited, by the outcome.
_REFUSALS = {
    Arrival.BANNED: PersonRefusal.BANNED,
    Arrival.POWERLESS: PersonRefusal.POWERLESS,
    Arrival.AWAY: PersonRefusal.AWAY,
    Arrival.NO_ROLE: PersonRefusal.NO_ROLE,
}


@command("invite", group=Group.AGENTS, permission=Permission.JOIN, example="Ada @bob:example.org")
async def invite(
    ctx: CommandContext, place: Place | None = None, user: UserId | None = None
) -> Invited | InvitingBegun | NoRoomYet | NotPermitted | PersonRefused:
    """Invite *user*, or the caller, into the room of an agent, a chat of the caller, all rooms, or the present room.

    Without the permission for others, only the caller may be invited, who was invited before, or may enter from the
    Space, and was not removed. The agent's ghost invites to a direct conversation. With private rooms, the command
    opens the person's own room with the agent, once. Running twice invites once, also if the person has declined in
    between.
    """
    agent = None if place is None else place.agent
    if user is not None and place is None and _is_ghost(ctx, user):
        agent, user = await _of_ghost(ctx, user), None
    if place is None and agent is None and user is None:
        raise ArgumentError(ArgumentProblem.MISSING, Argument("place", required=False))
    person = user or ctx.sender
    if person != ctx.sender and not ctx.can(Permission.MEMBERS):
        return NotPermitted("invite", lowest_role(Permission.MEMBERS))
    refusal = await _cannot_be_invited(ctx, person)
    if refusal is not None:
        return PersonRefused(refusal, person)
    if agent is not None:
        return await _invite_home(ctx, agent, person)
    if place is None:
        return await _invite_here(ctx, person)
    if place.chat is not None:
        return await _invite_to_chat(ctx, place.chat, person)
    return await _invite_everywhere(ctx, person)


@command("leave", group=Group.AGENTS, permission=Permission.JOIN, example="Ada")
async def leave(
    ctx: CommandContext, agent: AgentRoom | None = None, user: UserId | None = None
) -> RoomLeft | NoRoomYet | NotPermitted | PersonRefused:
    """Have *user*, or the caller, leave the room of *agent*, or the room of the command.

    Matrix lets nobody make another user leave, so a user of the bridge removes the person, who reads the reason. With
    the permission for it, people below the own role can be removed. No comparison invites the person again; the caller
    may come back by ``invite``. Running twice removes once, also if the person has come back in between.
    """
    namespace = ctx.services.namespace
    if user is not None and agent is None and _is_ghost(ctx, user):
        agent, user = await _of_ghost(ctx, user), None
    person = user or ctx.sender
    if person != ctx.sender and not ctx.can(Permission.MEMBERS):
        return NotPermitted("leave", lowest_role(Permission.MEMBERS))
    refusal = None if person == ctx.sender else refusal_about(ctx, person)
    if refusal is None and agent is None:
        room = await _room_here(ctx, person)
        refusal = room if isinstance(room, PersonRefusal) else None
    if refusal is not None:
        return PersonRefused(refusal, person)
    if agent is None:
        return await _remove(ctx, ctx.room_id, await users_of_bridge(ctx), person, None)
    room_id = await _room_of(ctx, agent, person)
    if room_id is None:
        is_of_other = ctx.services.private_rooms and person != ctx.sender
        return PersonRefused(PersonRefusal.OUTSIDE, person) if is_of_other else NoRoomYet(agent.agent.name)
    users = [namespace.user_id(agent.agent.ghost), namespace.bot]
    return await _remove(ctx, room_id, users, person, _named(ctx, room_id, agent.agent.name))


def _is_ghost(ctx: CommandContext, user: str) -> bool:
    namespace = ctx.services.namespace
    return namespace.is_ours(user) and user != namespace.bot


async def _of_ghost(ctx: CommandContext, ghost: str) -> AgentRoom:
    """Return the agent with the user id *ghost*.

    Raises:
        ArgumentError: there is none.
    """
    found = find_agents(ghost.partition(":")[0], await visible_agents(ctx), Closeness.PART)
    if len(found) != 1:
        raise ArgumentError(ArgumentProblem.NO_SUCH_AGENT, Argument("agent", required=False), ghost)
    return found[0]


async def _cannot_be_invited(ctx: CommandContext, person: str) -> PersonRefusal | None:
    """Return why *person* cannot be invited into any room; None if it can."""
    services = ctx.services
    if services.namespace.is_ours(person):
        return PersonRefusal.OURS
    if await is_unknown(ctx, person):
        return PersonRefusal.UNKNOWN
    return PersonRefusal.NO_ROLE if services.roles.of(person, ctx.room_id) is Role.NONE else None


async def _room_here(ctx: CommandContext, person: str) -> Room | PersonRefusal:
    """Return the room of the command, if the bridge made it, and the caller may decide there about *person*.

    In the chat of another person, admins have no power.
    """
    room = (await ctx.services.rooms.contexts([ctx.room_id])).get(ctx.room_id)
    if room is None or room.kind is KindName.BOT:
        return PersonRefusal.NO_PLACE
    is_of_other = room.person not in {None, ctx.sender} and person != ctx.sender
    return PersonRefusal.NOT_MADE if is_of_other or not is_made(room) else room


async def _invite_here(ctx: CommandContext, person: str) -> Invited | NoRoomYet | NotPermitted | PersonRefused:
    """Invite *person* into the room of the command."""
    room = await _room_here(ctx, person)
    if isinstance(room, PersonRefusal):
        return PersonRefused(room, person)
    if room.kind is KindName.HOME and room.owner is not None:
        return await _invite_home(ctx, await ctx.services.agents.by_agent(room.owner), person)
    users = await users_of_bridge(ctx)
    return await _invited(ctx, await _bring(ctx, ctx.room_id, users, person), None, person)


async def _invite_everywhere(ctx: CommandContext, person: str) -> InvitingBegun | NotPermitted:
    """Have the leader invite *person* into the Space, and into the rooms that cannot be entered from there."""
    if not ctx.can(Permission.MEMBERS):
        return NotPermitted("invite *", lowest_role(Permission.MEMBERS))

    async def act(connection: Connection) -> Effect:
        params = {"user": person, "key": ctx.key, "by": ctx.sender}
        await ctx.services.operations.request(connection, INVITE, ctx.key, params, by=ctx.sender, turn=ctx.turn)
        return {"user": person}

    return InvitingBegun((await once(ctx, act))["user"])


async def _invite_to_chat(ctx: CommandContext, room_id: str, person: str) -> Invited | NotPermitted | PersonRefused:
    """Invite *person* into a chat of the caller."""
    services, namespace = ctx.services, ctx.services.namespace
    chat = await services.chats.in_room(room_id)
    if chat is None:
        return PersonRefused(PersonRefusal.NO_PLACE, person)
    ghost = namespace.user_id(chat.agent.ghost)
    state = await services.homeserver.room_state(room_id, ghost)
    if state is not None and state.is_removed(person) and not ctx.can(Permission.MEMBERS):
        return NotPermitted("invite", lowest_role(Permission.MEMBERS))
    arrival = await _bring(ctx, room_id, [ghost, namespace.bot], person)
    return await _invited(ctx, arrival, _named(ctx, room_id, chat.title or chat.agent.name), person)


async def _invite_home(
    ctx: CommandContext, agent: AgentRoom, person: str
) -> Invited | NoRoomYet | NotPermitted | PersonRefused:
    """Invite *person* into the room of *agent*, or into the own room with it."""
    services, home = ctx.services, agent.home
    if home.room_id is None:
        return await _open(ctx, agent, person) if services.private_rooms else NoRoomYet(agent.agent.name)
    is_admin = ctx.can(Permission.MEMBERS)
    if not is_admin and not await may_enter(services.homeserver, services.kv, agent, person):
        return NotPermitted("invite", lowest_role(Permission.MEMBERS))
    namespace = services.namespace
    users = [namespace.user_id(agent.agent.ghost), namespace.bot]
    arrival = await _bring(ctx, home.room_id, users, person, is_direct=True)
    # A member that comes from the Space may do so as long as the Space lets it in.
    if is_admin and arrival.is_done and person not in home.invited:
        await services.agents.invited(home.id, person)
    return await _invited(ctx, arrival, _named(ctx, home.room_id, agent.agent.name), person)


async def _open(ctx: CommandContext, agent: AgentRoom, person: str) -> Invited | NoRoomYet | PersonRefused:
    """Open the own room of *person* with *agent*."""
    services = ctx.services
    if agent.agent.state is not AgentState.ACTIVE:
        return NoRoomYet(agent.agent.name)
    known = (await services.direct_chats.rooms_of(person)).get(agent.agent.id)
    try:
        room_id = await services.direct.open(agent.agent, person)
    except ServerOutOfReach:
        return PersonRefused(PersonRefusal.AWAY, person)
    ghost = services.namespace.user_id(agent.agent.ghost)
    is_member = room_id == known and await services.homeserver.membership(room_id, person, ghost) == "join"
    arrival = Arrival.INSIDE if is_member else Arrival.INVITED
    return await _invited(ctx, arrival, _named(ctx, room_id, agent.agent.name), person)


async def _bring(
    ctx: CommandContext, room_id: str, users: Sequence[str], person: str, *, is_direct: bool = False
) -> Arrival:
    """Bring *person* into a room, once for this command."""
    inviter = ctx.services.inviter
    member = await inviter.member(room_id, person, users)
    if await _is_done(ctx, member):
        is_inside = (member or {}).get("content", {}).get("membership") == "join"
        return Arrival.INSIDE if is_inside and not inviter.joins(person) else Arrival.INVITED
    return await inviter.bring(room_id, person, users, is_direct=is_direct)


async def _is_done(ctx: CommandContext, member: Mapping[str, Any] | None) -> bool:
    """Tell whether an earlier run of the command has changed the membership, whose present event is *member*."""
    present = "" if member is None else str(member.get("event_id"))

    async def act(_connection: Connection) -> Effect:
        return {"member": present}

    return bool((await once(ctx, act))["member"] != present)


async def _invited(
    ctx: CommandContext, arrival: Arrival, room: NamedRoom | None, person: str
) -> Invited | PersonRefused:
    if arrival in _REFUSALS:
        return PersonRefused(_REFUSALS[arrival], person)
    room_id = ctx.room_id if room is None else room.address.room_id
    return Invited(room, person, arrival, is_muted=ctx.services.roles.is_muted(person, room_id))


def _named(ctx: CommandContext, room_id: str, name: str) -> NamedRoom:
    return NamedRoom(RoomAddress(room_id, ctx.services.namespace.domain), name)


async def _room_of(ctx: CommandContext, agent: AgentRoom, person: str) -> str | None:
    """Return the room of *agent*, or the own room of the caller with it if *person* is the caller; else None."""
    if agent.home.room_id is not None or not ctx.services.private_rooms or person != ctx.sender:
        return agent.home.room_id
    return (await ctx.services.direct_chats.rooms_of(person)).get(agent.agent.id)


async def _remove(
    ctx: CommandContext, room_id: str, users: Sequence[str], person: str, room: NamedRoom | None
) -> RoomLeft | PersonRefused:
    """Remove *person* from a room, once for this command."""
    member = await ctx.services.inviter.member(room_id, person, users)
    is_inside = member is not None and member["content"].get("membership") in {"join", "invite", "knock"}
    if not await _is_done(ctx, member):
        if not is_inside:
            return PersonRefused(PersonRefusal.NOT_THERE if room is None else PersonRefusal.OUTSIDE, person)
        if not await ctx.services.moderation.leave(room_id, users, person, ctx.sender):
            return PersonRefused(PersonRefusal.POWERLESS, person)
    return RoomLeft(room, person, is_own=person == ctx.sender)

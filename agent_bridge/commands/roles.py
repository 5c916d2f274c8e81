"""Commands about the roles of users: show one, give one, list all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.commands.argument_kinds import DEFAULT, PageNumber, RoleWord, UserId
from agent_bridge.commands.effects import once
from agent_bridge.commands.pages import number_of_pages
from agent_bridge.commands.places import server_here
from agent_bridge.commands.registry import CommandContext, command
from agent_bridge.core.ids import parse_user_id
from agent_bridge.core.permissions import Permission, lowest_role
from agent_bridge.core.results.commands import Group, NotPermitted
from agent_bridge.core.results.people import (
    PersonRefusal,
    PersonRefused,
    RoleEntry,
    RoleGiven,
    RoleList,
    RoleShown,
)
from agent_bridge.core.roles import Role

if TYPE_CHECKING:
    from agent_bridge.commands.effects import Effect
    from agent_bridge.core.roles import RoleBook
    from agent_bridge.store.postgres.database import Connection

#: Roles of one page.
_PAGE = 20
_FIRST = PageNumber(1)


@command("role", group=Group.PEOPLE, permission=Permission.READ, example="@bob:example.org moderator")
async def role(
    ctx: CommandContext, user: UserId | None = None, role: RoleWord | None = None, *, here: bool = False
) -> RoleShown | RoleGiven | PersonRefused | NotPermitted:
    """Show the role of *user*, or of the caller, and where it comes from; or give *user* another *role*.

    Admins give roles up to moderator to users below admins, owners give every role, and everybody may give up the own
    one. The book in which the caller has a role is locked, so of two admins that take the role of each other at once,
    one succeeds. Running twice gives the role once.

    *here*: in the server of the room alone, where the roles of the server decide who may give which. In a room of a
    server the role that counts there is shown.
    """
    person = user or ctx.sender
    if person != ctx.sender and not ctx.can(Permission.MEMBERS):
        return NotPermitted("role", lowest_role(Permission.MEMBERS))
    if ctx.services.namespace.is_ours(person):
        return PersonRefused(PersonRefusal.OURS, person)
    server = await server_here(ctx)
    number = None if server is None else server.number
    if role is None:
        return await _shown(ctx, person, number)
    if here and server is None:
        return PersonRefused(PersonRefusal.NO_SERVER, person)
    wanted = None if role == DEFAULT else Role[role.upper()]

    async def act(connection: Connection) -> Effect:
        store = ctx.services.role_store
        book = await store.lock(connection) or ctx.services.roles.book
        place = number if here else None
        refusal = role_refusal(book.in_server(place), ctx.sender, person, wanted)
        if refusal is not None:
            return {"refused": refusal}
        if place is None:
            given = await store.give(connection, book, person, wanted, ctx.sender)
        else:
            await ctx.services.servers.give_role(connection, place, person, wanted, ctx.sender)
            given = await store.renew(connection, book)
        return {"role": given.in_server(place).role_of(person)}

    effect = await once(ctx, act)
    if "refused" in effect:
        return PersonRefused(PersonRefusal(effect["refused"]), person)
    name = server.name if here and server is not None else ""
    return RoleGiven(person, Role(effect["role"]), exists=await _exists(ctx, person), server=name)


@command("roles", group=Group.PEOPLE, permission=Permission.MEMBERS, example="2")
async def roles(ctx: CommandContext, page: PageNumber = _FIRST) -> RoleList:
    """List the roles that the configuration and people give, the highest first. Only reads."""
    book = await _book(ctx)
    found = [RoleEntry(key, role) for key, role in book.permissions.items() if key not in book.assigned]
    for user in book.assigned:
        source = book.source_of(user)
        found.append(RoleEntry(user, source.role, source.by))
    entries = sorted(found, key=lambda each: (-each.role, each.key))
    pages = number_of_pages(page, len(entries), _PAGE)
    first = (page - 1) * _PAGE
    return RoleList(tuple(entries[first : first + _PAGE]), first + 1, page, pages)


def role_refusal(book: RoleBook, giver: str, user: str, wanted: Role | None) -> PersonRefusal | None:
    """Return why *giver* may not give *user* the role *wanted* (None: the one of the configuration); None if it may."""
    own, present = book.role_of(giver), book.role_of(user)
    role = book.without(user).role_of(user) if wanted is None else wanted
    if book.permissions.get(user) is Role.OWNER:
        return PersonRefusal.FILE_OWNER
    if giver == user:
        if role > own:
            return PersonRefusal.OWN_ROLE
        is_last = own >= Role.ADMIN > role and set(book.named(Role.ADMIN)) <= {user}
        return PersonRefusal.LAST_ADMIN if is_last else None
    if own is Role.OWNER:
        return None
    if own < Role.ADMIN or present >= Role.ADMIN or role > Role.MODERATOR:
        return PersonRefusal.OWNERS_ONLY
    return None


async def _shown(ctx: CommandContext, user: str, server: int | None) -> RoleShown:
    """Return the role of *user* in *server* (a row id; None: in rooms of no server)."""
    book = (await _book(ctx)).in_server(server)
    return RoleShown(user, book.source_of(user), book.without(user).role_of(user))


async def _book(ctx: CommandContext) -> RoleBook:
    """Return the newest book: this process has perhaps not read it yet."""
    return (await ctx.services.role_store.current()).book or ctx.services.roles.book


async def _exists(ctx: CommandContext, user: str) -> bool:
    is_local = parse_user_id(user)[1] == ctx.services.namespace.domain
    return not is_local or await ctx.services.homeserver.has_user(user)

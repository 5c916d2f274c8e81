"""The command ``agents``: a list of the agents."""

from __future__ import annotations

from agent_bridge.commands.argument_kinds import PageNumber
from agent_bridge.commands.entries import personal_entries
from agent_bridge.commands.lookup import visible_agents
from agent_bridge.commands.pages import number_of_pages
from agent_bridge.commands.registry import CommandContext, command
from agent_bridge.core.permissions import Permission
from agent_bridge.core.results.commands import AgentList, Group

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

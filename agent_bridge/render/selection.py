"""Results of the command ``agent`` as Markdown: a numbered list, which a phone shows without a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.names import one_line
from agent_bridge.render.chats import chat_link
from agent_bridge.render.content import escape

if TYPE_CHECKING:
    from agent_bridge.core.results.commands import AgentEntry
    from agent_bridge.core.results.selection import AgentChoices, AgentOption, AgentSelected
    from agent_bridge.i18n.catalogue import Texts

#: Characters of a description.
_DESCRIPTION = 60


def render_choices(result: AgentChoices, texts: Texts, prefix: str) -> str:
    """Return the list, and how to choose from it; *prefix* starts a command in a room."""
    if not result.options:
        return texts.commands.no_agents_yet
    head, how = _around(result, texts)
    ways = [how.format(prefix=prefix)]
    if any(each.is_current for each in result.options):
        ways.append(texts.commands.choose_current)
    blocks = [head, "\n".join(map(_option, result.options)), " ".join(ways)]
    if result.pages > 1:
        following = result.page % result.pages + 1
        page = texts.commands.choose_page.format(
            page=result.page, pages=result.pages, prefix=prefix, following=following
        )
        blocks.append(page)
    return "\n\n".join(blocks)


def _around(result: AgentChoices, texts: Texts) -> tuple[str, str]:
    """Return the head of the list, and how to choose from it."""
    commands = texts.commands
    if result.is_for_chat:
        head, how = commands.chats.choose_head, commands.chats.choose_how
    elif result.is_for_room:
        head, how = commands.choose_head_room, commands.choose_how_room
    else:
        head, how = commands.choose_head, commands.choose_how
    return (commands.choose_head_renewed if result.is_renewed else head), how


def render_selected(result: AgentSelected, texts: Texts) -> str:
    """Return which agent the person has chosen, and which one goes on to answer in the room."""
    chosen = texts.commands.agent_selected.format(agent=room_link(result.agent))
    if result.room_agent is None:
        return chosen
    return f"{chosen} {texts.commands.room_stays.format(agent=escape(result.room_agent))}"


def room_link(agent: AgentEntry) -> str:
    """Return the agent's name, as a link to its room when that exists."""
    if agent.room is None:
        return escape(agent.name)
    return chat_link(agent.room, agent.name)


def _option(option: AgentOption) -> str:
    description = one_line(option.description)
    if len(description) > _DESCRIPTION:
        description = f"{description[:_DESCRIPTION].rstrip()}…"
    mark = f" (`{option.ghost}`)" if option.ghost else ""
    mark += " ✓" if option.is_current else ""
    more = f": {escape(description)}" if description else ""
    return f"{option.number}. **{escape(option.name)}**{mark}{more}"

"""The command ``export``: a file with the conversation of the room or thread.

The file is uploaded before its address is stored; a kill between the two uploads another copy, to which no event
refers.
The answer of the command sends it, once.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agent_bridge.commands.conversation import Talk, talk_of
from agent_bridge.commands.effects import once, then
from agent_bridge.commands.registry import CommandContext, Where, command
from agent_bridge.core.answers import AnswerFile, MediaFile
from agent_bridge.core.errors import TooLarge
from agent_bridge.core.exports import ExportedMessage, ExportFormat, ExportHead
from agent_bridge.core.file_key import FileKey
from agent_bridge.core.permissions import Permission
from agent_bridge.core.results.commands import Group
from agent_bridge.core.results.contexts import ContextRefused
from agent_bridge.core.results.exports import ConversationExported, ExportRefusal, ExportRefused
from agent_bridge.matrix.visibility import HISTORY_VISIBILITY, MEMBER, OPEN
from agent_bridge.render.export import ExportWriter, export_name

if TYPE_CHECKING:
    from agent_bridge.commands.effects import Effect
    from agent_bridge.matrix.room_state import RoomState
    from agent_bridge.store.exports import SaidMessage
    from agent_bridge.store.postgres.database import Connection

#: Messages of one query, and bytes of a file: it is in memory as a whole.
_PAGE, _LARGEST = 500, 50 * 1024 * 1024


@command("export", group=Group.CONVERSATION, permission=Permission.READ, where=Where.AGENT_ROOM, example="json")
async def export(
    ctx: CommandContext, form: ExportFormat | None = None
) -> ConversationExported | ExportRefused | ContextRefused:
    """Send a file with the present conversation of the room or thread, as far as the caller may read it.

    Running twice sends one file.
    """
    talk = talk_of(ctx)
    if isinstance(talk, ContextRefused):
        return talk
    form = form or ExportFormat.MARKDOWN
    begun = await once(ctx, _begin)
    effect = begun if begun.keys() & {"url", "refused"} else await _made(ctx, talk, form, begun["at"])
    if "refused" in effect:
        return ExportRefused(ExportRefusal(effect["refused"]), talk.agent.name, effect.get("limit", 0))
    key = effect.get("key")
    media = MediaFile(effect["url"], form.content_type, effect["size"], key=None if key is None else FileKey(**key))
    file = AnswerFile(media, effect["name"])
    return ConversationExported(talk.agent.name, effect["messages"], file)


async def _begin(_connection: Connection) -> Effect:
    return {"at": datetime.now(UTC).timestamp()}


async def _made(ctx: CommandContext, talk: Talk, form: ExportFormat, begun: float) -> Effect:
    """Make the file and upload it; return the effect of the command."""
    at = datetime.fromtimestamp(begun, UTC)
    try:
        data, number = await _file(ctx, talk, form, at)
        effect: Effect = {"refused": ExportRefusal.EMPTY}
        if number:
            name = export_name(talk.agent.name, at, form)
            media = await ctx.services.media.upload_for(ctx.room_id, data, form.content_type, name, ctx.voice)
            effect = {"url": media.url, "size": media.size, "name": name, "messages": number}
            effect |= {} if media.key is None else {"key": asdict(media.key)}
    except TooLarge as error:
        effect = {"refused": ExportRefusal.TOO_LARGE, "limit": error.limit}

    async def act(_connection: Connection) -> Effect:
        return effect

    return await then(ctx, "refused" if "refused" in effect else "url", act)


async def _file(ctx: CommandContext, talk: Talk, form: ExportFormat, at: datetime) -> tuple[bytes, int]:
    """Return the file and the number of its messages.

    Raises:
        TooLarge: the file would be larger than any may be.
    """
    services = ctx.services
    chat = await services.chats.in_room(ctx.room_id)
    own = chat is not None and chat.person == ctx.sender
    state = await _state(ctx, talk)
    since = None if own else _readable_since(state, ctx.sender)
    ghost = services.namespace.user_id(talk.agent.ghost)
    writer = ExportWriter(ExportHead(ctx.room_id, ctx.thread, talk.agent.name, ghost, at), form, services.texts)
    data, number, after = bytearray(writer.head()), 0, 0
    while page := await services.exports.page(ctx.lane, ctx.sender, own=own, since=since, after=after, limit=_PAGE):
        messages = [_exported(each, talk, ghost, state) for each in page]
        # A page may have megabytes.
        data += await asyncio.to_thread(writer.pieces, messages)
        number, after = number + len(page), page[-1].id
        if len(data) > _LARGEST:
            raise TooLarge(_LARGEST)
    data += writer.end()
    return bytes(data), number


async def _state(ctx: CommandContext, talk: Talk) -> RoomState | None:
    """Return the state of the room, as the agent or the bot sees it; None if neither is there."""
    namespace, homeserver = ctx.services.namespace, ctx.services.homeserver
    for user in (namespace.user_id(talk.agent.ghost), namespace.bot):
        state = await homeserver.room_state(ctx.room_id, user)
        if state is not None:
            return state
    return None


def _readable_since(state: RoomState | None, person: str) -> datetime | None:
    """Return the time from which *person* may read a room: of the last change of the membership; None: all of it."""
    visibility = "" if state is None else state.content(HISTORY_VISIBILITY).get("history_visibility", "shared")
    if visibility in OPEN:
        return None
    event = {} if state is None else state.events.get((MEMBER, person), {})
    entered = event.get("origin_server_ts")
    return datetime.fromtimestamp(entered / 1000, UTC) if isinstance(entered, int) else datetime.max.replace(tzinfo=UTC)


def _exported(said: SaidMessage, talk: Talk, ghost: str, state: RoomState | None) -> ExportedMessage:
    author = ghost if said.role == "assistant" else said.said_by or said.sender or ""
    name = None if state is None else state.content(MEMBER, author).get("displayname")
    if author == ghost:
        name = talk.agent.name
    return ExportedMessage(said.role, author, name if isinstance(name, str) and name else author, said.at, said.content)

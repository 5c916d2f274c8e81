"""Results of ``server`` and ``channel`` as Markdown."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from agent_bridge.core.results.servers import (
    AgentAdded,
    ChannelChange,
    ChannelChanged,
    ChannelEntry,
    ChannelList,
    ChannelMade,
    DeletionQuestion,
    PlaceDeleted,
    PlaceRefused,
    ServerEntry,
    ServerJoined,
    ServerLeft,
    ServerList,
    ServerMade,
    ServerUpdated,
)
from agent_bridge.render.chats import chat_link
from agent_bridge.render.content import escape, in_backticks, shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent_bridge.core.results.commands import RoomAddress
    from agent_bridge.core.results.servers import ChannelGroup
    from agent_bridge.i18n.catalogue import Texts


def server_renderers(texts: Texts, prefix: str) -> Mapping[type, Callable[[Any], str]]:
    """Return the functions that render results, by the types of the results; *prefix* starts a command in a room."""
    words = texts.servers
    return {
        PlaceRefused: lambda result: words.problems[result.problem].format(
            name=escape(shortened(result.name)), most=result.most, prefix=prefix
        ),
        ServerMade: lambda result: words.server_made.format(
            number=result.number, room=chat_link(result.room, result.name), prefix=prefix
        ),
        ServerList: partial(_servers, texts, prefix),
        ServerJoined: lambda result: words.joined[result.arrival].format(room=chat_link(result.room, result.name)),
        ServerLeft: lambda result: words.left.format(name=escape(result.name), prefix=prefix),
        ServerUpdated: lambda result: (words.updated if result.value else words.taken_away)[result.field].format(
            name=escape(result.name), value=escape(result.value)
        ),
        DeletionQuestion: partial(_question, texts, prefix),
        PlaceDeleted: lambda result: (words.server_deleted if result.is_server else words.channel_deleted).format(
            name=escape(result.name)
        ),
        ChannelMade: lambda result: (words.channel_made_in if result.server else words.channel_made).format(
            room=chat_link(result.room, result.name), server=escape(result.server)
        ),
        ChannelList: partial(_channels, texts, prefix),
        ChannelChanged: partial(_changed, texts),
        AgentAdded: lambda result: words.added.format(agent=escape(result.agent), channel=escape(result.channel)),
    }


def _named(texts: Texts, room: RoomAddress | None, name: str) -> str:
    return f"{escape(name)} ({texts.servers.not_ready})" if room is None else chat_link(room, name)


def _servers(texts: Texts, prefix: str, result: ServerList) -> str:
    words = texts.servers
    if not result.servers:
        return words.no_servers.format(prefix=prefix)
    lines = [_server(texts, each) for each in result.servers]
    return "\n".join([words.servers_head, "", *lines, "", words.servers_foot.format(prefix=prefix)])


def _server(texts: Texts, entry: ServerEntry) -> str:
    words = texts.servers
    facts = [
        texts.count(entry.channels, words.channel),
        words.owner.format(user=escape(entry.owner)),
        words.server_roles[entry.role.name.lower()],
    ]
    topic = f": {escape(shortened(entry.topic))}" if entry.topic else ""
    return f"- **{entry.number}** {_named(texts, entry.room, entry.name)}{topic} ({'; '.join(facts)})"


def _question(texts: Texts, prefix: str, result: DeletionQuestion) -> str:
    words, command = texts.servers, in_backticks(result.command)
    if result.channels is None:
        return words.ask_channel.format(name=escape(result.name), prefix=prefix, command=command)
    channels = texts.count(result.channels, words.channel)
    return words.ask_server.format(name=escape(result.name), channels=channels, prefix=prefix, command=command)


def _channels(texts: Texts, prefix: str, result: ChannelList) -> str:
    words = texts.servers
    if not any(group.channels for group in result.groups):
        return words.no_channels.format(prefix=prefix)
    return "\n\n".join([*(_group(texts, each) for each in result.groups), words.channels_foot])


def _group(texts: Texts, group: ChannelGroup) -> str:
    words = texts.servers
    head = words.channels_head_of.format(server=escape(group.server)) if group.server else words.channels_head
    return "\n".join([head, "", *(_channel(texts, each) for each in group.channels)])


def _channel(texts: Texts, entry: ChannelEntry) -> str:
    kind = texts.servers.types.get(entry.type)
    note = f" ({kind})" if kind else ""
    topic = f": {escape(shortened(entry.topic))}" if entry.topic else ""
    return f"- **{entry.position}** {_named(texts, entry.room, entry.name)}{note}{topic}"


def _changed(texts: Texts, result: ChannelChanged) -> str:
    words = texts.servers
    if result.change is ChannelChange.TOPIC and not result.value:
        return words.no_topic.format(name=escape(result.name))
    return words.changed[result.change].format(name=escape(result.name), value=escape(result.value))

"""The texts about servers and channels, in one language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTexts:
    """The part of :class:`~agent_bridge.i18n.catalogue.Texts` about servers and channels."""

    #: Numbers of channels.
    channel: tuple[str, ...]
    #: By :class:`~agent_bridge.core.results.servers.PlaceProblem`.
    problems: Mapping[str, str]
    server_made: str
    no_servers: str
    servers_head: str
    servers_foot: str
    #: A line of the list: names, by the name of the role, of the caller's role.
    server_roles: Mapping[str, str]
    owner: str
    #: By :class:`~agent_bridge.core.results.access.Arrival`.
    joined: Mapping[str, str]
    left: str
    #: By :class:`~agent_bridge.core.results.servers.ServerField`; the same without a value.
    updated: Mapping[str, str]
    taken_away: Mapping[str, str]
    ask_server: str
    ask_channel: str
    server_deleted: str
    channel_deleted: str
    channel_made: str
    channel_made_in: str
    no_channels: str
    channels_head: str
    channels_head_of: str
    channels_foot: str
    #: By :class:`~agent_bridge.core.servers.ChannelType`; no note: a text channel.
    types: Mapping[str, str]
    #: Told to a channel that has just been made, by its type.
    voice: str
    #: By :class:`~agent_bridge.core.results.servers.ChannelChange`.
    changed: Mapping[str, str]
    no_topic: str
    added: str
    not_ready: str
    #: Told to the administrators.
    powerless: str

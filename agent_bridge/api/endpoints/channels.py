"""Endpoints of channels."""

from __future__ import annotations

from pydantic import Field

from agent_bridge.api.endpoint import ApiCall, Responded, endpoint
from agent_bridge.api.endpoints.servers import ConfirmQuery
from agent_bridge.api.model import ApiModel, Text, UserName
from agent_bridge.bridge.channels.changes import LONGEST_NAME, LONGEST_TOPIC, MOST_CHANNELS
from agent_bridge.core.permissions import Permission
from agent_bridge.core.program_problems import Problem
from agent_bridge.core.programs import Capability
from agent_bridge.core.servers import ChannelType

_TAG = "Channels"
_CHANNEL = (Problem.ROOM_NOT_FOUND, Problem.ROLE_MISSING, Problem.MUTED, Problem.AGENT_AT_REST)
_SERVER = "Name, number or room id."


class ChannelsQuery(ApiModel):
    """The query of channels."""

    server: Text | None = Field(None, min_length=1, max_length=LONGEST_NAME * 4, description=f"Only its. {_SERVER}")


class ChannelSeen(ApiModel):
    """A channel."""

    name: str
    server: str | None = Field(description="Name of its server. Null: the main Space lists it.")
    type: ChannelType
    topic: str
    position: int = Field(description="Its place in its server, from 1.")
    room_id: str | None = Field(description="Null: it is being made.")


class ChannelList(ApiModel):
    """The channels, those of the main Space first, in their order."""

    channels: list[ChannelSeen]


class NewChannel(ApiModel):
    """A channel."""

    name: Text = Field(min_length=1, max_length=LONGEST_NAME, description="Without a slash; no number.")
    server: Text | None = Field(
        None, min_length=1, max_length=LONGEST_NAME * 4, description=f"{_SERVER} Default: the main Space."
    )
    type: ChannelType = ChannelType.TEXT
    topic: Text = Field("", max_length=LONGEST_TOPIC)


class ChannelUpdate(ApiModel):
    """Other properties of a channel; null: as it is."""

    name: Text | None = Field(None, min_length=1, max_length=LONGEST_NAME)
    topic: Text | None = Field(None, max_length=LONGEST_TOPIC, description="Empty: none.")
    position: int | None = Field(None, ge=1, le=MOST_CHANNELS, description="Its place in its server.")


class NamedChannel(ApiModel):
    """A channel that is left, or is being deleted: its room goes within moments."""

    name: str
    server: str | None
    room_id: str | None


class ChannelJoined(NamedChannel):
    """The identity is in the channel, or is invited."""

    arrival: str = Field(description="invited, joined or inside.")


class AgentToAdd(ApiModel):
    """An agent."""

    agent: UserName


class AddedAgent(NamedChannel):
    """The agent is in the channel, and answers those who address it."""

    agent: str
    user_id: str


@endpoint(
    "GET",
    "/v1/channels",
    tag=_TAG,
    capability=Capability.READ,
    permission=Permission.READ,
    problems=(Problem.SERVER_NOT_FOUND,),
)
async def channels(call: ApiCall, query: ChannelsQuery) -> ChannelList:
    """List the channels."""
    found = await call.services.channels.listed(call.token, query.server)
    return ChannelList(channels=[ChannelSeen(**each) for each in found])


@endpoint(
    "POST",
    "/v1/channels",
    tag=_TAG,
    capability=Capability.CREATE,
    permission=Permission.READ,
    status=201,
    problems=(*_CHANNEL, Problem.SERVER_NOT_FOUND, Problem.NAME_TAKEN, Problem.TOO_MANY),
)
async def new_channel(call: ApiCall, body: NewChannel) -> ChannelSeen | Responded:
    """Make a channel, into which the person is invited: admins of the server do."""
    outcome = await call.services.channels.create(call.once, body.server, body.name, body.type, body.topic)
    return Responded.of(outcome, ChannelSeen)


@endpoint(
    "PATCH",
    "/v1/channels/{channel}",
    tag=_TAG,
    capability=Capability.CREATE,
    permission=Permission.SETTINGS,
    problems=(*_CHANNEL, Problem.NAME_TAKEN),
)
async def update_channel(call: ApiCall, channel: str, body: ChannelUpdate) -> ChannelSeen | Responded:
    """Give a channel another name or place (admins of the server), or another topic (moderators).

    A channel is named `name`, `server/name`, or by its room id.
    """
    outcome = await call.services.channels.update(
        call.once, channel, name=body.name, topic=body.topic, position=body.position
    )
    return Responded.of(outcome, ChannelSeen)


@endpoint(
    "DELETE",
    "/v1/channels/{channel}",
    tag=_TAG,
    capability=Capability.CREATE,
    permission=Permission.CHANNELS,
    problems=(*_CHANNEL, Problem.CONFIRMATION_MISSING),
)
async def delete_channel(call: ApiCall, channel: str, query: ConfirmQuery) -> NamedChannel | Responded:
    """Delete a channel for good: admins of the server do."""
    return Responded.of(await call.services.channels.delete(call.once, channel, query.confirm), NamedChannel)


@endpoint(
    "POST",
    "/v1/channels/{channel}/join",
    tag=_TAG,
    capability=Capability.CREATE,
    permission=Permission.READ,
    problems=(*_CHANNEL, Problem.NOT_PERMITTED, Problem.REFUSED),
)
async def join_channel(call: ApiCall, channel: str) -> ChannelJoined | Responded:
    """Invite the person into a channel; the user of an agent enters it.

    Members enter channels that members of the server, or of the main Space, can enter by themselves; who may invite
    others enters all. Agents enter those of them in which agents can write, and stay outside of channels that they
    left, or from which they were removed, until they are added again.
    """
    return Responded.of(await call.services.channels.join(call.once, channel), ChannelJoined)


@endpoint(
    "POST",
    "/v1/channels/{channel}/leave",
    tag=_TAG,
    capability=Capability.CREATE,
    permission=Permission.READ,
    problems=(*_CHANNEL, Problem.REFUSED),
)
async def leave_channel(call: ApiCall, channel: str) -> NamedChannel | Responded:
    """Let the identity out of a channel. An agent stays outside until it is added again."""
    return Responded.of(await call.services.channels.leave(call.once, channel), NamedChannel)


@endpoint(
    "POST",
    "/v1/channels/{channel}/agents",
    tag=_TAG,
    capability=Capability.CREATE,
    permission=Permission.MEMBERS,
    problems=(*_CHANNEL, Problem.AGENT_NOT_FOUND, Problem.AGENT_AMBIGUOUS, Problem.NOT_PERMITTED, Problem.REFUSED),
)
async def add_agent(call: ApiCall, channel: str, body: AgentToAdd) -> AddedAgent | Responded:
    """Bring an agent into a channel, in which it answers those who address it: admins of the server do."""
    return Responded.of(await call.services.channels.add_agent(call.once, channel, body.agent), AddedAgent)

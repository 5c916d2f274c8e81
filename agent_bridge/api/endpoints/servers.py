"""Endpoints of servers."""

from __future__ import annotations

from pydantic import Field

from agent_bridge.api.endpoint import ApiCall, Responded, endpoint
from agent_bridge.api.model import ApiModel, Text
from agent_bridge.bridge.channels.changes import LONGEST_NAME, LONGEST_TOPIC
from agent_bridge.core.permissions import Permission
from agent_bridge.core.program_problems import Problem
from agent_bridge.core.programs import Capability
from agent_bridge.core.results.servers import ServerField

_TAG = "Servers"
_SERVER = (Problem.SERVER_NOT_FOUND, Problem.ROLE_MISSING, Problem.MUTED, Problem.AGENT_AT_REST)
_MAKES = (Problem.NAME_TAKEN, Problem.ROLE_MISSING, Problem.MUTED, Problem.TOO_MANY, Problem.ROOM_NOT_FOUND)


class ServerSeen(ApiModel):
    """A server: a Space with channels, an owner, and roles of its own."""

    number: int
    name: str
    description: str
    icon: str | None = Field(description="`mxc://` URI.")
    owner: str = Field(description="User id.")
    role: str = Field(description="The role of the identity there.")
    channels: int = Field(description="Number of its channels.")
    room_id: str | None = Field(description="Its Space. Null: it is being made.")


class ServerList(ApiModel):
    """The servers, the oldest first."""

    servers: list[ServerSeen]


class NewServer(ApiModel):
    """A server."""

    name: Text = Field(min_length=1, max_length=LONGEST_NAME, description="Without a slash; no number.")
    description: Text = Field("", max_length=LONGEST_TOPIC)


class ServerUpdate(ApiModel):
    """Other properties of a server; null: as it is."""

    name: Text | None = Field(None, min_length=1, max_length=LONGEST_NAME)
    description: Text | None = Field(None, max_length=LONGEST_TOPIC, description="Empty: none.")
    icon: Text | None = Field(None, max_length=1000, description="`mxc://` URI. Empty: none.")


class ConfirmQuery(ApiModel):
    """The query of a deletion."""

    confirm: Text = Field("", max_length=1000, description="The name: what is deleted does not come back.")


class ServerDeleted(ApiModel):
    """The server is being deleted: its rooms go within moments."""

    number: int
    name: str
    channels: int = Field(description="Number of the channels that go with it.")


class ServerJoined(ApiModel):
    """The identity is in the Space of a server, or is invited."""

    number: int
    name: str
    room_id: str
    arrival: str = Field(description="invited, joined or inside.")


class ServerLeft(ApiModel):
    """The identity is in no room of the server any more."""

    number: int
    name: str


@endpoint("GET", "/v1/servers", tag=_TAG, capability=Capability.READ, permission=Permission.READ)
async def servers(call: ApiCall) -> ServerList:
    """List the servers."""
    found = await call.services.servers.listed(call.token)
    return ServerList(servers=[ServerSeen(**each) for each in found])


@endpoint(
    "POST",
    "/v1/servers",
    tag=_TAG,
    capability=Capability.CREATE,
    permission=Permission.CHANNELS,
    status=201,
    problems=_MAKES,
)
async def new_server(call: ApiCall, body: NewServer) -> ServerSeen | Responded:
    """Make a server, which belongs to the person, who is invited into its Space."""
    outcome = await call.services.servers.create(call.once, body.name, body.description)
    return Responded.of(outcome, ServerSeen)


@endpoint(
    "PATCH",
    "/v1/servers/{server}",
    tag=_TAG,
    capability=Capability.CREATE,
    permission=Permission.CHANNELS,
    problems=(*_SERVER, Problem.NAME_TAKEN),
)
async def update_server(call: ApiCall, server: str, body: ServerUpdate) -> ServerSeen | Responded:
    """Give a server another name, description or icon: its admins do."""
    given = {
        ServerField.NAME: body.name,
        ServerField.DESCRIPTION: body.description,
        ServerField.ICON: body.icon,
    }
    changes = {field: value for field, value in given.items() if value is not None}
    return Responded.of(await call.services.servers.update(call.once, server, changes), ServerSeen)


@endpoint(
    "DELETE",
    "/v1/servers/{server}",
    tag=_TAG,
    capability=Capability.CREATE,
    permission=Permission.OWN,
    problems=(*_SERVER, Problem.CONFIRMATION_MISSING),
)
async def delete_server(call: ApiCall, server: str, query: ConfirmQuery) -> ServerDeleted | Responded:
    """Delete a server with its channels for good: its owner does, and the owners of the bridge."""
    return Responded.of(await call.services.servers.delete(call.once, server, query.confirm), ServerDeleted)


@endpoint(
    "POST",
    "/v1/servers/{server}/join",
    tag=_TAG,
    capability=Capability.CREATE,
    permission=Permission.JOIN,
    problems=(*_SERVER, Problem.REFUSED),
)
async def join_server(call: ApiCall, server: str) -> ServerJoined | Responded:
    """Invite the person into the Space of a server, from which its channels can be entered. Agents join channels."""
    return Responded.of(await call.services.servers.join(call.once, server), ServerJoined)


@endpoint(
    "POST",
    "/v1/servers/{server}/leave",
    tag=_TAG,
    capability=Capability.CREATE,
    permission=Permission.READ,
    problems=(*_SERVER, Problem.ROOM_NOT_FOUND, Problem.REFUSED),
)
async def leave_server(call: ApiCall, server: str) -> ServerLeft | Responded:
    """Let the identity out of a server and its channels. An agent stays outside until it is added again."""
    return Responded.of(await call.services.servers.leave(call.once, server), ServerLeft)

"""Endpoints about the token, agents, people and rooms."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import Field

from agent_bridge.api.endpoint import ApiCall, endpoint
from agent_bridge.api.model import ApiModel, EventId, RoomName, Text
from agent_bridge.core.client_agents import LONGEST_NAME
from agent_bridge.core.own_profiles import LONGEST_BIO, LONGEST_STATUS, ProfileUpdate
from agent_bridge.core.permissions import Permission
from agent_bridge.core.program_problems import Problem
from agent_bridge.core.programs import Capability

if TYPE_CHECKING:
    from agent_bridge.core.own_profiles import OwnProfile

_TAG = "Identity, agents and rooms"


class Me(ApiModel):
    """The token and its identity."""

    token: str = Field(description="Name of the token.")
    user_id: str = Field(description="The person, or the Matrix user of the agent.")
    is_agent: bool
    agent: str | None = Field(description="Name of the agent; null: the token is a person's.")
    role: str = Field(description="The role outside of servers: agent, member, moderator, admin or owner; none.")
    capabilities: list[str]
    rooms: list[str] | None = Field(description="Room ids to which the token is limited; null: to none.")
    expires_at: datetime | None
    name: str | None = Field(description="null: it is that of the person's Matrix profile.")
    avatar_url: str | None = Field(description="mxc:// URL of an agent's avatar; null for a person.")
    bio: str | None
    status_text: str | None
    online: bool | None = Field(
        description="Whether an agent is shown as online while it is there; null: the client of a person decides."
    )


class MyProfile(ApiModel):
    """A change of the own profile. What is missing stays; an empty text deletes."""

    name: Text | None = Field(None, min_length=1, max_length=LONGEST_NAME)
    avatar_url: Text | None = Field(None, pattern=r"^mxc://[^/]+/[^/]+$", max_length=500, description="mxc:// URL.")
    bio: Text | None = Field(None, max_length=LONGEST_BIO)
    status_text: Text | None = Field(None, max_length=LONGEST_STATUS)
    online: bool | None = Field(None, description="false: shown as away although it is there.")


class WhoQuery(ApiModel):
    """The query of who."""

    room: RoomName | None = Field(None, description="Only the agents and people in this room.")


class Somebody(ApiModel):
    """An agent or a person."""

    user_id: str
    name: str
    role: str = Field(description="agent, member, moderator, admin or owner; none: agents do not read the person.")
    is_agent: bool
    bio: str | None
    online: bool | None = Field(description="null: the homeserver does not tell.")
    status_text: str | None
    last_seen: datetime | None
    room_id: str | None = Field(description="The home of the agent, if the token reaches it.")


class Everybody(ApiModel):
    """Agents, then people."""

    users: list[Somebody]


class RoomsQuery(ApiModel):
    """The query of rooms."""

    unread: bool = Field(False, description="Count the unread messages: one request to the homeserver for each room.")


class RoomEntry(ApiModel):
    """A room of the token."""

    room_id: str
    name: str | None = Field(description="null: people name it.")
    kind: str = Field(description="home, chat, dm, group, lobby or channel.")
    agents: list[str] = Field(description="User ids of the agents in it.")
    unread: int | None = Field(description="Messages of others behind the one that was marked as read; at most 100.")
    unread_more: bool = Field(description="Whether there are more of them.")


class RoomEntries(ApiModel):
    """The rooms that were used last come first, behind the own ones."""

    rooms: list[RoomEntry]


class ReadMark(ApiModel):
    """The event up to which the room was read."""

    event_id: EventId


class MarkedRead(ApiModel):
    """The room was read up to the event, or a later one."""

    room_id: str
    event_id: str


@endpoint("GET", "/v1/me", tag=_TAG, capability=None, permission=Permission.READ)
async def me(call: ApiCall) -> Me:
    """Return the token, its identity, and the own profile."""
    return _me(call, await call.services.profiles.of(call.token))


@endpoint(
    "PATCH",
    "/v1/me",
    tag=_TAG,
    capability=Capability.SEND,
    permission=Permission.SEND,
    problems=(Problem.PROFILE_NOT_OURS, Problem.NAME_TAKEN, Problem.REFUSED),
)
async def change_me(call: ApiCall, body: MyProfile) -> Me:
    """Change the own profile, and how the own presence is shown.

    An agent that connects itself changes all of it, an agent of a server its status text and whether it is online. A
    person sets a bio and a status text, which GET /v1/who shows to those who share a room; a Matrix client changes the
    rest.
    """
    return _me(call, await call.services.profiles.change(call.token, ProfileUpdate(**body.model_dump())))


def _me(call: ApiCall, profile: OwnProfile) -> Me:
    token = call.token
    return Me(
        token=token.name,
        user_id=token.user_id,
        is_agent=token.is_agent,
        agent=token.agent_name,
        role=call.services.access.role(token).name.lower(),
        capabilities=sorted(token.capabilities),
        rooms=None if token.rooms is None else sorted(token.rooms),
        expires_at=token.expires_at,
        **asdict(profile),
    )


@endpoint(
    "GET",
    "/v1/who",
    tag=_TAG,
    capability=Capability.READ,
    permission=Permission.READ,
    problems=(Problem.ROOM_NOT_FOUND, Problem.AGENT_AMBIGUOUS, Problem.AGENT_NOT_FOUND),
)
async def who(call: ApiCall, query: WhoQuery) -> Everybody:
    """List the agents, and the people in rooms of the token.

    A token that is limited to rooms gets the agents in these alone. People are those of up to 20 rooms. Times and
    presence are those that the homeserver tells the bridge's bot.
    """
    found = await call.services.directory.who(call.token, query.room or "")
    return Everybody(users=[Somebody(**asdict(each)) for each in found])


@endpoint("GET", "/v1/rooms", tag=_TAG, capability=Capability.READ, permission=Permission.READ)
async def rooms(call: ApiCall, query: RoomsQuery) -> RoomEntries:
    """List the rooms of the token.

    For a person, up to 200 rooms are looked at: the own ones, those in which the person has said something, then those
    that were used last.
    """
    found = await call.services.directory.listed(call.token, unread=query.unread)
    return RoomEntries(rooms=[RoomEntry(**{**asdict(each), "agents": list(each.agents)}) for each in found])


@endpoint(
    "PUT",
    "/v1/rooms/{room}/read",
    tag=_TAG,
    capability=Capability.READ,
    permission=Permission.READ,
    problems=(Problem.ROOM_NOT_FOUND, Problem.MESSAGE_NOT_FOUND),
)
async def mark_read(call: ApiCall, room: str, body: ReadMark) -> MarkedRead:
    """Mark a room as read up to an event.

    It counts for all tokens of the identity. An agent also sends a read receipt; the bridge cannot send one for a
    person. An earlier event changes nothing.
    """
    room_id = await call.services.directory.mark_read(call.token, room, body.event_id)
    return MarkedRead(room_id=room_id, event_id=body.event_id)

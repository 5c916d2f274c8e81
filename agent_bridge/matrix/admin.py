"""The admin API of Synapse: the deletion of rooms, and the entry of local users. Only for server administrators."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.lean_imports import in_place_of, without
from agent_bridge.matrix.requests import field

with without("prometheus_client"), in_place_of("mautrix.types", IdentityKey=str, SessionID=str):
    from mautrix.api import Method, SynapseAdminPath

if TYPE_CHECKING:
    from agent_bridge.matrix.client import Homeserver


class Deletion(StrEnum):
    """States of the deletion of a room."""

    RUNS = "runs"
    DONE = "done"
    FAILED = "failed"


_STATES = {"complete": Deletion.DONE, "failed": Deletion.FAILED}


async def delete_room(homeserver: Homeserver, room_id: str) -> str | None:
    """Have the homeserver remove all members of a room and its history; return the name of the deletion.

    None: the bridge bot is no server administrator, or the homeserver is not Synapse. A repeat deletes nothing more:
    the homeserver refuses it while the first deletion runs, whose name is returned.
    """
    try:
        answer = await homeserver.request(
            Method.DELETE, SynapseAdminPath.v2.rooms[room_id], {"purge": True, "block": False}
        )
    except HomeserverRefused:
        return await _known_deletion(homeserver, room_id)
    return field(answer, "delete_id", str)


async def _known_deletion(homeserver: Homeserver, room_id: str) -> str | None:
    """Return the name of a deletion of a room that has not failed; None: there is none, or it may not be asked for."""
    try:
        answer = await homeserver.request(Method.GET, SynapseAdminPath.v2.rooms[room_id].delete_status)
    except HomeserverRefused:
        return None
    tasks = [each for each in field(answer, "results", list) if isinstance(each, dict)]
    # One that ran a moment ago may have ended.
    known = [each for each in tasks if _STATES.get(field(each, "status", str)) is not Deletion.FAILED]
    return field(known[0], "delete_id", str) if known else None


async def deletion(homeserver: Homeserver, ref: str) -> Deletion:
    """Return the state of the deletion *ref*. Synapse forgets one that ended a day ago, or before its restart."""
    try:
        answer = await homeserver.request(Method.GET, SynapseAdminPath.v2.rooms.delete_status[ref])
    except HomeserverRefused:
        return Deletion.FAILED
    return _STATES.get(field(answer, "status", str), Deletion.RUNS)


async def join_user(homeserver: Homeserver, room_id: str, user_id: str) -> None:
    """Have *user_id*, a user of this homeserver, join a room in which the bot may invite. No effect for a member.

    Raises:
        HomeserverRefused: the bridge bot is no server administrator, or may not invite; or there is no such account.
    """
    await homeserver.request(Method.POST, SynapseAdminPath.v1.join[room_id], {"user_id": user_id})


async def is_server_administrator(homeserver: Homeserver) -> bool:
    """Tell whether the bridge bot is a server administrator; false for a homeserver that is not Synapse."""
    try:
        answer = await homeserver.request(Method.GET, SynapseAdminPath.v1.users[homeserver.namespace.bot].admin)
    except HomeserverRefused:
        return False
    return answer.get("admin") is True

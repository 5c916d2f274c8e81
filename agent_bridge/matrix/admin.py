"""The admin API of Synapse, of which the bridge uses the deletion of rooms. Only server administrators may use it."""

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

    None: the bridge bot is no server administrator, or the homeserver is not Synapse. A repeat deletes nothing more.
    """
    try:
        answer = await homeserver.request(
            Method.DELETE, SynapseAdminPath.v2.rooms[room_id], {"purge": True, "block": False}
        )
    except HomeserverRefused:
        return None
    return field(answer, "delete_id", str)


async def deletion(homeserver: Homeserver, ref: str) -> Deletion:
    """Return the state of the deletion *ref*. Synapse forgets one that ended a day ago, or before its restart."""
    try:
        answer = await homeserver.request(Method.GET, SynapseAdminPath.v2.rooms.delete_status[ref])
    except HomeserverRefused:
        return Deletion.FAILED
    return _STATES.get(field(answer, "status", str), Deletion.RUNS)

"""The part of a room's history that members may see (Matrix spec, "Room history visibility")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

HISTORY_VISIBILITY, MEMBER = "m.room.history_visibility", "m.room.member"
#: Values with which a member sees what was said before the member came.
OPEN = frozenset({"shared", "world_readable"})
JOINED = "joined"
_INVITED = "invited"


def visible(events: Iterable[Mapping[str, Any]], users: Iterable[str], visibility: str) -> Iterator[Mapping[str, Any]]:
    """Yield those of *events*, newest first, that each of *users*, who are in the room, may see.

    *events* contain the changes of the visibility and of the memberships; *visibility* is its present value. What was
    said before a change that does not tell the value before it counts as invisible.
    """
    are_members = dict.fromkeys(users, True)
    for event in events:
        if visibility in OPEN or all(are_members.values()):
            yield event
        before, user = _before(event), event.get("state_key")
        if event.get("type") == HISTORY_VISIBILITY:
            visibility = str(before.get("history_visibility", JOINED))
        elif event.get("type") == MEMBER and user in are_members:
            was_invited = before.get("membership") == "invite" and visibility == _INVITED
            are_members[user] = before.get("membership") == "join" or was_invited


def _before(event: Mapping[str, Any]) -> Mapping[str, Any]:
    unsigned = event.get("unsigned")
    before = unsigned.get("prev_content") if isinstance(unsigned, dict) else None
    return before if isinstance(before, dict) else {}

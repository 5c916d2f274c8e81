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
    sight = Sight(users, visibility)
    for event in events:
        if sight.sees(event):
            yield event


class Sight:
    """Tells which events of a room each of *users* may see, from the newest event back; see :func:`visible`."""

    def __init__(self, users: Iterable[str], visibility: str, *, are_members: bool = True) -> None:
        #: The value before the events that were asked about, and who was in the room then.
        self.visibility = visibility
        self._are_members = dict.fromkeys(users, are_members)

    @property
    def all_members(self) -> bool:
        """Whether all users were in the room before the events that were asked about."""
        return all(self._are_members.values())

    def sees(self, event: Mapping[str, Any]) -> bool:
        """Tell whether all users may see *event*; the next event has to be the one before it."""
        is_seen = self.visibility in OPEN or self.all_members
        before, user = _before(event), event.get("state_key")
        if event.get("type") == HISTORY_VISIBILITY:
            self.visibility = str(before.get("history_visibility", JOINED))
        elif event.get("type") == MEMBER and user in self._are_members:
            was_invited = before.get("membership") == "invite" and self.visibility == _INVITED
            self._are_members[user] = before.get("membership") == "join" or was_invited
        return is_seen


def _before(event: Mapping[str, Any]) -> Mapping[str, Any]:
    unsigned = event.get("unsigned")
    before = unsigned.get("prev_content") if isinstance(unsigned, dict) else None
    return before if isinstance(before, dict) else {}

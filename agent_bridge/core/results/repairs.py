"""Results of ``plan`` and ``repair``: the changes of the next pass, and the differences that a comparison found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class PassPlan:
    """The changes that the next comparison with the upstreams makes. Agents are named by their names for people."""

    #: Agents that get a room, and agents that get a ghost only, because each person has a room of its own with them.
    create: tuple[str, ...] = ()
    add: tuple[str, ...] = ()
    #: Names before and after.
    rename: tuple[tuple[str, str], ...] = ()
    #: Agents that their upstreams do not list any more, and agents that are listed again.
    retire: tuple[str, ...] = ()
    back: tuple[str, ...] = ()
    #: Agents that have been gone for long and are retired, and those of them whose rooms are deleted.
    put_away: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()
    #: User ids of people who are invited.
    invite: tuple[str, ...] = ()
    #: Agents whose rooms the Space will list.
    move: tuple[str, ...] = ()
    #: Servers and channels that are to be made, changed or deleted.
    places: tuple[str, ...] = ()
    #: Agents that wait for an operator's word: many new ones at once, and many that went at once.
    waiting: tuple[str, ...] = ()
    doubted: tuple[str, ...] = ()
    #: Names that are listed no more, and names that are listed instead. Which is which is unclear.
    vanished: tuple[str, ...] = ()
    appeared: tuple[str, ...] = ()
    #: Upstreams that do not answer, and why.
    away: tuple[tuple[str, str], ...] = ()

    @property
    def has_changes(self) -> bool:
        """Whether the next pass changes anything."""
        agents = self.create or self.add or self.rename or self.retire or self.back or self.put_away or self.delete
        return bool(agents or self.invite or self.move or self.places)

    @property
    def is_held(self) -> bool:
        """Whether a change waits for an operator's word."""
        return bool(self.waiting or self.doubted or self.appeared)


class Outcome(StrEnum):
    """Outcomes of a difference between a room and its desired state."""

    #: It was repaired.
    SET = "set"
    #: A person chose the present value.
    KEPT = "kept"
    #: The homeserver refused the repair.
    REFUSED = "refused"
    #: It would be repaired.
    WOULD_SET = "would_set"

    @property
    def is_open(self) -> bool:
        """Whether the difference is still there."""
        return self is not Outcome.SET


class Part(StrEnum):
    """Parts of a room, of its ghost and of its entry in the Space that are compared."""

    ROOM = "room"
    GHOST_JOINED = "ghost_joined"
    BOT_JOINED = "bot_joined"
    GHOST_NAME = "ghost_name"
    GHOST_AVATAR = "ghost_avatar"
    NAME = "name"
    TOPIC = "topic"
    AVATAR = "avatar"
    LEVELS = "levels"
    JOIN_RULE = "join_rule"
    GUESTS = "guests"
    ALIAS = "alias"
    CANONICAL_ALIAS = "canonical_alias"
    CHILD = "child"
    PARENT = "parent"
    FUNCTIONAL = "functional"
    BRIDGE = "bridge"
    #: An upgrade that leads to no room in which the agent and the bot can be.
    UPGRADE = "upgrade"
    ENCRYPTION = "encryption"
    #: A part without a name of its own.
    OTHER = "other"


#: Parts that are never replaced if a person chose them: bans of the agent and of the bot are two of them.
_FIXED = frozenset({Part.GHOST_JOINED, Part.BOT_JOINED, Part.UPGRADE, Part.ENCRYPTION})


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between a room and its desired state."""

    part: Part
    outcome: Outcome
    #: User id of the person who chose the present value; None for other outcomes.
    by: str | None = None

    @property
    def is_replaceable(self) -> bool:
        """Whether a person chose the present value, and ``force`` replaces it."""
        return self.outcome is Outcome.KEPT and self.part not in _FIXED


@dataclass(frozen=True, slots=True)
class RoomDifferences:
    """The differences of one room."""

    #: The name of the agent; of other rooms the name of the room.
    name: str
    #: Matrix id of the room; None: there is none.
    room_id: str | None
    differences: tuple[Difference, ...]
    #: Why the room could not be compared; empty: it was.
    error: str = ""
    #: The agent whose room it is; empty: nobody's.
    agent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairReport:
    """The result of a repair, or the progress of one that goes on."""

    #: Rooms that are compared, and all rooms.
    done: int
    total: int
    rooms: tuple[RoomDifferences, ...] = ()
    #: Whether nothing was to be changed.
    is_dry: bool = False
    is_finished: bool = True
    #: Why it ended before its end; empty: it did not.
    error: str = ""

    @property
    def repaired(self) -> int:
        """The number of rooms of which something was repaired."""
        return sum(any(each.outcome is Outcome.SET for each in room.differences) for room in self.rooms)

    @property
    def is_clean(self) -> bool:
        """Whether no difference is left."""
        left = any(each.outcome.is_open for room in self.rooms for each in room.differences)
        return not left and not self.error and not any(room.error for room in self.rooms)


@dataclass(frozen=True, slots=True)
class RepairBegun:
    """A repair is requested; its progress appears in the same message."""

    #: The agent whose rooms are compared; None: all rooms.
    agent: str | None
    is_forced: bool

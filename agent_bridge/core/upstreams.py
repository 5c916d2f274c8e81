"""The status of an upstream as the leader last saw it, and the conversations that an upstream keeps."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Health:
    """The status of one upstream."""

    name: str
    #: Why the last request failed; None when it succeeded; empty before the first one.
    error: str | None = ""
    #: Number of agents in its last list.
    agents: int = 0
    #: Number of agents missing from its lists: too many at once to count as gone before an operator confirms it.
    doubted: int = 0
    #: Names of agents that it no longer lists, and ids that it lists instead. Which is which is unclear.
    vanished: tuple[str, ...] = ()
    appeared: tuple[str, ...] = ()
    #: Number of agents that appeared at once, too many to get rooms before an operator confirms it.
    waiting: int = 0
    #: Its kind, the software of its server and the names of its capabilities; empty before the first list.
    kind: str = ""
    server: str = ""
    capabilities: tuple[str, ...] = ()
    #: The names of the agents whose ids are *appeared*.
    appeared_names: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the last request succeeded."""
        return self.error is None

    @property
    def held(self) -> bool:
        """Whether changes of its list wait for an operator's word."""
        return bool(self.doubted or self.appeared or self.waiting)


@dataclass(frozen=True, slots=True)
class StoredConversation:
    """A lane's conversation on the server."""

    #: The server's id; empty while the first one is made.
    ref: str
    #: A unique word in the names of conversations while one is made that replaces *ref*; empty at other times. With
    #: ``kind: a2a``, the last question of the lane and its task.
    marker: str = ""
    #: Whether *ref* is the new conversation already, and only the names are left to be changed.
    is_made: bool = False

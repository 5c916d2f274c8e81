"""The operation ``import``: its parameters, and its report."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.core.operations import Operation

#: The kind of the operation.
IMPORT: Final = "import"
#: The largest number of messages of one import.
MOST_IMPORTED: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """The messages that are shown, and the place where."""

    #: Row id of the agent, and its room.
    agent: int
    room_id: str
    #: Root of the thread; empty: the room itself.
    thread: str = ""
    #: The upstream's id of the conversation; None: the agent's main one.
    conversation: str | None
    #: The number of the newest messages.
    count: int
    #: Whether the room is new: people are invited at the end.
    is_first: bool = False

    @property
    def params(self) -> dict[str, Any]:
        """The parameters of the operation."""
        return asdict(self)

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> ImportRequest:
        """Return the request with the parameters *params*."""
        return cls(**params)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """The result of an import, or the progress of one that goes on."""

    #: Messages that it has sent, and all that it sends.
    imported: int = 0
    total: int = 0
    #: Messages that the room had before.
    known: int = 0
    is_finished: bool = True
    #: Why it ended before its end, in the language of the bridge; empty: it did not.
    error: str = ""

    @classmethod
    def of(cls, operation: Operation) -> ImportReport:
        """Return the report of *operation*."""
        cursor = operation.cursor or {}
        return cls(
            imported=operation.done,
            total=operation.total or 0,
            known=cursor.get("known", 0),
            is_finished=operation.is_finished,
            error=cursor.get("error") or operation.error or "",
        )

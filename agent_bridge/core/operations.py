"""Operations: long work that the leader does step by step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from typing import Any


#: The kind of the operation that tells how far the deletion of rooms is.
DELETE = "delete"
#: Kinds of tracked work of the leader's duties: agents get their rooms and names, rooms follow the roles, the rooms of
#: retired agents are removed.
PROVISION, ROLES, REMOVAL = "provision", "roles", "removal"
TRACKED = (PROVISION, ROLES, REMOVAL)
#: The kind of the entry about a migration of the database.
MIGRATE = "migrate"


class OperationState(StrEnum):
    """States of an operation."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A piece of long work, and how far it is done."""

    #: Row id.
    id: int
    kind: str
    #: An object of JSON.
    params: Mapping[str, Any]
    state: OperationState
    #: The position from which it goes on: a value of JSON; None: its beginning.
    cursor: Any
    #: Steps that are done, and all steps (None: not known yet).
    done: int
    total: int | None
    #: The results of the steps that are done: values of JSON.
    found: Sequence[Any]
    #: As :attr:`OperationEntry.error`.
    error: str | None
    #: Failures since the last progress.
    tries: int
    #: Row id of the turn whose answer shows the progress; None: no room does.
    turn: int | None
    #: The name of the subject at work, without words of people.
    note: str = ""
    #: Seconds since it was requested, when it was read.
    age: float = 0.0

    @property
    def is_finished(self) -> bool:
        """Whether it is done or failed."""
        return self.state in {OperationState.DONE, OperationState.FAILED}

    def after(self, progress: Progress) -> Operation:
        """Return the operation with the steps of *progress* done."""
        return replace(
            self,
            state=OperationState.RUNNING,
            cursor=progress.cursor,
            done=progress.done,
            total=progress.total,
            found=(*self.found, *progress.found),
            tries=0,
            note=progress.note,
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """Steps that are done."""

    done: int
    total: int
    cursor: object
    #: The results of the steps since the last progress.
    found: tuple[object, ...] = ()
    #: As :attr:`Operation.note`.
    note: str = ""


@dataclass(frozen=True, slots=True)
class Pause:
    """A step of an operation for which other work is awaited: it goes on in so many seconds, and others pass."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationEntry:
    """An operation in a list."""

    id: int
    kind: str
    state: OperationState
    done: int
    total: int | None
    note: str
    #: Why it failed, in the language of the bridge; None: it did not.
    error: str | None
    #: User id; empty: the operator of the command line, or the bridge itself.
    requested_by: str
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Notice:
    """The answer to a command that shows the progress of an operation."""

    room_id: str
    #: None: the answer is not sent yet.
    event_id: str | None
    #: Public name of the turn.
    key: str
    #: Localpart of the ghost that sent it; None: the bot did.
    voice: str | None

"""The requests that events make besides turns and changes of earlier ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agent_bridge.bridge.inbound.rules import Rules
    from agent_bridge.core.approvals import DecisionRequest
    from agent_bridge.core.chains import ResumeRequest
    from agent_bridge.core.changes import StopRequest
    from agent_bridge.core.rooms import Room
    from agent_bridge.core.tasks import CardClaim
    from agent_bridge.core.threads import ThreadMessage
    from agent_bridge.matrix.events import RoomEvent

_Request = TypeVar("_Request")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The requests, each kind in the order of the events."""

    #: Answers that end.
    stops: Sequence[StopRequest]
    #: Answers to messages that became commands: they end if the command is new.
    withdrawals: Sequence[StopRequest]
    decisions: Sequence[DecisionRequest]
    #: Chains that go on.
    resumes: Sequence[ResumeRequest]
    #: Tasks that people claim by a reaction.
    claims: Sequence[CardClaim]
    #: Messages in threads that have names.
    threads: Sequence[ThreadMessage]

    def __bool__(self) -> bool:
        """Whether there is a request by itself; a withdrawal comes with a command."""
        return bool(self.stops or self.decisions or self.resumes or self.claims or self.threads)


def asked_by(events: Sequence[RoomEvent], rooms: Mapping[str, Room], rules: Rules) -> Asked:
    """Return the requests that *events* make, in *rooms* that the bridge knows."""

    def found(rule: Callable[[RoomEvent, Room | None], _Request | None]) -> list[_Request]:
        return [asked for event in events if (asked := rule(event, rooms.get(event.room_id))) is not None]

    return Asked(
        stops=found(rules.stop),
        withdrawals=found(rules.withdrawal),
        decisions=found(rules.decision),
        resumes=found(rules.resume),
        claims=[claim for event in events if (claim := rules.claim(event)) is not None],
        threads=found(rules.thread_message),
    )

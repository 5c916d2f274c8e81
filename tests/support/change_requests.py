"""Changes of earlier messages, for tests on PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_bridge.core.answers import AnswerExtras, Op, Part
from agent_bridge.core.changes import ChangeKind, ChangeRequest
from agent_bridge.core.payloads import MessagePayload
from agent_bridge.core.transcript import ChatMessage
from agent_bridge.core.turns import StopReason, TurnKind, TurnState
from agent_bridge.store.edits import Edits
from agent_bridge.store.intake import IntakeStore
from agent_bridge.store.redactions import Redactions
from agent_bridge.store.turns import Turns
from support.turn_rows import BOB, ROOM, new

if TYPE_CHECKING:
    from agent_bridge.core.turns import NewTurn, Turn
    from agent_bridge.store.postgres.database import Database

#: The kinds of turns that ask for another answer.
CHANGES = {TurnKind.EDIT, TurnKind.AGAIN}
TALK = [ChatMessage("user", "asked"), ChatMessage("assistant", "The answer")]


def asked(event_id: str, *agents: int, **changes: Any) -> NewTurn:
    return new(event_id, ROOM, *agents, **changes)


def edit(body: str, event_id: str = "$edit", target: str = "$q", **changes: Any) -> ChangeRequest:
    return change(ChangeKind.EDIT, event_id, target, message=MessagePayload(body), **changes)


def again(target: str = "$q", event_id: str = "$again", **changes: Any) -> ChangeRequest:
    return change(ChangeKind.AGAIN, event_id, target, **changes)


def redaction(target: str = "$q", event_id: str = "$redaction", **changes: Any) -> ChangeRequest:
    return change(ChangeKind.REDACT, event_id, target, **changes)


def change(kind: ChangeKind, event_id: str, target: str, **changes: Any) -> ChangeRequest:
    values: dict[str, Any] = {"room_id": ROOM, "sender": BOB}
    return ChangeRequest(event_id=event_id, kind=kind, target=target, **(values | changes))


async def note(database: Database, *wanted: ChangeRequest) -> list[list[int]]:
    """Write *wanted* like intake; return the lanes of each."""
    edits, redactions = Edits(database), Redactions("agentbridge", redact_answers=True)
    async with database.transaction() as connection:
        await IntakeStore(database).lock(connection, {each.room_id for each in wanted})
        return [
            [*(await redactions.carry_out(connection, each)).lanes]
            if each.kind is ChangeKind.REDACT
            else [*(await edits.note(connection, each)).lanes]
            for each in wanted
        ]


async def answer(database: Database, turn: Turn, text: str = "The answer", state: TurnState = TurnState.DONE) -> None:
    """Answer *turn* like its worker, and record an event for the answer: ``$q`` gets ``$aq``.

    If a message or the answer was redacted, ask the rest, or close the turn without an answer.
    """
    turns = Turns(database)
    error = "it broke" if state is TurnState.FAILED else None
    besides = AnswerExtras(activity=(Op(Part.ACTIVITY, "thought"),))
    stopped = StopReason.EDITED if state is TurnState.STOPPED else None
    redacted = await turns.commit(
        turn, text, error=error, parts=[0], extras=besides, stopped=stopped, transcript=[] if error else TALK
    )
    if redacted is not None:
        if redacted is StopReason.REDACTED and await turns.ask_the_rest(turn):
            return
        await turns.commit(turn, "", error=None, parts=[], stopped=redacted)
    shown = {} if redacted is not None else {0: f"$a{turn.event_id[1:]}"}
    if await turns.finish(turn, state, shown) is None:
        await turns.finish(turn, TurnState.STOPPED, {}, taken_back=shown)

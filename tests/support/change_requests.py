"""What people want of earlier messages, for tests of what stands on PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_bridge.core.transcript import Said
from agent_bridge.core.turns import Besides, Change, TurnState, Wish
from agent_bridge.store.edits import Changes
from agent_bridge.store.intake import Inbox
from agent_bridge.store.turns import Turns
from support.turn_rows import BOB, ROOM, new

if TYPE_CHECKING:
    from agent_bridge.core.turns import NewTurn, Turn
    from agent_bridge.store.database import Database

TALK = [Said("user", "asked"), Said("assistant", "The answer")]


def asked(event_id: str, portal: int, **changes: Any) -> NewTurn:
    return new(event_id, portal=portal, **changes)


def edit(body: str, event_id: str = "$edit", target: str = "$q", **changes: Any) -> Change:
    return change(Wish.EDIT, event_id, target, payload={"body": body}, **changes)


def again(target: str = "$q", event_id: str = "$again", **changes: Any) -> Change:
    return change(Wish.AGAIN, event_id, target, **changes)


def redaction(target: str = "$q", event_id: str = "$redaction", **changes: Any) -> Change:
    return change(Wish.REDACT, event_id, target, **changes)


def change(wish: Wish, event_id: str, target: str, **changes: Any) -> Change:
    values: dict[str, Any] = {"room_id": ROOM, "sender": BOB, "payload": {}}
    return Change(event_id=event_id, wish=wish, target=target, **(values | changes))


async def note(database: Database, *wanted: Change) -> list[int | None]:
    """Write *wanted* as intake does; return their lanes."""
    changes = Changes(database)
    async with database.transaction() as connection:
        await Inbox(database).lock(connection, {each.room_id for each in wanted})
        return [
            await (changes.forget if each.wish is Wish.REDACT else changes.note)(connection, each) for each in wanted
        ]


async def answer(database: Database, turn: Turn, text: str = "The answer", state: TurnState = TurnState.DONE) -> None:
    """Answer *turn* as the relay does, and show it in an event ``$a`` of its own."""
    turns = Turns(database)
    error = "it broke" if state is TurnState.FAILED else None
    besides = Besides(asides=({"part": -1, "text": "thought"},))
    stopped = state is TurnState.STOPPED
    await turns.answered(
        turn, text, error=error, parts=[0], besides=besides, stopped=stopped, transcript=[] if error else TALK
    )
    await turns.finish(turn, state, {0: f"$a{turn.event_id[1:]}"})

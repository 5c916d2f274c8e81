"""Turns as a worker processes them: claimed in order, answered, closed. They say which parts are still to be sent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.types.json import Jsonb

from agent_bridge.core.answers import NO_EXTRAS, Part
from agent_bridge.core.attempts import left_attempts
from agent_bridge.core.chains import ChainPosition
from agent_bridge.core.errors import StoreRefused, TurnLost
from agent_bridge.core.observer import DISMISSED, UNOBSERVED
from agent_bridge.core.rooms import KindName, SpeechMode, Streaming, WhenBusy
from agent_bridge.core.transcript import NO_CATCH_UP
from agent_bridge.core.turns import QueuedMessage, Send, StopReason, Turn, TurnKind, TurnState
from agent_bridge.store.agents import agent_from, problems_from
from agent_bridge.store.contents import apply_edits, lock_messages
from agent_bridge.store.corruption import UNREADABLE, member_or_none, read_one, report
from agent_bridge.store.extras import extras_from_json, extras_to_json, speech_to_json
from agent_bridge.store.notifications import Notifications
from agent_bridge.store.payloads import decode, empty_payload, encode_step
from agent_bridge.store.postgres.database import rows_of
from agent_bridge.store.postgres.locks import WORKER
from agent_bridge.store.postgres.statements import Statements
from agent_bridge.store.usage import entry_values

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import LiteralString

    from psycopg.rows import DictRow

    from agent_bridge.core.answers import AnswerExtras, Speech
    from agent_bridge.core.notifications import Notification
    from agent_bridge.core.observer import Observer
    from agent_bridge.core.transcript import CatchUp, ChatMessage
    from agent_bridge.core.turns import IgnoreReason
    from agent_bridge.core.usage import UsageEntry
    from agent_bridge.store.postgres.database import Database

_SQL = Statements("turns")


def _turn(row: DictRow) -> Turn:
    # A program of another version may know the kind.
    content = _content(row)
    problems = problems_from(row["problems"] or ())
    agent, when_busy, streaming = row["agent"], row["when_busy"], row["streaming"]
    values = {
        "agent": None if agent is None else agent_from(agent),
        "when_busy": member_or_none(WhenBusy, when_busy, "room", row["room_id"]),
        "streaming": member_or_none(Streaming, streaming, "room", row["room_id"]),
        "speech": member_or_none(SpeechMode, row["speech"], "room", row["room_id"]),
        "room_kind": member_or_none(KindName, row["room_kind"], "room", row["room_id"]),
        "kind": TurnKind(row["kind"]),
        "state": TurnState(row["state"]),
        "obstacle": next((problem for problem in problems if problem.silences), None),
        "left_attempts": left_attempts(step["what"] for step in row["steps"]),
        **content,
    }
    del row["signal"], row["synchronous_commit"], row["problems"], row["steps"]
    return Turn(**{**row, **values})


def _content(row: DictRow) -> dict[str, Any]:
    """Return the fields with the content of a turn; empty ones if it cannot be read."""
    kind, stop, chain = row["kind"], row["stop"], row["chain"]
    try:
        return {
            "payload": decode(kind, row["payload"]),
            "stop": None if stop is None else StopReason(stop),
            "collected": tuple(decode(kind, each) for each in row["collected"]),
            "extras": extras_from_json(row["extras"]),
            "chain": None if chain is None else ChainPosition(**chain),
        }
    except UNREADABLE as error:
        report("turn", row["key"], error)
        empty = {"stop": None, "collected": (), "extras": NO_EXTRAS, "chain": None}
        return {"payload": empty_payload(kind), **empty, "is_unreadable": True}


def _queued(row: DictRow) -> QueuedMessage:
    kind = row.pop("kind")
    return QueuedMessage(**{**row, "payload": decode(kind, row["payload"])})


def _said(caught_up: CatchUp, transcript: Sequence[ChatMessage]) -> Jsonb:
    """Return the messages that an answer adds to its context, as the statement ``commit`` reads them."""
    heard = [
        {
            "role": each.said.role,
            "content": each.text,
            "event_id": each.event_id,
            "edited_in": each.edited_in,
            "said_by": each.said_by,
        }
        for each in caught_up.messages
    ]
    return Jsonb([*heard, *({"role": each.role, "content": each.content} for each in transcript)])


class Turns:
    """The tables ``turn`` and ``outbox``, as a worker uses them.

    A worker's commits about a turn (:meth:`collect`, :meth:`put_back`, :meth:`commit`, :meth:`replace`,
    :meth:`finish`) count only as long as no other worker has taken the turn up since; otherwise they raise
    :class:`TurnLost` and change nothing. *observer* hears of each turn that they close.
    """

    def __init__(self, database: Database, observer: Observer = UNOBSERVED) -> None:
        self._database = database
        self._observer = observer
        self._notifications = Notifications(database)

    async def take(self, lane: int, process: int = 0) -> Turn | None:
        """Claim the turn at the head of *lane* for *process*; None when there is none, or when it has to wait.

        A turn that an earlier worker had claimed and not closed is still at the head. A lane waits while events of its
        room may be missing.
        """
        values = {"lane": lane, "process": process, "kind": WORKER, "step": encode_step("taken_up")}
        row = await self._database.row(_SQL["take"], values)
        if row is not None and row["collected"]:
            row |= await self._database.row(_SQL["collected"], {"turn": row["id"]}) or {}
        if row is None:
            return None
        return read_one("turn", row["key"], lambda: _turn(row))

    async def rehearse(self, turn: Turn) -> None:
        """Raise :class:`StoreError` unless an answer to *turn* could be stored now."""
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["rehearse"], {"turn": turn.id, "lane": turn.conversation})
            raise psycopg.Rollback

    async def show_again(self, turn: Turn) -> bool:
        """Have the end of *turn* shown once more if another worker has ended it; tell whether one has."""
        values = {"turn": turn.id, "attempts": turn.attempts, "step": encode_step("shown_again")}
        return await self._database.row(_SQL["show_again"], values) is not None

    async def dismiss(self, turn: Turn, reason: IgnoreReason) -> None:
        """Delete *turn* and note that its event is ignored."""
        values = {"turn": turn.id, "room_id": turn.room_id, "reason": reason}
        if await self._database.execute(_SQL["dismiss"], values):
            self._observer.turn_ended(turn.kind, DISMISSED)

    async def behind(self, turn: Turn) -> list[QueuedMessage]:
        """Return the turns behind *turn* that ask for the same and were never claimed, in their order."""
        return [_queued(row) for row in await self._database.rows(_SQL["behind"], {"turn": turn.id})]

    async def collect(self, turn: Turn, waits: Sequence[QueuedMessage]) -> list[QueuedMessage]:
        """Make those of *waits* that still wait a part of *turn*; return them."""
        rows = await self._database.rows(
            _SQL["collect"],
            {
                "turn": turn.id,
                "attempts": turn.attempts,
                "parts": [each.id for each in waits],
                "step": encode_step("collected", turn=turn.key),
            },
        )
        if not rows:
            raise self._lost(turn)
        # The present content: a message may have been edited since it was read.
        payloads = {row["id"]: decode(row["kind"], row["payload"]) for row in rows if row["id"] is not None}
        if payloads:
            self._observer.turn_ended(turn.kind, TurnState.COLLECTED, len(payloads))
        return [replace(each, payload=payloads[each.id]) for each in waits if each.id in payloads]

    async def join(self, turn: Turn, *, collects: bool = True) -> tuple[Turn, str] | None:
        """Forget that messages interrupt *turn*, which the agent has not begun to answer.

        *collects*: the messages that wait behind it become parts of it. Return the turn with the present content of its
        messages, and the event id of the newest one. Return None if it has to end early for another reason, or if
        another worker has taken it up.
        """
        values = {
            "turn": turn.id,
            "attempts": turn.attempts,
            "collects": collects,
            "step": encode_step("collected", turn=turn.key),
        }
        async with self._database.transaction() as connection:
            await lock_messages(connection, turn.id)
            rows = await rows_of(connection, _SQL["join"], values)
        if not rows:
            return None
        payload, *collected = (decode(row["kind"], row["payload"]) for row in rows)
        if joined := len(collected) - len(turn.collected):
            self._observer.turn_ended(turn.kind, TurnState.COLLECTED, joined)
        return replace(turn, payload=payload, collected=tuple(collected), stop=None), rows[-1]["event_id"]

    async def senders(self, turn: int) -> list[str]:
        """Return the user ids of the people whose messages *turn* answers."""
        return [row["sender"] for row in await self._database.rows(_SQL["senders"], {"turn": turn})]

    async def speakers(self, turn: int) -> list[str]:
        """Return the user ids of the senders of the messages that *turn* answers, in the order of its questions."""
        return [row["sender"] for row in await self._database.rows(_SQL["speakers"], {"turn": turn})]

    async def stops(self, turns: Collection[int]) -> dict[int, StopReason]:
        """Return those of *turns* that have to end early, and why."""
        rows = await self._database.rows(_SQL["stops"], {"turns": list(turns)})
        return {row["id"]: StopReason(row["stop"]) for row in rows}

    async def count_open(self) -> dict[int | None, int]:
        """Return the number of open turns by agent (row id; None: the bridge bot)."""
        return {row["agent"]: row["turns"] for row in await self._database.rows(_SQL["count_open"])}

    async def put_back(
        self, turn: Turn, *, delay: float, failed: bool, why: str, waited: float = 0.0, doubted: bool = False
    ) -> None:
        """Let *turn* keep its position at the head of its lane, to be claimed after *delay* seconds.

        *failed* counts a failure. *waited*, if it is not 0, counts a wait for the upstream of so many seconds. A
        committed answer stays committed. If the room is *doubted*, it is compared with the homeserver before that.
        """
        step = encode_step("put_back", seconds=delay, why=why)
        values = {
            "failed": int(failed),
            "waited": waited,
            "delay": delay,
            "step": step,
            "doubted": doubted,
            "stop": turn.stop,
        }
        await self._fenced(_SQL["put_back"], turn, values)

    async def ask_the_rest(self, turn: Turn, *, taken_back: Collection[int] = ()) -> bool:
        """Queue *turn* again without its redacted messages and edits; tell whether any message is left.

        It keeps its position, and gets a new idempotency key and the content of its newest edits. The parts
        *taken_back* are not shown any more. Its committed answer is forgotten. A turn whose answer was withdrawn is
        not queued.
        """
        values = {
            "turn": turn.id,
            "attempts": turn.attempts,
            "redacted": list(taken_back),
            "step": encode_step("again"),
        }
        async with self._database.transaction() as connection:
            await lock_messages(connection, turn.id)
            is_queued = bool(await rows_of(connection, _SQL["ask_the_rest"], values))
            if is_queued:
                await apply_edits(connection, turn.id)
        return is_queued

    async def started(self, turn: Turn, ref: str) -> None:
        """Record the upstream's reference of the run that answers *turn*, and that its kind of upstream has begun it.

        Nothing is recorded if another worker has taken the turn up.

        It does not wait for the disk: a crash of PostgreSQL may lose the reference, a crash of the bridge may not.
        """
        kind = None if turn.agent is None else turn.agent.kind
        values = {"ref": ref, "kind": kind, "turn": turn.id, "attempts": turn.attempts}
        await self._database.execute(_SQL["started"], values)

    async def commit(
        self,
        turn: Turn,
        answer: str,
        *,
        error: str | None,
        parts: Collection[int],
        extras: AnswerExtras = NO_EXTRAS,
        stopped: StopReason | None = None,
        transcript: Sequence[ChatMessage] = (),
        caught_up: CatchUp = NO_CATCH_UP,
        run: str | None = None,
        used: Sequence[UsageEntry] = (),
        quota_until: str | None = None,
    ) -> StopReason | None:
        """Commit the answer with its *extras*, the intention to show it in *parts*, and new *transcript* messages.

        The transcript also keeps *caught_up*, before the new messages, without those that were redacted meanwhile.
        *run* is the upstream's reference of the run; None keeps the stored one. A request to stop the answer does not
        count any more, unless that *stopped* it. A question that was redacted leaves no transcript. The upstream is
        never asked again for this turn. *quota_until*: a quota refuses it until then (a timestamp, or ``infinity``).

        *used* are the tokens of its requests, as in :meth:`agent_bridge.store.usage.UsageStore.record`.

        If a question or the answer was redacted in the meantime, only *used* is committed, and that reason is returned.
        """
        row = await self._fenced(
            _SQL["commit"],
            turn,
            {
                "lane": turn.conversation,
                "answer": answer,
                "error": error,
                "parts": list(parts),
                "extras": Jsonb(extras_to_json(extras)),
                "stopped": stopped,
                "run": run,
                "said": _said(caught_up, transcript),
                "until": caught_up.until,
                "step": encode_step("answered", characters=len(answer), error=error),
                "used": entry_values(used),
                "quota_until": quota_until,
            },
        )
        return None if row["stop"] is None else StopReason(row["stop"])

    async def spoken(self, turn: Turn, speech: Speech) -> None:
        """Record how far the committed answer to *turn* is read aloud, before the next event is sent."""
        await self._fenced(_SQL["spoken"], turn, {"speech": Jsonb(speech_to_json(speech))})

    async def finish(
        self,
        turn: Turn,
        state: TurnState,
        sent: Mapping[int, str],
        *,
        taken_back: Collection[int] = (),
        error: str | None = None,
    ) -> bool | None:
        """Close *turn* as *state* together with the events that show its parts.

        The parts *taken_back* are not shown any more. *error* is why it failed, unless that is known. Return True if
        the turn was the last open one of its lane. Return None if the turn stays open, for its next attempt: its answer
        was withdrawn in the meantime, or a person redacted one of the events before its id was stored, and parts of it
        are shown; or a question or an edit was redacted after the answer was committed, and the messages that are left
        have to be asked (not if *error* is given).
        """
        row = await self._fenced(
            _SQL["finish"],
            turn,
            {
                "state": state,
                "parts": list(sent),
                "events": list(sent.values()),
                "waiting": Part.WAITING,
                "redacted": list(taken_back),
                "error": error,
                "step": encode_step(state, parts=len(sent), error=error),
            },
        )
        if not row["is_closed"]:
            return None
        self._observer.turn_ended(turn.kind, state)
        return bool(row["is_last"])

    async def was_announced(self, turn: Turn, error: str, seconds: float) -> bool:
        """Tell whether the room was told of the same *error* in the lane of *turn* within the last *seconds*."""
        values = {"lane": turn.conversation, "turn": turn.id, "error": error, "seconds": seconds}
        return await self._database.row(_SQL["was_announced"], values) is not None

    async def claim_day(self, turn: Turn, what: str) -> bool:
        """Tell whether *turn* is the one that tells of *what* today, by the database's clock, in UTC.

        It is if no other turn has claimed that before, also in an earlier attempt.
        """
        return await self._claim(turn, what, is_daily=True)

    async def claim_once(self, turn: Turn, what: str, news: Notification | None = None) -> bool:
        """Tell whether *turn* is the one that tells of *what*, for good. *news* is told to a person then."""
        return await self._claim(turn, what, is_daily=False, news=news)

    async def _claim(self, turn: Turn, what: str, *, is_daily: bool, news: Notification | None = None) -> bool:
        values = {"turn": turn.id, "attempts": turn.attempts, "what": what, "is_daily": is_daily}
        try:
            async with self._database.transaction() as connection:
                is_first = bool(await rows_of(connection, _SQL["claim"], values))
                if is_first and news is not None:
                    await self._notifications.add(connection, replace(news, key=what))
                return is_first
        except StoreRefused:
            # Another lane has claimed it at the same time.
            return False

    async def intend(self, turn: int, part: int) -> None:
        """Write the intention to send part *part*, before the request goes out."""
        await self._database.execute(_SQL["intend"], {"turn": turn, "part": part})

    async def sent(self, turn: Turn, part: int, event_id: str) -> bool:
        """Record the event that shows part *part*; tell whether a person redacted it before, which ends the answer.

        Nothing is recorded if another worker has taken *turn* up.
        """
        values = {
            "turn": turn.id,
            "attempts": turn.attempts,
            "part": part,
            "event_id": event_id,
            "waiting": Part.WAITING,
        }
        return await self._database.row(_SQL["sent"], values) is not None

    async def replace(self, turn: Turn, generations: Mapping[int, int]) -> None:
        """Forget the redacted events of parts, and note the generations as which they are sent again."""
        values = {"parts": list(generations), "generations": list(generations.values())}
        await self._fenced(_SQL["replace"], turn, values)

    async def sends(self, turn: int) -> list[Send]:
        """Return the parts that were sent, or may have been sent, for *turn*, by part."""
        return [Send(**row) for row in await self._database.rows(_SQL["sends"], {"turn": turn})]

    async def stop_offer(self, turn: int) -> str | None:
        """Return the reaction that offers to stop *turn*; empty if it may have been sent, None without an offer."""
        row = await self._database.row(_SQL["stop_offer"], {"turn": turn})
        return None if row is None else row["stop_offer"]

    async def intend_offer(self, turn: Turn) -> bool:
        """Record the intention to offer to stop *turn*; return False if it is over or another worker has taken it up.

        A worker that was paused must not offer to stop an answer that is complete.
        """
        parameters = {"turn": turn.id, "attempts": turn.attempts}
        return await self._database.row(_SQL["intend_offer"], parameters) is not None

    async def offer_stop(self, turn: int, event_id: str | None) -> None:
        """Record the reaction that offers to stop *turn*, as :meth:`stop_offer` returns it."""
        await self._database.execute(_SQL["offer_stop"], {"turn": turn, "event_id": event_id})

    async def _fenced(self, query: LiteralString, turn: Turn, values: Mapping[str, object]) -> DictRow:
        row = await self._database.row(query, {**values, "turn": turn.id, "attempts": turn.attempts})
        if row is None:
            raise self._lost(turn)
        return row

    @staticmethod
    def _lost(turn: Turn) -> TurnLost:
        return TurnLost(f"turn {turn.key} was taken over by another worker, or is closed")

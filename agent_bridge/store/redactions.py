"""Redactions: a redacted message, edit, request or answer is forgotten in one transaction with the redaction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agent_bridge.core.answers import Part
from agent_bridge.core.payloads import (
    CommandPayload,
    EditPayload,
    MessagePayload,
    RefusalPayload,
    SentEvent,
)
from agent_bridge.core.turns import TurnKind
from agent_bridge.store.contents import apply_edits, content_of
from agent_bridge.store.payloads import decode, encode, encode_step
from agent_bridge.store.postgres.database import rows_of
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg.rows import DictRow

    from agent_bridge.core.changes import ChangeRequest
    from agent_bridge.core.payloads import Payload
    from agent_bridge.store.postgres.database import Connection

_SQL = Statements("redactions")


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The result of a redaction."""

    #: Lanes of the turns that it closed, ended or queued again.
    lanes: tuple[int, ...] = ()
    #: Events of the bridge that have to be redacted, or whose edits have to be, in the order in which they were sent.
    events: tuple[SentEvent, ...] = ()


class Redactions:
    """Writes redactions, in the tables ``turn``, ``outbox``, ``message`` and ``approval``.

    *redact_answers*: whether the answer to a redacted message is redacted too. *bot*: localpart of the bridge bot.
    """

    def __init__(self, bot: str, *, redact_answers: bool) -> None:
        self._bot = bot
        self._redact_answers = redact_answers

    async def carry_out(self, connection: Connection, change: ChangeRequest) -> Forgotten:
        """Forget the redacted event, within the caller's transaction, which has locked its room.

        ==================  =========================================================================================
        redacted event      effect
        ==================  =========================================================================================
        message             Its content, its edits and its answer are forgotten, and its transcript in all contexts and
                            saved copies. If it waits, it is closed. If its answer is not shown yet, that ends, and
                            other messages are asked again. If the answer has asked other agents, it is a redacted
                            message itself.
        edit                Its content is forgotten. The message gets the newest edit that is left, or its original
                            content. Its answer is forgotten; it is asked again unless more was said since. An edit that
                            waits is closed, unless the message has to be asked again: the edit has ended its answer, or
                            took the place of an edit that is left.
        request for         It is closed if it waits.
        another answer
        event of an answer  The answer, its transcript and the tool calls that it asked about are forgotten. If it is
                            being given, it ends. The next answer is sent as a new event. With its text, the voice
                            messages go that read it aloud. If it has asked other agents, it is a redacted message, too.
        any of these        A title of a chat that was made from it is made again, from the first message that is left.
        command             Its text is forgotten, also as the reason of a decision or as instructions for an agent.
        unknown event       If it is a part of an answer that is being sent, the answer is forgotten once the id of the
                            part is stored.
        ==================  =========================================================================================

        A repeat changes nothing.
        """
        about = {"room_id": change.room_id, "target": change.target, "event_id": change.event_id}
        # First the note: a commit that does not see it has written what is deleted then.
        await connection.execute(_SQL["note_heard"], about)
        await connection.execute(_SQL["forget_heard"], about)
        locked = await rows_of(connection, _SQL["lock_messages"], about)
        await connection.execute(_SQL["lock_heads"], {"turns": [row["id"] for row in locked]})
        if not (await rows_of(connection, _SQL["lock_changes"], about) or locked):
            await connection.execute(_SQL["note"], about)
            # The id of a part may have been stored in the meantime; from now on its worker sees the note.
            locked = await rows_of(connection, _SQL["lock_messages"], about)
            if not locked:
                return Forgotten()
        await connection.execute(_SQL["forget_reason"], about)
        await connection.execute(_SQL["forget_instructions"], about)
        own = await self._forget_own(connection, change, about)
        edited = await self._restore(connection, change, about)
        answer = await self._withdraw(connection, change, about)
        await connection.execute(_SQL["retitle"], {"turns": [row["id"] for row in locked]})
        parts = (own, edited, answer)
        return Forgotten(
            tuple(dict.fromkeys(lane for part in parts for lane in part.lanes)),
            tuple(dict.fromkeys(event for part in parts for event in part.events)),
        )

    async def _forget_own(self, connection: Connection, change: ChangeRequest, about: dict[str, str]) -> Forgotten:
        """Forget the turns of the redacted event itself."""
        rows = await rows_of(connection, _SQL["content"], about)
        answered = [row["head"] for row in rows if row["kind"] == TurnKind.MESSAGE]
        return await self._forget_turns(connection, change, about, [*rows, *await self._asked(connection, answered)])

    async def _asked(self, connection: Connection, heads: Sequence[int]) -> list[DictRow]:
        """Return the turns of the agents that the answers of *heads* have asked, and so on: they have its words."""
        return await rows_of(connection, _SQL["asked"], {"heads": list(heads)}) if heads else []

    async def _forget_turns(
        self, connection: Connection, change: ChangeRequest, about: dict[str, str], rows: Sequence[DictRow]
    ) -> Forgotten:
        """Forget the content of the turns *rows*, and their answers."""
        rows = list({row["id"]: row for row in rows}.values())
        if not rows:
            return Forgotten()
        emptied = {
            "turns": [row["id"] for row in rows],
            "payloads": [encode(_emptied(decode(row["kind"], row["payload"]))) for row in rows],
            "emptied_edit": encode(EditPayload(change.target, MessagePayload())),
            "event_id": change.event_id,
            "step": encode_step("redacted"),
        }
        closed = await rows_of(connection, _SQL["forget"], emptied)
        heads = [row["head"] for row in rows if row["kind"] not in {TurnKind.EDIT, TurnKind.AGAIN}]
        forgotten = await self._forget_answers(connection, heads, about)
        lanes = (*(row["conversation"] for row in closed), *forgotten.lanes)
        return Forgotten(lanes, forgotten.events)

    async def _forget_answers(
        self, connection: Connection, heads: Sequence[int], about: dict[str, str], *, edited: bool = False
    ) -> Forgotten:
        """Forget the answers of *heads*, and return the events of those that are redacted too.

        That is an answer whose messages were all redacted; *edited*: any answer, because a message gets another text.
        """
        if not heads:
            return Forgotten()
        values = {
            "heads": list(heads),
            "redact_answers": self._redact_answers,
            "edited": edited,
            "event_id": about["event_id"],
        }
        rows = await rows_of(connection, _SQL["forget_answers"], values)
        await connection.execute(_SQL["forget_transcript"], {"turns": list(heads)})
        await connection.execute(_SQL["forget_approvals"], {"turns": list(heads)})
        # The worker of an open turn redacts what it has shown.
        over = [row["id"] for row in rows if not row["open"] and (row["is_redacted"] or edited)]
        events = await self._shown(connection, over) if self._redact_answers else ()
        return Forgotten(tuple(row["conversation"] for row in rows if row["open"]), events)

    async def _restore(self, connection: Connection, change: ChangeRequest, about: dict[str, str]) -> Forgotten:
        """Give the messages that have the content of the redacted edit their content from before it."""
        messages = await rows_of(connection, _SQL["edited"], about)
        step = encode_step("edit_redacted")
        for row in messages:
            payload = encode(content_of(row))
            values = {"turn": row["id"], "payload": payload, "edited_by": row["edited_by"], "step": step}
            await connection.execute(_SQL["restore"], values)
        heads = [row["head"] for row in messages]
        # Earlier programs did not keep the original text.
        known = [row["head"] for row in messages if row["original"] is not None or row["edit"] is not None]
        asked = await self._forget_turns(connection, change, about, await self._asked(connection, heads))
        # The answer is to a text that was redacted, so it goes even if it answers other messages too.
        forgotten = await self._forget_answers(connection, heads, about, edited=True)
        again = await rows_of(connection, _SQL["ask_again"], {"turns": known, "step": step})
        for row in again:
            await apply_edits(connection, row["id"])
        lanes = (*asked.lanes, *forgotten.lanes, *(row["conversation"] for row in again))
        return Forgotten(lanes, (*asked.events, *forgotten.events))

    async def _withdraw(self, connection: Connection, change: ChangeRequest, about: dict[str, str]) -> Forgotten:
        """Forget the answer that the redacted event shows."""
        parts = {"last_text": Part.TEXT[-1], "waiting": Part.WAITING}
        values = {**about, **parts, "step": encode_step("answer_redacted")}
        rows = await rows_of(connection, _SQL["withdraw"], values)
        ended = [row["turn"] for row in rows if row["is_text"] or row["conversation"] is not None]
        await connection.execute(_SQL["forget_transcript"], {"turns": ended})
        # What is shown besides the text goes with any event of the answer.
        over = [row["turn"] for row in rows if not row["open"] or row["conversation"] is not None]
        await connection.execute(_SQL["forget_approvals"], {"turns": over})
        asked = await self._forget_turns(connection, change, about, await self._asked(connection, ended))
        lanes = tuple(row["conversation"] for row in rows if row["conversation"] is not None)
        events = tuple(SentEvent(about["target"], row["ghost"] or self._bot) for row in rows if not row["open"])
        # Voice messages say the words of the text.
        silent = [row["turn"] for row in rows if row["is_text"] and not row["open"]]
        spoken = {"turns": silent, "first": Part.SPEECH[0], "last": Part.SPEECH[-1]}
        voices = self._sent(await rows_of(connection, _SQL["unvoice"], spoken)) if silent else ()
        return Forgotten((*lanes, *asked.lanes), (*events, *voices, *asked.events))

    async def _shown(self, connection: Connection, turns: Sequence[int]) -> tuple[SentEvent, ...]:
        return self._sent(await rows_of(connection, _SQL["shown"], {"turns": list(turns)}))

    def _sent(self, rows: Sequence[DictRow]) -> tuple[SentEvent, ...]:
        return tuple(SentEvent(row["event_id"], row["ghost"] or self._bot) for row in rows)


def _emptied(payload: Payload) -> Payload:
    """Return *payload* without any content of a person."""
    match payload:
        case RefusalPayload():
            return replace(payload, excerpt="")
        case CommandPayload():
            return replace(payload, body="", arguments=None)
        case EditPayload():
            return replace(payload, message=MessagePayload())
        case MessagePayload():
            return MessagePayload()
        case _:
            return payload

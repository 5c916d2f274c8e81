"""Copies of the beginning of a conversation, with which the conversation of another chat begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.contexts import ForkPoint
from agent_bridge.core.payloads import MessagePayload
from agent_bridge.core.turns import TurnKind, first_session, request_key
from agent_bridge.store.payloads import decode
from agent_bridge.store.postgres.database import rows_of
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from psycopg.rows import DictRow

    from agent_bridge.store.postgres.database import Connection

_SQL = Statements("forks")


class Forks:
    """Contexts that are copies of others up to a message. All methods act within the caller's transaction."""

    async def point(self, connection: Connection, room_id: str, agent: int, event_id: str) -> ForkPoint | None:
        """Return the message that an event of a room shows, None if the transcripts of *agent* there lack it."""
        found = await rows_of(connection, _SQL["point"], {"room_id": room_id, "agent": agent, "event_id": event_id})
        if not found or found[0]["open"] or found[0]["message"] is None:
            return None
        row = found[0]
        first = first_session(room_id, None if row["own_room"] else row["ghost"], row["thread"])
        return ForkPoint(
            lane=row["lane"],
            context=row["context"],
            message=row["message"],
            turn=row["turn"],
            thread=row["thread"],
            is_answer=row["is_answer"],
            session=row["session"] or first,
            question=request_key(row["key"], row["retries"], _questions(row)),
            attempts=row["attempts"],
        )

    async def begin(
        self,
        connection: Connection,
        point: ForkPoint,
        root: ForkPoint | None,
        session: str,
        *,
        upstream_ref: str | None,
        upstream_kind: str | None,
    ) -> tuple[int, int]:
        """Copy a conversation up to *point*; return the row of the new context, and the number of its messages.

        *root*: the message that the thread of *point* is about; the question that it answers comes before it. The new
        conversation is called *session* on upstreams. *upstream_ref*: the conversation there has the messages.
        """
        values = {
            "lane": point.lane,
            "source": point.context,
            "session": session,
            "upstream_ref": upstream_ref,
            "upstream_kind": upstream_kind,
        }
        (row,) = await rows_of(connection, _SQL["begin"], values)
        for each, turn in ((root, None if root is None else root.turn), (point, None)):
            if each is not None:
                await connection.execute(
                    _SQL["copy"],
                    {
                        "home": point.lane,
                        "context": row["id"],
                        "lane": each.lane,
                        "source": each.context,
                        "until": each.message,
                        "turn": turn,
                    },
                )
        (counted,) = await rows_of(connection, _SQL["count"], {"context": row["id"]})
        return int(row["id"]), int(counted["messages"])


def _questions(row: DictRow) -> tuple[MessagePayload, ...]:
    payloads = (decode(TurnKind.MESSAGE, each) for each in (row["payload"], *row["collected"]))
    return tuple(each for each in payloads if isinstance(each, MessagePayload))

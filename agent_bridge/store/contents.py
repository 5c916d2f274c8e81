"""The content of messages: that of their newest edit which was not redacted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.payloads import EditPayload, MessagePayload
from agent_bridge.core.turns import TurnKind
from agent_bridge.store.payloads import decode, encode
from agent_bridge.store.postgres.database import rows_of
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from psycopg.rows import DictRow

    from agent_bridge.store.postgres.database import Connection

_SQL = Statements("contents")


async def lock_messages(connection: Connection, head: int) -> None:
    """Lock the messages that the turn *head* answers.

    All transactions lock in the same order, so that no two wait for each other: messages that were collected, the turns
    that they were collected into, changes of them.
    """
    await connection.execute(_SQL["lock_messages"], {"head": head})


async def has_new_edit(connection: Connection, head: int) -> bool:
    """Tell whether a message that the turn *head* answers has a newer edit than the one whose content it has."""
    return bool(await rows_of(connection, _SQL["unapplied"], {"head": head}))


async def apply_edits(connection: Connection, head: int) -> None:
    """Give each message that the turn *head* answers the content of its newest edit."""
    messages = await rows_of(connection, _SQL["unapplied"], {"head": head})
    values = {
        "messages": [row["id"] for row in messages],
        "payloads": [encode(content_of(row)) for row in messages],
        "edited_by": [row["edited_by"] for row in messages],
    }
    await connection.execute(_SQL["rewrite"], values)


def content_of(row: DictRow) -> MessagePayload:
    """Return the content of a message with the *edit* (None: without an edit); empty if its *original* is not known."""
    original = MessagePayload() if row["original"] is None else decode(TurnKind.MESSAGE, row["original"])
    edit = None if row["edit"] is None else decode(TurnKind.EDIT, row["edit"])
    if not isinstance(original, MessagePayload):
        raise TypeError(f"turn {row['id']} is not a message")
    return original.edited(edit.message) if isinstance(edit, EditPayload) else original

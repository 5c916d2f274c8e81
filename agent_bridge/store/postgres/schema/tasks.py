"""Tasks, and the cards that show them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from agent_bridge.store.postgres.schema.base import metadata, now, row_id

task = Table(
    "task",
    metadata,
    row_id(),
    Column("key", Text, nullable=False, comment="name of the request that made it"),
    Column("room", BigInteger, ForeignKey("room.id", ondelete="CASCADE"), nullable=False),
    Column("parent", BigInteger, ForeignKey("task.id", ondelete="CASCADE")),
    Column("title", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="submitted"),
    Column("creator", Text, nullable=False, comment="user id"),
    Column("assignee", Text, comment="user id; null: nobody"),
    Column("percent", Integer, nullable=False, server_default="0", comment="with subtasks: the mean of them"),
    Column("note", Text, nullable=False, server_default=""),
    Column("deadline", DateTime(timezone=True), comment="end of the claim without further progress; null: no claim"),
    Column("changes", Integer, nullable=False, server_default="1", comment="how often the desired card changed"),
    Column("shown", Integer, nullable=False, server_default="0", comment="the changes that the card shows"),
    Column("card", Text, comment="event of the card; null: none is known"),
    Column("card_room", Text, comment="room id of the card"),
    Column("since", Text, comment="an older event of the room; null: no card was tried yet"),
    Column(
        "withdrawn",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="whether its card, or the command that made it, was redacted",
    ),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=now),
    Column("closed_at", DateTime(timezone=True)),
    Column("note_by", Text, comment="user id that wrote the note; null: nobody, or an earlier program"),
    UniqueConstraint("key"),
    CheckConstraint(
        "state IN ('submitted', 'working', 'input-required', 'auth-required', 'completed', 'failed', 'canceled', "
        "'rejected')",
        name="state",
    ),
    comment="work that people and agents take on",
)
Index("task_room_idx", task.c.room, task.c.id)
Index("task_parent_idx", task.c.parent, postgresql_where=task.c.parent.is_not(None))
Index("task_assignee_idx", task.c.assignee, postgresql_where=task.c.closed_at.is_(None))
Index("task_unshown_idx", task.c.id, postgresql_where=text("changes <> shown"))
Index("task_deadline_idx", task.c.deadline, postgresql_where=text("state = 'working'"))
Index("task_card_idx", task.c.card, postgresql_where=task.c.card.is_not(None))

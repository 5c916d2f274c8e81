"""The content of conversations."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, ForeignKey, Index, Table, Text, text

from agent_bridge.store.postgres.schema.base import metadata, now, row_id

context = Table(
    "context",
    metadata,
    row_id(),
    Column("conversation", BigInteger, ForeignKey("conversation.id", ondelete="CASCADE"), nullable=False),
    Column("agent", BigInteger, ForeignKey("agent.id"), nullable=False, index=True),
    Column("session", Text, comment="name of the conversation for upstreams; null: a saved copy"),
    Column("owner", Text, comment="the person who saved it; null: no saved copy"),
    Column("name", Text),
    Column("upstream_ref", Text, comment="copy on the upstream from which it can go on; null: there is none"),
    Column("upstream_kind", Text, comment="kind of the upstream that has the copy"),
    Column(
        "started_at",
        DateTime(timezone=True),
        nullable=False,
        server_default=now,
        comment="when its conversation began, perhaps in another context",
    ),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=now),
    Column(
        "ended_at",
        DateTime(timezone=True),
        comment="when its lane went on with another one; null: never, or a saved copy",
    ),
    CheckConstraint("(owner IS NULL) = (name IS NULL) AND (name IS NULL) <> (session IS NULL)", name="saved"),
    comment="conversations of lanes besides the first one, and copies that people saved",
)
Index(
    "context_name_key",
    context.c.owner,
    context.c.agent,
    text("lower(name)"),
    unique=True,
    postgresql_where=text("name IS NOT NULL"),
)
Index("context_conversation_idx", context.c.conversation)

message = Table(
    "message",
    metadata,
    row_id(),
    Column("conversation", BigInteger, ForeignKey("conversation.id"), nullable=False),
    Column("turn", BigInteger, ForeignKey("turn.id", ondelete="SET NULL"), index=True),
    Column("role", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=now, index=True),
    Column(
        "context",
        BigInteger,
        ForeignKey("context.id", ondelete="CASCADE"),
        comment="null: the first one of its lane",
    ),
    Column("event_id", Text, comment="the event of a message of the room that was said to others"),
    Column("edited_in", Text, comment="the edit from which the text of that message comes"),
    Column("said_by", Text, comment="user id of the speaker of a message that was said to others"),
)
Index("message_event_id_idx", message.c.event_id, postgresql_where=text("event_id IS NOT NULL"))
Index("message_edited_in_idx", message.c.edited_in, postgresql_where=text("edited_in IS NOT NULL"))
Index("message_said_by_idx", message.c.said_by, postgresql_where=text("said_by IS NOT NULL"))
Index("message_context_idx", message.c.context, postgresql_where=text("context IS NOT NULL"))
Index("message_lane_idx", message.c.conversation, text("coalesce(context, 0)"), message.c.id)

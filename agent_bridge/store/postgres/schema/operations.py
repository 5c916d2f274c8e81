"""Long work of the leader."""

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
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from agent_bridge.store.postgres.schema.base import metadata, now, row_id

operation = Table(
    "operation",
    metadata,
    row_id(),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False, unique=True, comment="of equal requests only the first is written"),
    Column("params", JSONB, nullable=False),
    Column("state", Text, nullable=False, server_default="queued"),
    Column("cursor", JSONB, comment="the position from which the work goes on; null: its beginning"),
    Column("done", Integer, nullable=False, server_default="0"),
    Column("total", Integer, comment="null: not known yet"),
    Column("found", JSONB, nullable=False, server_default="[]", comment="the results of the steps up to the cursor"),
    Column("error", Text),
    Column("tries", Integer, nullable=False, server_default="0", comment="failures since the last progress"),
    Column("requested_by", Text, nullable=False, comment="user id; the operator of the command line: empty"),
    Column(
        "turn",
        BigInteger,
        ForeignKey("turn.id", ondelete="SET NULL"),
        index=True,
        comment="the command whose answer shows the progress",
    ),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=now),
    Column("finished_at", DateTime(timezone=True), index=True),
    Column(
        "tracked",
        Boolean,
        nullable=False,
        server_default="false",
        comment="other rows drive the work, and this one tells how far it is",
    ),
    Column(
        "note", Text, nullable=False, server_default="", comment="the name of the subject at work; no words of people"
    ),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=now),
    CheckConstraint("state = ANY (ARRAY['queued'::text, 'running'::text, 'done'::text, 'failed'::text])", name="state"),
    Index("operation_open_idx", "id", postgresql_where=text("finished_at IS NULL")),
    Index("operation_tracked_idx", "kind", unique=True, postgresql_where=text("finished_at IS NULL AND tracked")),
    comment="long work of the leader, one piece after the other",
)

imported_message = Table(
    "imported_message",
    metadata,
    Column("room_id", Text, primary_key=True),
    Column("key", Text, primary_key=True, comment="digest of the place in the room, the author and the upstream's id"),
    Column(
        "operation",
        BigInteger,
        nullable=False,
        comment="row id of the operation that sent it, which may be deleted since",
    ),
    comment="earlier messages of upstreams that rooms show",
)

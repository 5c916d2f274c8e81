"""Votes and their ballots."""

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
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from agent_bridge.store.postgres.schema.base import metadata, now, row_id

vote = Table(
    "vote",
    metadata,
    row_id(),
    Column(
        "key",
        Text,
        nullable=False,
        unique=True,
        comment="of the request that made it; transaction ids and marks derive from it",
    ),
    Column("room", BigInteger, ForeignKey("room.id", ondelete="CASCADE"), nullable=False),
    Column("room_id", Text, nullable=False, comment="room of the poll; the room of the row may be upgraded"),
    Column(
        "thread",
        Text,
        nullable=False,
        server_default=text("''"),
        comment="root of the thread; empty: the room itself",
    ),
    Column("voice", Text, comment="localpart of the ghost that speaks for the bridge; null: the bot does"),
    Column("asked_in", Text, comment="event of the command; null: another request"),
    Column("creator", Text, nullable=False, comment="user id; empty: erased"),
    Column("question", Text, nullable=False),
    Column("answers", JSONB, nullable=False, comment="their texts"),
    Column("quorum", Integer),
    Column("ends_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=now),
    Column("state", Text, nullable=False, server_default=text("'open'")),
    Column("end_reason", Text),
    Column("closed_by", Text, comment="user id; null: nobody"),
    Column("closed_at", DateTime(timezone=True)),
    Column(
        "begun",
        SmallInteger,
        nullable=False,
        server_default=text("0"),
        comment="last event whose sending has begun: 1 the poll, 2 its end, 3 the result",
    ),
    Column("poll", Text, comment="event of the poll"),
    Column("end_event", Text, comment="event that ends the poll"),
    Column(
        "result",
        JSONB,
        comment="numbers of votes, and voters until the result is shown, in the order of the answers",
    ),
    Column("is_settled", Boolean, nullable=False, server_default=text("false"), comment="nothing is left to do"),
    CheckConstraint("state IN ('open', 'closing', 'closed', 'cancelled')", name="state"),
    comment="questions that the people and agents of a room vote on",
)
Index("vote_room_idx", vote.c.room)
Index("vote_open_idx", vote.c.room_id, postgresql_where=text("state = 'open'"))
Index("vote_due_idx", vote.c.id, postgresql_where=text("NOT is_settled"))
Index("vote_closed_idx", vote.c.closed_at, postgresql_where=text("is_settled"))

ballot = Table(
    "ballot",
    metadata,
    row_id(),
    Column("vote", BigInteger, ForeignKey("vote.id", ondelete="CASCADE"), nullable=False),
    Column("voter", Text, nullable=False, comment="user id"),
    Column("selections", JSONB, nullable=False, comment="ids of answers"),
    Column("said_at", BigInteger, nullable=False, comment="milliseconds since 1970"),
    Column("event_id", Text, unique=True, comment="response in the room; null: it came on another way"),
    Column("key", Text, unique=True, comment="of the request; null: a response in the room"),
    Column("ghost", Text, comment="localpart of the ghost that shows it in the room; null: nobody does"),
    Column("is_due", Boolean, nullable=False, server_default=text("false"), comment="the room does not show it yet"),
    comment="answers to votes that are open, as they were given",
)
Index("ballot_vote_idx", ballot.c.vote, ballot.c.id)
Index("ballot_due_idx", ballot.c.vote, postgresql_where=text("is_due"))
Index("ballot_voter_idx", ballot.c.voter)

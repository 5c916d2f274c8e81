"""The tables, as SQLAlchemy metadata: what the migrations must add up to. Queries do not use it."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Sequence,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    }
)

_now = text("now()")


def _id() -> Column[int]:
    return Column("id", BigInteger, Identity(always=True), primary_key=True)


agent = Table(
    "agent",
    metadata,
    _id(),
    Column("upstream", Text, nullable=False),
    Column("agent_id", Text, nullable=False, comment="identity within the upstream; never changes"),
    Column("model", Text, nullable=False, comment="what the upstream's API calls it today"),
    Column("name", Text, nullable=False, comment="its name upstream"),
    Column("ghost", Text, nullable=False, unique=True, comment="localpart of its ghost; never changes"),
    Column("displayname", Text, nullable=False, comment="wanted"),
    Column("displayname_applied", Text),
    Column("state", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_now),
    Column("state_since", DateTime(timezone=True), nullable=False, server_default=_now),
    UniqueConstraint("upstream", "agent_id"),
)

portal = Table(
    "portal",
    metadata,
    _id(),
    Column("agent", BigInteger, ForeignKey("agent.id"), nullable=False, index=True),
    Column("kind", Text, nullable=False, server_default="home"),
    Column("room_id", Text, unique=True),
    Column("name", Text, nullable=False, comment="wanted"),
    Column("name_applied", Text),
    Column("topic", Text, nullable=False, comment="wanted"),
    Column("topic_applied", Text),
    Column("bot_joined", Boolean, nullable=False, server_default="false"),
    Column("space", Text, comment="room id of the Space that lists the room"),
    Column("invited", ARRAY(Text), nullable=False, server_default="{}"),
    Column("announced_state", Text, nullable=False, comment="the agent's state that the room was last told"),
    Column("when_busy", Text, comment="what happens to messages that wait; null: as configured"),
    Column("streaming", Text, comment="how answers are shown; null: as configured"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_now),
)
Index("portal_home_key", portal.c.agent, unique=True, postgresql_where=text("kind = 'home'"))

conversation = Table(
    "conversation",
    metadata,
    _id(),
    Column("room_id", Text, nullable=False),
    Column(
        "thread_id",
        Text,
        nullable=False,
        server_default="",
        comment="root event id; empty: the room itself; !: the bridge bot in an agent's room",
    ),
    Column("portal", BigInteger, ForeignKey("portal.id"), comment="null: people talk to the bridge bot"),
    Column("direct", Boolean, nullable=False, server_default="false", comment="a DM with the bridge bot"),
    Column("upstream_ref", Text, comment="the upstream's own name of the conversation"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_now),
    UniqueConstraint("room_id", "thread_id"),
)

turn_position = Sequence("turn_position_seq", metadata=metadata)

turn = Table(
    "turn",
    metadata,
    _id(),
    Column(
        "position",
        BigInteger,
        turn_position,
        server_default=turn_position.next_value(),
        nullable=False,
        comment="order within its lane",
    ),
    Column("event_id", Text, nullable=False, unique=True),
    Column("conversation", BigInteger, ForeignKey("conversation.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("sender", Text, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("state", Text, nullable=False, server_default="queued"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("interruptions", Integer, nullable=False, server_default="0", comment="workers that died over it"),
    Column("retries", Integer, nullable=False, server_default="0", comment="how often it was asked anew"),
    Column("waits_since", DateTime(timezone=True), comment="with not_before: a clock set back ends the waiting"),
    Column("not_before", DateTime(timezone=True), comment="a failed turn keeps its place until then"),
    Column("stop", Text, comment="how a person wants it to end"),
    Column("stopped_by", Text, comment="event that asked for that"),
    Column("collected_into", BigInteger, ForeignKey("turn.id", ondelete="SET NULL"), comment="answered with this one"),
    Column("waiting_event_id", Text, comment="event that shows that it waits; empty: intended, perhaps sent"),
    Column("steps", JSONB, nullable=False, server_default="[]", comment="what became of it, oldest first"),
    Column("upstream_ref", Text),
    Column("answer", Text),
    Column("extras", JSONB, nullable=False, server_default="{}", comment="what is shown besides the answer"),
    Column("error", Text),
    Column("said_at", DateTime(timezone=True), nullable=False, server_default=_now, comment="by the homeserver"),
    Column("retried_at", DateTime(timezone=True), comment="when it was asked anew"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_now),
    Column("started_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
)
Index(
    "turn_open_idx",
    turn.c.conversation,
    turn.c.position,
    postgresql_where=text("state IN ('queued', 'running', 'committed')"),
)
Index("turn_collected_idx", turn.c.collected_into, postgresql_where=text("collected_into IS NOT NULL"))
Index("turn_waiting_event_id_idx", turn.c.id, postgresql_where=text("waiting_event_id IS NOT NULL"))
Index("turn_stopped_by_idx", turn.c.stopped_by, postgresql_where=text("stopped_by IS NOT NULL"))
Index("turn_finished_idx", turn.c.finished_at, postgresql_where=text("finished_at IS NOT NULL"))

outbox = Table(
    "outbox",
    metadata,
    Column("turn", BigInteger, ForeignKey("turn.id", ondelete="CASCADE"), primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("event_id", Text, index=True, comment="null: intended, perhaps sent"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_now),
)

message = Table(
    "message",
    metadata,
    _id(),
    Column("conversation", BigInteger, ForeignKey("conversation.id"), nullable=False),
    Column("turn", BigInteger, ForeignKey("turn.id", ondelete="SET NULL"), index=True),
    Column("role", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_now, index=True),
    Index("message_conversation_id_idx", "conversation", "id"),
)

room = Table(
    "room",
    metadata,
    Column("room_id", Text, primary_key=True),
    Column("last_seen", Text, comment="event up to which nothing is missed; null: the room's beginning"),
    Column(
        "needs_backfill", Boolean, nullable=False, server_default="true", comment="something may be missed: lanes wait"
    ),
    Column("backfill_requests", Integer, nullable=False, server_default="0", comment="how often that was so"),
    Column("backfilled_at", DateTime(timezone=True), comment="with the homeserver's history"),
)

ignored = Table(
    "ignored",
    metadata,
    Column("event_id", Text, primary_key=True),
    Column("room_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_now, index=True),
)

dead_letter = Table(
    "dead_letter",
    metadata,
    _id(),
    Column("transaction_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("body", Text, nullable=False, comment="what could not be taken, as far as it is text"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_now),
)

kv = Table(
    "kv",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", JSONB, nullable=False),
)

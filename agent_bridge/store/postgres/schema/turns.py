"""The queue: turns, the events that they send, decisions about tools, and events without a turn."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    Sequence,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from agent_bridge.store.postgres.schema.base import metadata, now, row_id

turn_position = Sequence("turn_position_seq", metadata=metadata)

turn = Table(
    "turn",
    metadata,
    row_id(),
    Column(
        "position",
        BigInteger,
        turn_position,
        server_default=turn_position.next_value(),
        nullable=False,
        comment="order within its lane",
    ),
    Column("event_id", Text, nullable=False),
    # Compared byte by byte: a name may be given by its first digits.
    Column(
        "key", Text(collation="C"), nullable=False, unique=True, comment="public name, in marks and transaction ids"
    ),
    Column("conversation", BigInteger, ForeignKey("conversation.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("sender", Text, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("redacted", Boolean, nullable=False, server_default="false", comment="its content is forgotten"),
    Column("edited_by", Text, comment="event of the edit whose content it has"),
    Column("original", JSONB, comment="content before the first edit; null: never edited"),
    Column(
        "target", BigInteger, ForeignKey("turn.id", ondelete="SET NULL"), comment="the message that a change is about"
    ),
    Column("reason", Text, comment="why a message is refused"),
    Column("once_key", Text, comment="of the turns with the same value only the first is written"),
    Column("state", Text, nullable=False, server_default="queued"),
    Column(
        "open",
        Boolean,
        Computed("(state = ANY (ARRAY['queued'::text, 'running'::text, 'committed'::text]))", persisted=True),
    ),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("interruptions", Integer, nullable=False, server_default="0", comment="workers that died over it"),
    Column(
        "upstream_waits",
        Integer,
        nullable=False,
        server_default="0",
        comment="how often it was put back because its upstream was away",
    ),
    Column(
        "upstream_waited",
        Double,
        nullable=False,
        server_default="0",
        comment="seconds of these waits, and of the attempts before them",
    ),
    Column("retries", Integer, nullable=False, server_default="0", comment="how often it was asked again"),
    Column("input_tokens", BigInteger, comment="tokens that the model read, in all attempts; null: not reported"),
    Column("output_tokens", BigInteger, comment="tokens that the model wrote, in all attempts; null: not reported"),
    Column("cached_tokens", BigInteger, comment="those of input_tokens that its cache had; null: not reported"),
    Column("waits_since", DateTime(timezone=True), comment="with not_before: a clock set back ends the waiting"),
    Column("not_before", DateTime(timezone=True), comment="a failed turn keeps its place until then"),
    Column("stop", Text, comment="why it has to end early"),
    Column("stopped_by", Text, comment="event that asked for that"),
    Column("stop_offer", Text, comment="reaction that offers to stop it; empty: intended, perhaps sent"),
    Column(
        "redactions",
        JSONB,
        nullable=False,
        server_default="{}",
        comment="redactions, by redacted event, of events that may be its parts",
    ),
    Column("collected_into", BigInteger, ForeignKey("turn.id", ondelete="SET NULL"), comment="answered with this one"),
    Column("waiting_event_id", Text, comment="reaction that shows that it waits; empty: intended, perhaps sent"),
    Column("waiting_place", Integer, comment="place in its lane that this reaction shows"),
    Column("waiting_shown_at", DateTime(timezone=True), comment="when this reaction was intended"),
    Column("steps", JSONB, nullable=False, server_default="[]", comment="what became of it, oldest first"),
    Column("upstream_ref", Text),
    Column("begun_as", Text, comment="kind of the upstream that has begun to answer it, since it was asked last"),
    Column("answer", Text),
    Column("extras", JSONB, nullable=False, server_default="{}", comment="what is shown besides the answer"),
    Column("error", Text),
    Column("said_at", DateTime(timezone=True), nullable=False, server_default=now, comment="by the homeserver"),
    Column("retried_at", DateTime(timezone=True), comment="when it was asked again"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=now),
    Column("started_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
    Column("worker", Integer, comment="number of the process that claimed it last"),
    Column("effect", JSONB, comment="what its command has done; null: nothing yet"),
    Column("voice", Text, comment="localpart of the ghost that speaks for the bridge; null: the bot does"),
    Column(
        "chain",
        BigInteger,
        # The tables refer to each other.
        ForeignKey("chain.id", ondelete="SET NULL", name="turn_chain_fkey", use_alter=True),
    ),
    Column(
        "hops",
        Integer,
        nullable=False,
        server_default="0",
        comment="number of agents that asked one another before it",
    ),
    Column("asked_by", BigInteger, ForeignKey("agent.id"), comment="the agent whose message asks; null: a person asks"),
    Column("asked_in", BigInteger, ForeignKey("turn.id", ondelete="SET NULL"), comment="the turn whose answer asks"),
    Column("awaited", Boolean, nullable=False, server_default="false", comment="whether a program waits for its end"),
    Column(
        "quota_until",
        DateTime(timezone=True),
        comment="when the quota that has refused it counts anew; infinity: never; null: none has refused it",
    ),
    UniqueConstraint("event_id", "conversation"),
)
Index("turn_open_idx", turn.c.conversation, turn.c.position, postgresql_where=text("open"))
Index("turn_once_key_idx", turn.c.once_key, unique=True, postgresql_where=text("once_key IS NOT NULL"))
Index("turn_target_idx", turn.c.target, postgresql_where=text("target IS NOT NULL"))
Index("turn_collected_idx", turn.c.collected_into, postgresql_where=text("collected_into IS NOT NULL"))
Index("turn_waiting_event_id_idx", turn.c.id, postgresql_where=text("waiting_event_id IS NOT NULL"))
Index("turn_stopped_by_idx", turn.c.stopped_by, postgresql_where=text("stopped_by IS NOT NULL"))
Index("turn_choice_idx", turn.c.conversation, postgresql_where=text("kind = 'choice'"))
Index("turn_invitation_idx", turn.c.created_at, postgresql_where=text("kind = 'invitation'"))
Index("turn_chain_idx", turn.c.chain, postgresql_where=text("chain IS NOT NULL"))
Index("turn_asked_by_idx", turn.c.asked_by, turn.c.created_at, postgresql_where=text("asked_by IS NOT NULL"))
Index("turn_asked_in_idx", turn.c.asked_in, postgresql_where=text("asked_in IS NOT NULL"))
Index("turn_recent_idx", turn.c.created_at, postgresql_where=text("kind IN ('message', 'again', 'edit')"))
Index("turn_finished_idx", turn.c.finished_at, postgresql_where=text("finished_at IS NOT NULL"))
Index("turn_failed_idx", turn.c.finished_at, turn.c.id, postgresql_where=text("state = 'failed'"))

outbox = Table(
    "outbox",
    metadata,
    Column("turn", BigInteger, ForeignKey("turn.id", ondelete="CASCADE"), primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("event_id", Text, index=True, comment="null: intended, perhaps sent"),
    Column(
        "generation",
        Integer,
        nullable=False,
        server_default="0",
        comment="how many events of this part were redacted to be sent again",
    ),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=now),
)

ignored = Table(
    "ignored",
    metadata,
    Column("event_id", Text, primary_key=True),
    Column("room_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=now, index=True),
)

approval = Table(
    "approval",
    metadata,
    row_id(),
    Column("turn", BigInteger, ForeignKey("turn.id", ondelete="CASCADE"), nullable=False),
    Column(
        "number",
        Integer,
        nullable=False,
        comment="position among those of the turn, from 0",
    ),
    Column("ref", Text, nullable=False, comment="reference of the request on the upstream"),
    Column("call_id", Text, nullable=False),
    Column("tool", Text, nullable=False),
    Column("arguments", Text, nullable=False),
    Column("always", Text, nullable=False, comment="offer to allow such calls from now on; empty: none"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=now),
    Column("verdict", Text, comment="null: undecided"),
    Column("decided_by", Text),
    Column("decided_in", Text, index=True, comment="event that made the decision"),
    Column("reason", Text, nullable=False, server_default="", comment="reason of a refusal"),
    Column(
        "may_have_run", Boolean, nullable=False, server_default="false", comment="it was decided outside of the bridge"
    ),
    Column(
        "is_settled",
        Boolean,
        nullable=False,
        server_default="false",
        comment="its card shows the verdict, without reactions",
    ),
    UniqueConstraint("turn", "ref"),
    UniqueConstraint("turn", "number"),
    CheckConstraint("verdict IN ('allow', 'always', 'deny', 'expired', 'withdrawn')", name="verdict"),
    comment="requests of agents for a decision about a tool call",
)
Index("approval_withdrawn_idx", approval.c.turn, postgresql_where=text("verdict = 'withdrawn'"))

dead_letter = Table(
    "dead_letter",
    metadata,
    row_id(),
    Column("transaction_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("body", Text, nullable=False, comment="what could not be taken, as far as it is text"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=now),
)

"""The tables as SQLAlchemy metadata: the sum of the migrations. Statements do not use it.

The migrations also create two things that SQLAlchemy does not describe. The view ``advisory_lock`` (pid, kind, key)
has the locks of :mod:`agent_bridge.store.postgres.locks` that sessions hold. The function ``append_step(steps, step)``
returns ``turn.steps`` with one more step, at the present time, unless it has a hundred steps.
"""

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
        "ck": "%(table_name)s_%(constraint_name)s_check",
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
    Column(
        "image",
        Text,
        nullable=False,
        server_default="",
        comment="address of its picture upstream; empty: the bridge draws one",
    ),
    Column("image_applied", Text, comment="image from which the avatar was made; null: there is none yet"),
    Column("avatar", Text, comment="mxc URL of the picture that was uploaded for it"),
    Column("description", Text, nullable=False, server_default="", comment="given by its upstream"),
    Column("kind", Text, nullable=False, server_default="openai", comment="kind of upstream whose list has model"),
    Column("entry", Text, unique=True, comment="id of the entry of the configuration; null: a listed agent"),
    Column("settings", JSONB, nullable=False, server_default="{}", comment="given by the entry"),
    UniqueConstraint("upstream", "agent_id"),
)

room = Table(
    "room",
    metadata,
    _id(),
    Column("room_id", Text, unique=True, comment="null: it does not exist yet"),
    Column("kind", Text, nullable=False, comment="a row of bridge/rooms/kinds.py"),
    Column("owner", BigInteger, ForeignKey("agent.id"), comment="the agent whose own room it is; null: nobody's"),
    Column("name", Text, comment="desired; null: the bridge does not name it"),
    Column("name_applied", Text),
    Column("topic", Text, comment="desired; null: the bridge does not choose it"),
    Column("topic_applied", Text),
    Column("bot_joined", Boolean, nullable=False, server_default="false"),
    Column("space", Text, comment="room id of the Space that lists the room"),
    Column("invited", ARRAY(Text), nullable=False, server_default="{}", comment="by the bridge"),
    Column("announced_state", Text, comment="the owner's state that the room was told last"),
    Column("when_busy", Text, comment="what happens to messages that wait; null: as configured"),
    Column("streaming", Text, comment="how answers are shown; null: as configured"),
    Column("last_seen", Text, comment="event up to which nothing is missing; null: the room's beginning"),
    Column(
        "needs_backfill", Boolean, nullable=False, server_default="false", comment="events may be missing: lanes wait"
    ),
    Column("backfill_requests", Integer, nullable=False, server_default="0"),
    Column("backfilled_at", DateTime(timezone=True)),
    Column(
        "check_requests",
        Integer,
        nullable=False,
        server_default="0",
        comment="how often a comparison with the homeserver was requested",
    ),
    Column(
        "checked",
        Integer,
        nullable=False,
        server_default="0",
        comment="the requests that the last comparison answered; fewer than requested: lanes wait",
    ),
    Column(
        "problems",
        ARRAY(Text),
        nullable=False,
        server_default="{}",
        comment="those that the last comparison could not repair",
    ),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_now),
    Column("backfill_requested_at", DateTime(timezone=True), comment="since when it needs a backfill"),
    Column("avatar_applied", Text, comment="avatar that the room was given, or was found to replace"),
    Column(
        "introduced", Boolean, nullable=False, server_default="false", comment="whether the agent has introduced itself"
    ),
    Column("join_rule_applied", Text, comment="join rule that the room was given; null: invite, by an earlier version"),
    Column("person", Text, comment="user id of the person whose chat it is; null: nobody's"),
    Column("number", BigInteger, unique=True, comment="number of the chat"),
    Column("request_key", Text, unique=True, comment="key of the turn that asked for the chat"),
    Column("titled_by", Text, comment="where the name of a chat comes from; null: it has no title"),
    Column(
        "changes", Integer, nullable=False, server_default="0", comment="how often the desired state of a chat changed"
    ),
    Column(
        "changes_applied",
        Integer,
        nullable=False,
        server_default="0",
        comment="the changes that the homeserver has, or refused",
    ),
    Column("used_at", DateTime(timezone=True), comment="last answer in a chat, to the minute; null: none yet"),
    Column(
        "title_turn",
        BigInteger,
        # The tables refer to each other.
        ForeignKey("turn.id", ondelete="SET NULL", use_alter=True),
        comment="answered message from which the title of a chat is to be made; null: none",
    ),
    Column("status", Text, nullable=False, server_default="active", comment="of a chat or a direct chat"),
    Column("delete_ref", Text, comment="name of the deletion on the homeserver; null: not requested yet"),
    Column(
        "first_context",
        BigInteger,
        # The tables refer to each other.
        ForeignKey("context.id", ondelete="SET NULL", name="room_first_context_fkey", use_alter=True),
        comment="context with which the conversation of a chat begins; null: an empty one",
    ),
    Column("left_at", DateTime(timezone=True), comment="since when the person of a chat has left; null: not"),
    Column(
        "put_away",
        Boolean,
        nullable=False,
        server_default="false",
        comment="whether the conversations of a chat are archived on the upstream",
    ),
    Column(
        "titled_from",
        BigInteger,
        # The tables refer to each other.
        ForeignKey("turn.id", ondelete="SET NULL", name="room_titled_from_fkey", use_alter=True),
        comment="message from which the title of a chat was made; null: from none that is known",
    ),
    Column(
        "name_redacted",
        Boolean,
        nullable=False,
        server_default="false",
        comment="whether the name that a chat was given last has words that were redacted",
    ),
    Column("command_role", Integer, comment="highest role of people who gave commands there; null: none did"),
    Column(
        "commands_described",
        Text,
        comment="digest of the descriptions of commands that the room was given, or refused",
    ),
    Column("people", Integer, comment="joined people of a group; null: not counted yet"),
    Column(
        "warned",
        Boolean,
        nullable=False,
        server_default="false",
        comment="whether a group was told that it has people without a role",
    ),
    CheckConstraint("status IN ('active', 'archived', 'deleting', 'ended')", name="status"),
    CheckConstraint("titled_by IN ('given', 'made', 'person')", name="titled_by"),
)
Index("room_owner_idx", room.c.owner, postgresql_where=text("owner IS NOT NULL"))
Index("room_home_key", room.c.owner, unique=True, postgresql_where=text("kind = 'home'"))

Index("room_person_idx", room.c.person, postgresql_where=text("person IS NOT NULL"))
Index(
    "room_chat_due_idx",
    room.c.id,
    postgresql_where=text("kind IN ('chat', 'dm') AND (changes <> changes_applied OR check_requests <> checked)"),
)
Index(
    "room_group_due_idx",
    room.c.id,
    postgresql_where=text("kind IN ('group', 'lobby') AND changes <> changes_applied"),
)
Index(
    "room_dm_key",
    room.c.owner,
    room.c.person,
    unique=True,
    postgresql_where=text("kind = 'dm' AND status = 'active'"),
)
Index("room_first_context_idx", room.c.first_context, postgresql_where=text("first_context IS NOT NULL"))
Index("room_left_at_idx", room.c.left_at, postgresql_where=text("left_at IS NOT NULL"))
Index("room_titled_from_idx", room.c.titled_from, postgresql_where=text("titled_from IS NOT NULL"))
Index("room_title_turn_idx", room.c.title_turn, postgresql_where=text("title_turn IS NOT NULL"))
#: Numbers of chats. A number is never used again.
conversation_number = Sequence("conversation_number_seq", metadata=metadata)

participant = Table(
    "participant",
    metadata,
    Column("room", BigInteger, ForeignKey("room.id", ondelete="CASCADE"), primary_key=True),
    Column("agent", BigInteger, ForeignKey("agent.id"), primary_key=True, index=True),
    Column("state", Text, nullable=False, comment="whether the agent's ghost is in the room"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_now),
    Column("instructions", Text, comment="of people, for this room; empty: taken back"),
    Column("instructed_in", Text, comment="event that gave them"),
    Column("instructed_at", DateTime(timezone=True)),
    Column("model", Text, comment="the one that people chose for this room; null: that of the agent"),
    Column("answers", Text, comment="which messages it answers; null: not set by people"),
    CheckConstraint("answers IN ('always', 'mention', 'off')", name="answers"),
)

conversation = Table(
    "conversation",
    metadata,
    _id(),
    Column("room_id", Text, nullable=False),
    Column(
        "thread_id", Text, nullable=False, server_default="", comment="root event of the thread; empty: the room itself"
    ),
    Column("agent", BigInteger, ForeignKey("agent.id"), index=True, comment="null: the bridge bot"),
    Column("lane_kind", Text, nullable=False),
    Column("upstream_ref", Text, comment="the upstream's own name of the conversation"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_now),
    Column(
        "context",
        BigInteger,
        # The tables refer to each other.
        ForeignKey("context.id", ondelete="SET NULL", name="conversation_context_fkey", use_alter=True),
        comment="the one that goes on; null: the first",
    ),
    Column("caught_up", Text, comment="event up to which the agent has the messages of the room"),
    CheckConstraint("(lane_kind = 'bot') = (agent IS NULL)", name="lane_kind"),
)
Index(
    "conversation_lane_key",
    conversation.c.room_id,
    conversation.c.thread_id,
    text("coalesce(agent, 0)"),
    unique=True,
)

Index("conversation_context_idx", conversation.c.context, postgresql_where=text("context IS NOT NULL"))

context = Table(
    "context",
    metadata,
    _id(),
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
        server_default=_now,
        comment="when its conversation began, perhaps in another context",
    ),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_now),
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
    Column("said_at", DateTime(timezone=True), nullable=False, server_default=_now, comment="by the homeserver"),
    Column("retried_at", DateTime(timezone=True), comment="when it was asked again"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_now),
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
Index("turn_finished_idx", turn.c.finished_at, postgresql_where=text("finished_at IS NOT NULL"))

chain = Table(
    "chain",
    metadata,
    _id(),
    Column("room_id", Text, nullable=False),
    Column("root", Text, nullable=False, comment="event of that message"),
    Column("asker", Text, nullable=False, comment="its sender"),
    Column("hops_allowed", Integer, nullable=False),
    Column("turns_allowed", Integer, nullable=False),
    Column("tokens_allowed", BigInteger, comment="null: no limit"),
    Column("grants", Integer, nullable=False, server_default="0", comment="how often people let the agents go on"),
    Column("stopped_by", Text, comment="event that ended the chain; null: it may go on"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_now, index=True),
    UniqueConstraint("room_id", "root"),
    comment="answers of agents to agents that one message of a person began",
)

chain_hold = Table(
    "chain_hold",
    metadata,
    Column(
        "asked_in",
        BigInteger,
        ForeignKey("turn.id", ondelete="CASCADE"),
        primary_key=True,
        comment="the turn whose answer mentions the agent",
    ),
    Column("agent", BigInteger, ForeignKey("agent.id"), primary_key=True),
    Column("chain", BigInteger, ForeignKey("chain.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("event_id", Text, nullable=False, comment="event of that answer"),
    Column("bound", Text, nullable=False, comment="the limit that was reached"),
    Column("grants", Integer, nullable=False, comment="grants of the chain by then"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_now),
    comment="agents that are asked once people let the agents of a chain go on",
)

pair_grant = Table(
    "pair_grant",
    metadata,
    Column("low", BigInteger, primary_key=True, autoincrement=False),
    Column("high", BigInteger, primary_key=True, autoincrement=False),
    Column("since", DateTime(timezone=True), nullable=False),
    comment="times from which questions of two agents to each other are counted",
)

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
    Column(
        "context",
        BigInteger,
        ForeignKey("context.id", ondelete="CASCADE"),
        comment="null: the first one of its lane",
    ),
    Column("event_id", Text, comment="the event of a message of the room that was said to others"),
    Column("edited_in", Text, comment="the edit from which the text of that message comes"),
)
Index("message_event_id_idx", message.c.event_id, postgresql_where=text("event_id IS NOT NULL"))
Index("message_edited_in_idx", message.c.edited_in, postgresql_where=text("edited_in IS NOT NULL"))
Index("message_context_idx", message.c.context, postgresql_where=text("context IS NOT NULL"))
Index("message_lane_idx", message.c.conversation, text("coalesce(context, 0)"), message.c.id)

person_space = Table(
    "person_space",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("room_id", Text, nullable=False),
    Column("listed_in", Text, comment="room id of the Space that lists it"),
    comment="Spaces that list the chats of one person each",
)

ignored = Table(
    "ignored",
    metadata,
    Column("event_id", Text, primary_key=True),
    Column("room_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_now, index=True),
)

upstream_conversation = Table(
    "upstream_conversation",
    metadata,
    Column("upstream", Text, primary_key=True),
    Column("model", Text, primary_key=True, comment="id of the agent on the upstream"),
    Column("session", Text, primary_key=True, comment="name of the lane for upstreams"),
    Column("ref", Text, nullable=False, comment="id on the upstream; empty: the first one is being made"),
    Column(
        "marker",
        Text,
        nullable=False,
        server_default="",
        comment="word in the name of the one that is being made; empty: none",
    ),
    Column(
        "made",
        Boolean,
        nullable=False,
        server_default="false",
        comment="it is made, and its name is left to be changed",
    ),
    comment="conversations that upstreams keep for lanes",
)

approval = Table(
    "approval",
    metadata,
    _id(),
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
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_now),
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

selection = Table(
    "selection",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("agent", BigInteger, ForeignKey("agent.id"), nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=_now),
    comment="agents that people have chosen",
)

choice = Table(
    "choice",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("room_id", Text, nullable=False),
    Column("thread_id", Text, nullable=False, server_default=""),
    Column(
        "turn", BigInteger, ForeignKey("turn.id", ondelete="SET NULL"), index=True, comment="its events show the list"
    ),
    Column("items", JSONB, nullable=False, comment="row ids in the order of the list"),
    Column("command", Text, nullable=False, server_default="agent", comment="the command that a number alone gives"),
    Column("title", Text, comment="title of the chat that the command makes; null: none"),
    Column("shown_at", DateTime(timezone=True), nullable=False, server_default=_now),
    CheckConstraint("kind IN ('agents', 'chats', 'delete', 'saves')", name="kind"),
    comment="the list of a kind that a person was shown last",
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

"""Rooms, their participants and lanes, and the choices of people."""

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
    Sequence,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from agent_bridge.store.postgres.schema.base import metadata, now, row_id

room = Table(
    "room",
    metadata,
    row_id(),
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
    Column("speech", Text, comment="which answers are read aloud; null: those to voice messages"),
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
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=now),
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
    Column("status", Text, nullable=False, server_default="active", comment="of a chat, a direct chat or a home"),
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
    Column(
        "roles_applied",
        BigInteger,
        comment="book of roles that its levels and members have; null: of an earlier program",
    ),
    Column(
        "roles_compared",
        BigInteger,
        comment="newest book with which it was compared; another one than applied: refused",
    ),
    Column(
        "levels_due",
        Boolean,
        nullable=False,
        server_default="false",
        comment="whether its levels are to be compared with the book again",
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
    postgresql_where=text("kind IN ('group', 'lobby', 'pair') AND changes <> changes_applied"),
)
Index(
    "room_place_due_idx",
    room.c.id,
    postgresql_where=text(
        "kind IN ('server', 'channel') AND (changes <> changes_applied OR check_requests <> checked)"
    ),
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
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=now),
    Column("instructions", Text, comment="of people, for this room; empty: taken back"),
    Column("instructed_in", Text, comment="event that gave them"),
    Column("instructed_at", DateTime(timezone=True)),
    Column("model", Text, comment="the one that people chose for this room; null: that of the agent"),
    Column("answers", Text, comment="which messages it answers; null: not set by people"),
    Column("instructed_by", Text, comment="user id of the person who gave them"),
    CheckConstraint("answers IN ('always', 'mention', 'off')", name="answers"),
)

pair = Table(
    "pair",
    metadata,
    Column("room", BigInteger, ForeignKey("room.id", ondelete="CASCADE"), primary_key=True),
    Column("low", Text, nullable=False, comment="user id of an agent or a person; the smaller one of the two"),
    Column("high", Text, nullable=False),
    UniqueConstraint("low", "high"),
    comment="direct rooms of two agents or two people",
)
Index("pair_high_idx", pair.c.high)

conversation = Table(
    "conversation",
    metadata,
    row_id(),
    Column("room_id", Text, nullable=False),
    Column(
        "thread_id", Text, nullable=False, server_default="", comment="root event of the thread; empty: the room itself"
    ),
    Column("agent", BigInteger, ForeignKey("agent.id"), index=True, comment="null: the bridge bot"),
    Column("lane_kind", Text, nullable=False),
    Column("upstream_ref", Text, comment="the upstream's own name of the conversation"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=now),
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

person_space = Table(
    "person_space",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("room_id", Text, nullable=False),
    Column("listed_in", Text, comment="room id of the Space that lists it"),
    Column(
        "roles_applied",
        BigInteger,
        comment="book of roles that its members have; null: of an earlier program",
    ),
    comment="Spaces that list the chats of one person each",
)

selection = Table(
    "selection",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("agent", BigInteger, ForeignKey("agent.id"), nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=now),
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
    Column("shown_at", DateTime(timezone=True), nullable=False, server_default=now),
    CheckConstraint("kind IN ('agents', 'chats', 'delete', 'erase', 'retire', 'saves')", name="kind"),
    comment="the list of a kind that a person was shown last",
)

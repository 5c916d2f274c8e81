"""Encrypted rooms, and events that wait for their keys. The keys are in the schema ``encryption``."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Index, Table, Text, text

from agent_bridge.store.postgres.schema.base import metadata, now, row_id

no = text("false")

encrypted_room = Table(
    "encrypted_room",
    metadata,
    Column("room_id", Text, primary_key=True),
    Column("is_encrypted", Boolean, nullable=False),
    Column(
        "has_devices",
        Boolean,
        nullable=False,
        server_default=no,
        comment="whether the users of the bridge that were in it have devices",
    ),
    Column("version", BigInteger, nullable=False, server_default="1", comment="counts changes of members"),
    comment="rooms of which the bridge knows whether they are encrypted",
)
Index(
    "encrypted_room_devices_idx",
    encrypted_room.c.room_id,
    postgresql_where=text("is_encrypted AND NOT has_devices"),
)

sealed_event = Table(
    "sealed_event",
    metadata,
    row_id(),
    Column("event_id", Text, nullable=False, unique=True),
    Column("room_id", Text, nullable=False),
    Column("sender", Text, nullable=False),
    Column("session_id", Text, nullable=False, comment="Megolm session whose key opens it"),
    # Text: PostgreSQL's JSON has neither NUL nor half of a surrogate pair.
    Column("event", Text, nullable=False, comment="as the homeserver delivered it"),
    Column("received_at", DateTime(timezone=True), nullable=False, server_default=now),
    Column(
        "next_at",
        DateTime(timezone=True),
        nullable=False,
        server_default=now,
        comment="next attempt; infinity: when the key comes",
    ),
    Column(
        "is_asked",
        Boolean,
        nullable=False,
        server_default=no,
        comment="whether the devices of the sender were asked for the key",
    ),
    Column(
        "is_told",
        Boolean,
        nullable=False,
        server_default=no,
        comment="whether the room knows that it cannot be read",
    ),
    comment="encrypted events that are not opened yet, in their order",
)
Index("sealed_event_room_idx", sealed_event.c.room_id, sealed_event.c.id)
Index("sealed_event_session_idx", sealed_event.c.session_id)

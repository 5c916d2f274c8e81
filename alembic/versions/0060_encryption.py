"""Encrypted rooms, and events that wait for their keys. The bridge makes the schema of the keys itself."""

from __future__ import annotations

from alembic import op

revision = "0060"
down_revision = "0059"
branch_labels = None
depends_on = None

_TABLES = (
    """
    CREATE TABLE encrypted_room (
        room_id text PRIMARY KEY,
        is_encrypted boolean NOT NULL,
        has_devices boolean NOT NULL DEFAULT false,
        version bigint NOT NULL DEFAULT 1
    )
    """,
    "CREATE INDEX encrypted_room_devices_idx ON encrypted_room (room_id) WHERE is_encrypted AND NOT has_devices",
    """
    CREATE TABLE sealed_event (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        event_id text NOT NULL UNIQUE,
        room_id text NOT NULL,
        sender text NOT NULL,
        session_id text NOT NULL,
        event text NOT NULL,
        received_at timestamptz NOT NULL DEFAULT now(),
        next_at timestamptz NOT NULL DEFAULT now(),
        is_asked boolean NOT NULL DEFAULT false,
        is_told boolean NOT NULL DEFAULT false
    )
    """,
    "CREATE INDEX sealed_event_room_idx ON sealed_event (room_id, id)",
    "CREATE INDEX sealed_event_session_idx ON sealed_event (session_id)",
)
_COMMENTS = (
    "TABLE encrypted_room IS 'rooms of which the bridge knows whether they are encrypted'",
    "COLUMN encrypted_room.has_devices IS 'whether the users of the bridge that were in it have devices'",
    "COLUMN encrypted_room.version IS 'counts changes of members'",
    "TABLE sealed_event IS 'encrypted events that are not opened yet, in their order'",
    "COLUMN sealed_event.session_id IS 'Megolm session whose key opens it'",
    "COLUMN sealed_event.event IS 'as the homeserver delivered it'",
    "COLUMN sealed_event.next_at IS 'next attempt; infinity: when the key comes'",
    "COLUMN sealed_event.is_asked IS 'whether the devices of the sender were asked for the key'",
    "COLUMN sealed_event.is_told IS 'whether the room knows that it cannot be read'",
)


def upgrade() -> None:
    for statement in _TABLES:
        op.execute(statement)
    for comment in _COMMENTS:
        op.execute(f"COMMENT ON {comment}")


def downgrade() -> None:
    op.execute("DROP TABLE sealed_event")
    op.execute("DROP TABLE encrypted_room")
    op.execute("DROP SCHEMA IF EXISTS encryption CASCADE")

"""The earlier messages of upstreams that rooms show: a second import shows only the others."""

from __future__ import annotations

from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

_IMPORTED_MESSAGE = """
CREATE TABLE imported_message (
    room_id text NOT NULL,
    key text NOT NULL,
    operation bigint NOT NULL,
    CONSTRAINT imported_message_pkey PRIMARY KEY (room_id, key)
);
COMMENT ON TABLE imported_message IS 'earlier messages of upstreams that rooms show';
COMMENT ON COLUMN imported_message.key IS 'digest of the place in the room, the author and the upstream''s id';
COMMENT ON COLUMN imported_message.operation IS 'row id of the operation that sent it, which may be deleted since';
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_IMPORTED_MESSAGE)

"""The conversations that upstreams keep for lanes."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_TABLE = """
CREATE TABLE upstream_conversation (
    upstream text NOT NULL,
    model text NOT NULL,
    session text NOT NULL,
    ref text NOT NULL,
    marker text NOT NULL DEFAULT '',
    made boolean NOT NULL DEFAULT false,
    PRIMARY KEY (upstream, model, session)
);
COMMENT ON TABLE upstream_conversation IS 'conversations that upstreams keep for lanes';
COMMENT ON COLUMN upstream_conversation.model IS 'id of the agent on the upstream';
COMMENT ON COLUMN upstream_conversation.session IS 'name of the lane for upstreams';
COMMENT ON COLUMN upstream_conversation.ref IS 'id on the upstream; empty: the first one is being made';
COMMENT ON COLUMN upstream_conversation.marker IS 'word in the name of the one that is being made; empty: none';
COMMENT ON COLUMN upstream_conversation.made IS 'it is made, and its name is left to be changed';
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_TABLE)

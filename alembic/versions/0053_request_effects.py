"""Requests of programs note the effect of their first step; archived threads are found by an index."""

from __future__ import annotations

from alembic import op

revision = "0053"
down_revision = "0051"
branch_labels = None
depends_on = None

_EFFECT = """
ALTER TABLE api_request ADD COLUMN effect jsonb;
COMMENT ON COLUMN api_request.effect IS 'of its first step, which is taken once; null: not taken';
CREATE INDEX thread_archived_idx ON thread (room_id) WHERE archived_at IS NOT NULL;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_EFFECT)

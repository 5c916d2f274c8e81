"""Turns tell the kind of the upstream that has begun to answer them: another kind does not know what was done."""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_COLUMN = """
ALTER TABLE turn ADD COLUMN begun_as text;
COMMENT ON COLUMN turn.begun_as IS 'kind of the upstream that has begun to answer it, since it was asked last';
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_COLUMN)

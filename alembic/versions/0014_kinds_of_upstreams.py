"""Each agent tells the kind of upstream whose list has its model: the kind of an upstream can change."""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_COLUMN = """
ALTER TABLE agent ADD COLUMN kind text NOT NULL DEFAULT 'openai';
COMMENT ON COLUMN agent.kind IS 'kind of upstream whose list has model';
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_COLUMN)

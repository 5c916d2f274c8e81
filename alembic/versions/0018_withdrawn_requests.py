"""Each question looks for requests about tools that were withdrawn in its lane, of which there are few."""

from __future__ import annotations

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_INDEX = "CREATE INDEX approval_withdrawn_idx ON approval (turn) WHERE verdict = 'withdrawn'"


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_INDEX)

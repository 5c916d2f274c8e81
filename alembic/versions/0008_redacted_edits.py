"""A message keeps its original content, which it gets back if its edits are redacted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("turn", sa.Column("original", JSONB(), comment="content before the first edit; null: never edited"))

"""What people see: how answers stream in a room, and what is shown besides them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "portal", sa.Column("stream", sa.Text(), nullable=True, comment="how answers are shown; null: as configured")
    )
    op.add_column(
        "turn",
        sa.Column(
            "besides",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="{}",
            nullable=False,
            comment="what is shown besides the answer",
        ),
    )

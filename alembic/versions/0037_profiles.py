"""Fields of the profiles of ghosts."""

from __future__ import annotations

from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

_PROFILES = """
ALTER TABLE agent ADD COLUMN description_applied text, ADD COLUMN activity_applied text;
COMMENT ON COLUMN agent.description_applied IS 'in the profile of its ghost; null: the profile has no fields';
COMMENT ON COLUMN agent.activity_applied IS 'in the profile of its ghost; null: none';
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_PROFILES)

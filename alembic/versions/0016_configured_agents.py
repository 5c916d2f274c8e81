"""Agents of the configuration: an agent tells the entry that stands for it, and what the entry sets."""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_COLUMNS = """
ALTER TABLE agent
    ADD COLUMN entry text,
    ADD COLUMN settings jsonb NOT NULL DEFAULT '{}';
ALTER TABLE agent ADD CONSTRAINT agent_entry_key UNIQUE (entry);
COMMENT ON COLUMN agent.entry IS 'id of the entry of the configuration; null: a listed agent';
COMMENT ON COLUMN agent.settings IS 'given by the entry';
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_COLUMNS)

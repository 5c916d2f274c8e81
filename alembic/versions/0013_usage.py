"""The tokens that the answer of a turn took."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_COLUMNS = """
ALTER TABLE turn
    ADD COLUMN input_tokens bigint,
    ADD COLUMN output_tokens bigint,
    ADD COLUMN cached_tokens bigint;
COMMENT ON COLUMN turn.input_tokens IS 'tokens that the model read, in all attempts; null: not reported';
COMMENT ON COLUMN turn.output_tokens IS 'tokens that the model wrote, in all attempts; null: not reported';
COMMENT ON COLUMN turn.cached_tokens IS 'those of input_tokens that its cache had; null: not reported';
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_COLUMNS)

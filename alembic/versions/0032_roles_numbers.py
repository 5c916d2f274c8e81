"""The role ``agent`` stands between ``none`` and ``member``, so the numbers of the other roles grow by one."""

from __future__ import annotations

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

_ROOM = "UPDATE room SET command_role = command_role + 1 WHERE command_role > 0"


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_ROOM)

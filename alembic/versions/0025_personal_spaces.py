"""The chats of a person can be listed in a Space of the person."""

from __future__ import annotations

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_PERSON_SPACE = """
CREATE TABLE person_space (
    user_id text NOT NULL,
    room_id text NOT NULL,
    listed_in text,
    CONSTRAINT person_space_pkey PRIMARY KEY (user_id)
);
COMMENT ON TABLE person_space IS 'Spaces that list the chats of one person each';
COMMENT ON COLUMN person_space.listed_in IS 'room id of the Space that lists it';
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_PERSON_SPACE)

"""The speakers of messages that agents have heard, the people who gave instructions, and the question of an erasure."""

from __future__ import annotations

from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

# Rows of earlier programs have the speaker if the message is one to another agent, or an answer.
_SPEAKERS = """
ALTER TABLE message ADD COLUMN said_by text;
COMMENT ON COLUMN message.said_by IS 'user id of the speaker of a message that was said to others';
CREATE INDEX message_said_by_idx ON message (said_by) WHERE said_by IS NOT NULL;
UPDATE message SET said_by = t.sender FROM turn t WHERE t.event_id = message.event_id AND t.kind = 'message';
ALTER TABLE participant ADD COLUMN instructed_by text;
COMMENT ON COLUMN participant.instructed_by IS 'user id of the person who gave them';
UPDATE participant SET instructed_by = t.sender FROM turn t WHERE t.event_id = participant.instructed_in;
ALTER TABLE choice
    DROP CONSTRAINT choice_kind_check,
    ADD CONSTRAINT choice_kind_check CHECK (kind IN ('agents', 'chats', 'delete', 'erase', 'retire', 'saves'));
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_SPEAKERS)

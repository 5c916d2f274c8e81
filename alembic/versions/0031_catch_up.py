"""Agents in rooms of several get the messages that were said since their last turn."""

from __future__ import annotations

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

_CONVERSATION = """
ALTER TABLE conversation ADD COLUMN caught_up text;
COMMENT ON COLUMN conversation.caught_up IS 'event up to which the agent has the messages of the room';
"""
_MESSAGE = """
ALTER TABLE message ADD COLUMN event_id text, ADD COLUMN edited_in text;
CREATE INDEX message_event_id_idx ON message (event_id) WHERE event_id IS NOT NULL;
CREATE INDEX message_edited_in_idx ON message (edited_in) WHERE edited_in IS NOT NULL;
COMMENT ON COLUMN message.event_id IS 'the event of a message of the room that was said to others';
COMMENT ON COLUMN message.edited_in IS 'the edit from which the text of that message comes';
"""


def upgrade() -> None:
    bind = op.get_bind()
    for statements in (_CONVERSATION, _MESSAGE):
        bind.exec_driver_sql(statements)

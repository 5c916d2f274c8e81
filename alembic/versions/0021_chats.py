"""Chats: rooms with an agent that belong to a person, with numbers that are never used again."""

from __future__ import annotations

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_ROOM = """
CREATE SEQUENCE conversation_number_seq;
ALTER TABLE room
    ADD COLUMN person text,
    ADD COLUMN number bigint,
    ADD COLUMN request_key text,
    ADD COLUMN titled_by text,
    ADD COLUMN changes integer NOT NULL DEFAULT 0,
    ADD COLUMN changes_applied integer NOT NULL DEFAULT 0,
    ADD CONSTRAINT room_number_key UNIQUE (number),
    ADD CONSTRAINT room_request_key_key UNIQUE (request_key),
    ADD CONSTRAINT room_titled_by_check CHECK (titled_by IN ('given', 'made', 'person'));
COMMENT ON COLUMN room.person IS 'user id of the person whose chat it is; null: nobody''s';
COMMENT ON COLUMN room.number IS 'number of the chat';
COMMENT ON COLUMN room.request_key IS 'key of the turn that asked for the chat';
COMMENT ON COLUMN room.titled_by IS 'where the name of a chat comes from; null: it has no title';
COMMENT ON COLUMN room.changes IS 'how often the desired state of a chat changed';
COMMENT ON COLUMN room.changes_applied IS 'the changes that the homeserver has, or refused';
CREATE INDEX room_person_idx ON room (person) WHERE person IS NOT NULL;
CREATE INDEX room_chat_due_idx ON room (id)
    WHERE kind = 'chat' AND (changes <> changes_applied OR check_requests <> checked);
"""

_CHOICE = """
ALTER TABLE choice
    ADD COLUMN command text NOT NULL DEFAULT 'agent',
    ADD COLUMN title text;
COMMENT ON COLUMN choice.command IS 'the command that a number alone gives';
COMMENT ON COLUMN choice.title IS 'title of the chat that the command makes; null: none';
"""


def upgrade() -> None:
    for statements in (_ROOM, _CHOICE):
        op.get_bind().exec_driver_sql(statements)

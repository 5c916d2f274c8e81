"""Books of roles, roles that people give, mutes, budgets of bots, and the books that rooms have."""

from __future__ import annotations

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

_BOOKS = """
CREATE TABLE role_book (
    version bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT role_book_pkey PRIMARY KEY,
    permissions jsonb NOT NULL,
    assigned jsonb NOT NULL
);
COMMENT ON TABLE role_book IS 'the roles of all users at one time; rows do not change, and the newest counts';
COMMENT ON COLUMN role_book.permissions IS 'pairs of a key and a role, as the configuration has them, in their order';
COMMENT ON COLUMN role_book.assigned IS 'roles that people gave: role, giver and time, by user id';
CREATE TABLE role_assignment (
    user_id text CONSTRAINT role_assignment_pkey PRIMARY KEY,
    role text NOT NULL,
    given_by text NOT NULL,
    given_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT role_assignment_role_check CHECK (role IN ('none', 'agent', 'member', 'moderator', 'admin', 'owner'))
);
COMMENT ON TABLE role_assignment IS 'roles that people gave by the command role';
"""
_MUTES = """
CREATE TABLE mute (
    room_id text NOT NULL DEFAULT '',
    user_id text NOT NULL,
    until timestamptz,
    level_before integer,
    applied boolean NOT NULL DEFAULT false,
    CONSTRAINT mute_pkey PRIMARY KEY (room_id, user_id)
);
COMMENT ON TABLE mute IS 'people of whom agents get nothing';
COMMENT ON COLUMN mute.room_id IS 'empty: all rooms';
COMMENT ON COLUMN mute.until IS 'null: without an end; past: the level of the user is to be given back';
COMMENT ON COLUMN mute.level_before IS 'power level that people had given the user; null: that of the role';
COMMENT ON COLUMN mute.applied IS 'whether the room has, or refused, the level of a muted user';
"""
_BUDGET = """
CREATE TABLE bot_budget (
    user_id text NOT NULL,
    agent bigint NOT NULL CONSTRAINT bot_budget_agent_fkey REFERENCES agent (id),
    asked timestamptz[] NOT NULL,
    CONSTRAINT bot_budget_pkey PRIMARY KEY (user_id, agent)
);
COMMENT ON TABLE bot_budget IS 'when accounts with the role agent have asked agents in the last minute';
"""
_ROOM = """
ALTER TABLE room ADD COLUMN roles_applied bigint, ADD COLUMN roles_compared bigint,
    ADD COLUMN levels_due boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN room.roles_applied IS 'book of roles that its levels and members have; null: of an earlier program';
COMMENT ON COLUMN room.roles_compared IS 'newest book with which it was compared; another one than applied: refused';
COMMENT ON COLUMN room.levels_due IS 'whether its levels are to be compared with the book again';
ALTER TABLE person_space ADD COLUMN roles_applied bigint;
COMMENT ON COLUMN person_space.roles_applied IS 'book of roles that its members have; null: of an earlier program';
"""


def upgrade() -> None:
    bind = op.get_bind()
    for statements in (_BOOKS, _MUTES, _BUDGET, _ROOM):
        bind.exec_driver_sql(statements)

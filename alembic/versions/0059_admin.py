"""The admin page has links, sessions and actions of administrators, and sums of five minutes for its plots."""

from __future__ import annotations

from alembic import op

revision = "0059"
down_revision = "0058"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE admin_link (
    id bigint GENERATED ALWAYS AS IDENTITY,
    hash text COLLATE "C" NOT NULL,
    user_id text NOT NULL,
    nonce text,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    CONSTRAINT admin_link_pkey PRIMARY KEY (id),
    CONSTRAINT admin_link_hash_key UNIQUE (hash)
);
CREATE INDEX admin_link_user_id_idx ON admin_link (user_id);
CREATE TABLE admin_session (
    hash text COLLATE "C" NOT NULL,
    user_id text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    CONSTRAINT admin_session_pkey PRIMARY KEY (hash)
);
CREATE INDEX admin_session_user_id_idx ON admin_session (user_id);
CREATE INDEX admin_session_expires_at_idx ON admin_session (expires_at);
CREATE TABLE admin_action (
    id bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL DEFAULT now(),
    user_id text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL DEFAULT '',
    CONSTRAINT admin_action_pkey PRIMARY KEY (id)
);
CREATE INDEX admin_action_at_idx ON admin_action (at);
CREATE INDEX admin_action_user_id_idx ON admin_action (user_id);
CREATE TABLE rollup (
    at timestamptz NOT NULL,
    done integer NOT NULL,
    failed integer NOT NULL,
    stopped integer NOT NULL,
    first_words jsonb NOT NULL,
    whole_answer jsonb NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    cost numeric,
    CONSTRAINT rollup_pkey PRIMARY KEY (at)
);
CREATE INDEX turn_failed_idx ON turn (finished_at, id) WHERE state = 'failed';
CREATE INDEX agent_name_idx ON agent ((lower(name) COLLATE "C"), id);
COMMENT ON TABLE admin_link IS 'one-time links to the admin page that were not used';
COMMENT ON COLUMN admin_link.hash IS 'SHA-256 of the secret in the link';
COMMENT ON COLUMN admin_link.nonce IS 'from which the secret derives; null: it was told';
COMMENT ON TABLE admin_session IS 'people who are signed in to the admin page';
COMMENT ON COLUMN admin_session.hash IS 'SHA-256 of the secret in the cookie';
COMMENT ON TABLE admin_action IS 'changes and sign-ins by the admin page';
COMMENT ON COLUMN admin_action.subject IS 'public name of a turn; empty: none';
COMMENT ON TABLE rollup IS 'sums of five minutes each, for the plots of the admin page';
COMMENT ON COLUMN rollup.at IS 'the beginning of the five minutes';
COMMENT ON COLUMN rollup.done IS 'requests to agents that ended with an answer';
COMMENT ON COLUMN rollup.first_words IS 'numbers of answers by bucket of seconds';
COMMENT ON COLUMN rollup.whole_answer IS 'likewise';
COMMENT ON COLUMN rollup.cost IS 'null: no price was known';
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_TABLES)


def downgrade() -> None:
    op.execute("DROP INDEX turn_failed_idx")
    op.execute("DROP INDEX agent_name_idx")
    op.execute("DROP TABLE admin_link, admin_session, admin_action, rollup")

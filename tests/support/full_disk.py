"""A full disk: triggers raise its error, with the same code on the same connection."""

from __future__ import annotations

from typing import LiteralString

_RAISE: LiteralString = """
    CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
    END $$;
"""
#: No turn can be written.
FILL_DISK: LiteralString = (
    _RAISE + "CREATE TRIGGER disk_full BEFORE INSERT OR UPDATE ON turn EXECUTE FUNCTION disk_full();"
)
#: Rows are changed in their pages, and a new row finds no page.
FILL_PAGES: LiteralString = (
    _RAISE
    + """
    CREATE TRIGGER disk_full BEFORE INSERT ON message EXECUTE FUNCTION disk_full();
    CREATE TRIGGER disk_full BEFORE INSERT ON outbox EXECUTE FUNCTION disk_full();
"""
)
FREE_DISK: LiteralString = "DROP FUNCTION disk_full CASCADE"

"""The scene that writes the database of a release has rows of nearly every table, and open turns at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from support.harness import new_harness
from support.release_scene import empty_tables, play

if TYPE_CHECKING:
    from support.postgres import Server

#: Tables of which the scene has no rows: servers of other kinds, long times, and requests that are over.
_WITHOUT_ROWS = {
    *("approval", "bot_budget", "chain_hold", "ignored", "imported_message", "model_thread", "notification"),
    *("own_profile", "pair_grant", "person_question", "person_space", "token_room", "trigger_request"),
    *("upstream_conversation", "usage_day"),
}


@pytest.mark.long  # The short form is test_released_schemas.py, with the file that the scene wrote.
async def test_the_scene_has_rows_of_nearly_every_table(postgres: Server) -> None:
    with postgres.migrated() as url:
        async with new_harness() as harness:
            await play(harness, url)
        assert empty_tables(url) <= _WITHOUT_ROWS
        with psycopg.connect(url) as connection:
            row = connection.execute("SELECT count(*) FROM turn WHERE open").fetchone()
        assert row is not None
        assert row[0] > 1

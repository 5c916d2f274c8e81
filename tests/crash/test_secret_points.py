"""A process dies before it tells a secret, and another person comes: nobody is told it, and it does not count."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from crash.doomed_process import kill_at
from support.bot_rooms import bot_chat
from support.harness import DOMAIN
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from pathlib import Path

    from support.harness import BridgeHarness

#: The secret is the first notice of the command, and the answer the second one.
_POINT = "before:word:1"
_COUNTING = """
SELECT (SELECT count(*) FROM token WHERE revoked_at IS NULL) + (SELECT count(*) FROM trigger)
     + (SELECT count(*) FROM admin_link) AS secrets
"""


@pytest.mark.parametrize(
    "command",
    [
        "token new laptop",
        pytest.param("trigger new @tim build signed", marks=pytest.mark.long),
        pytest.param("admin", marks=pytest.mark.long),
    ],
)
async def test_a_secret_is_not_told_to_people_who_came_while_the_bridge_was_away(
    harness: BridgeHarness, database_url: str, tmp_path: Path, command: str
) -> None:
    async with (
        ScriptedUpstream("tim") as upstream,
        harness.person("admin") as admin,
        harness.person() as other,
    ):
        config = harness.config(
            database_url,
            [{"name": "u", "url": upstream.url}],
            permissions={DOMAIN: "member", admin.user_id: "admin"},
            logging={"format": "json"},
            admin={"enabled": True},
        )
        command = command.replace("@tim", f"@{upstream.names[0]}")
        async with harness.bridge(config) as running:
            await running.join(admin, upstream.names[0])
            # Another chat of the two is no reason to tell the secret in this one.
            spare, desk = [await bot_chat(running, admin) for _ in range(2)]
            await desk.settled()
            before, spared = len(desk.said()), len(spare.said())
        await kill_at(tmp_path, config, _POINT, command, desk.say)
        await admin.invite(desk.room_id, other.user_id)
        async with harness.bridge(config) as running:
            desk = replace(desk, running=running)
            await admin.wait_for(lambda: len(desk.said()) > before)
            await desk.settled()
            (answer,) = desk.said()[before:]
            assert "you have no chat with me in which nobody else is" in answer.body
            assert len(spare.said()) == spared
            (row,) = await running.database.rows(_COUNTING)
            assert row["secrets"] == 0

"""A process dies at each step of the command ``admin``: there is one link, which is told once and signs in once."""

from __future__ import annotations

import re
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from crash.cases import around, short_form
from crash.doomed_process import DoomedProcess
from support.admin_page import browser
from support.bot_rooms import bot_chat
from support.harness import DOMAIN
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from pathlib import Path

    from support.harness import BridgeHarness

_STEPS = ("effect", "admin_tell", "admin_told", "finish")
#: The link is in the room, and the database does not know that.
_QUICK = {"before:admin_told:1"}


@pytest.mark.parametrize("point", short_form(around(*_STEPS), _QUICK))
async def test_a_killed_command_tells_one_link_once(
    harness: BridgeHarness, database_url: str, tmp_path: Path, point: str
) -> None:
    async with ScriptedUpstream("Ada") as upstream, harness.person("admin") as admin:
        there = [{"name": "scripted", "url": upstream.url}]
        permissions = {DOMAIN: "member", admin.user_id: "admin"}
        config = harness.config(
            database_url, there, permissions=permissions, logging={"format": "json"}, admin={"enabled": True}
        )
        async with harness.bridge(config) as running:
            desk = await bot_chat(running, admin)
            await desk.settled()
            before = len(desk.said())
        async with DoomedProcess(tmp_path, config, point, "admin") as process:
            await process.wait_for("listening")
            await desk.say("admin")
            assert await process.death() == -signal.SIGKILL
        async with harness.bridge(config) as running:
            desk = replace(desk, running=running)
            await admin.wait_for(lambda: len(desk.said()) >= before + 2)
            await desk.settled()
            said = [message.body for message in desk.said()[before:]]
            links = [found[1] for body in said if (found := re.search(r"/admin(/login/\S+)", body))]
            assert (len(said), len(links)) == (2, 1)
            rows = await running.database.rows("SELECT nonce FROM admin_link")
            assert [row["nonce"] for row in rows] == [None]
            async with browser(config.appservice.url) as opened:
                assert (await opened.post(links[0])).status == 303
                assert (await opened.post(links[0])).status == 403

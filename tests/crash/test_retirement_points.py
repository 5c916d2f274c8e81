"""A process dies at each point of the retirement of an agent, or of ``uninstall``: a repeat has the same end."""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from crash.cases import around, short_form
from crash.doomed_process import kill_at
from support.administrators import server_administrator
from support.bot_rooms import bot_chat, named_upstream
from support.conditions import eventually
from support.damages import homeserver_of
from support.forked import fork_module
from support.harness import DOMAIN, new_harness
from support.process import run_command, write_config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.harness import BridgeHarness

_BOT = f"@agentbridge:{DOMAIN}"
_STEPS = ("effect", "unlist", "delete_room", "removal_ref", "room_lost")
#: Points that the quick form has: the homeserver deletes the room, and nobody knows it.
_QUICK = {"before:removal_ref:1"}
_POINTS = around(*_STEPS)
#: The same for the command line.
_REMOVALS = around("delete_room", "leave", "unalias", "deactivate", "deactivated")


@pytest.mark.parametrize("point", short_form(_POINTS, _QUICK))
async def test_a_killed_deletion_of_a_room_is_completed(
    harness: BridgeHarness, database_url: str, tmp_path: Path, point: str
) -> None:
    async with named_upstream("Ada", "Bea") as upstream, harness.person("owner") as person:
        config = harness.config(
            database_url,
            [{"name": "scripted", "url": upstream.url}],
            logging={"format": "json"},
            retire={"delete": True},
            permissions={DOMAIN: "member", f"@owner:{DOMAIN}": "owner"},
            space={},
        )
        async with harness.bridge(config) as running:
            ada = await running.contact("Ada")
            room_id, ghost = ada.home.room_id or "", running.homeserver.namespace.user_id(ada.agent.ghost)
            desk = await bot_chat(running, person)
            await desk.ask("retire Ada")
            before = len(desk.said())
        async with server_administrator(harness, _BOT):
            await kill_at(tmp_path, config, point, "yes", desk.say)
            async with harness.bridge(config) as running:
                desk = replace(desk, running=running)

                async def is_removed() -> bool:
                    found = await running.agents.by_ghost(ada.agent.ghost)
                    return found is not None and (found.agent.state, found.home.room_id) == ("retired", None)

                await eventually(is_removed, "the agent is retired, and has no room")
                await person.wait_for(lambda: len(desk.said()) > before)
                await desk.settled()
                (answer,) = desk.said()[before:]
                assert answer.body.startswith("The room of Ada is being deleted.")
                homeserver = running.homeserver
                assert await homeserver.room_state(room_id, ghost) is None
                assert await homeserver.room_state(room_id) is None
                space = await homeserver.resolve_alias(
                    homeserver.namespace.alias(homeserver.namespace.space_alias_localpart)
                )
                child = await homeserver.state(space or "", "m.space.child", room_id)
                assert child is None or not child["content"]


@pytest.fixture(scope="module")
async def lonely() -> AsyncIterator[BridgeHarness]:
    """A homeserver without the rooms of other tests, which would be removed too."""
    async with new_harness() as running:
        yield running


@pytest.mark.long
@pytest.mark.parametrize("point", _REMOVALS)
async def test_a_killed_uninstall_goes_on(lonely: BridgeHarness, database_url: str, tmp_path: Path, point: str) -> None:
    async with named_upstream("Ada", "Bea") as upstream:
        config = lonely.config(database_url, [{"name": "scripted", "url": upstream.url}], space={})
        file = str(write_config(tmp_path, config))
        async with lonely.bridge(config) as running:
            agents = [await running.contact(name) for name in ("Ada", "Bea")]
            ghosts = [running.homeserver.namespace.user_id(each.agent.ghost) for each in agents]
        process = await fork_module("crash.doomed", point, "", "uninstall", "--config", file, "--yes")
        assert await process.wait() == -signal.SIGKILL
        code, output = await run_command("uninstall", "--config", file, "--yes")
        assert (code, output.splitlines()[-1][:5]) == (0, "Done."), output
        async with homeserver_of(config) as homeserver:
            assert await homeserver.joined_rooms() == []
            for ghost in ghosts:
                assert await homeserver.resolve_alias(f"#{ghost[1:]}") is None
            # The name of a deactivated ghost is taken for ever, and its profile is gone.
            assert [await homeserver.displayname(ghost) for ghost in ghosts] == [None, None]

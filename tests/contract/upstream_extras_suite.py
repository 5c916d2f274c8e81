"""The contract of the capabilities that only an App Server has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent_bridge.upstream.capabilities import CommandOutput
from support.scripted_app_server import ScriptedAppServer
from support.upstream_kinds import QUESTION

if TYPE_CHECKING:
    from agent_bridge.upstream.base import Upstream
    from agent_bridge.upstream.capabilities import Commands
    from support.scripted_upstream import ScriptedUpstream


class Commanding:
    """The capability ``commands``."""

    @pytest.fixture
    def commands(self, upstream: Upstream) -> Commands:
        assert upstream.can.commands is not None
        return upstream.can.commands

    async def test_a_command_of_the_list_runs(self, commands: Commands) -> None:
        conversation = (QUESTION.model, QUESTION.session, "Dora")
        offered = [each.name for each in await commands.list(*conversation)]
        assert "compact" in offered
        assert await commands.run(*conversation, "compact", "all") == CommandOutput(succeeded=True, text="/compact all")


class Picturing:
    """The capability ``pictures``."""

    async def test_the_picture_of_an_agent(self, server: ScriptedUpstream, upstream: Upstream) -> None:
        assert upstream.can.pictures is not None
        assert isinstance(server, ScriptedAppServer)
        server.pictures["Dora"] = (b"picture", 1)
        assert await upstream.can.pictures("Dora") == b"picture"
        assert await upstream.can.pictures("Ada") is None

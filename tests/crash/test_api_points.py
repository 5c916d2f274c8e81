"""A process dies at each step of a program's message: it is in the room once, and answered once."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
import pytest

from agent_bridge.core.programs import SAID_BY
from agent_bridge.store.postgres.database import Database
from crash.cases import around, short_form
from crash.doomed_process import DoomedProcess
from support.api_client import Program, program_of, token_in
from support.bot_rooms import BotRoom, bot_chat
from support.harness import DOMAIN
from support.process import BridgeProcess
from support.scripted_upstream import ScriptedUpstream
from support.turns import until_no_turn_is_open

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agent_bridge.config.model import Config
    from support.harness import BridgeHarness, Conversation
    from support.postgres import Server

_STEPS = ("api_begin", "api_send", "api_sent", "api_taken", "api_finish")
#: The event is in the room, and the bridge does not know it yet.
_QUICK = {"after:api_send:1"}
_MAKING = ("effect:1", "api_tell:1", "api_told:1", "finish:1")


@dataclass(frozen=True)
class Stage:
    """A person in the room of an agent, with a program, and without a process of the bridge."""

    config: Config
    upstream: ScriptedUpstream
    talk: Conversation
    desk: BotRoom
    #: The chat of another person with the bot, whom programs may ask.
    expert: BotRoom
    program: Program
    database: Database

    async def settled(self) -> None:
        """Wait until no turn is open."""
        await until_no_turn_is_open(self.database)


@pytest.fixture(scope="module")
async def stage(harness: BridgeHarness, postgres: Server) -> AsyncIterator[Stage]:
    with postgres.migrated() as url:
        async with (
            ScriptedUpstream("tim") as upstream,
            harness.person() as person,
            harness.person() as other,
            Database(url) as database,
        ):
            there = [{"name": "u", "url": upstream.url}]
            config = harness.config(url, there, permissions={DOMAIN: "moderator"}, logging={"format": "json"})
            async with harness.bridge(config) as running:
                talk = await running.join(person, upstream.names[0])
                desk = await bot_chat(running, person)
                await desk.settled()
                expert = await bot_chat(running, other)
                await expert.ask("reachable on")
                program = await program_of(running, person.user_id)
            yield Stage(config, upstream, talk, desk, expert, program, database)


@pytest.mark.parametrize("repeats", [True, pytest.param(False, marks=pytest.mark.long)], ids=["repeated", "alone"])
@pytest.mark.parametrize("point", short_form(around(*_STEPS), _QUICK))
async def test_a_killed_message_is_said_and_answered_once(
    stage: Stage, tmp_path: Path, point: str, *, repeats: bool
) -> None:
    text = f"message {point} {repeats}"
    agent = stage.upstream.names[0]
    async with DoomedProcess(tmp_path, stage.config, point, "") as process:
        await process.wait_for("listening")
        with contextlib.suppress(aiohttp.ClientError):
            await stage.program.send(agent, text, text)
        assert await process.death() == -signal.SIGKILL
    was_sent = not point.startswith(("before:api_begin", "after:api_begin", "before:api_send"))
    if not (repeats or was_sent):
        return
    async with BridgeProcess(tmp_path, stage.config) as process:
        await process.wait_for("listening")
        if repeats:
            results = await asyncio.gather(*(stage.program.send(agent, text, text) for _ in range(2)))
            assert {each.status for each in results} == {200}
            assert len({each["event_id"] for each in results}) == 1
        await stage.talk.person.wait_for(lambda: [each for each in stage.talk.answers if each.body.endswith(text)])
        await stage.settled()
    said = [each for each in stage.talk.from_bot if SAID_BY in each.versions[0] and each.body.endswith(text)]
    assert len(said) == 1
    assert len([each for each in stage.talk.answers if each.body.endswith(text)]) == 1
    assert len([each for each in stage.upstream.questions if each == text]) == 1


@pytest.mark.long
@pytest.mark.parametrize("point", around(*_MAKING))
async def test_a_killed_command_makes_one_token_and_tells_it_once(stage: Stage, tmp_path: Path, point: str) -> None:
    name = point.replace(":", " ")
    command = f"token new {name}"
    told = len(stage.desk.said())
    async with DoomedProcess(tmp_path, stage.config, point, command) as process:
        await process.wait_for("listening")
        await stage.desk.say(command)
        assert await process.death() == -signal.SIGKILL
    async with BridgeProcess(tmp_path, stage.config) as process:
        await process.wait_for("listening")
        await stage.talk.person.wait_for(lambda: len(stage.desk.said()) >= told + 2)
        await stage.settled()
        assert len(stage.desk.said()) == told + 2
        rows = await stage.database.rows("SELECT nonce FROM token WHERE name = %s", (name,))
        assert [row["nonce"] for row in rows] == [None]
        program = Program(stage.config.public_url, token_in(stage.desk) or "")
        assert (await program.get("/v1/me"))["token"] == name

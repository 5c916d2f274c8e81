"""A process dies at each step of a trigger: its secret is told once, and a request is shown and answered once."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
import pytest

from agent_bridge.store.postgres.database import Database
from crash.cases import around, short_form
from crash.doomed_process import DoomedProcess, kill_at
from support.bot_rooms import BotRoom, bot_chat
from support.harness import DOMAIN
from support.process import BridgeProcess
from support.scripted_upstream import ScriptedUpstream
from support.trigger_requests import secrets_of, send
from support.turns import until_no_turn_is_open

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agent_bridge.config.model import Config
    from agent_bridge.demo.timeline import Message
    from support.harness import BridgeHarness, Conversation
    from support.person import Person
    from support.postgres import Server
    from support.trigger_requests import Secret

#: The steps at which the process knows the text of the request, and those at which the endpoint accepts any request.
_STEPS = ("commit", "word", "sent", "waking", "accept", "forget_text", "wake", "finish")
_ACCEPTING = ("note_request", "accept_request")
#: The steps of the command that makes a trigger: the second word is its answer.
_MAKING = ("effect:1", "word:1", "word:2", "finish:1")
_POINTS, _MAKING_POINTS = around(*_STEPS, *_ACCEPTING), around(*_MAKING)
#: Points that the quick form has: the notice is in the room, and nobody knows it.
_QUICK = {"after:word:1"}


@dataclass(frozen=True)
class Stage:
    """A person in the room of an agent, with a signed trigger, and without a process of the bridge."""

    config: Config
    upstream: ScriptedUpstream
    talk: Conversation
    desk: BotRoom
    secret: Secret
    database: Database

    @property
    def person(self) -> Person:
        """The owner."""
        return self.talk.person

    def notices(self, text: str) -> list[Message]:
        """Return the messages that tell of the request *text*."""
        said = self.talk.from_bot
        return [each for each in said if each.body.startswith("⏰") and each.body.endswith(text)]

    def answers(self, text: str) -> list[Message]:
        """Return the answers to the request *text*."""
        return [each for each in self.talk.answers if each.body.endswith(text)]

    async def settled(self) -> None:
        """Wait until no turn is open."""
        await until_no_turn_is_open(self.database)


@pytest.fixture(scope="module")
async def stage(harness: BridgeHarness, postgres: Server) -> AsyncIterator[Stage]:
    with postgres.migrated() as url:
        async with ScriptedUpstream("tim") as upstream, harness.person() as person, Database(url) as database:
            there = [{"name": "u", "url": upstream.url}]
            config = harness.config(url, there, permissions={DOMAIN: "moderator"}, logging={"format": "json"})
            async with harness.bridge(config) as running:
                talk = await running.join(person, upstream.names[0])
                desk = await bot_chat(running, person)
                await desk.say(f"trigger new @{upstream.names[0]} ci signed")
                (secret,) = await person.wait_for(lambda: secrets_of(desk))
                await desk.settled()
            yield Stage(config, upstream, talk, desk, secret, database)


@pytest.mark.parametrize("point", short_form(_POINTS, _QUICK))
async def test_a_killed_request_is_shown_and_answered_once(stage: Stage, tmp_path: Path, point: str) -> None:
    text = f"request {point}"
    request = stage.secret.request(text)
    is_accepting = point.split(":")[1] in _ACCEPTING
    async with DoomedProcess(tmp_path, stage.config, point, "" if is_accepting else text) as process:
        await process.wait_for("listening")
        with contextlib.suppress(aiohttp.ClientError):
            await send(stage.secret.url, request)
        assert await process.death() == -signal.SIGKILL
    async with BridgeProcess(tmp_path, stage.config) as process:
        await process.wait_for("listening")
        # As a sender that is not sure.
        results = await asyncio.gather(*(send(stage.secret.url, request) for _ in range(2)))
        assert {status for status, _ in results} == {202}
        await stage.person.wait_for(lambda: stage.answers(text))
        await stage.settled()
    (notice,) = stage.notices(text)
    (answer,) = stage.answers(text)
    assert answer.versions[0]["m.relates_to"]["m.in_reply_to"]["event_id"] == notice.event_id
    assert len([each for each in stage.upstream.questions if each.endswith(text)]) == 1
    rows = await stage.database.rows("SELECT payload ->> 'text' AS text FROM turn WHERE kind = 'trigger'")
    assert {row["text"] for row in rows} == {""}


@pytest.mark.long
@pytest.mark.parametrize("point", _MAKING_POINTS)
async def test_a_killed_command_makes_one_trigger_and_tells_its_secret_once(
    stage: Stage, tmp_path: Path, point: str
) -> None:
    name = point.replace(":", " ")
    command = f"trigger new @{stage.upstream.names[0]} {name}"
    before, told = len(secrets_of(stage.desk)), len(stage.desk.said())
    await kill_at(tmp_path, stage.config, point, command, stage.desk.say)
    async with BridgeProcess(tmp_path, stage.config) as process:
        await process.wait_for("listening")
        await stage.person.wait_for(lambda: len(stage.desk.said()) >= told + 2)
        await stage.settled()
        (secret,) = secrets_of(stage.desk)[before:]
        assert len(stage.desk.said()) == told + 2
        rows = await stage.database.rows("SELECT 1 FROM trigger WHERE name = %s", (name,))
        assert len(rows) == 1
        text = f"callback {point}"
        assert (await send(secret.url, secret.request(text)))[0] == 202
        await stage.person.wait_for(lambda: stage.answers(text))
        await stage.settled()

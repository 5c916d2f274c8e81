"""A process dies at each step of a schedule: a due time is shown and answered once, and one schedule is made."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from agent_bridge.store.postgres.database import Database
from crash.cases import around
from crash.doomed_process import DoomedProcess
from support.harness import DOMAIN
from support.process import BridgeProcess
from support.scripted_upstream import ScriptedUpstream
from support.turns import until_no_turn_is_open

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agent_bridge.config.model import Config
    from agent_bridge.demo.timeline import Message
    from support.harness import BridgeHarness, Conversation
    from support.postgres import Server

#: The steps of the leader, and those of the turn, at which the process knows the prompt.
_LEADING = ("schedule_lock", "schedule_advance")
_STEPS = ("commit", "word", "sent", "waking", "accept", "forget_text", "wake", "finish")
_POINTS, _MAKING_POINTS = around(*_LEADING, *_STEPS), around("effect:1", "word:1", "finish:1")

pytestmark = pytest.mark.long


@dataclass(frozen=True)
class Stage:
    """A person in the room of an agent, with a schedule, and without a process of the bridge."""

    config: Config
    upstream: ScriptedUpstream
    talk: Conversation
    database: Database

    def notices(self, text: str) -> list[Message]:
        """Return the messages that tell of the prompt *text*."""
        said = self.talk.from_bot
        return [each for each in said if each.body.startswith("⏰ Scheduled by") and each.body.endswith(text)]

    def answers(self, text: str) -> list[Message]:
        """Return the answers to the prompt *text*."""
        return [each for each in self.talk.answers if each.body.endswith(text)]

    async def settled(self) -> None:
        """Wait until no turn is open."""
        await until_no_turn_is_open(self.database)


@pytest.fixture(scope="module")
async def stage(harness: BridgeHarness, postgres: Server) -> AsyncIterator[Stage]:
    with postgres.migrated() as url:
        async with ScriptedUpstream("tom") as upstream, harness.person() as person, Database(url) as database:
            there = [{"name": "u", "url": upstream.url}]
            config = harness.config(url, there, permissions={DOMAIN: "moderator"}, logging={"format": "json"})
            async with harness.bridge(config) as running:
                talk = await running.join(person, upstream.names[0])
                assert "is asked at" in await talk.command('schedule "every day 9:00" hello')
            yield Stage(config, upstream, talk, database)


@pytest.mark.parametrize("point", _POINTS)
async def test_a_killed_run_is_shown_and_answered_once(stage: Stage, tmp_path: Path, point: str) -> None:
    text = f"run {point}"
    is_leading = point.split(":")[1] in _LEADING
    # Due while no process runs.
    await stage.database.execute(
        "UPDATE schedule SET prompt = %s, due_at = now() - interval '1 hour' WHERE expression = 'every day 9:00'",
        (text,),
    )
    async with DoomedProcess(tmp_path, stage.config, point, "" if is_leading else text) as process:
        assert await process.death() == -signal.SIGKILL
    async with BridgeProcess(tmp_path, stage.config) as process:
        await process.wait_for("listening")
        await stage.talk.person.wait_for(lambda: stage.answers(text))
        await stage.settled()
    (notice,) = stage.notices(text)
    (answer,) = stage.answers(text)
    assert answer.versions[0]["m.relates_to"]["m.in_reply_to"]["event_id"] == notice.event_id
    assert len([each for each in stage.upstream.questions if each.endswith(text)]) == 1
    assert "late, once for 1 missed time since" in notice.body
    news = await stage.database.rows("SELECT 1 FROM notification WHERE facts ->> 'prompt' = %s", (text,))
    assert len(news) == 1
    rows = await stage.database.rows("SELECT payload ->> 'text' AS text FROM turn WHERE kind = 'trigger'")
    assert {row["text"] for row in rows} == {""}


@pytest.mark.parametrize("point", _MAKING_POINTS)
async def test_a_killed_command_makes_one_schedule(stage: Stage, tmp_path: Path, point: str) -> None:
    command = f"schedule in 2 days make {point}"
    said = len(stage.talk.from_bot)
    async with DoomedProcess(tmp_path, stage.config, point, command) as process:
        await process.wait_for("listening")
        await stage.talk.say(f"!ab {command}")
        assert await process.death() == -signal.SIGKILL
    async with BridgeProcess(tmp_path, stage.config) as process:
        await process.wait_for("listening")
        await stage.talk.person.wait_for(lambda: len(stage.talk.from_bot) > said)
        await stage.settled()
    assert len(stage.talk.from_bot) == said + 1
    rows = await stage.database.rows("SELECT 1 FROM schedule WHERE prompt = %s", (f"make {point}",))
    assert len(rows) == 1

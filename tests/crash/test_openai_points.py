"""A process dies at each step of a request of the OpenAI API: it is asked and answered once, in one thread."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from functools import partial
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from agent_bridge.core.programs import SAID_BY
from crash.cases import around, short_form
from crash.doomed_process import DoomedProcess
from crash.test_api_points import Stage, stage
from support.conditions import eventually
from support.process import BridgeProcess

if TYPE_CHECKING:
    from pathlib import Path

    from agent_bridge.demo.timeline import Message
    from support.bot_rooms import BotRoom

__all__ = ["stage"]

_STEPS = (
    "api_begin",
    "thread_added",
    "thread_head",
    "thread_rooted",
    "api_send",
    "api_sent",
    "thread_said",
    "api_finish",
)
#: The event at which the thread begins is in the room, and the bridge does not know it yet.
_QUICK = {"after:thread_head:1"}
#: The same of a question to a person, which is written down before it is said.
_ASKING = ("question_added", "question_said", "api_sent", "question_sent", "thread_said", "api_finish")
_QUICK_ASKING = {"after:question_said:1"}


def _asked(desk: BotRoom, text: str) -> list[Message]:
    return [each for each in desk.said() if each.body.endswith(text)]


async def _die(stage: Stage, tmp_path: Path, point: str, text: str, body: dict[str, Any]) -> None:
    """Have a process take the request of a program, and die at *point*."""
    async with DoomedProcess(tmp_path, stage.config, point, "") as process:
        await process.wait_for("listening")
        with contextlib.suppress(aiohttp.ClientError):
            await stage.program.post("/v1/responses", text, **body)
        assert await process.death() == -signal.SIGKILL


@pytest.mark.parametrize("point", short_form(around(*_STEPS), _QUICK))
async def test_a_killed_request_is_asked_and_answered_once(stage: Stage, tmp_path: Path, point: str) -> None:
    text, agent = f"question {point}", stage.upstream.names[0]
    body: dict[str, Any] = {"model": agent, "input": text, "conversation": point}
    await _die(stage, tmp_path, point, text, body)
    async with BridgeProcess(tmp_path, stage.config) as process:
        await process.wait_for("listening")
        answer = await stage.program.post("/v1/responses", text, **body)
        assert answer.status == 200
        assert answer["output"][0]["content"][0]["text"] == f"Echo: {text}"
        await stage.settled()
        await stage.talk.person.wait_for(lambda: [each for each in stage.talk.answers if each.body.endswith(text)])
    relayed = [each for each in stage.talk.from_bot if SAID_BY in each.versions[0] and each.body.endswith(text)]
    assert len(relayed) == 1
    assert len([each for each in stage.upstream.questions if each == text]) == 1
    root = relayed[0].versions[0]["m.relates_to"]["event_id"]
    rows = await stage.database.rows("SELECT root FROM model_thread WHERE key = %s", (f"named:{point}",))
    assert [row["root"] for row in rows] == [root]
    heads = [each for each in stage.talk.from_bot if each.body.startswith("💬")]
    assert len(heads) == len(await stage.database.rows("SELECT 1 FROM model_thread"))


@pytest.mark.parametrize("point", short_form(around(*_ASKING), _QUICK_ASKING))
async def test_a_killed_question_to_a_person_is_said_once_and_answered(
    stage: Stage, tmp_path: Path, point: str
) -> None:
    text, desk = f"question for {point}", stage.expert
    body: dict[str, Any] = {"model": desk.person.user_id, "input": text, "conversation": point}

    asked = partial(_asked, desk, text)
    await _die(stage, tmp_path, point, text, body)
    async with BridgeProcess(tmp_path, stage.config) as alive:
        await alive.wait_for("listening")
        asking = asyncio.create_task(stage.program.post("/v1/responses", text, **body))
        (question,) = await desk.person.wait_for(asked)
        await desk.person.reply(desk.room_id, question.event_id, f"answer to {point}", thread=_root(question))
        answer = await asking
        assert answer.status == 200
        assert answer["output"][0]["content"][0]["text"] == f"answer to {point}"
        await stage.settled()
    assert len(asked()) == 1
    rows = await stage.database.rows("SELECT answer FROM person_question WHERE answer = %s", (f"answer to {point}",))
    assert len(rows) == 1


@pytest.mark.parametrize("point", ["after:question_said:1"])
async def test_a_person_answers_a_question_whose_process_was_killed(stage: Stage, tmp_path: Path, point: str) -> None:
    """The program repeats its request when the person has replied, outside of the thread."""
    text, desk = f"early question for {point}", stage.expert
    body: dict[str, Any] = {"model": desk.person.user_id, "input": text, "conversation": f"early {point}"}

    asked = partial(_asked, desk, text)
    await _die(stage, tmp_path, point, text, body)
    async with BridgeProcess(tmp_path, stage.config) as alive:
        await alive.wait_for("listening")
        (question,) = await desk.person.wait_for(asked)
        await desk.person.reply(desk.room_id, question.event_id, "early answer")
        await eventually(
            lambda: stage.database.rows("SELECT 1 FROM person_question WHERE answer = 'early answer'"),
            "the reply is taken as the answer",
        )
        answer = await stage.program.post("/v1/responses", text, **body)
        assert answer.status == 200
        assert answer["output"][0]["content"][0]["text"] == "early answer"
    assert len(asked()) == 1


def _root(message: Message) -> str:
    return str(message.versions[0]["m.relates_to"]["event_id"])

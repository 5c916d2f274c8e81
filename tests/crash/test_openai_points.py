"""A process dies at each step of a request of the OpenAI API: it is asked and answered once, in one thread."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from agent_bridge.core.programs import SAID_BY
from crash.cases import around, short_form
from crash.doomed_process import DoomedProcess
from crash.test_api_points import Stage, stage
from support.process import BridgeProcess

if TYPE_CHECKING:
    from pathlib import Path

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


@pytest.mark.parametrize("point", short_form(around(*_STEPS), _QUICK))
async def test_a_killed_request_is_asked_and_answered_once(stage: Stage, tmp_path: Path, point: str) -> None:
    text, agent = f"question {point}", stage.upstream.names[0]
    body: dict[str, Any] = {"model": agent, "input": text, "conversation": point}
    async with DoomedProcess(tmp_path, stage.config, point, "") as process:
        await process.wait_for("listening")
        with contextlib.suppress(aiohttp.ClientError):
            await stage.program.post("/v1/responses", text, **body)
        assert await process.death() == -signal.SIGKILL
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

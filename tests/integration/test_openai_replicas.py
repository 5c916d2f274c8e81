"""Models of the OpenAI API with two processes, after restarts, in direct chats, and after an erasure."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.core.programs import Capability
from integration.test_api_replicas import another, configured
from support.api_client import program_of
from support.bot_rooms import bot_chat
from support.conditions import eventually
from support.openai_schemas import checked_stream
from support.scripted_upstream import ScriptedUpstream, echo, waits_for

if TYPE_CHECKING:
    from support.harness import BridgeHarness

pytestmark = pytest.mark.long


async def test_both_processes_stream_an_answer_that_one_of_them_makes(
    harness: BridgeHarness, database_url: str
) -> None:
    async with ScriptedUpstream("ada") as upstream, harness.person() as person:
        config = configured(harness, database_url, upstream)
        other = another(config)
        async with harness.bridge(config) as running, harness.bridge(other):
            talk = await running.join(person, upstream.names[0])
            one = await program_of(running, person.user_id)
            two = one.at(other.public_url)
            words = [f"word{number} 🌍 " * 40 for number in range(60)]
            gate = asyncio.Event()
            upstream.script = waits_for(gate, "".join(words[:40]), *words[40:], "end")
            body: dict[str, Any] = {"model": upstream.names[0], "input": "go", "stream": True, "conversation": "c"}
            heard: tuple[list[str], ...] = ([], [], [])
            key = {"Idempotency-Key": "same"}
            streams = [
                asyncio.create_task(each.stream("/v1/responses", body, headers=key, heard=seen))
                for each, seen in zip((one, two, one), heard, strict=True)
            ]
            await person.wait_for(lambda: all("word30" in "".join(each) for each in heard))
            gate.set()
            found = [checked_stream(text) for text in await asyncio.gather(*streams)]
            upstream.script = echo
            assert len({each[-1]["response"]["id"] for each in found}) == 1
            assert {each[-4]["text"] for each in found} == {("".join(words) + "end").strip()}
            assert len(upstream.questions) == 1
            results = await asyncio.gather(
                *(
                    each.post("/v1/responses", model=upstream.names[0], input=f"m{number}", conversation="together")
                    for number in range(3)
                    for each in (one, two)
                )
            )
            assert {each.status for each in results} == {200}
            rows = await running.database.rows("SELECT root FROM model_thread")
            assert len({row["root"] for row in rows}) == len(rows) == 2
            assert talk.person.room(talk.room_id)


async def test_a_person_answers_while_no_process_runs(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("ada") as upstream, harness.person() as person, harness.person() as expert:
        config = configured(harness, database_url, upstream)
        config = config.model_copy(update={"api": config.api.model_copy(update={"longest_wait": 1.0})})
        body: dict[str, Any] = {"model": expert.user_id, "messages": [{"role": "user", "content": "ready?"}]}
        async with harness.bridge(config) as running:
            await running.join(person, upstream.names[0])
            desk = await bot_chat(running, expert)
            await desk.ask("reachable on")
            program = await program_of(running, person.user_id)
            late = await program.post("/v1/chat/completions", "key", **body)
            assert (late.status, late["error"]["code"]) == (504, "answer_timeout")
            assert late.headers["x-should-retry"] == "false"
            handle = late["error"]["message"].partition("/v1/asks/")[2].partition(" ")[0]
            assert (await program.get(f"/v1/asks/{handle}")).status == 202
            for number in range(2):
                await program.post("/v1/chat/completions", **body, seed=number)
            many = await program.post("/v1/chat/completions", **body)
            assert (many.status, many["error"]["code"]) == (429, "rate_limit_exceeded")
            assert many.headers["Retry-After"] == "60"
        asked = next(each for each in desk.said() if "ready?" in each.body)
        await expert.reply(desk.room_id, asked.event_id, "yes")
        async with harness.bridge(config) as running:

            async def answered() -> bool:
                return (await program.get(f"/v1/asks/{handle}")).status == 200

            await eventually(answered, "the answer is taken in")
            found = await program.get(f"/v1/asks/{handle}")
            assert [each["text"] for each in found["answers"]] == ["yes"]
            assert found["answers"][0]["user_id"] == expert.user_id
            again = await program.post("/v1/chat/completions", "key", **body)
            assert again["choices"][0]["message"]["content"] == "yes"
            await expert.redact(desk.room_id, found["answers"][0]["event_ids"][0])

            async def forgotten() -> bool:
                return not await running.database.rows("SELECT 1 FROM person_question WHERE answer = 'yes'")

            await eventually(forgotten, "the answer that was redacted is forgotten")
            before = len(desk.said())
            await desk.ask("forget me")
            await desk.say("yes")

            async def erased() -> bool:
                tables = ("reachable_person", "person_question")
                rows = [await running.database.rows(f"SELECT 1 FROM {each}") for each in tables]  # noqa: S608
                return not any(rows)

            await eventually(erased, "the person is erased")
            assert len(desk.said()) > before


async def test_a_conversation_whose_room_is_gone_begins_anew(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("ada") as upstream, harness.person() as person:
        config = configured(harness, database_url, upstream)
        async with harness.bridge(config) as running:
            agent = upstream.names[0]
            talk = await running.join(person, agent)
            # Such a token opens no direct chat by itself.
            program = await program_of(running, person.user_id, capabilities=[Capability.ASK])
            body: dict[str, Any] = {"model": agent, "conversation": "c"}
            assert (await program.post("/v1/responses", **body, input="one")).status == 200
            await person.leave(talk.room_id)
            assert (await program.post("/v1/responses", **body, input="two")).status == 404
            ghost = running.homeserver.namespace.user_id((await running.contact(agent)).agent.ghost)
            direct = await person.create_dm(ghost)
            await person.wait_for(lambda: ghost in person.room(direct).members())

            async def is_known() -> bool:
                return bool((await program.get("/v1/models"))["data"])

            await eventually(is_known, "the direct chat is known")
            assert (await program.post("/v1/responses", **body, input="three")).status == 200
            rows = await running.database.rows("SELECT room_id FROM model_thread")
            assert [row["room_id"] for row in rows] == [direct]

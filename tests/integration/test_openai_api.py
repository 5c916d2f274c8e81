"""Agents and people as models of the OpenAI API, on a real Synapse."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.core.programs import SAID_BY, Capability, token_hash
from agent_bridge.demo.synapse import free_port
from support.api_client import Program, program_of
from support.bot_rooms import bot_chat
from support.conditions import eventually
from support.harness import DOMAIN, SHARED
from support.openai_schemas import checked_resource, checked_stream, lines_of
from support.scripted_upstream import ScriptedUpstream, echo, waits_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.config.model import Config
    from agent_bridge.demo.timeline import Message
    from support.harness import BridgeHarness, Conversation, Running
    from support.person import Person
    from support.postgres import Server

BOT = f"@sharedbridge:{DOMAIN}"


@pytest.fixture(scope="module")
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    """An upstream with an agent for each test."""
    async with ScriptedUpstream(
        *(f"model{letter}" for letter in "abcdefghijklm"), "never", "often", "left"
    ) as upstream:
        yield upstream


@pytest.fixture(scope="module")
async def config(harness: BridgeHarness, postgres: Server, upstream: ScriptedUpstream) -> AsyncIterator[Config]:
    permissions: dict[str, str] = {DOMAIN: "member", f"@boss:{DOMAIN}": "owner", f"@nobody:{DOMAIN}": "none"}
    there = [{"name": "u", "url": upstream.url}]
    with postgres.migrated() as url:
        api = {"port": free_port(), "longest_wait": 20}
        quotas: list[dict[str, Any]] = [
            {"per": "agent", "match": "never*", "messages_per_minute": 0},
            {"per": "agent", "match": "often*", "messages_per_minute": 1},
        ]
        yield harness.config(url, there, service=SHARED, permissions=permissions, api=api, quotas=quotas)


@pytest.fixture(scope="module")
async def running(harness: BridgeHarness, config: Config) -> AsyncIterator[Running]:
    async with harness.bridge(config) as running:
        yield running


def in_thread(talk: Conversation, root: str) -> list[Message]:
    """Return the messages of a thread, its root left out."""
    room = talk.person.room(talk.room_id)
    said = [*room.said_by(BOT), *room.said_by(talk.ghost)]
    return [each for each in said if each.versions[0].get("m.relates_to", {}).get("event_id") == root]


def roots(talk: Conversation) -> list[Message]:
    """Return the notices at which threads begin."""
    said = talk.person.room(talk.room_id).said_by(BOT)
    return [each for each in said if each.body.startswith("💬")]


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


async def test_basic_responses_and_their_streams(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    agent = upstream.names[0]
    async with harness.person() as person:
        talk = await running.join(person, agent)
        program = await program_of(running, person.user_id)
        for name in upstream.names:
            await running.contact(name)
        listed = (await program.get("/v1/models"))["data"]
        (model,) = [each for each in listed if each["name"] == agent]
        assert model["object"] == "model"
        assert talk.ghost == f"@{model['id']}:{DOMAIN}"
        assert {each["name"] for each in listed} >= set(upstream.names), "a direct chat can be opened with each agent"
        narrow = await program_of(running, person.user_id, capabilities=[Capability.ASK])
        (only,) = (await narrow.get("/v1/models"))["data"]
        assert only == model, "agents in whose rooms the person is not cannot be asked"
        assert (await narrow.get(f"/v1/models/{model['id']}")).content == model
        assert (await narrow.get(f"/v1/models/{upstream.names[1]}"))["error"]["code"] == "model_not_found"
        asked = [{"type": "message", **user("Say hello in exactly 3 words.")}]
        ignored: dict[str, Any] = {
            "store": False,
            "max_output_tokens": 1,
            "truncation": "auto",
            "unknown": {"field": 1},
        }
        basic = await program.post("/v1/responses", model=model["id"], input=asked, **ignored)
        assert basic.status == 200
        whole = checked_resource(basic.content)
        # The values that count: the room keeps what is said.
        assert (whole["store"], whole["max_output_tokens"], whole["truncation"]) == (True, None, "auto")
        assert (whole["status"], whole["model"]) == ("completed", model["id"])
        assert whole["output"][0]["content"][0]["text"] == "Echo: Say hello in exactly 3 words."
        # People see it in a thread of their room.
        (root,) = await person.wait_for(lambda: roots(talk))
        question, answer = await person.wait_for(
            lambda: found if len(found := in_thread(talk, root.event_id)) > 1 else []
        )
        assert question.versions[0][SAID_BY] == person.user_id
        assert answer.body == "Echo: Say hello in exactly 3 words."
        gate = asyncio.Event()
        upstream.script = waits_for(gate, "Counting: one, two, ", "three.")
        heard: list[str] = []
        body = {"model": agent, "input": "Count.", "stream": True}
        streaming = asyncio.create_task(program.stream("/v1/responses", body, heard=heard))
        await person.wait_for(lambda: "one, two" in "".join(heard))
        assert "three" not in "".join(heard)
        gate.set()
        events = checked_stream(await streaming)
        upstream.script = echo
        assert events[-1]["type"] == "response.completed"
        assert events[-1]["response"]["output"][0]["content"][0]["text"] == "Counting: one, two, three."
        assert len([each for each in events if each["type"].endswith("delta")]) > 1


async def test_chat_completions_and_their_streams(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    agent = upstream.names[1]
    async with harness.person() as person:
        talk = await running.join(person, agent)
        program = await program_of(running, person.user_id)
        messages = [
            {"role": "system", "content": "Be short."},
            user("first"),
            {"role": "assistant", "content": "an answer from elsewhere"},
            {"role": "user", "content": [{"type": "text", "text": "second"}]},
        ]
        upstream.usage = lambda _: {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
        path, key = "/v1/chat/completions", {"X-Chat-Key": "chat 1"}
        body: dict[str, Any] = {"model": agent, "messages": messages, "temperature": 0.5, "seed": 1}
        first = await program.request("POST", path, body=body, headers=key)
        assert (first.status, first["object"], first["choices"][0]["finish_reason"]) == (200, "chat.completion", "stop")
        assert first["choices"][0]["message"]["role"] == "assistant"
        assert first["choices"][0]["message"]["content"].endswith("second")
        assert (first["usage"]["prompt_tokens"], first["usage"]["total_tokens"]) == (7, 10)
        said = upstream.questions[-1]
        assert (
            said
            == "> **system:** Be short.\n>\n> **user:** first\n>\n> **assistant:** an answer from elsewhere\n\nsecond"
        )
        # The thread knows the conversation now: only the last message is said.
        messages += [{"role": "assistant", "content": "Echo"}, user("third")]
        body |= {"stream": True, "stream_options": {"include_usage": True}}
        text = await program.stream(path, body, headers=key)
        upstream.usage = lambda _: None
        *chunks, last = [data for _, data in lines_of(text)]
        assert last == "[DONE]"
        found = [json.loads(each) for each in chunks]
        assert {each["object"] for each in found} == {"chat.completion.chunk"}
        assert len({each["id"] for each in found}) == 1
        assert found[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
        assert found[-2]["choices"][0]["finish_reason"] == "stop"
        assert (found[-1]["choices"], found[-1]["usage"]["completion_tokens"]) == ([], 3)
        assert "".join(each["choices"][0]["delta"].get("content", "") for each in found[:-1]) == "Echo: third"
        assert upstream.questions[-1] == "third"
        await person.wait_for(lambda: len(talk.answers) == 2)
        assert len(roots(talk)) == 1
        assert len(in_thread(talk, roots(talk)[0].event_id)) == 4
        # Without a name each request begins a thread.
        await program.request("POST", path, body={"model": agent, "messages": [user("alone")]})
        await person.wait_for(lambda: len(roots(talk)) == 2)


async def test_conversations_go_on_and_requests_act_once(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    agent = upstream.names[2]
    async with harness.person() as person:
        talk = await running.join(person, agent)
        program = await program_of(running, person.user_id)
        path = "/v1/responses"
        one = await program.post(path, "key one", model=agent, input="one", instructions="Rhyme.")
        again = await program.post(path, "key one", model=agent, input="one", instructions="Rhyme.")
        assert (again.status, again["id"], again["output"]) == (200, one["id"], one["output"])
        assert (await program.post(path, "key one", model=agent, input="other")).status == 422
        two = await program.post(path, model=agent, input="two", previous_response_id=one["id"])
        assert two["previous_response_id"] == one["id"]
        three = await program.post(
            path, model=agent, input="three", previous_response_id=two["id"], instructions="Rhyme."
        )
        assert three.status == 200
        assert upstream.questions[-3:] == ["> **system:** Rhyme.\n\none", "two", "three"]
        named = [await program.post(path, model=agent, input=text, conversation="trip") for text in ("four", "five")]
        named.append(await program.post(path, model=agent, input="six", conversation={"id": "trip"}))
        assert [each.status for each in named] == [200] * 3
        assert named[-1]["conversation"] == {"id": "trip"}
        await person.wait_for(lambda: len(talk.answers) == 6)
        assert len(roots(talk)) == 2
        both = await program.post(path, model=agent, input="x", conversation="trip", previous_response_id=one["id"])
        assert (both.status, both["error"]["param"]) == (400, "previous_response_id")
        other = await program_of(running, f"@boss:{DOMAIN}")
        unknown = await other.post(path, model=agent, input="x", previous_response_id=one["id"])
        assert (unknown.status, unknown["error"]["code"]) == (404, "previous_response_not_found")


async def test_errors_have_the_form_of_the_api(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    agent = upstream.names[3]
    async with harness.person() as person:
        await running.join(person, agent)
        program = await program_of(running, person.user_id)
        path, messages = "/v1/chat/completions", [user("x")]

        async def refused(sender: Program, **body: Any) -> tuple[int, str, str, str | None]:
            answer = await sender.post(path, **({"model": agent, "messages": messages} | body))
            error = answer["error"]
            assert set(error) == {"message", "type", "code", "param"}
            return answer.status, error["type"], error["code"], error["param"]

        bad = "invalid_request_error"
        tool = {"type": "function", "function": {"name": "f"}}
        assert await refused(program, tools=[tool]) == (400, bad, "unsupported_parameter", "tools")
        assert await refused(program, n=2) == (400, bad, "unsupported_parameter", "n")
        assert await refused(program, logprobs=True) == (400, bad, "unsupported_parameter", "logprobs")
        picture = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]
        assert await refused(program, messages=picture) == (400, bad, "unsupported_parameter", "messages[0].content[0]")
        assert await refused(program, messages=[]) == (400, bad, "invalid_request", "messages")
        assert await refused(program, model="nobody at all") == (404, bad, "model_not_found", "model")
        assert await refused(program, model="@nobody:else") == (404, bad, "model_not_found", "model")
        narrow = await program_of(running, person.user_id, capabilities=[Capability.ASK])
        assert (await refused(narrow, model=upstream.names[4]))[:3] == (404, bad, "room_not_found")
        assert (await refused(replace(program, token="ab_x")))[:3] == (401, "authentication_error", "invalid_api_key")
        reader = await program_of(running, person.user_id, capabilities=[Capability.READ])
        assert (await refused(reader))[:3] == (403, "permission_error", "capability_missing")
        nobody = await program_of(running, f"@nobody:{DOMAIN}")
        assert (await refused(nobody))[:3] == (403, "permission_error", "role_missing")
        assert (await program.get(path)).status == 405
        assert not [each for each in upstream.questions if each == "x"]
        document = (await program.get("/v1/openapi.json")).content
        assert {"/v1/models", path, "/v1/responses"} <= set(document["paths"])


async def test_a_person_is_a_model(harness: BridgeHarness, running: Running, upstream: ScriptedUpstream) -> None:
    agent = upstream.names[5]
    async with harness.person() as person, harness.person() as expert:
        await running.join(person, agent)
        desk = await bot_chat(running, expert)
        program = await program_of(running, person.user_id)
        path = "/v1/chat/completions"
        body: dict[str, Any] = {"model": expert.user_id, "messages": [user("Is it done?")]}
        assert (await program.post(path, **body)).status == 404
        assert "Programs may ask you now" in (await desk.ask("reachable on")).body
        assert expert.user_id in [each["id"] for each in (await program.get("/v1/models"))["data"]]
        asking = asyncio.create_task(program.post(path, "question", **body))
        question = (await expert.wait_for(lambda: [each for each in desk.said() if "Is it done?" in each.body]))[0]
        await desk.settled()
        before = len(desk.said())
        await expert.reply(desk.room_id, question.event_id, "Yes, since *noon*.")
        answer = await asking
        assert (answer.status, answer["choices"][0]["message"]["content"]) == (200, "Yes, since *noon*.")
        assert person.user_id in question.body
        later = await program.get(f"/v1/asks/{answer['id'].removeprefix('chatcmpl-')}")
        assert (later.status, later["answers"][0]["text"]) == (200, "Yes, since *noon*.")
        # The answer is no command, and a repeat asks nobody.
        again = await program.post(path, "question", **body)
        assert again["choices"] == answer["choices"]
        assert "Programs do not ask you any more" in (await desk.ask("reachable off")).body
        assert len(desk.said()) == before + 1
        assert (await program.post(path, **body)).status == 404
        assert (await program.post(path, "question", **body)).content == answer.content


@pytest.mark.long
async def test_a_request_begins_the_direct_chat_of_a_person_and_an_agent(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    agent = upstream.names[10]
    async with harness.person() as person:
        ghost = running.homeserver.namespace.user_id((await running.contact(agent)).agent.ghost)
        program = await program_of(running, person.user_id)
        first = await program.post("/v1/responses", model=agent, input="hello", conversation="c")
        assert (first.status, first["output"][0]["content"][0]["text"]) == (200, "Echo: hello")
        # Nobody has entered the room with a client yet.
        again = await program.post("/v1/responses", model=agent, input="and", conversation="c")
        assert again["output"][0]["content"][0]["text"] == "Echo: and"
        (room_id,) = await person.wait_for(lambda: list(person.invites))
        assert (await program.post("/v1/direct", to=agent))["room_id"] == room_id
        await person.join(room_id)
        await person.wait_for(lambda: said(person, room_id, ghost, "Echo: and"))
        # One who declines is invited again by the next request.
        await person.leave(room_id)

        async def answered() -> bool:
            # The ghost leaves the former room first.
            body = {"model": agent, "input": "once more", "conversation": "c"}
            return (await program.post("/v1/responses", "once more", **body)).status == 200

        await eventually(answered, "there is another direct chat")
        await person.wait_for(lambda: set(person.invites) - {room_id})


@pytest.mark.long
async def test_a_quota_has_its_own_status(harness: BridgeHarness, running: Running, upstream: ScriptedUpstream) -> None:
    never, often = upstream.names[13], upstream.names[14]
    async with harness.person() as person:
        for agent in (never, often):
            await running.contact(agent)
        program = await program_of(running, person.user_id)
        path = "/v1/chat/completions"
        body: dict[str, Any] = {"messages": [user("x")]}
        refused = [await program.post(path, "key", model=never, **body) for _ in range(2)]
        streamed = await program.post(path, model=never, **body, stream=True)
        responses = await program.post("/v1/responses", model=never, input="x", stream=True)
        for each in (*refused, streamed, responses):
            assert (each.status, each["error"]["code"]) == (429, "insufficient_quota")
            assert each["error"]["type"] == "rate_limit_error"
            assert each.headers["x-should-retry"] == "false"
            assert "Retry-After" not in each.headers, "waiting does not help"
        soon = [await program.post(path, model=often, **body) for _ in range(3)][-1]
        assert (soon.status, soon["error"]["code"]) == (429, "insufficient_quota")
        assert 1 <= int(soon.headers["Retry-After"]) <= 60
        assert "x-should-retry" not in soon.headers


@pytest.mark.long
async def test_a_question_that_another_turn_collects_is_streamed(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    agent = upstream.names[11]
    async with harness.person("boss") as person:
        talk = await running.join(person, agent)
        await talk.say("!busy collect")
        await person.wait_for(lambda: [each for each in talk.from_bot if "together" in each.body])
        program = await program_of(running, person.user_id)
        gates = [asyncio.Event(), asyncio.Event()]
        upstream.script = waits_for(gates[0], "one ", "two.")
        heard: tuple[list[str], ...] = ([], [], [])
        body: dict[str, Any] = {"model": agent, "stream": True, "conversation": "c"}

        async def ask(at: int) -> asyncio.Task[str]:
            asking = asyncio.create_task(program.stream("/v1/responses", {**body, "input": f"q{at}"}, heard=heard[at]))
            await person.wait_for(lambda: [each for each in talk.from_bot if each.body.endswith(f"q{at}")])
            return asking

        streams = [await ask(0)]
        await person.wait_for(lambda: "one" in "".join(heard[0]))
        streams += [await ask(1), await ask(2)]
        await person.wait_for(lambda: all("response.created" in "".join(each) for each in heard))
        upstream.script = waits_for(gates[1], "three ", "four.")
        gates[0].set()
        await person.wait_for(lambda: all("three" in "".join(each) for each in heard[1:]))
        assert not any("four" in "".join(each) for each in heard)
        gates[1].set()
        found = [checked_stream(text)[-4]["text"] for text in await asyncio.gather(*streams)]
        upstream.script = echo
        assert found == ["one two.", "three four.", "three four."]


async def test_a_question_that_is_edited_gets_the_answer_to_its_new_text(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    agent = upstream.names[12]
    async with harness.person() as person:
        talk = await running.join(person, agent)
        program = await program_of(running, person.user_id)
        gate, heard = asyncio.Event(), list[str]()
        upstream.script = waits_for(gate, "the old ", "answer")
        body: dict[str, Any] = {"model": agent, "input": "old words", "stream": True}
        streaming = asyncio.create_task(
            program.stream("/v1/responses", body, headers={"Idempotency-Key": "edited"}, heard=heard)
        )
        await person.wait_for(lambda: "the old" in "".join(heard))
        (asked,) = [each for each in talk.from_bot if each.body.endswith("old words")]
        upstream.script = echo
        path = f"/v1/rooms/{talk.room_id}/messages/{asked.event_id}"
        assert (await program.request("PUT", path, body={"text": "new words"})).status == 200
        events = checked_stream(await streaming)
        gate.set()
        assert events[-1]["type"] == "response.completed"
        # A text that was sent cannot be taken back.
        assert events[-4]["text"] == "the old\n\nEcho: new words"
        again = await program.stream("/v1/responses", body, headers={"Idempotency-Key": "edited"})
        assert checked_stream(again)[-4]["text"] == "Echo: new words"


async def test_faults_of_requests_are_named_without_internals(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    async with harness.person() as person:
        program = await program_of(running, person.user_id)
        body: dict[str, Any] = {"model": upstream.names[0], "input": "x"}
        wrong: dict[str, Any] = {"input": 3, "conversation": {"id": ""}, "metadata": {"a": 1}}
        named = {"conversation": "conversation.id", "metadata": "metadata.a"}
        for field, value in wrong.items():
            answer = await program.post("/v1/responses", **(body | {field: value}))
            assert (answer.status, answer["error"]["type"]) == (400, "invalid_request_error")
            assert answer["error"]["param"] in {field, named.get(field)}
            assert not {"[", "(", "<"} & set(answer["error"]["message"])
        # Clients of the OpenAI API read why a path is unknown.
        unknown = await program.post("/v1/embeddings", **body)
        assert (unknown.status, unknown.code, unknown["error"]["code"]) == (404, "not_found", "not_found")


@pytest.mark.long
async def test_an_agent_asks_agents_within_the_budgets_of_chains(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    one, two = upstream.names[6], upstream.names[7]
    async with harness.person() as person:
        contacts = [await running.contact(name) for name in (one, two)]
        ghosts = [running.homeserver.namespace.user_id(each.agent.ghost) for each in contacts]
        program = await program_of(running, one)
        body: dict[str, Any] = {"model": two, "messages": [user("look")]}
        alone = await program.post("/v1/chat/completions", **body)
        assert (alone.status, alone["error"]["code"]) == (404, "room_not_found")
        room_id = await person.create_room(preset="private_chat", invite=[BOT, *ghosts])
        await person.wait_for(lambda: {BOT, *ghosts} <= set(person.room(room_id).members()))

        async def listed() -> list[str]:
            return [each["name"] for each in (await program.get("/v1/models"))["data"]]

        # The person may see the ghosts before the bridge has noted that they have entered.
        await eventually(listed, "a model is listed")
        assert await listed() == [two]
        first = await program.post("/v1/chat/completions", **body)
        assert first.status == 200
        assert first["choices"][0]["message"]["content"].endswith("look")
        asked = (await person.wait_for(lambda: person.room(room_id).said_by(ghosts[0])))[-1]
        await person.wait_for(lambda: person.room(room_id).said_by(ghosts[1]))
        assert asked.versions[0]["m.relates_to"]["rel_type"] == "m.thread"
        for number in range(14):
            last = await program.post("/v1/responses", model=two, input=f"again {number}", conversation="loop")
        assert (last.status, last["error"]["code"]) == (409, "nobody_answers")
        assert last.headers["x-should-retry"] == "false"


@pytest.mark.long
async def test_a_token_that_is_revoked_gets_no_answer(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    agent = upstream.names[8]
    async with harness.person() as person:
        talk = await running.join(person, agent)
        program = await program_of(running, person.user_id)
        gate, heard = asyncio.Event(), list[str]()
        upstream.script = waits_for(gate, "A secret: ", "4711.")
        body: dict[str, Any] = {"model": agent, "input": "tell", "stream": True}
        streaming = asyncio.create_task(program.stream("/v1/responses", body, heard=heard))
        waiting = asyncio.create_task(program.post("/v1/responses", model=agent, input="tell me too"))
        await person.wait_for(lambda: talk.answers)
        await running.database.execute(
            "UPDATE token SET revoked_at = now() WHERE hash = %s", (token_hash(program.token),)
        )
        gate.set()
        text, answer = await streaming, await waiting
        upstream.script = echo
        events = [json.loads(data) for _, data in lines_of(text)[:-1]]
        assert events[-1]["type"] == "response.failed"
        assert "4711" not in text
        assert (answer.status, answer["error"]["code"]) == (401, "invalid_api_key")


async def test_one_who_has_left_the_room_gets_no_answer(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    agent = upstream.names[15]
    async with harness.person() as person:
        talk = await running.join(person, agent)
        program = await program_of(running, person.user_id)
        over, heard = asyncio.Event(), list[str]()

        async def grows(_question: str) -> AsyncIterator[str]:
            yield "A secret: "
            while not over.is_set():
                await asyncio.sleep(0.1)
                yield "word "
            yield "4711."

        upstream.script = grows
        body: dict[str, Any] = {"model": agent, "input": "tell", "stream": True}
        streaming = asyncio.create_task(program.stream("/v1/responses", body, heard=heard))
        messages = [user("tell me too")]
        waiting = asyncio.create_task(program.post("/v1/chat/completions", "left", model=agent, messages=messages))
        await person.wait_for(lambda: len(talk.answers) == 2)
        await person.leave(talk.room_id)
        # The stream ends although the answer goes on.
        text = await streaming
        over.set()
        answer = await waiting
        upstream.script = echo
        events = [json.loads(data) for _, data in lines_of(text)[:-1]]
        assert (events[-1]["type"], "4711" in text) == ("response.failed", False)
        assert (answer.status, answer["error"]["code"]) == (404, "room_not_found")
        again = await program.post("/v1/chat/completions", "left", model=agent, messages=messages)
        assert "4711" not in str(again.content)


@pytest.mark.long
async def test_an_agent_asks_a_person_in_a_direct_chat(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    agent = upstream.names[9]
    async with harness.person() as expert:
        desk = await bot_chat(running, expert)
        await desk.ask("reachable on")
        program = await program_of(running, agent)
        ghost = running.homeserver.namespace.user_id((await running.contact(agent)).agent.ghost)
        before = len(upstream.questions)
        path, body = "/v1/responses", {"model": expert.user_id, "conversation": "help", "stream": True}
        first = asyncio.create_task(program.stream(path, {**body, "input": "Which port?"}))
        room_id = (await expert.wait_for(lambda: list(expert.invites)))[-1]
        await expert.join(room_id)
        asked = (await expert.wait_for(lambda: said(expert, room_id, ghost, "Which port?")))[0]
        root = asked.versions[0]["m.relates_to"]["event_id"]
        await expert.reply(room_id, asked.event_id, "8080", thread=root)
        events = checked_stream(await first)
        assert events[-1]["response"]["output"][0]["content"][0]["text"] == "8080"
        # Neither the answer nor a late word in the thread of a second question is for the agent.
        second = asyncio.create_task(program.stream(path, {**body, "input": "Which host?"}))
        again = (await expert.wait_for(lambda: said(expert, room_id, ghost, "Which host?")))[0]
        assert again.versions[0]["m.relates_to"]["event_id"] == root
        await expert.reply(room_id, root, "localhost", thread=root)
        assert "localhost" in await second
        assert len(upstream.questions) == before


def said(person: Person, room_id: str, user_id: str, text: str) -> list[Message]:
    """Return the messages of a user with *text*."""
    return [each for each in person.room(room_id).said_by(user_id) if text in each.body]

"""Agents as servers of A2A on a real Synapse, with the client of the official SDK."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import aiohttp
import httpx
import pytest
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory
from a2a.helpers.proto_helpers import new_text_part
from a2a.types import (
    CancelTaskRequest,
    GetTaskRequest,
    Message,
    Role,
    SendMessageConfiguration,
    SendMessageRequest,
    SubscribeToTaskRequest,
    Task,
    TaskState,
)
from a2a.utils.errors import A2AError, TaskNotCancelableError, TaskNotFoundError, UnsupportedOperationError

from agent_bridge.core.programs import SAID_BY, Capability, token_hash
from agent_bridge.demo.synapse import free_port
from agent_bridge.store.tokens import Tokens
from support.api_client import Answer, Program, program_of
from support.harness import DOMAIN, SHARED
from support.scripted_upstream import File, ScriptedUpstream, echo, says, until_cancelled, waits_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from a2a.client import Client

    from support.harness import BridgeHarness, Conversation, Running
    from support.postgres import Server


@pytest.fixture(scope="module")
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    """An upstream with an agent for each test."""
    async with ScriptedUpstream(*(f"peer{letter}" for letter in "abcdef")) as upstream:
        yield upstream


@pytest.fixture(scope="module")
async def running(harness: BridgeHarness, postgres: Server, upstream: ScriptedUpstream) -> AsyncIterator[Running]:
    with postgres.migrated() as url:
        there = [{"name": "u", "url": upstream.url}]
        config = harness.config(url, there, service=SHARED, api={"port": free_port()})
        async with harness.bridge(config) as running:
            yield running


@asynccontextmanager
async def client_of(program: Program, agent: str, *, streaming: bool = True) -> AsyncIterator[Client]:
    """Connect the SDK's client to *agent*, from its card."""
    headers = {"Authorization": f"Bearer {program.token}"}
    async with httpx.AsyncClient(headers=headers, timeout=60, trust_env=False) as http:
        card = await A2ACardResolver(http, f"{program.url}/a2a/{agent}").get_agent_card()
        assert card.name == agent
        client = ClientFactory(ClientConfig(streaming=streaming, httpx_client=http)).create(card)
        async with client:
            yield client


def asks(text: str, context: str = "", *, message: str = "", task: str = "", quick: bool = False) -> SendMessageRequest:
    """Return a request that sends *text*."""
    said = Message(
        message_id=message or uuid4().hex,
        role=Role.ROLE_USER,
        parts=[new_text_part(text)],
        context_id=context,
        task_id=task,
    )
    return SendMessageRequest(message=said, configuration=SendMessageConfiguration(return_immediately=quick))


async def send(client: Client, request: SendMessageRequest) -> list[Any]:
    """Return the events of the answer, each as its content."""
    return [getattr(each, str(each.WhichOneof("payload"))) async for each in client.send_message(request)]


def words(task: Task) -> list[str]:
    return [part.text for artifact in task.artifacts for part in artifact.parts]


async def test_a_task_is_a_question_in_the_room(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    agent = upstream.names[0]
    async with harness.person() as person:
        talk = await running.join(person, agent)
        program = await program_of(running, person.user_id)
        async with client_of(program, agent, streaming=False) as client:
            (task,) = await send(client, asks("hello", message="m1"))
            assert (task.status.state, words(task)) == (TaskState.TASK_STATE_COMPLETED, ["Echo: hello"])
            await talk.wait_for_answers(1)
            (said,) = [each for each in talk.room.messages.values() if each.versions[0].get(SAID_BY) == person.user_id]
            assert said.body.endswith("hello")
            # A repeat asks nobody again, and another message with the same id is refused.
            assert await send(client, asks("hello", message="m1")) == [task]
            with pytest.raises(A2AError):
                await send(client, asks("other", message="m1"))
            assert await client.get_task(GetTaskRequest(id=task.id)) == task
            (again,) = await send(client, asks("again", task.context_id))
            assert (again.context_id, words(again)) == (task.context_id, ["Echo: again"])
            # A thread is a context, too.
            (inside,) = await send(client, asks("inside", f"{talk.room_id}|{said.event_id}"))
            assert words(inside) == ["Echo: hello\n\ninside"]
            upstream.script = says(File("data:text/plain,hello", "hello.txt", "text/plain"))
            (files,) = await send(client, asks("a file"))
            upstream.script = echo
            (part,) = files.artifacts[0].parts
            assert (files.status.state, part.filename) == (TaskState.TASK_STATE_COMPLETED, "hello.txt")
            assert (part.url.partition(DOMAIN)[0], part.media_type) == ("mxc://", "text/plain")
            assert inside.context_id == f"{talk.room_id}|{said.event_id}"
            assert await client.get_task(GetTaskRequest(id=inside.id)) == inside
            await talk.wait_for_answers(4)
            with pytest.raises(UnsupportedOperationError):
                await send(client, asks("more", task=task.id))
            with pytest.raises(TaskNotFoundError):
                await client.get_task(GetTaskRequest(id="unknown"))
            with pytest.raises(TaskNotCancelableError):
                await client.cancel_task(CancelTaskRequest(id=task.id))
            for context in ("unknown", "!unknown:x"):
                with pytest.raises(A2AError):
                    await send(client, asks("hello", context))
        assert len(talk.answers) == 4


@pytest.mark.long
async def test_a_task_is_streamed_and_ends_by_a_command(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    agent, gate, over = upstream.names[1], asyncio.Event(), asyncio.Event()
    async with harness.person() as person:
        talk = await running.join(person, agent)
        program = await program_of(running, person.user_id)
        async with client_of(program, agent) as client:
            begins = asyncio.Event()
            upstream.script = waits_for(begins, "", "Hello.")
            heard = []
            async for event in client.send_message(asks("hello")):
                heard.append(getattr(event, str(event.WhichOneof("payload"))))
                # The answer cannot be complete before the stream begins.
                begins.set()
            first, artifact, end = heard
            assert first.status.state == TaskState.TASK_STATE_WORKING
            assert [part.text for part in artifact.artifact.parts] == ["Hello."]
            assert end.status.state == TaskState.TASK_STATE_COMPLETED

            upstream.script = waits_for(gate, "First ", "and last.")
            stream = client.send_message(asks("slowly"))
            task = (await anext(aiter(stream))).task
            joined = asyncio.create_task(_states(client, task.id))
            await person.wait_for(lambda: any("First" in each.body for each in talk.answers))
            gate.set()
            assert await joined == [TaskState.TASK_STATE_WORKING, TaskState.TASK_STATE_COMPLETED]
            assert words(await client.get_task(GetTaskRequest(id=task.id))) == ["First and last."]
            await talk.wait_until_idle()

            upstream.script = until_cancelled(over, "Half")
            stream = client.send_message(asks("endless"))
            task = (await anext(aiter(stream))).task
            await person.wait_for(lambda: any("Half" in each.body for each in talk.answers))
            # One that waits behind it ends at once.
            message = {"messageId": uuid4().hex, "role": "ROLE_USER", "parts": [{"text": "behind"}]}
            quick = {"returnImmediately": True}
            queued = await call(program, agent, "SendMessage", message=message, configuration=quick)
            behind = queued["result"]["task"]["id"]
            ended = await client.cancel_task(CancelTaskRequest(id=behind))
            assert ended.status.state == TaskState.TASK_STATE_CANCELED
            with pytest.raises(TaskNotCancelableError):
                await client.cancel_task(CancelTaskRequest(id=behind))
            ended = await client.cancel_task(CancelTaskRequest(id=task.id))
            upstream.script = echo
            assert ended.status.state == TaskState.TASK_STATE_CANCELED
            await asyncio.wait_for(over.wait(), 30)


async def begun(program: Program, talk: Conversation, agent: str, heard: list[str]) -> asyncio.Task[str]:
    """Ask *agent* by a stream, whose pieces *heard* gets, and wait until the answer has begun."""
    message = {"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "hello"}]}
    body = {"jsonrpc": "2.0", "id": 1, "method": "SendStreamingMessage", "params": {"message": message}}
    stream = asyncio.create_task(program.stream(f"/a2a/{agent}", body, headers={"A2A-Version": "1.0"}, heard=heard))
    await talk.person.wait_for(lambda: heard and any("First" in each.body for each in talk.answers))
    return stream


async def test_a_revoked_token_gets_no_answer(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    agent, gate, heard = upstream.names[4], asyncio.Event(), list[str]()
    tokens = Tokens(running.database, running.homeserver.namespace)
    async with harness.person() as person:
        talk = await running.join(person, agent)
        program = await program_of(running, person.user_id)
        upstream.script = waits_for(gate, "First ", "and last.")
        stream = await begun(program, talk, agent, heard)
        token = await tokens.find(token_hash(program.token))
        assert token is not None
        async with running.database.transaction() as connection:
            await tokens.revoke(connection, token.id)
        gate.set()
        assert "last" not in await asyncio.wait_for(stream, 30)
        upstream.script = echo
        await person.wait_for(lambda: talk.answers[-1].body == "First and last.")


@pytest.mark.long
async def test_a_stream_that_cannot_go_on_is_cut(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    agent, gate, heard = upstream.names[5], asyncio.Event(), list[str]()
    async with harness.person() as person:
        talk = await running.join(person, agent)
        program = await program_of(running, person.user_id)
        upstream.script = waits_for(gate, "First ", "and last.")
        stream = await begun(program, talk, agent, heard)
        await person.leave(talk.room_id)
        gate.set()
        # An end without a word would be that of a whole stream.
        with pytest.raises(aiohttp.ClientPayloadError):
            await asyncio.wait_for(stream, 30)
        upstream.script = echo
        assert "last" not in "".join(heard)


async def _states(client: Client, task_id: str) -> list[TaskState]:
    found = []
    async for each in client.subscribe(SubscribeToTaskRequest(id=task_id)):
        if each.HasField("task"):
            found.append(each.task.status.state)
        elif each.HasField("status_update"):
            found.append(each.status_update.status.state)
    return found


async def call(program: Program, agent: str, method: str, version: str = "1.0", **params: Any) -> Answer:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return await program.request("POST", f"/a2a/{agent}", body=body, headers={"A2A-Version": version})


async def test_requests_that_are_refused(harness: BridgeHarness, running: Running, upstream: ScriptedUpstream) -> None:
    agent = upstream.names[2]
    message = {"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "hello"}]}
    async with harness.person() as person, harness.person() as other:
        await running.join(person, agent)
        program = await program_of(running, person.user_id)
        stranger = await program_of(running, f"@stranger:{DOMAIN}")
        card = f"/a2a/{agent}/.well-known/agent-card.json"
        for refused, status, code in (
            (Program(program.url, ""), 401, "token_missing"),
            (Program(program.url, "ab_wrong"), 401, "token_invalid"),
            (stranger, 403, "role_missing"),
            (await program_of(running, person.user_id, capabilities=[Capability.SEND]), 403, "capability_missing"),
        ):
            for found in (await refused.get(card), await call(refused, agent, "GetTask", id="x")):
                assert (found.status, found.code) == (status, code)
        assert (await call(program, "nobody", "SendMessage", message=message)).code == "agent_not_found"
        for found, error in (
            (await call(program, agent, "SendMessage", "0.3", message=message), -32009),
            (await call(program, agent, "SendMessage", "", message=message), -32009),
            (await call(program, agent, "Dance"), -32601),
            (await call(program, agent, "ListTasks"), -32601),
            (await call(program, agent, "SendMessage"), -32602),
            (await call(program, agent, "SendMessage", message={**message, "parts": []}), -32602),
            (await call(program, agent, "SendMessage", message={**message, "messageId": ""}), -32602),
            (await call(program, agent, "SendMessage", message={**message, "parts": [{"raw": "AA=="}]}), -32005),
            (await call(program, agent, "SendMessage", message={**message, "parts": [{"text": " "}]}), -32602),
            (
                await call(program, agent, "SendMessage", message={**message, "parts": [{"text": "half \ud83d"}]}),
                -32602,
            ),
            (await call(program, agent, "SendMessage", message={**message, "parts": [{"data": "\ud83d"}]}), -32602),
            (await call(program, agent, "GetTask", id=7), -32602),
            (
                await program.request("POST", f"/a2a/{agent}", data=b"{", headers={"Content-Type": "application/json"}),
                -32700,
            ),
            (
                await program.request(
                    "POST", f"/a2a/{agent}", data=b"[]", headers={"Content-Type": "application/a2a+json"}
                ),
                -32600,
            ),
        ):
            assert (found.status, found["error"]["code"]) == (200, error)
        # Somebody else's task does not exist.
        asked = await call(program, agent, "SendMessage", message=message)
        theirs = await program_of(running, other.user_id)
        found = await call(theirs, agent, "GetTask", id=asked["result"]["task"]["id"])
        assert found["error"]["code"] == -32001
        # Who is not in the room of the agent does not reach it, and so it is with other agents.
        peer = await program_of(running, upstream.names[3])
        for outside in (theirs, peer):
            found = await call(outside, agent, "SendMessage", message=message)
            assert found["error"]["code"] == -32602

from __future__ import annotations

import base64
import json
import shlex
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from PIL import Image

from agent_bridge.config.upstreams import UpstreamConfig
from agent_bridge.core.transcript import ChatMessage
from agent_bridge.demo.agents.characters import ARCHIVIST, SCEPTIC, STORYTELLER, THINKER, Talk
from agent_bridge.demo.agents.upstream import DemoAgent, DemoUpstream
from agent_bridge.upstream.answer import AnswerRequest, FileDelta, ReasoningDelta, TextDelta
from agent_bridge.upstream.conversation_store import MemoryConversations
from agent_bridge.upstream.registry import make_upstream
from support.answers import without_start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


NAMES = ["Edda", "Quill", "Murphy", "Ada", "Iris"]


@pytest.fixture
async def upstream() -> AsyncIterator[DemoUpstream]:
    async with DemoUpstream(pace=0.01) as server:
        yield server


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def agent(upstream: DemoUpstream, name: str) -> DemoAgent:
    [found] = [agent for agent in upstream.agents if agent.name == name]
    return found


def question(model: str, *texts: str, stream: bool = False) -> dict[str, Any]:
    messages = [{"role": "user", "content": text} for text in texts]
    return {"model": model, "messages": messages, "stream": stream}


def config(upstream: DemoUpstream) -> UpstreamConfig:
    return UpstreamConfig.model_validate({"name": "demo", "url": upstream.api_url})


def to(upstream: DemoUpstream, name: str, text: str) -> AnswerRequest:
    return AnswerRequest(agent(upstream, name).id, (ChatMessage("user", text),), session="s", idempotency_key="k")


async def events(response: aiohttp.ClientResponse) -> list[Any]:
    """Read the events of *response* up to its end or its cut; the last is None after a cut."""
    found: list[Any] = []
    try:
        async for line in response.content:
            if line.startswith(b"data: "):
                data = line.removeprefix(b"data: ").strip()
                found.append("[DONE]" if data == b"[DONE]" else json.loads(data))
    except aiohttp.ClientPayloadError:
        found.append(None)
    return found


def text(chunks: list[Any]) -> str:
    return "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)


async def test_it_lists_its_agents_whose_ids_are_the_same_each_time(
    upstream: DemoUpstream, http: aiohttp.ClientSession
) -> None:
    async with http.get(f"{upstream.api_url}/models") as response:
        listed = await response.json()
    assert listed["object"] == "list"
    assert [model["name"] for model in listed["data"]] == NAMES
    for model in listed["data"]:
        assert set(model) == {"id", "object", "created", "owned_by", "name"}
        assert model["id"].startswith("agent-")
    assert [model["id"] for model in listed["data"]] == [again.id for again in DemoUpstream().agents]


@pytest.mark.parametrize("name", NAMES)
async def test_an_answer_is_the_same_streamed_and_whole(
    upstream: DemoUpstream, http: aiohttp.ClientSession, name: str
) -> None:
    asked = agent(upstream, name)
    ask = question(asked.id, "Good morning", "Do you know the sea?")
    async with http.post(f"{upstream.api_url}/chat/completions", json=ask) as response:
        whole = await response.json()
    assert whole["object"] == "chat.completion"
    assert whole["choices"][0]["finish_reason"] == "stop"
    answer = whole["choices"][0]["message"]["content"]
    assert answer == asked.character.answer(Talk("Do you know the sea?", ("Good morning",)))

    async with http.post(f"{upstream.api_url}/chat/completions", json=ask | {"stream": True}) as response:
        assert response.content_type == "text/event-stream"
        *chunks, done = await events(response)
    assert done == "[DONE]"
    assert text(chunks) == answer
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert reasons == [None] * (len(chunks) - 1) + ["stop"]
    assert len(chunks) > 10
    assert {chunk["model"] for chunk in chunks} == {asked.id}


async def test_without_pace_an_answer_comes_in_one_piece(http: aiohttp.ClientSession) -> None:
    async with DemoUpstream(pace=0) as upstream:
        ask = question(agent(upstream, "Edda").id, "Hello", stream=True)
        async with http.post(f"{upstream.api_url}/chat/completions", json=ask) as response:
            chunks = await events(response)
    assert len(chunks) == 4  # role, text, end, [DONE]
    assert text(chunks[1:2]) == STORYTELLER.answer(Talk("Hello"))


async def test_ada_thinks_before_she_speaks(upstream: DemoUpstream, http: aiohttp.ClientSession) -> None:
    asked = make_upstream(config(upstream), http, MemoryConversations())
    deltas = without_start([delta async for delta in asked.answer(to(upstream, "Ada", "What is time?"))])
    thoughts = [delta.text for delta in deltas if isinstance(delta, ReasoningDelta)]
    words = [delta.text for delta in deltas if isinstance(delta, TextDelta)]
    assert len(thoughts) > 10
    assert "".join(thoughts) == THINKER.thoughts(Talk("What is time?"))
    assert "".join(words) == THINKER.answer(Talk("What is time?"))
    assert deltas[len(thoughts) : -1] == [TextDelta(word) for word in words]


async def test_iris_paints(upstream: DemoUpstream, http: aiohttp.ClientSession) -> None:
    asked = make_upstream(config(upstream), http, MemoryConversations())
    deltas = [delta async for delta in asked.answer(to(upstream, "Iris", "a red boat"))]
    [picture] = [delta for delta in deltas if isinstance(delta, FileDelta)]
    assert picture.content_type == "image/png"
    with Image.open(BytesIO(base64.b64decode(picture.url.partition(",")[2]))) as image:
        assert image.format == "PNG"
        colours = {image.getpixel((x, 0)) for x in range(image.width)}
    assert len(colours) >= 3


async def test_murphy_fails_on_request(upstream: DemoUpstream, http: aiohttp.ClientSession) -> None:
    ask = question(agent(upstream, "Murphy").id, "Please FAIL.")
    async with http.post(f"{upstream.api_url}/chat/completions", json=ask) as response:
        assert response.status == 500
        failure = await response.json()
    assert failure["error"]["code"] == "agent_failed"

    async with http.post(f"{upstream.api_url}/chat/completions", json=ask | {"stream": True}) as response:
        assert response.status == 200
        *chunks, last = await events(response)
    assert text(chunks)
    assert last == failure


async def test_murphy_hangs_up_on_request(upstream: DemoUpstream, http: aiohttp.ClientSession) -> None:
    ask = question(agent(upstream, "Murphy").id, "now cut it")
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await http.post(f"{upstream.api_url}/chat/completions", json=ask)
    async with http.post(f"{upstream.api_url}/chat/completions", json=ask | {"stream": True}) as response:
        *chunks, last = await events(response)
    assert text(chunks)
    assert last is None


async def test_agents_are_made_renamed_and_deleted_over_http(
    upstream: DemoUpstream, http: aiohttp.ClientSession
) -> None:
    async with http.post(f"{upstream.url}/agents", json={"name": " Nora ", "character": "archivist"}) as response:
        assert response.status == 201
        made = await response.json()
    assert upstream.agents[-1].name == "Nora"
    assert upstream.agents[-1].character is ARCHIVIST

    async with http.patch(f"{upstream.url}/agents/{made['id']}", json={"name": "Norma"}) as response:
        assert response.status == 200
        assert await response.json() == made | {"name": "Norma"}
    assert agent(upstream, "Norma").id == made["id"]

    async with http.delete(f"{upstream.url}/agents/{made['id']}") as response:
        assert response.status == 204
    assert [found.name for found in upstream.agents] == NAMES


async def test_agents_are_made_renamed_and_deleted_in_python() -> None:
    upstream = DemoUpstream(empty=True)
    made = upstream.add("Nora")
    assert made.character is SCEPTIC
    renamed = upstream.rename(made.id, "Norma")
    assert list(upstream.agents) == [renamed]
    assert renamed == replace(made, name="Norma")
    upstream.remove(made.id)
    assert list(upstream.agents) == []
    for change in (lambda: upstream.rename(made.id, "x"), lambda: upstream.remove(made.id)):
        with pytest.raises(KeyError):
            change()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "param", "code"),
    [
        ("POST", "/v1/chat/completions", question("nobody", "hi"), 404, "model", "model_not_found"),
        ("POST", "/v1/chat/completions", question("nobody", "hi", stream=True), 404, "model", "model_not_found"),
        ("POST", "/v1/chat/completions", {"model": ["x"]}, 404, "model", "model_not_found"),
        ("POST", "/v1/chat/completions", {"model": "EDDA"}, 400, "messages", None),
        ("POST", "/v1/chat/completions", {"model": "EDDA", "messages": ["hi"]}, 400, "messages", None),
        ("POST", "/v1/chat/completions", question("EDDA"), 400, "messages", None),
        ("POST", "/v1/chat/completions", [], 400, None, None),
        ("POST", "/agents", {}, 400, "name", None),
        ("POST", "/agents", {"name": "  "}, 400, "name", None),
        ("POST", "/agents", {"name": "Nora", "character": "poet"}, 400, "character", None),
        ("PATCH", "/agents/nobody", {"name": "Nora"}, 404, "model", "model_not_found"),
        ("PATCH", "/agents/EDDA", {"name": 5}, 400, "name", None),
        ("DELETE", "/agents/nobody", None, 404, "model", "model_not_found"),
    ],
)
async def test_a_bad_request_gets_an_error_in_the_shape_of_the_api(
    upstream: DemoUpstream,
    http: aiohttp.ClientSession,
    method: str,
    path: str,
    body: Any,
    status: int,
    param: str | None,
    code: str | None,
) -> None:
    edda = agent(upstream, "Edda").id
    if isinstance(body, dict) and body.get("model") == "EDDA":
        body = body | {"model": edda}
    async with http.request(method, upstream.url + path.replace("EDDA", edda), json=body) as response:
        assert response.status == status
        error = (await response.json())["error"]
    assert error["message"]
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)


async def test_a_body_that_is_not_json_is_refused(upstream: DemoUpstream, http: aiohttp.ClientSession) -> None:
    async with http.post(f"{upstream.api_url}/chat/completions", data=b"{") as response:
        assert response.status == 400
        assert (await response.json())["error"]["message"] == "the body is not JSON"


async def test_text_in_parts_is_understood(upstream: DemoUpstream, http: aiohttp.ClientSession) -> None:
    parts = [{"type": "text", "text": "two "}, {"type": "image_url"}, {"type": "text", "text": "parts"}]
    murphy = agent(upstream, "Murphy")
    ask = {"model": murphy.id, "messages": [{"role": "user", "content": parts}]}
    async with http.post(f"{upstream.api_url}/chat/completions", json=ask) as response:
        answer = (await response.json())["choices"][0]["message"]["content"]
    assert answer == SCEPTIC.answer(Talk("two parts"))


async def test_the_welcome_tells_how_to_rename_with_curl(upstream: DemoUpstream, http: aiohttp.ClientSession) -> None:
    edda = agent(upstream, "Edda")
    async with http.get(upstream.url) as response:
        lines = (await response.text()).splitlines()
    assert any(edda.id in line and "Edda" in line for line in lines)
    commands = [shlex.split(line) for line in lines if line.strip().startswith("curl")]
    [rename] = [command for command in commands if "PATCH" in command]
    assert rename[3] == f"{upstream.url}/agents/{edda.id}"
    async with http.patch(rename[3], data=rename[-1]) as response:
        assert response.status == 200
    assert agent(upstream, json.loads(rename[-1])["name"]).id == edda.id


async def test_leaving_does_not_wait_for_an_answer_that_is_under_way(http: aiohttp.ClientSession) -> None:
    async with DemoUpstream(pace=100) as upstream:
        ask = question(agent(upstream, "Edda").id, "Hello", stream=True)
        response = await http.post(f"{upstream.api_url}/chat/completions", json=ask)
        await response.content.readline()
    async with response:
        *_, last = await events(response)
    assert last is None

"""Programs are agents: they register, take questions and reply through the API, on a real Synapse."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.demo.synapse import free_port
from support.api_client import Answer, Program, program_of
from support.conditions import eventually
from support.harness import DOMAIN, SHARED
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.config.model import Config
    from support.harness import BridgeHarness, Running
    from support.postgres import Server

BOSS = f"@boss:{DOMAIN}"


@pytest.fixture(scope="module")
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream("Ada") as upstream:
        yield upstream


@pytest.fixture(scope="module")
async def config(harness: BridgeHarness, postgres: Server, upstream: ScriptedUpstream) -> AsyncIterator[Config]:
    with postgres.migrated() as url:
        permissions = {DOMAIN: "member", BOSS: "owner"}
        there = [{"name": "u", "url": upstream.url}]
        clients = {"max_agents": 4}
        yield harness.config(url, there, service=SHARED, permissions=permissions, clients=clients, presence=None)


@pytest.fixture(scope="module")
async def running(harness: BridgeHarness, config: Config) -> AsyncIterator[Running]:
    async with harness.bridge(config) as running:
        yield running


async def register(boss: Program, name: str, key: str | None = None, **more: object) -> tuple[Answer, Program]:
    answer = await boss.post("/v1/agents", key, name=name, **more)
    assert answer.status == 201, answer.content
    return answer, Program(boss.url, answer["token"])


async def test_a_program_is_an_agent(harness: BridgeHarness, running: Running) -> None:
    boss = await program_of(running, BOSS)
    made, crawler = await register(boss, "Crawler", "key-1", description="reads the web")
    again, _ = await register(boss, "Crawler", "key-1", description="reads the web")
    assert (again.content, again.headers.get("Idempotent-Replayed")) == (made.content, "true")
    me = await crawler.get("/v1/me")
    assert (me["user_id"], me["is_agent"], me["role"]) == (made["user_id"], True, "agent")
    async with harness.person("bob") as bob:
        talk = await running.join(bob, "Crawler")
        assert talk.room_id == made["room_id"]
        waiting = asyncio.create_task(crawler.get("/v1/inbox", wait=30))
        said = await talk.say("Read *example.org*!")
        (question,) = (await waiting)["questions"]
        assert question["text"] == "Read *example.org*!"
        assert (question["sender"], question["event_id"]) == (bob.user_id, said)
        # A program that was killed gets the question again.
        assert (await crawler.get("/v1/inbox"))["questions"] == [question]
        path = f"/v1/inbox/{question['id']}/reply"
        assert (await boss.post(path, text="Not mine")).code == "agents_only"
        results = [await crawler.post(path, text="It is an **example**.") for _ in range(2)]
        assert [each["is_new"] for each in results] == [True, False]
        assert (await crawler.post(path, text="Something else")).code == "question_over"
        (answer,) = await talk.wait_for_answers(1)
        assert (answer.body, answer.sender) == ("It is an example.", made["user_id"])
        assert (await crawler.get("/v1/inbox"))["questions"] == []
        seen = [each for each in (await boss.get("/v1/who"))["users"] if each["user_id"] == made["user_id"]]
        assert [(each["name"], each["bio"], each["is_agent"]) for each in seen] == [("Crawler", "reads the web", True)]


async def test_who_may_register(harness: BridgeHarness, running: Running, upstream: ScriptedUpstream) -> None:
    boss = await program_of(running, BOSS, name="second")
    _, spider = await register(boss, "Spider", ephemeral=True)
    async with harness.person("bob") as bob:
        program = await program_of(running, bob.user_id)
        refused: list[tuple[Any, str]] = [
            (await program.post("/v1/agents", name="Mine"), "role_missing"),
            (await spider.post("/v1/agents", name="Mine"), "capability_missing"),
            (await boss.post("/v1/agents", name="spider"), "name_taken"),
            (await boss.post("/v1/agents", name="\u200b\n"), "invalid_request"),
            (await boss.post("/v1/agents", name="x" * 81), "invalid_request"),
            (await boss.get("/v1/inbox"), "agents_only"),
            (await (await program_of(running, upstream.names[0])).get("/v1/inbox"), "agents_only"),
            (await spider.post("/v1/inbox/999/reply", text="x"), "question_over"),
            (await spider.post("/v1/inbox/x/reply", text="x"), "question_over"),
            (await program.request("DELETE", "/v1/agents/Spider"), "role_missing"),
            (await boss.request("DELETE", f"/v1/agents/{upstream.names[0]}"), "agent_not_found"),
        ]
        assert [answer.code for answer, _ in refused] == [code for _, code in refused]
        changed = await spider.request("PATCH", "/v1/agents/Spider", body={"name": "Spinner"})
        assert changed.status == 200
        await eventually(lambda: _is_named(running, "Spinner"), "the agent has its new name")
        _, _ = await register(boss, "Third"), await register(boss, "Fourth")
        assert (await boss.post("/v1/agents", name="Fifth")).code in {"too_many_agents", "name_taken"}
        assert (await boss.request("DELETE", "/v1/agents/Spinner")).status == 200
        await eventually(lambda: _is_refused(spider), "the token of the removed agent is of no use")


async def _is_named(running: Running, name: str) -> bool:
    return (await running.contact(name)).agent.name == name


async def _is_refused(program: Program) -> bool:
    return (await program.get("/v1/inbox")).code == "agent_at_rest"


async def test_an_agent_is_online_while_it_is_connected(
    harness: BridgeHarness, running: Running, config: Config
) -> None:
    other = config.model_copy(update={"appservice": config.appservice.model_copy(update={"port": free_port()})})
    boss = await program_of(running, BOSS, name="third")
    crawler_id = next(each["user_id"] for each in (await boss.get("/v1/who"))["users"] if each["name"] == "Crawler")
    agent = await program_of(running, "Crawler", name="again")
    async with harness.bridge(other):
        waiting = asyncio.create_task(agent.at(other.appservice.url).get("/v1/inbox", wait=30))
        await eventually(lambda: _is_online(running, crawler_id), "the agent is online")
        waiting.cancel()
        await asyncio.wait([waiting])


async def _is_online(running: Running, user_id: str) -> bool:
    found = await running.homeserver.presence_of(user_id)
    return found.get("presence") == "online"

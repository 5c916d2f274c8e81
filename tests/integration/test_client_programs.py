"""Programs are agents: they register, take questions and reply through the API, on a real Synapse."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.core.programs import Capability
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
        clients = {"max_agents": 5}
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


async def test_the_own_profile(harness: BridgeHarness, running: Running, upstream: ScriptedUpstream) -> None:
    boss = await program_of(running, BOSS, name="watcher")
    _, dove = await register(boss, "Dove")
    ada = await program_of(running, upstream.names[0], name="profile")
    shared = await dove.request(
        "POST",
        "/v1/rooms/Dove/files",
        data=b"a picture",
        query={"name": "me"},
        headers={"Content-Type": "text/plain"},
    )
    given = {"bio": "reads *all*", "status_text": "on page 7", "avatar_url": shared["url"], "online": True}
    changed = [await dove.request("PATCH", "/v1/me", body=given, key="one") for _ in range(2)]
    assert {each.status for each in changed} == {200}, changed[0].content
    me = (await dove.get("/v1/me")).content
    assert changed[0].content == me
    assert {key: me[key] for key in given} == given
    user_id = me["user_id"]
    assert await running.homeserver.avatar(user_id) == shared["url"]
    found = await running.homeserver.presence_of(user_id)
    assert (found["presence"], found["status_msg"]) == ("online", "on page 7")

    async def seen(user: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = (await boss.get("/v1/who"))["users"]
        return next(each for each in found if each["user_id"] == user)

    shown = await seen(user_id)
    assert (shown["bio"], shown["status_text"], shown["online"]) == ("reads *all*", "on page 7", True)
    away = await dove.request("PATCH", "/v1/me", body={"online": False, "status_text": ""})
    assert (away["online"], away["status_text"], away["bio"]) == (False, None, "reads *all*")
    assert (await running.homeserver.presence_of(user_id))["presence"] == "unavailable"
    # The agent of a server has its name from there; how it is shown is its own.
    hidden = await ada.request("PATCH", "/v1/me", body={"online": False, "status_text": "counting"})
    assert hidden.status == 200
    found = await running.homeserver.presence_of(hidden["user_id"])
    assert (found["presence"], found["status_msg"]) == ("unavailable", "counting")
    async with harness.person("bob") as bob, harness.person("boss") as person:
        for each in (bob, person):
            await running.join(each, upstream.names[0])
        program = await program_of(running, bob.user_id)
        told = await program.request("PATCH", "/v1/me", body={"bio": "paints\nhouses", "status_text": "on the roof"})
        assert (told["bio"], told["status_text"], told["online"]) == ("paints houses", "on the roof", None)
        await program.request("PATCH", "/v1/me", body={"bio": ""})
        found = await seen(bob.user_id)
        assert (found["bio"], found["status_text"]) == (None, "on the roof")
        stranger = await program_of(running, f"@nobody:{DOMAIN}", name="stranger", capabilities=[Capability.READ])
        refused = [
            (await program.request("PATCH", "/v1/me", body={"online": True}), "profile_not_ours"),
            (await program.request("PATCH", "/v1/me", body={"name": "Bobby", "bio": "x"}), "profile_not_ours"),
            (await ada.request("PATCH", "/v1/me", body={"name": "Eva"}), "profile_not_ours"),
            (await ada.request("PATCH", "/v1/me", body={"bio": "x"}), "profile_not_ours"),
            (await dove.request("PATCH", "/v1/me", body={"avatar_url": "https://x/y"}), "invalid_request"),
            (await dove.request("PATCH", "/v1/me", body={"role": "owner"}), "invalid_request"),
            (await stranger.request("PATCH", "/v1/me", body={"bio": "x"}), "capability_missing"),
        ]
        assert [answer.code for answer, _ in refused] == [code for _, code in refused]
        assert (await program.get("/v1/me"))["bio"] is None


@pytest.mark.long
async def test_who_may_register(harness: BridgeHarness, running: Running, upstream: ScriptedUpstream) -> None:
    boss = await program_of(running, BOSS, name="second")
    _, spider = await register(boss, "Spider", ephemeral=True)
    await register(boss, "Third")
    async with harness.person("bob") as bob:
        program = await program_of(running, bob.user_id)
        refused: list[tuple[Any, str]] = [
            (await program.post("/v1/agents", name="Mine"), "role_missing"),
            (await spider.post("/v1/agents", name="Mine"), "capability_missing"),
            (await boss.post("/v1/agents", name="spider"), "name_taken"),
            (await boss.post("/v1/agents", name=upstream.names[0].upper()), "name_taken"),
            (await spider.request("PATCH", "/v1/me", body={"name": "third"}), "name_taken"),
            (await boss.request("PATCH", "/v1/agents/Spider", body={"name": upstream.names[0]}), "name_taken"),
            (await boss.post("/v1/agents", name="\u200b\n"), "invalid_request"),
            (await boss.post("/v1/agents", name="x" * 81), "invalid_request"),
            (await boss.get("/v1/inbox"), "agents_only"),
            (await (await program_of(running, upstream.names[0])).get("/v1/inbox"), "agents_only"),
            (await spider.post("/v1/inbox/999/reply", text="x"), "question_not_found"),
            (await spider.post("/v1/inbox/x/reply", text="x"), "question_not_found"),
            (await program.request("DELETE", "/v1/agents/Spider"), "role_missing"),
            (await boss.request("DELETE", f"/v1/agents/{upstream.names[0]}"), "agent_not_found"),
        ]
        assert [answer.code for answer, _ in refused] == [code for _, code in refused]
        # A token that is limited to rooms makes no unlimited one, and does not manage what is outside of its rooms.
        limited = await program_of(running, BOSS, name="limited", rooms=["!elsewhere:test.local"])
        assert (await limited.post("/v1/agents", name="Free")).code == "room_not_found"
        assert (await limited.request("DELETE", "/v1/agents/Spider")).code == "agent_not_found"
        assert (await limited.request("PATCH", "/v1/agents/Spider", body={"name": "x"})).code == "agent_not_found"
        changed = await spider.request("PATCH", "/v1/agents/Spider", body={"name": "Spinner"})
        assert changed.status == 200
        await eventually(lambda: _is_named(running, "Spinner"), "the agent has its new name")
        # The tests before this one may have left an agent.
        answers = [await boss.post("/v1/agents", name=f"More {number}") for number in range(4)]
        assert answers[-1].code == "too_many_agents"
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

"""The MCP server on a real Synapse: agents of other programs act in rooms by tools."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from agent_bridge.core.programs import SAID_BY
from agent_bridge.demo.synapse import free_port
from agent_bridge.store.tokens import Tokens
from support.api_client import Program, program_of
from support.harness import DOMAIN, SHARED
from support.mcp_client import LEGACY, MODERN, tools_of
from support.scripted_upstream import ScriptedUpstream, echo, waits_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.config.model import Config
    from support.harness import BridgeHarness, Running
    from support.mcp_client import Tools
    from support.postgres import Server

BOSS = f"@boss:{DOMAIN}"


@pytest.fixture(scope="module")
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    """An upstream with an agent for each test."""
    async with ScriptedUpstream(*(f"agent{letter}" for letter in "abcdef")) as upstream:
        yield upstream


@pytest.fixture(scope="module")
async def config(harness: BridgeHarness, postgres: Server, upstream: ScriptedUpstream) -> AsyncIterator[Config]:
    permissions: dict[str, str] = {DOMAIN: "member", BOSS: "owner"}
    there = [{"name": "u", "url": upstream.url}]
    with postgres.migrated() as url:
        yield harness.config(url, there, service=SHARED, permissions=permissions, api={"port": free_port()})


@pytest.fixture(scope="module")
async def running(harness: BridgeHarness, config: Config) -> AsyncIterator[Running]:
    async with harness.bridge(config) as running:
        yield running


async def asks_and_reads(harness: BridgeHarness, running: Running, agent: str, mode: str) -> None:
    """Ask an agent by tools, and check the room in the client of a person."""
    async with harness.person() as person:
        talk = await running.join(person, agent)
        program = await program_of(running, person.user_id)
        async with tools_of(program, mode) as tools:
            asked = await tools.call("ask", to=agent, text="how are you?", idempotency_key="one")
            assert asked["is_complete"] is True
            (answer,) = asked["answers"]
            assert (answer["status"], answer["text"]) == ("answered", "Echo: how are you?")
            assert await tools.call("ask", to=agent, text="how are you?", idempotency_key="one") == asked
            assert await tools.code("ask", to=agent, text="and now?", idempotency_key="one") == "idempotency_key_reused"
            assert await tools.call("ask", handle=asked["handle"]) == asked
            (shown,) = await talk.wait_for_answers(1)
            assert shown.event_id == answer["event_ids"][0]
            (said,) = [each for each in talk.from_bot if SAID_BY in each.versions[0]]
            assert (said.versions[0][SAID_BY], said.event_id) == (person.user_id, asked["event_id"])
            read = await tools.call("read", room=agent)
            assert [each["text"] for each in read["messages"]][-2:] == ["how are you?", "Echo: how are you?"]
            found = await tools.call("read", q="HOW are")
            assert said.event_id in [each["event_id"] for each in found["messages"]]
            reacted = await tools.call("react", room=agent, event_id=shown.event_id, key="👍")
            assert reacted["room_id"] == talk.room_id
            (seen,) = [each for each in (await tools.call("who"))["users"] if each["user_id"] == talk.ghost]
            assert (seen["is_agent"], seen["room_id"]) == (True, talk.room_id)
            assert talk.room_id in [each["room_id"] for each in (await tools.call("me", list_rooms=True))["in_rooms"]]
        rows = await running.database.rows(
            "SELECT r.action FROM api_request r JOIN token t ON t.id = r.token WHERE t.person = %s ORDER BY r.id",
            (person.user_id,),
        )
        assert [row["action"] for row in rows] == ["mcp ask", "mcp react"]


async def test_an_agent_is_asked_by_tools(harness: BridgeHarness, running: Running, upstream: ScriptedUpstream) -> None:
    await asks_and_reads(harness, running, upstream.names[0], MODERN)


@pytest.mark.long
async def test_an_agent_is_asked_after_the_older_handshake(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    await asks_and_reads(harness, running, upstream.names[1], LEGACY)


@pytest.mark.long
async def test_files_chats_and_long_answers(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    agent = upstream.names[2]
    async with harness.person() as person:
        talk = await running.join(person, agent)
        program = await program_of(running, person.user_id)
        async with tools_of(program) as tools:
            for number, content in enumerate(({"text": "a,b"}, {"base64": base64.b64encode(b"a,b").decode()})):
                given: dict[str, Any] = {"room": agent, "name": "table.csv", "content_type": "text/csv", **content}
                shared = await tools.call("share_file", **given, idempotency_key=f"file {number}")
                assert await person.download(shared["url"]) == b"a,b"
            large = base64.b64encode(b"x" * (1024 * 1024 + 1)).decode()
            assert await tools.code("share_file", room=agent, name="x", base64=large) == "file_too_large"
            made = await tools.call("create_chat", agent=agent, title="Plans", idempotency_key="chat")
            assert (await tools.call("create_chat", agent=agent, title="Plans", idempotency_key="chat")) == made
            await talk.wait_until_idle()
            gate = asyncio.Event()
            upstream.script = waits_for(gate, "First ", "and last.")
            late = await tools.call("ask", to=agent, text="and now?", timeout=0)
            assert (late["is_complete"], late["answers"][0]["status"]) == (False, "working")
            other = await program_of(running, BOSS)
            async with tools_of(other) as others:
                assert await others.code("ask", handle=late["handle"]) == "handle_not_found"
                assert await others.code("read", room=made["room_id"]) == "room_not_found"
            waiting = asyncio.create_task(tools.call("ask", handle=late["handle"]))
            gate.set()
            done = await waiting
            upstream.script = echo
            assert done["answers"][0]["text"] == "First and last."


@pytest.mark.long
async def test_a_token_is_revoked_while_a_tool_waits(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    agent = upstream.names[3]
    async with harness.person() as person:
        await running.join(person, agent)
        program = await program_of(running, person.user_id)
        gate = asyncio.Event()
        async with tools_of(program) as tools:
            before = len(upstream.questions)
            upstream.script = waits_for(gate, "First ", "and last.")
            waiting = asyncio.create_task(tools.code("ask", to=agent, text="and now?"))
            await person.wait_for(lambda: len(upstream.questions) > before)
            async with running.database.transaction() as connection:
                rows = await running.database.rows("SELECT id FROM token WHERE person = %s", (person.user_id,))
                await Tokens(running.database, running.homeserver.namespace).revoke(connection, rows[0]["id"])
            gate.set()
            assert await waiting == "token_invalid"
            upstream.script = echo


async def test_two_programs_talk_by_tools(harness: BridgeHarness, running: Running) -> None:
    boss = await program_of(running, BOSS)
    async with tools_of(boss, MODERN) as bosses, harness.person() as person:
        made = await bosses.call("register_agent", name="Crawler", description="reads", idempotency_key="crawler")
        assert (
            await bosses.call("register_agent", name="Crawler", description="reads", idempotency_key="crawler") == made
        )
        talk = await running.join(person, "Crawler")
        program = await program_of(running, person.user_id)
        async with tools_of(Program(boss.url, made["token"]), MODERN) as crawlers, tools_of(program, MODERN) as tools:
            assert (await crawlers.call("me"))["user_id"] == made["user_id"]
            asking = asyncio.create_task(tools.call("ask", to="Crawler", text="Read *example.org*!"))
            (question,) = (await crawlers.call("inbox", wait=40))["questions"]
            assert (question["text"], question["sender"]) == ("Read *example.org*!", person.user_id)
            assert await crawlers.code("reply", question=question["id"] + 1000, text="x") == "question_not_found"
            assert await crawlers.call("reply", question=question["id"], text="It is an **example**.") == {
                "is_new": True
            }
            asked = await asking
            assert asked["answers"][0]["text"] == "It is an **example**."
            (answer,) = await talk.wait_for_answers(1)
            assert (answer.body, answer.sender) == ("It is an example.", made["user_id"])
            assert (await crawlers.call("inbox"))["questions"] == []
            assert await bosses.code("inbox") == "agents_only"
            # Loops end: an agent asks others in rooms of several alone, within the budgets of chains.
            assert await crawlers.code("ask", to="Crawler", text="Who am I?") == "nobody_answers"


async def test_agents_and_people_work_together_by_tools(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    agent = upstream.names[4]
    async with harness.person() as person, harness.person() as guest:
        talk = await running.join(person, agent)
        program, worker = await program_of(running, person.user_id), await program_of(running, agent)
        outside = await program_of(running, guest.user_id)
        async with (
            tools_of(program, MODERN) as tools,
            tools_of(worker, MODERN) as workers,
            tools_of(outside, MODERN) as others,
        ):
            made = await tools.call("task_create", room=agent, title="Write the report", idempotency_key="report")
            assert (
                await tools.call("task_create", room=agent, title="Write the report", idempotency_key="report") == made
            )
            number = made["number"]
            assert (made["state"], made["creator"], made["room_id"]) == ("submitted", person.user_id, talk.room_id)
            assert [each["number"] for each in (await workers.call("tasks", room=talk.room_id))["tasks"]] == [number]
            claims = await asyncio.gather(
                *(
                    each.client.call_tool("task_update", {"task": number, "action": "claim"})
                    for each in (tools, workers)
                )
            )
            assert sorted(bool(each.is_error) for each in claims) == [False, True]
            winner, loser = (tools, workers) if not claims[0].is_error else (workers, tools)
            problem = await loser.problem("task_update", task=number, action="claim")
            assert (problem["code"], problem["reason"]) == ("task_refused", "taken")
            assert (await loser.problem("task_update", task=number, progress=5, state="working"))[
                "reason"
            ] == "not_yours"
            assert (await winner.call("task_update", task=number, progress=50))["progress"] == 50
            part = await winner.call("task_create", room=talk.room_id, title="Read", parent=number)
            assert part["parent"] == number
            assert (await winner.problem("task_update", task=number, state="completed"))["reason"] == "open_subtasks"
            assert (await winner.call("task_update", task=number, action="assign", assignee=agent))["assignee"] == (
                talk.ghost
            )
            back = await tools.call("task_update", task=number, action="assign", assignee=made["creator"])
            assert back["assignee"] == person.user_id
            await tools.call("task_update", task=number, action="claim")
            winner = tools
            split = await winner.call("task_update", task=number, action="split", titles=["one"], idempotency_key="s")
            (one,) = split["subtasks"]
            assert (split["number"], one["parent"], one["title"]) == (number, number, "one")
            assert (await winner.call("task_update", task=one["number"], state="canceled"))["state"] == "canceled"
            # Nothing that a model passes is left out without a word.
            kinds: list[dict[str, Any]] = [
                {"action": "assign"},
                {"action": "split"},
                {"assignee": agent},
                {"titles": ["two"]},
                {"action": "claim", "progress": 10},
            ]
            for wrong in kinds:
                assert await winner.code("task_update", task=number, **wrong) == "invalid_request"
            await winner.call("task_update", task=part["number"], action="claim")
            await winner.call("task_update", task=part["number"], state="completed")
            done = await winner.call("task_update", task=number, state="completed", note="It is done.")
            assert (done["state"], done["progress"], done["note"]) == ("completed", 100, "It is done.")
            assert (await tools.call("tasks"))["tasks"] == []
            for call in ({"action": "claim"}, {"state": "failed"}, {"action": "split", "titles": ["x"]}):
                assert await others.code("task_update", task=number, **call) == "task_not_found"
            assert await others.code("tasks", room=talk.room_id) == "room_not_found"
        # The HTTP API has the same functions.
        listed = await program.get("/v1/tasks", room=agent, closed=True)
        assert [each["state"] for each in listed["tasks"]] == ["completed", "completed", "canceled"]
        assert (await program.post("/v1/tasks/x/claim")).code == "task_not_found"


async def test_events_and_votes_by_tools(harness: BridgeHarness, running: Running, upstream: ScriptedUpstream) -> None:
    agent = upstream.names[5]
    async with harness.person() as person, harness.person() as guest:
        talk = await running.join(person, agent)
        program, worker = await program_of(running, person.user_id), await program_of(running, agent)
        outside = await program_of(running, guest.user_id)
        async with (
            tools_of(program, MODERN) as tools,
            tools_of(worker, MODERN) as workers,
            tools_of(outside, MODERN) as others,
        ):
            data = {"subtask": 1, "sources": 12, "confidence": 0.87}
            posted = await workers.call("post_event", room=talk.room_id, kind="research_complete", data=data)
            assert posted["room_id"] == talk.room_id
            (shown,) = await person.wait_for(
                lambda: [each for each in talk.answers if "org.agent_bridge.event" in each.versions[0]]
            )
            said = shown.versions[0]["org.agent_bridge.event"]
            assert (said["agent"], said["data"]["confidence"]) == (talk.ghost, "0.87")
            assert (await workers.problem("post_event", room=talk.room_id, kind="No word"))["reason"] == "bad_kind"
            assert (await tools.problem("vote", room=agent, answer="a"))["reason"] == "no_votes"
            vote = await tools.call("vote_create", room=agent, question="Which?", answers=["first", "second"])
            assert await workers.call("vote", room=talk.room_id, answer="second") == {
                "number": vote["number"],
                "answer": "second",
            }
            assert await tools.call("vote", room=agent, answer="1", number=vote["number"]) == {
                "number": vote["number"],
                "answer": "first",
            }
            assert (await votes_of(tools, talk.room_id))[0]["votes"] == [1, 1]
            assert (await others.code("vote", room=talk.room_id, answer="1")) == "room_not_found"
            assert await tools.code("vote", room=agent) == "invalid_request"
            assert (await tools.call("vote", room=agent, action="take_back"))["answer"] is None
            assert (await votes_of(tools, talk.room_id))[0]["votes"] == [0, 1]
            close = {"room": agent, "action": "close", "number": vote["number"]}
            assert (await workers.problem("vote", **{**close, "room": talk.room_id}))["reason"] == "not_yours"
            assert await others.code("vote", **close) == "vote_not_found"
            other = upstream.names[0]
            await running.join(person, other)
            assert await tools.code("vote", **{**close, "room": other}) == "vote_not_found"
            # The agent of that room does not answer in its place.
            assert await tools.code("ask", to=agent, room=other, text="Who are you?") == "nobody_answers"
            assert (await tools.call("vote", **close))["number"] == vote["number"]


async def votes_of(tools: Tools, room_id: str) -> list[dict[str, Any]]:
    """Return the votes of a room."""
    found: list[dict[str, Any]] = (await tools.call("votes", room=room_id))["votes"]
    return found


async def test_only_the_listener_for_programs_has_the_tools(running: Running) -> None:
    service, api = running.bridge.config.appservice, running.bridge.config.api
    statuses = []
    for port in (service.port, api.port):
        async with aiohttp.request("POST", f"http://127.0.0.1:{port}/mcp") as response:
            statuses.append(response.status)
    assert statuses == [404, 401]

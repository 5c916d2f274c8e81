"""The command ``agent``: people list agents, and select one by its number or by its name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.agents import AgentState
from support.bot_rooms import NAMES, bot_chat, named_upstream
from support.conditions import eventually
from support.harness import SHARED
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.bot_rooms import BotRoom
    from support.harness import BridgeHarness, Running
    from support.postgres import Server


@pytest.fixture(scope="module")
async def running(harness: BridgeHarness, postgres: Server) -> AsyncIterator[Running]:
    """A bridge with three agents."""
    with postgres.migrated() as url:
        async with named_upstream(*NAMES) as upstream:
            there = {"name": "scripted", "url": upstream.url, "poll_interval": 60}
            async with harness.bridge(harness.config(url, [there], service=SHARED)) as running:
                for name in NAMES:
                    await running.contact(name)
                yield running


@pytest.fixture
async def chat(harness: BridgeHarness, running: Running) -> AsyncIterator[BotRoom]:
    """A new person in a direct chat with the bot."""
    async with harness.person() as person:
        yield await bot_chat(running, person)


async def selected(room: BotRoom) -> str | None:
    """Return the name of the agent that the person of *room* has selected."""
    query = "SELECT a.name FROM selection s JOIN agent a ON a.id = s.agent WHERE s.user_id = %s"
    row = await room.running.database.row(query, (room.person.user_id,))
    return None if row is None else row["name"]


async def test_a_number_alone_chooses_from_the_list(chat: BotRoom) -> None:
    listed = await chat.ask("agent")
    assert listed.body.splitlines()[2:5] == [
        f"{number}. {name}: knows all about {name}" for number, name in enumerate(NAMES, 1)
    ]
    assert "You have chosen Bea" in (await chat.ask("2")).body
    assert await selected(chat) == "Bea"
    assert "2. Bea ✓" in (await chat.ask("agent")).body
    # Other forms of a number, and commands with it.
    for line, name in (("3.", "Research"), ("1️⃣", "Ada"), ("agent #2", "Bea"), ("!agent 3", "Research")):
        assert f"You have chosen {name}" in (await chat.ask(line)).body
        assert await selected(chat) == name


async def test_a_keycap_on_the_list_chooses(chat: BotRoom) -> None:
    listed = await chat.ask("agent")
    before = len(chat.said())
    await chat.person.react(chat.room_id, listed.event_id, "3\ufe0f\u20e3")
    assert "You have chosen Research" in (await chat.answer(before)).body


async def test_agents_of_one_name_are_told_apart(harness: BridgeHarness, database_url: str) -> None:
    async with named_upstream("Ada", "Bea", "Cleo") as upstream, harness.person() as person:
        upstream.models[1]["name"] = "ada"
        config = harness.config(database_url, [{"name": "scripted", "url": upstream.url}])
        async with harness.bridge(config) as running:
            await running.agents_known(3)
            ghosts = {each.agent.model: each.agent.ghost for each in await running.agents.all()}
            ada, bea, _ = (ghosts[model["id"]] for model in upstream.models)
            chat = await bot_chat(running, person)
            assert "You have chosen ada" in (await chat.ask(f"agent {bea}")).body
            assert [line.partition(":")[0] for line in (await chat.ask("agent")).body.splitlines()[2:5]] == [
                f"1. Ada ({ada})",
                f"2. ada ({bea}) ✓",
                "3. Cleo",
            ]


@pytest.mark.long
async def test_a_name_may_be_approximate(chat: BotRoom, running: Running) -> None:
    ghost = running.homeserver.namespace.user_id((await running.contact("Bea")).agent.ghost)
    for line, name in (
        ("agent research", "Research"),
        ("agent rese", "Research"),
        ("agent reserch", "Research"),
        (f"agent {ghost}", "Bea"),
        ("agent @ada", "Ada"),
        (f"agent {ghost}.elsewhere", None),
    ):
        answer = (await chat.ask(line)).body
        assert answer.startswith("No agent is called" if name is None else f"You have chosen {name}"), line
    assert (await chat.ask("agent rechts")).body == "No agent is called rechts. Did you mean Research?"
    assert (await chat.ask("agent zzzzzzzz")).body == "No agent is called zzzzzzzz."


async def test_a_pill_means_its_user(chat: BotRoom, running: Running) -> None:
    ghost = running.homeserver.namespace.user_id((await running.contact("Bea")).agent.ghost)
    before = len(chat.said())
    content = {
        "msgtype": "m.text",
        "body": "agent Some Name",
        "format": "org.matrix.custom.html",
        "formatted_body": f'agent <a href="https://matrix.to/#/{ghost}">Some Name</a>',
    }
    await chat.person.send(chat.room_id, "m.room.message", content)
    assert "You have chosen Bea" in (await chat.answer(before)).body


@pytest.mark.long
async def test_a_number_refers_to_the_list_that_the_person_was_shown(
    harness: BridgeHarness, chat: BotRoom, running: Running
) -> None:
    """Another person's list and a new order change nothing; after ten minutes the number shows a new list."""
    await chat.ask("agent")
    agents = [(await running.contact(name)).agent.id for name in ("Research", "Bea")]
    # The person was shown these two.
    await running.database.execute(
        "UPDATE choice SET items = %s::jsonb WHERE user_id = %s", (str(agents), chat.person.user_id)
    )
    async with harness.person() as other:
        theirs = await bot_chat(running, other)
        assert "You have chosen Research" not in (await theirs.ask("agent 1")).body
        assert await selected(theirs) is None
        assert "You have chosen Ada" in (await theirs.ask("1")).body
    assert "You have chosen Research" in (await chat.ask("1")).body
    assert (await chat.ask("3")).body == "The list has no number 3: it has 1 to 2."
    await chat.age_lists()
    renewed = (await chat.ask("2")).body
    assert renewed.startswith("A number counts for ten minutes")
    assert await selected(chat) == "Research"
    assert "You have chosen Bea" in (await chat.ask("2")).body


@pytest.mark.long
async def test_long_lists_have_pages_and_their_numbers_go_on(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream(*(f"agent-{number:02}-" for number in range(45))) as upstream:
        for number, model in enumerate(upstream.models):
            model["name"] = f"Agent {number:02}"
        config = harness.config(
            database_url, [{"name": "u", "url": upstream.url}], rooms={"concurrency": 1}, space={"enabled": False}
        )
        async with harness.bridge(config) as running, harness.person() as person:
            await running.agents_known(45)
            chat = await bot_chat(running, person)
            first = (await chat.ask("agent")).body
            assert "20. Agent 19" in first
            assert "21." not in first
            assert "Page 1 of 3" in first
            # A new agent sorts before all others.
            upstream.models.append({"id": f"first-{upstream.names[0]}", "name": "A first one", "object": "model"})
            await running.bridge.discovery.sync()
            assert "21. Agent 20" in (await chat.ask("agent page 2")).body
            assert "45. Agent 44" in (await chat.ask("agent page 3")).body
            assert (await chat.ask("agent page 9")).body == "The list has no page 9: it has 3 pages."
            assert "You have chosen Agent 40" in (await chat.ask("41")).body
            assert "1. A first one" in (await chat.ask("agent")).body


async def gone(running: Running, name: str) -> None:
    """Wait until the agent called *name* is gone."""

    async def is_gone() -> bool:
        found = await running.agents.all()
        return any(each.agent.name == name and each.agent.state is AgentState.GONE for each in found)

    await eventually(is_gone, f"{name} is gone")


@pytest.mark.long
async def test_a_selection_survives_a_restart(harness: BridgeHarness, database_url: str) -> None:
    async with named_upstream(*NAMES) as upstream, harness.person() as person:
        config = harness.config(database_url, [{"name": "u", "url": upstream.url}])
        async with harness.bridge(config) as running:
            for name in NAMES:
                await running.contact(name)
            chat = await bot_chat(running, person)
            await chat.ask("agent Bea")
        async with harness.bridge(config) as running:
            assert "2. Bea ✓" in (await replace(chat, running=running).ask("agent")).body


@pytest.mark.long
async def test_an_agent_that_is_gone_is_not_selected(harness: BridgeHarness, database_url: str) -> None:
    async with named_upstream(*NAMES) as upstream, harness.person() as person:
        config = harness.config(database_url, [{"name": "u", "url": upstream.url}])
        async with harness.bridge(config) as running:
            for name in NAMES:
                await running.contact(name)
            chat = await bot_chat(running, person)
            await chat.ask("agent")
            del upstream.models[1]
            await gone(running, "Bea")
            for line in ("2", "agent Bea"):
                assert (await chat.ask(line)).body.startswith("Bea is no longer available.")
            assert await selected(chat) is None
            assert "Bea" not in (await chat.ask("agent")).body

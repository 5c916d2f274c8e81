"""The whole bridge with agents of the configuration, which changes while the bridge runs."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from agent_bridge.core.agents import AgentState
from agent_bridge.demo.synapse import free_port
from agent_bridge.store.agents import Agents
from agent_bridge.store.postgres.database import Database
from support.agent_entries import AgentFile
from support.conditions import eventually
from support.harness import DOMAIN
from support.process import BridgeProcess, write_config
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from pathlib import Path

    from agent_bridge.config.model import Config
    from agent_bridge.store.agents import AgentRoom
    from support.harness import BridgeHarness, Conversation, Running
    from support.person import Person

PREFIXED: dict[str, Any] = {"templates": {"displayname": "{name}", "room_name": "Room of {name}"}}


def own(upstream: ScriptedUpstream, *names: str) -> list[str]:
    """Return ids with the number of *upstream*: the homeserver keeps the rooms of all tests."""
    number = upstream.names[0].lstrip("abcdefghijklmnopqrstuvwxyz")
    return [f"{name}{number}" for name in names]


def config_of(
    harness: BridgeHarness, database_url: str, upstream: ScriptedUpstream, file: AgentFile, **sections: Any
) -> Config:
    here = [{"name": "up", "url": upstream.url, "system_prompt": "Be there."}]
    return harness.config(database_url, here, agents_file=str(file.path), **{**PREFIXED, **sections})


async def entry(running: Running, key: str) -> AgentRoom | None:
    return next((each for each in await running.agents.all() if each.agent.entry == key), None)


def system(asked: dict[str, Any]) -> list[str]:
    return [each["content"] for each in asked["messages"] if each["role"] == "system"]


def history(asked: dict[str, Any]) -> list[str]:
    return [each["content"] for each in asked["messages"] if each["role"] != "system"]


async def say(talk: Conversation, text: str) -> None:
    count = len(talk.answers)
    await talk.say(text)
    await talk.wait_for_answers(count + 1)


@pytest.mark.long
async def test_two_agents_share_a_model_and_nothing_else(
    harness: BridgeHarness, database_url: str, tmp_path: Path
) -> None:
    async with ScriptedUpstream("base") as upstream:
        poet, judge = own(upstream, "poet", "judge")
        file = AgentFile(
            tmp_path / "agents.yaml",
            {
                poet: {"label": f"The {poet}", "model": upstream.names[0], "system_prompt": "Answer in verse."},
                judge: {"label": f"The {judge}", "model": upstream.names[0], "temperature": 0.25},
            },
        )
        config = config_of(harness, database_url, upstream, file)
        async with harness.bridge(config) as running, harness.person() as person:
            first, second, base = [
                await running.join(person, name) for name in (f"The {poet}", f"The {judge}", upstream.names[0])
            ]
            assert (first.ghost, second.ghost) == (f"@agent_{poet}:{DOMAIN}", f"@agent_{judge}:{DOMAIN}")
            assert len({first.room_id, second.room_id, base.room_id}) == 3
            for talk, name in ((first, "one"), (second, "two"), (base, "three"), (first, "four"), (second, "five")):
                await say(talk, name)
            assert [asked["model"] for asked in upstream.asked] == [upstream.names[0]] * 5
            assert [system(asked) for asked in upstream.asked] == [
                ["Answer in verse."], ["Be there."], ["Be there."], ["Answer in verse."], ["Be there."]
            ]  # fmt: skip
            assert [asked.get("temperature") for asked in upstream.asked] == [None, 0.25, None, None, 0.25]
            assert [history(asked) for asked in upstream.asked[3:]] == [
                ["one", "Echo: one", "four"], ["two", "Echo: two", "five"]
            ]  # fmt: skip


async def test_a_change_of_the_file_takes_effect_while_the_bridge_runs(
    harness: BridgeHarness, database_url: str, tmp_path: Path
) -> None:
    async with ScriptedUpstream("base") as upstream:
        ada, bea = own(upstream, "ada", "bea")
        model = upstream.names[0]
        file = AgentFile(tmp_path / "agents.yaml", {ada: {"label": f"Ada {ada}", "model": model}})
        config = config_of(harness, database_url, upstream, file)
        async with harness.bridge(config) as running, harness.person() as person:
            talk = await running.join(person, f"Ada {ada}")
            # An entry is added, and another gets another label and another prompt.
            file.entries[bea] = {"label": f"Bea {bea}", "model": model}
            file.entries[ada] |= {"label": f"Zoe {ada}", "system_prompt": "Be brief."}
            file.write()
            await running.contact(f"Bea {bea}")
            await person.wait_for(lambda: talk.room.name == f"Room of Zoe {ada}")
            await eventually(lambda: has_displayname(person, talk.ghost, f"Zoe {ada}"), "the ghost has the new name")
            await say(talk, "hello")
            assert system(upstream.asked[-1]) == ["Be brief."]
            # The entry is removed: its agent is gone at once.
            del file.entries[ada]
            file.write()
            await person.wait_for(lambda: "is no longer available" in talk.answers[-1].body)
            found = {each.agent.agent_id: each.agent for each in await running.agents.all()}
            assert (found[ada].state, found[ada].entry) == (AgentState.GONE, None)
            assert found[model].state is found[bea].state is AgentState.ACTIVE
            asked = len(upstream.asked)
            await talk.say("are you there?")
            await talk.wait_until_idle()
            assert len(upstream.asked) == asked
            # It comes back, to its room and with its transcript.
            file.entries[ada] = {"label": f"Ada {ada}", "model": model}
            file.write()
            await person.wait_for(lambda: talk.answers[-1].body == f"Ada {ada} is back.")
            await say(talk, "again")
            assert history(upstream.asked[-1])[:2] == ["hello", "Echo: hello"]
            assert system(upstream.asked[-1]) == ["Be there."]


async def has_displayname(person: Person, user_id: str, name: str) -> bool:
    return await person.displayname(user_id) == name


@pytest.mark.long
async def test_greeting_description_and_picture(harness: BridgeHarness, database_url: str, tmp_path: Path) -> None:
    def paint(colour: str) -> None:
        target = io.BytesIO()
        Image.new("RGB", (64, 64), colour).save(target, "PNG")
        (tmp_path / "ada.png").write_bytes(target.getvalue())

    paint("red")
    async with ScriptedUpstream("base") as upstream:
        ada, bea = own(upstream, "ada", "bea")
        model = upstream.names[0]
        file = AgentFile(
            tmp_path / "agents.yaml",
            {
                ada: {"label": ada, "model": model, "greeting": "Hello, I am *Ada*.", "avatar": "ada.png"},
                bea: {"label": bea, "model": model, "description": "reads the stars", "avatar": "none.png"},
            },
        )
        config = config_of(harness, database_url, upstream, file, rooms={"introduce": True})
        async with harness.bridge(config) as running, harness.person() as person:
            with_picture = partial(painted, running, ada, before=None)
            avatar = await eventually(with_picture, "the agent has its picture")
            first, second = await running.join(person, ada), await running.join(person, bea)
            greeting = await person.wait_for(lambda: first.answers)
            assert greeting[0].body == "Hello, I am Ada."
            introduction = await person.wait_for(lambda: second.answers)
            assert introduction[0].body.startswith(f"I am {bea}: reads the stars")
            tile = await entry(running, bea)
            assert tile is not None
            assert (tile.agent.image, tile.agent.avatar is None) == ("", False)
            paint("blue")
            after = await eventually(partial(painted, running, ada, before=avatar), "the new picture is applied")
            assert await running.homeserver.avatar(first.ghost) == after


async def painted(running: Running, key: str, *, before: str | None) -> str | None:
    found = await entry(running, key)
    if found is None or not found.agent.image.startswith("file:") or found.agent.image_applied != found.agent.image:
        return None
    return found.agent.avatar if found.home.avatar_applied == found.agent.avatar != before else None


async def test_a_fault_is_told_once_and_changes_nothing(
    harness: BridgeHarness, database_url: str, tmp_path: Path
) -> None:
    async with ScriptedUpstream("base") as upstream, harness.person() as person:
        (ada,) = own(upstream, "ada")
        file = AgentFile(tmp_path / "agents.yaml", {ada: {"label": ada, "model": upstream.names[0]}})
        valid = file.path.read_text()
        permissions = {DOMAIN: "member", person.user_id: "admin"}
        config = config_of(harness, database_url, upstream, file, permissions=permissions)
        async with harness.bridge(config) as running:
            talk = await running.join(person, ada)
            file.write_text("agents:\n  - id: ada\n")
            (room_id,) = await person.wait_for(lambda: person.invites)
            await person.join(room_id)
            bot = running.homeserver.namespace.bot

            def told() -> list[str]:
                return [each.body for each in person.room(room_id).said_by(bot)]

            [first] = await person.wait_for(told)
            assert f"{file.path}:2: agents[0].label: is missing" in first
            await say(talk, "hello")
            assert [each.state for each in await states(running)] == [AgentState.ACTIVE] * 2
            # Another fault is told too; the first one once, also if it comes back.
            file.write_text("agents: [\n")
            await person.wait_for(lambda: len(told()) == 2)
            file.write_text("agents:\n  - id: ada\n")
        # A start with a fault goes on with the last valid version.
        async with harness.bridge(config) as running:
            talk = replace(talk, running=running)
            await say(talk, "still there?")
            assert "1 of them from the configuration" in await talk.command("status")
            file.write_text("agents:\n  - id: ada\n    label: ''\n")
            await person.wait_for(lambda: len(told()) == 3)
            file.write_text(valid.replace(f'"label": "{ada}"', f'"label": "{ada} again"'))
            await running.contact(f"{ada} again")
            assert len(told()) == 3


async def states(running: Running) -> list[Any]:
    return [each.agent for each in await running.agents.all()]


@pytest.mark.long
async def test_an_entry_takes_over_a_discovered_agent_and_gives_it_back(
    harness: BridgeHarness, database_url: str, tmp_path: Path
) -> None:
    async with ScriptedUpstream("ada", "other", description="by the server") as upstream, harness.person() as person:
        ada, other = upstream.names
        file = AgentFile(tmp_path / "agents.yaml", {own(upstream, "bea")[0]: {"label": own(upstream, "Bea")[0]}})
        config = config_of(harness, database_url, upstream, file)
        async with harness.bridge(config) as running:
            talk = await running.join(person, ada)
            await say(talk, "one")
            file.entries[ada] = {"label": f"Dr {ada}", "model": other, "temperature": 1.5}
            file.write()
            await person.wait_for(lambda: talk.room.name == f"Room of Dr {ada}")
            await say(talk, "two")
            assert (upstream.asked[-1]["model"], upstream.asked[-1]["temperature"]) == (other, 1.5)
            assert history(upstream.asked[-1])[0] == "one"
            found = await entry(running, ada)
            assert found is not None
            assert found.agent.description == "by the server"
            # The server may list or lack it: the entry keeps its agent.
            upstream.models.pop(0)
            await running.bridge.discovery.sync(confirmed=True)
            await say(talk, "three")
            upstream.models.insert(0, {"id": ada, "object": "model"})
            await running.bridge.discovery.sync()
            assert len(await running.agents.all()) == 3
            del file.entries[ada]
            file.write()
            await person.wait_for(lambda: talk.room.name == f"Room of {ada}")
            await say(talk, "four")
            assert (upstream.asked[-1]["model"], "temperature" in upstream.asked[-1]) == (ada, False)
            assert [each.body for each in talk.answers] == [
                "Echo: one", "Echo: two", "Echo: three", "Echo: four"
            ]  # fmt: skip


def with_agents(config: Config, key: str, label: str, model: str) -> Config:
    agents = [{"id": key, "label": label, "model": model}]
    return type(config).model_validate(config.model_dump(exclude={"agents"}) | {"agents": agents})


async def renamed(agents: Agents, key: str, label: str) -> str | None:
    """Return the room of the entry *key* once it, and the ghost, are named by *label*."""
    for each in await agents.all():
        names = (each.agent.displayname_applied, each.home.name_applied)
        if each.agent.entry == key and names == (label, f"Room of {label}"):
            return each.home.room_id
    return None


@pytest.mark.long
async def test_a_kill_at_the_moment_of_a_change_loses_nothing(
    harness: BridgeHarness, database_url: str, tmp_path: Path
) -> None:
    """The list is in config.yaml of two processes, of which one leads."""
    async with ScriptedUpstream("base") as upstream, Database(database_url) as database:
        (ada,) = own(upstream, "ada")
        agents, model = Agents(database), upstream.names[0]
        here = [{"name": "up", "url": upstream.url}]
        config = harness.config(database_url, here, logging={"format": "json"}, **PREFIXED)
        other = config.model_copy(update={"appservice": config.appservice.model_copy(update={"port": free_port()})})
        configs = {}
        for name, each in (("one", config), ("two", other)):
            (tmp_path / name).mkdir()
            configs[name] = each

        def process(name: str, label: str) -> BridgeProcess:
            return BridgeProcess(tmp_path / name, with_agents(configs[name], ada, label, model))

        def change(label: str) -> None:
            for name, each in configs.items():
                write_config(tmp_path / name, with_agents(each, ada, label, model))

        async def is_in_tables(label: str) -> bool:
            return any(each.agent.name == label for each in await agents.all())

        async with process("one", "First") as one:
            room_id = await eventually(partial(renamed, agents, ada, "First"), "the room is made")
            async with process("two", "First") as two:
                await two.wait_for("listening")
                # Before the leader has seen it.
                change("Second")
                await one.kill()
                assert await eventually(partial(renamed, agents, ada, "Second"), "the other leads", 30) == room_id
                # After it is in the tables, and perhaps before it is on the homeserver.
                change("Third")
                await eventually(partial(is_in_tables, "Third"), "the change is in the tables")
                await two.kill()
        async with process("one", "Third") as one:
            # The room may have had the name before.
            await one.wait_for("listening")
            assert await eventually(partial(renamed, agents, ada, "Third"), "the room has the name", 30) == room_id
            assert len(await agents.all()) == 2
            assert await one.stop() == 0

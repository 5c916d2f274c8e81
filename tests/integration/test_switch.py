"""The whole bridge, whose upstream gets another kind: rooms and ghosts stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.cli.plan import plan
from agent_bridge.core.agents import AgentState
from support.app_server_doors import TwoInterfaces
from support.conditions import eventually
from support.harness import DOMAIN, Conversation
from support.scripted_upstream import Tool, says

if TYPE_CHECKING:
    from support.harness import BridgeHarness, Running
    from support.letta_server import LettaServer

LETTA = {"history": "server", "session_header": "X-Letta-Chat-Key", "idempotency_header": "Idempotency-Key"}


async def rooms(running: Running) -> dict[str, tuple[str | None, str]]:
    """Return room and ghost of each agent by its first id."""
    return {each.agent.agent_id: (each.home.room_id, each.agent.ghost) for each in await running.agents.all()}


def texts(talk: Conversation) -> list[str]:
    return [answer.body for answer in talk.answers]


@pytest.mark.long  # short: tests/contract/test_switch.py
async def test_an_upstream_changes_from_openai_to_letta_and_back(
    harness: BridgeHarness, database_url: str, letta: LettaServer
) -> None:
    async with harness.person() as person:
        dora, egon = await letta.create_agent("Dora S"), await letta.create_agent("Egon S")
        kinds: dict[str, dict[str, Any]] = {
            "openai": {"name": "letta", "url": letta.url, **LETTA},
            "letta": {"name": "letta", "url": letta.url, "kind": "letta"},
        }
        permissions = {DOMAIN: "member", person.user_id: "admin"}
        configs = {kind: harness.config(database_url, [up], permissions=permissions) for kind, up in kinds.items()}
        async with harness.bridge(configs["openai"]) as running:
            talk, other = await running.join(person, "Dora S"), await running.join(person, "Egon S")
            await talk.say("hello")
            await person.wait_for(lambda: texts(talk) == ["Echo: hello"])
            before = await rooms(running)

        planned = await plan(configs["openai"], "letta", "letta")
        text = planned.text
        assert planned.is_clear
        assert f"keeps  Dora S  Dora S → {dora}  {talk.room_id}" in text
        assert "set kind: letta, remove history, session_header, idempotency_header" in text

        # A question that waits, and the history of the conversation, reach the agent by its id.
        await talk.say("while you were away")
        async with harness.bridge(configs["letta"]) as running:
            await person.wait_for(lambda: texts(talk)[-1].endswith("while you were away"))
            assert "Dora S: Echo: hello" in texts(talk)[1]
            assert len(texts(talk)) == 2
            assert await rooms(running) == before
            assert {each.agent.model for each in await running.agents.all()} == {dora, egon}
            talk = Conversation(running, person, talk.room_id, talk.ghost)
            status = await talk.command("status")
            assert "kind: letta, App Server 0." in status
            assert "approvals" in status
            (admin_room,) = await person.wait_for(lambda: person.invites)
            await person.join(admin_room)
            bot = running.homeserver.namespace.bot
            (told,) = await person.wait_for(lambda: person.room(admin_room).said_by(bot))
            assert "letta has kind: letta now. Found in its list: 2 agents." in told.body
            # Both change their names at once: ids are exact.
            await letta.rename_agent(dora, "Egon S")
            await letta.rename_agent(egon, "Dora S")
            await person.wait_for(lambda: talk.room.name == "Egon S - Letta Agent Chat")
            await person.wait_for(lambda: other.room.name == "Dora S - Letta Agent Chat")

        async with harness.bridge(configs["openai"]) as running:
            await talk.say("back again")
            await person.wait_for(lambda: texts(talk)[-1].endswith("back again"))
            assert len(texts(talk)) == 3
            assert await rooms(running) == before
            assert {each.agent.model for each in await running.agents.all()} == {"Dora S", "Egon S"}
            await person.wait_for(lambda: len(person.room(admin_room).said_by(bot)) > 1)
            assert "letta has kind: openai now" in person.room(admin_room).said_by(bot)[1].body


@pytest.mark.long
async def test_a_rename_at_the_moment_of_the_change_is_held(harness: BridgeHarness, database_url: str) -> None:
    names = {"agent-held-1": "Dora H", "agent-held-2": "Egon H"}
    async with TwoInterfaces(names) as server, harness.person() as person:
        permissions = {DOMAIN: "member", person.user_id: "admin"}
        before = harness.config(database_url, [{"name": "up", "url": server.api_url}], permissions=permissions)
        async with harness.bridge(before) as running:
            dora, egon = await running.join(person, "Dora H"), await running.join(person, "Egon H")
        server.by_id = {"agent-held-1": "Zoe H", "agent-held-2": "Egon H", "agent-held-3": "New H"}
        planned = await plan(before, None, "letta")
        text = planned.text
        assert not planned.is_clear
        rows = [line.split("  ") for line in text.splitlines()]
        assert ["HELD", "Dora H", "the list has no agent of this name", dora.room_id] in [
            [part.strip() for part in row if part.strip()] for row in rows
        ]
        assert "waits" in text
        after = harness.config(
            database_url, [{"name": "up", "url": server.url, "kind": "letta"}], permissions=permissions
        )
        await dora.say("are you there?")
        await egon.say("and you?")
        async with harness.bridge(after) as running:
            egon = Conversation(running, person, egon.room_id, egon.ghost)
            await person.wait_for(lambda: texts(egon) == ["Echo: and you?"])
            status = await egon.command("status")
            assert "It no longer lists Dora H; new in its list: agent-held-1 (Zoe H), agent-held-3 (New H)" in status
            assert len(await running.agents.all()) == 2
            assert texts(dora) == []
            assert "The room of Dora H belongs to Zoe H" in await egon.command('same "Dora H" agent-held-1')
            await person.wait_for(lambda: texts(dora) == ["Echo: are you there?"])

            async def renamed() -> bool:
                # Its answer came at the same time: a client may show the old name.
                name = await running.homeserver.state(dora.room_id, "m.room.name")
                return (name or {}).get("content") == {"name": "Zoe H - Letta Agent Chat"}

            await eventually(renamed, "the room has the new name")

            async def settled() -> bool:
                return [each.agent.name for each in await running.agents.all()] == ["Zoe H", "Egon H", "New H"]

            await eventually(settled, "the new agent is a contact")
            assert {each.agent.state for each in await running.agents.all()} == {AgentState.ACTIVE}


@pytest.mark.long
async def test_a_tool_that_waits_for_a_decision_does_not_run_as_another_kind(
    harness: BridgeHarness, database_url: str
) -> None:
    async with TwoInterfaces({"agent-open-1": "Dora O"}) as server, harness.person() as person:
        server.guarded.add("Bash")
        server.script = says(Tool("Bash", '{"command": "rm"}'), "Done.")
        before = harness.config(database_url, [{"name": "up", "url": server.url, "kind": "letta"}])
        async with harness.bridge(before) as running:
            talk = await running.join(person, "Dora O")
            await talk.say("remove it")
            [card] = await person.wait_for(lambda: talk.answers)
            assert "wants to use" in card.body
        after = harness.config(database_url, [{"name": "up", "url": server.api_url}])
        async with harness.bridge(after) as running:
            talk = Conversation(running, person, talk.room_id, talk.ghost)
            await person.wait_for(lambda: len(texts(talk)) == 2)
            assert "does not ask for the tool Bash any more" in texts(talk)[0]
            assert "had another kind when the answer began: the agent may have used tools" in texts(talk)[1]
            assert len(server.asked) == 1
            # A person who knows that may ask again.
            await person.react(talk.room_id, talk.answers[1].event_id, "🔁")
            await person.wait_for(lambda: "Done." in texts(talk))

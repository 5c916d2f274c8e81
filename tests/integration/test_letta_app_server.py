"""The whole bridge with the real App Server of Letta behind it, over the WebSocket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.agents import AgentState
from support.conditions import eventually
from support.severable_proxy import Line

if TYPE_CHECKING:
    from support.harness import BridgeHarness
    from support.letta_server import LettaServer


async def test_agents_of_an_app_server_are_contacts(
    harness: BridgeHarness, database_url: str, letta: LettaServer
) -> None:
    async with Line(letta.port) as line, harness.person() as alice:
        dora = await letta.create_agent("Dora")
        upstream = {"name": "letta", "kind": "letta", "url": f"http://127.0.0.1:{line.port}"}
        config = harness.config(database_url, [upstream], rooms={"invite": [alice.user_id]})
        async with harness.bridge(config) as running:
            contact = await running.contact("Dora")
            room_id, ghost = contact.home.room_id or "", f"@{contact.agent.ghost}:test.local"
            await alice.wait_for(lambda: room_id in alice.invites)
            await alice.join(room_id)
            await alice.wait_for(lambda: room_id in alice.rooms)

            def answers() -> list[str]:
                return [message.body for message in alice.room(room_id).said_by(ghost)]

            await alice.say(room_id, "hello")
            await alice.wait_for(lambda: answers() == ["Echo: hello"])

            # Names are no ids: twins, and two renames at once, are exact.
            twin = await letta.create_agent("Dora")
            await letta.rename_agent(dora, "Theodora")
            await alice.wait_for(lambda: alice.room(room_id).name == "Theodora - Letta Agent Chat")

            async def both() -> bool:
                return len(await running.agents.all()) == 2

            await eventually(both, "the twin is a contact too")
            await letta.rename_agent(twin, "Theodora")
            await letta.rename_agent(dora, "Dora")
            await alice.wait_for(lambda: alice.room(room_id).name == "Dora - Letta Agent Chat")

            # All connections end while the agent answers.
            await alice.say(room_id, "slowly one two three four five six seven eight nine ten")
            await alice.wait_for(lambda: len(answers()) == 2 and "two" in answers()[1])
            await line.cut()
            await line.mend()
            whole = "Echo: slowly one two three four five six seven eight nine ten"
            await alice.wait_for(lambda: answers()[1:] == [whole])
            await alice.say(room_id, "and now?")
            await alice.wait_for(lambda: answers()[2:] == ["Echo: and now?"])

            # The server ends and starts again; the conversation goes on.
            await letta.restart()
            await alice.say(room_id, "who am I?")
            await alice.wait_for(lambda: answers()[3:] == ["Echo: who am I?"])
            texts = [
                str(message["content"]) for message in letta.llm.asked[-1]["messages"] if message["role"] == "user"
            ]
            assert [sum(said in text for text in texts) for said in ("hello", "slowly", "and now?")] == [1, 1, 1]

            await letta.delete_agent(twin)

            async def gone() -> bool:
                return [each.agent.state for each in await running.agents.all()].count(AgentState.ACTIVE) == 1

            await eventually(gone, "the deleted twin is gone")


@pytest.mark.long
async def test_a_stop_ends_the_turn_on_the_server(
    harness: BridgeHarness, database_url: str, letta: LettaServer
) -> None:
    async with harness.person() as alice:
        await letta.create_agent("Dora")
        config = harness.config(database_url, [{"name": "letta", "kind": "letta", "url": letta.root}])
        async with harness.bridge(config) as running:
            talk = await running.join(alice, "Dora")
            last = "the last word"
            question = await talk.say(f"slowly {'and ' * 100}{last}")
            await alice.wait_for(lambda: talk.answers)
            await alice.react(talk.room_id, question, "🛑")
            await alice.wait_for(lambda: talk.answers[0].body.endswith("*(stopped)*"))
            assert last not in talk.answers[0].body
            # The server refuses a message while it works on another one.
            await talk.say("and now?")
            await talk.wait_for_answers(2)
            assert talk.answers[1].body == "Echo: and now?"
            known = [each for each in letta.llm.asked[-1]["messages"] if each["role"] == "assistant"]
            assert last not in str(known)

            # So does a tool that waits for a decision.
            question = await talk.say("touch a file")
            await alice.wait_for(lambda: [each for each in talk.answers if "wants to use" in each.body])
            await alice.react(talk.room_id, question, "🛑")
            await talk.say("and then?")
            await alice.wait_for(lambda: talk.answers[-1].body == "Echo: and then?")
            assert not letta.made

"""The whole bridge with the real Letta behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.agents import AgentState
from support.conditions import eventually

if TYPE_CHECKING:
    from support.harness import BridgeHarness
    from support.letta_server import LettaServer


async def test_letta_agents_are_contacts(harness: BridgeHarness, database_url: str, letta: LettaServer) -> None:
    async with harness.person() as alice:
        dora = await letta.create_agent("Dora")
        upstream = {
            "name": "letta",
            "url": letta.url,
            "history": "server",
            "session_header": "X-Letta-Chat-Key",
            "idempotency_header": "Idempotency-Key",
        }
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

            await letta.rename_agent(dora, "Theodora")
            await alice.wait_for(lambda: alice.room(room_id).name == "Theodora - Letta Agent Chat")
            await alice.say(room_id, "still there?")
            await alice.wait_for(lambda: answers()[1:] == ["Echo: still there?"])

            twin = await letta.create_agent("Theodora")

            async def unclear() -> list[str]:
                [health] = running.bridge.discovery.health()
                return sorted(health.appeared)

            async def twins() -> bool:
                return await unclear() == sorted([dora, twin])

            await eventually(twins, "both agents of one name are listed by their ids")
            # Letta does not tell which one has the room: nothing changes.
            [known] = await running.agents.all()
            assert (known.agent.state, known.agent.name) == (AgentState.ACTIVE, "Theodora")
            await letta.delete_agent(twin)

            async def clear() -> bool:
                return await unclear() == []

            await eventually(clear, "Letta lists Theodora again")
            assert len(await running.agents.all()) == 1
            assert len(answers()) == 2

            # Letta forgets its conversations when it ends. The next question repeats the messages, and only that one.
            await letta.restart()
            await alice.say(room_id, "who am I?")
            await alice.wait_for(lambda: len(answers()) == 3)
            *_, question = letta.llm.asked[-1]["messages"]
            assert "user: still there?" in str(question)
            assert "Theodora: Echo: still there?" in str(question)
            await alice.say(room_id, "and now?")
            await alice.wait_for(lambda: answers()[3:] == ["Echo: and now?"])
            await alice.say(room_id, "you again")
            await alice.wait_for(lambda: "Echo: you again" in answers())

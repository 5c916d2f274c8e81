"""The next pass does exactly what the plan says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.cli.plan import plan
from agent_bridge.core.agents import AgentState
from agent_bridge.core.results.repairs import PassPlan
from support.conditions import eventually
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from support.harness import BridgeHarness, Running


async def named(running: Running) -> dict[str, tuple[str, str | None, AgentState]]:
    """Return the name, the room and the state of each agent, by its id."""
    found = await running.agents.all()
    return {each.agent.agent_id: (each.agent.name, each.home.room_id, each.agent.state) for each in found}


async def test_the_next_pass_does_what_the_plan_says(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("kept", "renamed", "gone") as upstream, harness.person() as person:
        kept, renamed, gone = upstream.names
        there = [{"name": "u", "url": upstream.url, "model_ids": "stable"}]
        config = harness.config(database_url, there, rooms={"invite": [person.user_id]}, space={})
        async with harness.bridge(config) as running:
            for name in upstream.names:
                await running.contact(name)

            async def invited() -> bool:
                return all(person.user_id in each.home.invited for each in await running.agents.all())

            await eventually(invited, "the person is invited")

            async def in_sync() -> bool:
                (row,) = await running.database.rows("SELECT value FROM kv WHERE key = 'space'")
                return not await running.agents.out_of_sync(row["value"])

            await eventually(in_sync, "everything is applied")
            before = await named(running)
        assert (await plan(config, None, None)).passes == PassPlan()
        upstream.models[1] |= {"name": "another name"}
        del upstream.models[2]
        upstream.models.append({"id": "new", "object": "model"})
        planned = await plan(config, None, None)
        assert planned.passes == PassPlan(
            create=("new",), rename=((renamed, "another name"),), retire=(gone,), invite=(person.user_id,)
        )
        assert planned.exit_code == 4
        async with harness.bridge(config) as running:

            async def done() -> bool:
                found = await named(running)
                return "new" in found and found["new"][1] is not None and found[gone][2] is AgentState.GONE

            await eventually(done, "the pass is done")
            after = await named(running)
            assert after == before | {
                "new": ("new", after["new"][1], AgentState.ACTIVE),
                renamed: ("another name", before[renamed][1], AgentState.ACTIVE),
                gone: (gone, before[gone][1], AgentState.GONE),
            }
            assert after[kept] == before[kept]
            room_id = after["new"][1] or ""
            await person.wait_for(lambda: room_id in person.invites)

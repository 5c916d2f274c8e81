"""Agents whose ids are names: several changes at once are held, and an operator reconnects the rooms."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.agents import AgentState
from support.conditions import eventually
from support.harness import DOMAIN
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from support.harness import BridgeHarness, Running


async def has_name(running: Running, room_id: str, name: str) -> None:
    """Wait until the homeserver knows a room by *name*.

    The bot answers at the same time. In a room with two newest events, /sync may show a client the state before one of
    them.
    """

    async def named() -> bool:
        event = await running.homeserver.state(room_id, "m.room.name")
        return event is not None and event["content"].get("name") == name

    await eventually(named, f"the room is called {name}")


async def test_two_renames_at_once_are_held_until_an_operator_tells_which_is_which(
    harness: BridgeHarness, database_url: str
) -> None:
    async with ScriptedUpstream("Dora", "Egon", created=0, owned_by="letta") as upstream, harness.person() as person:
        config = harness.config(
            database_url,
            [{"name": "letta", "url": upstream.url}],
            permissions={DOMAIN: "admin", person.user_id: "admin"},
        )
        async with harness.bridge(config) as running:
            dora, egon = await running.join(person, upstream.names[0]), await running.join(person, upstream.names[1])
            first, second = upstream.names
            upstream.models[0]["id"], upstream.models[1]["id"] = "Zoe", "Yan the Great"

            async def held() -> bool:
                return "!ab same <old> <new>" in await dora.command("status")

            await eventually(held, "the change is reported")
            # The administrators are told without a question, and once.
            (told,) = await person.wait_for(lambda: person.invites)
            await person.join(told)
            assert {first, second} <= set(re.findall(r"\w+", await dora.command("status")))
            assert "New in its list: Zoe, Yan the Great" in await dora.command(f"same {first} Xaver")
            assert {each.agent.state for each in await running.agents.all()} == {AgentState.ACTIVE}
            assert len(await running.agents.all()) == 2
            assert dora.answers == egon.answers == []

            assert f"The room of {first} belongs to Yan the Great from now on" in await dora.command(
                f'same {first.lower()} "Yan the Great"'
            )

            # One missing and one new name are a rename again.
            await has_name(running, dora.room_id, "Yan the Great - Letta Agent Chat")
            await has_name(running, egon.room_id, "Zoe - Letta Agent Chat")
            await dora.say("hello")
            await dora.wait_for_answers(1)
            assert upstream.asked[-1]["model"] == "Yan the Great"
            assert "same <old>" not in await dora.command("status")
            (report,) = person.room(told).said_by(running.homeserver.namespace.bot)
            assert {first, second, "Zoe", "Yan"} <= set(re.findall(r"\w+", report.body))


@pytest.mark.long
async def test_a_room_that_an_accepted_list_orphaned_is_reconnected(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("Dora", "Egon", created=0, owned_by="letta") as upstream, harness.person() as person:
        config = harness.config(
            database_url,
            [{"name": "letta", "url": upstream.url}],
            permissions={DOMAIN: "admin"},
        )
        async with harness.bridge(config) as running:
            dora, first = await running.join(person, upstream.names[0]), upstream.names[0]
            upstream.models[0]["id"], upstream.models[1]["id"] = "Zoe", "Yan"
            await dora.command("sync all")
            await running.contact("Zoe")
            assert f"The room of {first} belongs to Zoe" in await dora.command(f"same {first} Zoe")
            await has_name(running, dora.room_id, "Zoe - Letta Agent Chat")
            await dora.say("hello")
            await person.wait_for(lambda: "Echo: hello" in [answer.body for answer in dora.answers])
            assert upstream.asked[-1]["model"] == "Zoe"
            states = {
                each.home.room_id: each.agent.state for each in await running.agents.all() if each.agent.model == "Zoe"
            }
            assert states.pop(dora.room_id) is AgentState.ACTIVE
            assert list(states.values()) == [AgentState.GONE]

"""A room whose agent is gone: each message is marked, and each person is told once a day why, and the next step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.agents import AgentState
from support.conditions import eventually
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from support.harness import BridgeHarness, Conversation, Running
    from support.person import Person


async def gone(running: Running, name: str) -> None:
    """Wait until the agent called *name* is gone."""

    async def is_gone() -> bool:
        found = await running.agents.all()
        return any(each.agent.name == name and each.agent.state is AgentState.GONE for each in found)

    await eventually(is_gone, f"{name} is gone")


async def marked(talk: Conversation, person: Person, text: str) -> None:
    """Have *person* say *text*, and wait until the message has the mark."""
    event_id = await person.say(talk.room_id, text)
    await talk.person.wait_for(lambda: "⚠️" in talk.room.reactions_to(event_id))
    await talk.wait_until_idle()
    assert talk.room.reactions_to(event_id) == ["⚠️"]


async def test_the_reason_is_given_once_to_each_person_and_day(harness: BridgeHarness, database_url: str) -> None:
    async with (
        ScriptedUpstream("x") as upstream,
        harness.talk(database_url, upstream) as talk,
        harness.person() as other,
    ):
        name = upstream.names[0]
        await talk.running.homeserver.invite(talk.room_id, other.user_id)
        await other.join(talk.room_id)
        upstream.models.clear()
        await gone(talk.running, name)
        await talk.person.wait_for(lambda: talk.answers)
        before = len(talk.answers)
        for text in ("one", "two", "three"):
            await marked(talk, talk.person, text)
        root = await talk.say("four")
        thread = {"m.relates_to": {"rel_type": "m.thread", "event_id": root}, "msgtype": "m.text", "body": "inside"}
        inside = await talk.person.send(talk.room_id, "m.room.message", thread)
        await talk.person.wait_for(lambda: "⚠️" in talk.room.reactions_to(inside))
        await talk.wait_for_answers(before + 1)
        (told,) = talk.answers[before:]
        assert told.body == (
            f"⚠️ No answer: {name} is no longer available. Send !ab agent for the other agents, or ask "
            "@admin:test.local about this one."
        )
        await marked(talk, other, "hello")
        await talk.wait_for_answers(before + 2)
        assert len(talk.answers) == before + 2
        # The next day.
        await talk.running.database.execute("UPDATE turn SET once_key = once_key || ' of yesterday'")
        await marked(talk, talk.person, "five")
        await talk.wait_for_answers(before + 3)
        await marked(talk, talk.person, "six")
        await talk.wait_for_answers(before + 3)
        assert len(talk.answers) == before + 3


async def test_the_list_in_the_room_of_a_gone_agent_has_the_others(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("x", "y") as upstream, harness.talk(database_url, upstream) as talk:
        first, second = upstream.names
        del upstream.models[0]
        await gone(talk.running, first)
        await talk.say("!agent")
        (listed,) = await talk.person.wait_for(lambda: talk.from_bot)
        assert f"1. {second}" in listed.body
        await talk.say("1")
        await talk.person.wait_for(lambda: len(talk.from_bot) > 1)
        assert talk.from_bot[1].body == f"You have chosen {second}. This room stays with {first}."

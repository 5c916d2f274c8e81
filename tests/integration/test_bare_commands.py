"""Commands without a prefix in the rooms of the bridge, and agents that answer only those who have selected them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from support.harness import BridgeHarness
    from support.shared_bridge import SharedBridge


async def test_a_bare_command_is_carried_out_and_other_words_are_messages(shared: SharedBridge) -> None:
    async with ScriptedUpstream("x") as upstream, shared.talk(upstream) as talk:
        await talk.say("!help agent")
        (told,) = await talk.person.wait_for(lambda: talk.from_bot)
        assert told.body.startswith("!ab agent [number|name|page n]: ")
        await talk.say("!helpful words")
        await talk.wait_for_answers(1)
        assert upstream.questions == ["!helpful words"]


@pytest.mark.parametrize("bare", [pytest.param(True, marks=pytest.mark.long), False])
async def test_the_configuration_turns_bare_commands_off(
    harness: BridgeHarness,
    database_url: str,
    bare: bool,  # noqa: FBT001
) -> None:
    async with ScriptedUpstream("x") as upstream, harness.person() as person:
        config = harness.config(database_url, [{"name": "u", "url": upstream.url}], bot={"bare_commands": bare})
        async with harness.bridge(config) as running:
            talk = await running.join(person, upstream.names[0])
            await talk.say("!help")
            await talk.say("hello")
            answers = await talk.wait_for_answers(1 if bare else 2)
            assert [answer.body for answer in answers] == [*([] if bare else ["Echo: !help"]), "Echo: hello"]
            assert len(talk.from_bot) == int(bare)


async def test_a_number_after_a_list_is_a_choice_once_and_then_a_message(shared: SharedBridge) -> None:
    async with ScriptedUpstream("x") as upstream, shared.talk(upstream) as talk:
        await talk.say("!agent")
        await talk.person.wait_for(lambda: talk.from_bot)
        await talk.say("hello")
        await talk.say("1")
        await talk.wait_for_answers(2)
        assert upstream.questions == ["hello", "1"]
        await talk.say("!agent")
        await talk.person.wait_for(lambda: len(talk.from_bot) > 1)
        # The list has no such number.
        await talk.say("9999")
        await talk.wait_for_answers(3)
        await talk.say("!agent")
        await talk.person.wait_for(lambda: len(talk.from_bot) > 2)
        await talk.say("1")
        await talk.person.wait_for(lambda: len(talk.from_bot) > 3)
        assert talk.from_bot[3].body.startswith("You have chosen ")
        assert len(talk.answers) == 3


async def test_an_agent_may_answer_only_those_who_have_selected_it(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("x", "y") as upstream, harness.person() as person:
        config = harness.config(database_url, [{"name": "u", "url": upstream.url}], chats={"follow_selection": True})
        first, second = upstream.names
        async with harness.bridge(config) as running:
            await running.contact(second)
            talk = await running.join(person, first)
            await talk.say("hello")
            await talk.person.wait_for(lambda: talk.from_bot)
            assert talk.from_bot[0].body == (
                f"Choose an agent first: !ab agent lists them. This room talks with {first}."
            )
            assert (await talk.command(f"agent {second}")).startswith(f"You have chosen {second}.")
            again = [await talk.say(text) for text in ("hello", "again")]
            await talk.person.wait_for(lambda: "⚠️" in talk.room.reactions_to(again[1]))
            assert talk.from_bot[2].body.startswith(
                f"This room talks with {first}, and you have chosen {second}. Write in the room of {second},"
            )
            assert (await talk.command(f"agent {first}")).startswith(f"You have chosen {first}.")
            await talk.say("now")
            (answer,) = await talk.wait_for_answers(1)
            assert answer.body == "Echo: now"
            assert upstream.questions == ["now"]

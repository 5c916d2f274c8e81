"""Cards that ask whether a tool may run, with the real App Server of Letta and a real Synapse."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from support.scripted_upstream import ScriptedUpstream, Tool, says

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.demo.timeline import Message
    from support.harness import BridgeHarness, Conversation
    from support.letta_server import LettaServer
    from support.scripted_upstream import Piece

REACTIONS = ["✅", "❌", "♾️"]


@asynccontextmanager
async def talk(harness: BridgeHarness, url: str, letta: LettaServer, **keys: Any) -> AsyncIterator[Conversation]:
    """Run a bridge with *letta*, configured by *keys*, and put a person into Dora's room."""
    config = harness.config(url, [{"name": "letta", "kind": "letta", "url": letta.root, **keys}])
    async with harness.person() as person, harness.bridge(config) as running:
        yield await running.join(person, "Dora")


def cards(talk: Conversation, *words: str) -> list[Message]:
    """Return the cards with these *words*."""
    return [each for each in talk.answers if "Bash" in each.body and all(word in each.body for word in words)]


def echoed(talk: Conversation, text: str) -> list[Message]:
    """Return the answers that repeat *text*."""
    return [each for each in talk.answers if each.body == f"Echo: {text}"]


async def card(talk: Conversation) -> Message:
    """Wait for an undecided card with its reactions."""

    def seen() -> Message | None:
        found = cards(talk, "wants to use")
        return found[0] if found and talk.room.reactions_to(found[0].event_id) == REACTIONS else None

    found = await talk.person.wait_for(seen)
    assert found is not None
    return found


async def test_people_decide_about_tools(harness: BridgeHarness, database_url: str, letta: LettaServer) -> None:
    async with AsyncExitStack() as stack:
        await letta.create_agent("Dora")
        alice = await stack.enter_async_context(talk(harness, database_url, letta))
        bob = await stack.enter_async_context(harness.person())
        await alice.running.homeserver.invite(alice.room_id, bob.user_id, alice.ghost)
        await bob.join(alice.room_id)
        await bob.wait_for(lambda: alice.room_id in bob.rooms)

        await alice.say("touch a file")
        first = await card(alice)
        assert first.content["msgtype"] == "m.notice"
        assert '"command": "touch made-1"' in first.body
        # Another member may not decide; the person who asked the agent may.
        await bob.react(alice.room_id, first.event_id, "✅")
        await alice.person.wait_for(lambda: [each.body for each in alice.from_bot if "Only the person" in each.body])
        assert not letta.made
        await alice.person.react(alice.room_id, first.event_id, "✅")
        await alice.person.wait_for(lambda: cards(alice, alice.person.user_id, "allowed"))
        await alice.person.wait_for(lambda: alice.answers[-1].body == "Echo: touch a file")
        assert letta.made == ["made-1"]
        await alice.wait_until_idle()
        # A decision counts once: a later one changes nothing.
        await alice.person.react(alice.room_id, first.event_id, "❌")
        await alice.person.wait_for(lambda: alice.room.reactions_to(first.event_id) == ["✅", "✅", "❌"])
        assert cards(alice, "allowed")

        await alice.say("touch a file, please")
        await card(alice)
        assert await alice.command("deny too dangerous") == "Decided."
        await alice.person.wait_for(lambda: cards(alice, alice.person.user_id, "refused"))
        await alice.person.wait_for(lambda: alice.answers[-1].body == "Echo: touch a file, please")
        activity = [each.body for each in alice.answers if each.body.startswith("💭")]
        assert activity == ["💭 Used Bash", "💭 Asked for Bash"]
        assert letta.made == ["made-1"]
        told = [each for each in letta.llm.asked[-1]["messages"] if each["role"] == "tool"]
        assert "too dangerous" in str(told[-1])
        assert await alice.command("approve") == "No agent waits for a decision here."

        # Python reads no JSON that is nested so deeply, and the agent waits for the decision all the same.
        deep = f'{{"command": "touch made-3", "description": "x", "z": {"[" * 2_000 + "]" * 2_000}}}'
        await alice.say(f"call Bash {deep}")
        assert '"command": "touch made-3"' in (await card(alice)).body
        assert await alice.command("deny") == "Decided."
        await alice.wait_until_idle()
        assert letta.made == ["made-1"]


@pytest.mark.long
async def test_a_request_expires_and_is_withdrawn_by_a_restart(
    harness: BridgeHarness, database_url: str, letta: LettaServer
) -> None:
    await letta.create_agent("Dora")
    async with talk(harness, database_url, letta) as alice:
        await alice.say("touch a file")
        first = await card(alice)
    # The bridge was stopped. It asks again, because the tool never ran.
    async with harness.watching(alice) as watched:
        config = harness.config(
            database_url,
            [{"name": "letta", "kind": "letta", "url": letta.root, "approval_timeout": 4}],
        )
        async with harness.bridge(config):
            await watched.person.wait_for(
                lambda: [m for m in cards(watched, "any more") if m.event_id == first.event_id]
            )
            await watched.person.wait_for(lambda: cards(watched, "no decision"))
            await watched.person.wait_for(lambda: watched.answers[-1].body == "Echo: touch a file")
            assert not letta.made


@pytest.mark.long
async def test_rules_decide_without_a_card(harness: BridgeHarness, database_url: str, letta: LettaServer) -> None:
    await letta.create_agent("Dora")
    async with talk(harness, database_url, letta, approvals={"B*": "allow"}) as alice:
        await alice.say("touch a file")
        await alice.person.wait_for(partial(echoed, alice, "touch a file"))
        assert letta.made == ["made-1"]
        assert not cards(alice, "wants")


async def test_an_agent_acts_in_its_room(harness: BridgeHarness, database_url: str, letta: LettaServer) -> None:
    await letta.create_agent("Dora")
    async with talk(harness, database_url, letta) as alice:

        async def call(tool: str, arguments: str) -> tuple[str, str]:
            """Have the agent call a tool; return the event id of the question, and the result for the agent."""
            text = f"call {tool} {arguments}"
            question = await alice.say(text)
            await alice.person.wait_for(lambda: [each for each in alice.answers if each.body == f"Echo: {text}"])
            results = [each for each in letta.llm.asked[-1]["messages"] if each["role"] == "tool"]
            return question, str(results[-1]["content"])

        question, _ = await call("matrix_react", '{"key": "🎉"}')
        await alice.person.wait_for(lambda: alice.room.reactions_to(question) == ["🎉"])
        asked, _ = await call("matrix_send_file", '{"name": "poem.txt", "text": "roses"}')
        sent = [each for each in alice.answers if each.content["msgtype"] == "m.file"]
        assert [await alice.person.download(each.content["url"]) for each in sent] == [b"roses"]
        _, told = await call("matrix_read_messages", '{"limit": 50}')
        assert all(words in told for words in (alice.person.user_id, "poem.txt", question, "matrix_react"))
        _, told = await call("matrix_list_participants", "{}")
        assert all(user in told for user in (alice.person.user_id, alice.ghost))
        # A message of another room, and arguments that fit nothing, are errors that the agent reads.
        _, told = await call("matrix_react", '{"key": "x", "event_id": "$unknown"}')
        assert "there is no message $unknown in this room" in told
        _, told = await call("matrix_send_file", '{"name": "a.png", "base64": "###"}')
        assert "base64 is not valid" in told
        assert not cards(alice)
        # A file is a part of the answer, and goes with its question.
        await alice.person.redact(alice.room_id, asked)
        await alice.person.wait_for(
            lambda: not [each for each in alice.answers if each.content.get("msgtype") == "m.file"]
        )


@pytest.mark.long
@pytest.mark.parametrize("tools", ["collapsed", "hidden"])
async def test_an_agent_may_act_and_say_nothing(
    harness: BridgeHarness, database_url: str, letta: LettaServer, tools: str
) -> None:
    await letta.create_agent("Dora")
    async with talk(harness, database_url, letta, tools=tools) as alice:
        question = await alice.say('quietly, call matrix_react {"key": "🎉"}')
        await alice.person.wait_for(lambda: alice.room.reactions_to(question) == ["🎉"])
        await alice.wait_until_idle()
        await alice.say("hello")
        await alice.person.wait_for(partial(echoed, alice, "hello"))
        assert alice.room.reactions_to(question) == ["🎉"]
        assert not [each.body for each in alice.answers if "no answer" in each.body]


@pytest.mark.long
async def test_an_agent_reads_what_the_person_who_asked_may_read(
    harness: BridgeHarness, database_url: str, letta: LettaServer
) -> None:
    async with harness.person() as bob:
        await letta.create_agent("Dora")
        async with talk(harness, database_url, letta) as alice:
            ghost, room_id = alice.ghost, alice.room_id
            visibility = {"history_visibility": "joined"}
            await alice.running.homeserver.set_state(room_id, "m.room.history_visibility", visibility, as_user=ghost)
            await alice.say("between us")
            await alice.wait_for_answers(1)
            await alice.running.homeserver.invite(room_id, bob.user_id, ghost)
            await bob.join(room_id)
            await bob.wait_for(lambda: room_id in bob.rooms)
            for person, limit, reads in ((bob, 49, False), (alice.person, 50, True)):
                text = f'call matrix_read_messages {{"limit": {limit}}}'
                await person.say(room_id, text)
                await alice.person.wait_for(partial(echoed, alice, text))
                told = [each for each in letta.llm.asked[-1]["messages"] if each["role"] == "tool"][-1]
                assert f"{limit}" in str(told)
                assert ("between us" in str(told)) is reads


@pytest.mark.long
async def test_people_decide_about_tools_of_mcp_servers(harness: BridgeHarness, database_url: str) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(ScriptedUpstream("mcp"))
        server.mcp.guarded, server.script = {"Bash"}, says("I look. ", Tool("Bash", '{"command": "ls"}'), "Done.")
        config = harness.config(database_url, [{"name": "mcp", "url": server.url, "api": "responses"}])
        person = await stack.enter_async_context(harness.person())
        running = await stack.enter_async_context(harness.bridge(config))
        alice = await running.join(person, server.names[0])

        def undecided() -> list[Message]:
            found = cards(alice, "wants to use")
            return [each for each in found if alice.room.reactions_to(each.event_id) == ["✅", "❌"]]

        def whole() -> list[Message]:
            return [each for each in alice.answers if each.body.split() == ["I", "look.", "Done."]]

        await alice.say("look, please")
        (asked,) = await person.wait_for(undecided)
        await person.react(alice.room_id, asked.event_id, "✅")
        await person.wait_for(lambda: cards(alice, person.user_id, "allowed"))
        await person.wait_for(lambda: len(whole()) == 1)
        await alice.say("look again, please")
        (asked,) = await person.wait_for(undecided)
        await person.react(alice.room_id, asked.event_id, "❌")
        await person.wait_for(lambda: cards(alice, person.user_id, "refused"))
        await person.wait_for(lambda: len(whole()) == 2)
        assert server.mcp.verdicts == ["allow", "deny"]


async def test_a_decision_is_not_sent_again_after_a_kill(harness: BridgeHarness, database_url: str) -> None:
    go_on = asyncio.Event()

    async def script(_question: str) -> AsyncIterator[Piece]:
        yield "I look. "
        yield Tool("Bash")
        await go_on.wait()
        yield "Done."

    async with ScriptedUpstream("mcp") as server, harness.person() as person:
        server.mcp.guarded, server.script = {"Bash"}, script
        config = harness.config(database_url, [{"name": "mcp", "url": server.url, "api": "responses"}])
        async with harness.bridge(config) as running:
            alice = await running.join(person, server.names[0])
            await alice.say("look, please")
            await person.wait_for(lambda: cards(alice, "wants to use"))
            asked = cards(alice, "wants to use")[0]
            await person.react(alice.room_id, asked.event_id, "✅")
            await person.wait_for(lambda: server.mcp.decisions)
        # The bridge was stopped before the answer went on.
        go_on.set()
        async with harness.bridge(config):
            await person.wait_for(lambda: [each for each in alice.answers if "had used a tool" in each.body])
        assert cards(alice, person.user_id, "allowed")
        assert len(server.mcp.decisions) == 1
        assert len(server.asked) == 2

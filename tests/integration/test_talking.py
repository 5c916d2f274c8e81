"""A person talks to an agent on a real homeserver and sees its answers."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.bridge.queue.lanes import POLLING_INTERVAL
from agent_bridge.core.errors.homeserver import HomeserverRefused
from agent_bridge.i18n.english import ENGLISH
from support.conditions import eventually
from support.harness import DOMAIN
from support.scripted_upstream import ScriptedUpstream, says, waits_for

if TYPE_CHECKING:
    from support.harness import BridgeHarness, Conversation
    from support.scripted_upstream import Script
    from support.shared_bridge import SharedBridge


async def test_an_answer_has_html_and_a_mark(shared: SharedBridge) -> None:
    async with ScriptedUpstream("rich") as upstream, shared.talk(upstream) as talk:
        upstream.script = says("**bold** and\n\n- one\n- two <script>")
        await talk.say("show me")
        answer = (await talk.wait_for_answers(1))[0]
        assert answer.body == "bold and\n\n• one\n• two <script>"
        assert answer.html is not None
        assert "<strong>bold</strong>" in answer.html
        assert "<li>one</li>" in answer.html
        assert "<script>" not in answer.html
        assert answer.content["m.mentions"] == {}
        assert answer.content["agent_bridge.turn"].endswith(".0")
        assert len(answer.versions) == 1


async def test_an_answer_grows_by_edits_while_the_ghost_has_read_and_types(shared: SharedBridge) -> None:
    async with ScriptedUpstream("slow") as upstream, shared.talk(upstream) as talk:
        gate = asyncio.Event()
        upstream.script = waits_for(gate, "Once upon ", "a time", ".")
        question = await talk.say("tell me")
        await talk.person.wait_for(lambda: talk.answers and talk.ghost in talk.room.typing)
        await talk.person.wait_for(lambda: talk.room.receipts.get(talk.ghost) == question)
        assert talk.answers[0].body == "Once upon"
        gate.set()
        answer = (await talk.wait_for_answers(1))[0]
        await talk.person.wait_for(lambda: answer.body == "Once upon a time." and talk.ghost not in talk.room.typing)
        assert len(talk.answers) == 1
        assert answer.content["msgtype"] == "m.text"


async def test_messages_are_answered_in_order_and_once(shared: SharedBridge) -> None:
    async with ScriptedUpstream("orderly") as upstream, shared.talk(upstream) as talk:
        for number in range(12):
            await talk.say(f"question {number}")
        answers = await talk.wait_for_answers(12)
        assert [answer.body for answer in answers] == [f"Echo: question {number}" for number in range(12)]
        assert upstream.questions == [f"question {number}" for number in range(12)]


async def test_a_busy_room_does_not_slow_another(shared: SharedBridge) -> None:
    async with ScriptedUpstream("stuck", "free") as upstream, shared.talk(upstream) as talk:
        never = asyncio.Event()
        upstream.scripts.append(waits_for(never, "…"))
        for number in range(5):
            await talk.say(f"wait {number}")
        await talk.person.wait_for(lambda: talk.answers)
        free = await talk.running.contact(upstream.names[1])
        room_id = free.home.room_id or ""
        await talk.running.homeserver.invite(room_id, talk.person.user_id)
        await talk.person.join(room_id)
        await talk.person.say(room_id, "quick")
        await talk.person.wait_for(lambda: [m for m in talk.person.room(room_id).messages.values() if "Echo" in m.body])
        assert upstream.questions == ["wait 0", "quick"]
        never.set()
        assert len(await talk.wait_for_answers(5)) == 5


async def test_a_stateless_upstream_gets_the_last_turns(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("forgetful") as upstream:
        async with harness.talk(database_url, upstream, history_tokens=30, system_prompt="Be brief.") as talk:
            upstream.script = says("ok")
            for text in ("first " * 20, "second", "third"):
                await talk.say(text)
            await talk.wait_for_answers(3)
        messages = [(message["role"], message["content"]) for message in upstream.asked[-1]["messages"]]
        assert messages == [
            ("system", "Be brief."),
            ("user", "second"),
            ("assistant", "ok"),
            ("user", "third"),
        ]


async def test_the_run_that_answered_is_recorded(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("ada") as upstream, harness.talk(database_url, upstream) as talk:
        await talk.say("hello")
        await talk.wait_for_answers(1)
        [row] = await talk.running.database.rows("SELECT upstream_ref FROM turn WHERE kind = 'message'")
        assert row["upstream_ref"].startswith("chatcmpl-")


async def test_an_upstream_that_remembers_gets_the_newest_and_its_headers(
    harness: BridgeHarness, database_url: str
) -> None:
    async with ScriptedUpstream("elephant") as upstream:
        headers: dict[str, Any] = {"session_header": "X-Chat-Key", "idempotency_header": "Idempotency-Key"}
        async with harness.talk(database_url, upstream, history="server", **headers) as talk:
            await talk.say("one")
            await talk.say("two")
            await talk.wait_for_answers(2)
            assert [len(asked["messages"]) for asked in upstream.asked] == [1, 1]
            assert {headers["X-Chat-Key"] for headers in upstream.headers} == {talk.room_id}
            assert len({headers["Idempotency-Key"] for headers in upstream.headers}) == 2


@pytest.mark.parametrize(
    ("script", "seen"),
    [
        (says("Half an ", None), ["Half an", "The answer ends here"]),
        (says("Half an ", RuntimeError("out of memory")), ["Half an", "out of memory"]),
        (says(), ["No answer"]),
        (says(401), ["No answer"]),
    ],
    ids=["cut", "error inside the stream", "empty", "refused"],
)
async def test_a_failure_is_told_once_with_its_cause(shared: SharedBridge, script: Script, seen: list[str]) -> None:
    async with ScriptedUpstream("failing") as upstream, shared.talk(upstream) as talk:
        upstream.scripts.append(script)
        await talk.say("try")
        answers = await talk.wait_for_answers(len(seen))
        assert len(answers) == len(seen)
        assert all(part in answer.body + (answer.html or "") for part, answer in zip(seen, answers, strict=True))
        assert answers[-1].content["msgtype"] == "m.notice"
        assert len(upstream.asked) == 1
        await talk.say("again")
        assert (await talk.wait_for_answers(len(seen) + 1))[-1].body == "Echo: again"
        # People saw the text of a broken answer, so they talk about it.
        before = ["try", "Half an"] if seen[0] == "Half an" else []
        assert [message["content"] for message in upstream.asked[-1]["messages"]] == [*before, "again"]


@pytest.mark.long
async def test_a_retry_keeps_its_place(shared: SharedBridge) -> None:
    async with ScriptedUpstream("busy") as upstream, shared.talk(upstream) as talk:
        upstream.scripts.extend([says(429), says(503)])
        await talk.say("first")
        await talk.say("second")
        answers = await talk.wait_for_answers(2)
        assert [answer.body for answer in answers] == ["Echo: first", "Echo: second"]
        assert upstream.questions == ["first", "first", "first", "second"]


@pytest.mark.long
async def test_a_failure_that_lasts_is_told_after_the_last_attempt(shared: SharedBridge) -> None:
    async with ScriptedUpstream("overloaded") as upstream, shared.talk(upstream) as talk:
        upstream.script = says(429)
        await talk.say("please")
        answers = await talk.wait_for_answers(1)
        assert len(answers) == 1
        assert "No answer" in answers[0].body
        assert len(upstream.asked) == 4


async def test_other_events_than_messages_start_no_turn(shared: SharedBridge) -> None:
    async with ScriptedUpstream("calm") as upstream, shared.talk(upstream) as talk:
        question = await talk.say("first")
        await talk.wait_for_answers(1)
        send, room = talk.person.send, talk.room_id
        await send(room, "m.room.message", {"msgtype": "m.notice", "body": "a notice"})
        await send(
            room, "m.reaction", {"m.relates_to": {"rel_type": "m.annotation", "event_id": question, "key": "👍"}}
        )
        await send(room, "org.example.unknown", {"body": "unknown type"})
        await talk.say("second")
        await talk.wait_for_answers(2)
        assert upstream.questions == ["first", "second"]


async def test_messages_of_other_types_are_answered_or_marked(shared: SharedBridge) -> None:
    async with ScriptedUpstream("curious") as upstream, shared.talk(upstream) as talk:
        say = partial(talk.person.send, talk.room_id, "m.room.message")
        await say({"msgtype": "org.example.unknown", "body": "unknown msgtype"})
        await say({"msgtype": "m.location", "body": "Location: geo:48.2,16.37", "geo_uri": "geo:48.2,16.37"})
        await say({"msgtype": "m.text", "body": "", "formatted_body": "<b>bold</b> words"})
        await talk.person.send(talk.room_id, "m.sticker", {"body": "a cat", "info": {}})
        poll = {"question": {"org.matrix.msc1767.text": "Tea?"}, "answers": [{"org.matrix.msc1767.text": "Yes"}]}
        await talk.person.send(talk.room_id, "org.matrix.msc3381.poll.start", {"org.matrix.msc3381.poll.start": poll})
        await talk.wait_for_answers(5)
        assert upstream.questions == [
            "Message of the type org.example.unknown:\n\nunknown msgtype",
            "Location:\n\nLocation: geo:48.2,16.37",
            "bold words",
            "Sticker:\n\na cat",
            "Poll:\n\nTea?\n- Yes",
        ]
        call = {"call_id": "1", "lifetime": 1, "version": "1", "offer": {"type": "offer", "sdp": ""}}
        calls = [await talk.person.send(talk.room_id, "m.call.invite", call) for _ in range(2)]
        encrypted = {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x"}
        secrets = [await talk.person.send(talk.room_id, "m.room.encrypted", encrypted) for _ in range(2)]
        await talk.person.wait_for(lambda: len(talk.from_bot) == 2)
        for event_id in (calls[1], secrets[1]):
            await talk.person.wait_for(partial(_is_marked, talk, event_id))
        assert [message.body for message in talk.from_bot] == [ENGLISH.unreadable, ENGLISH.encrypted]


def _is_marked(talk: Conversation, event_id: str) -> bool:
    return talk.room.reactions_to(event_id) == ["⚠️"]


@pytest.mark.long
async def test_an_answer_that_is_refused_is_shown_after_the_room_was_repaired(
    harness: BridgeHarness, database_url: str
) -> None:
    async with ScriptedUpstream("mute") as upstream:
        # In later versions of rooms the ghost, which made the room, may do everything.
        config = harness.config(database_url, [{"name": "u", "url": upstream.url}], rooms={"version": "11"})
        async with harness.person() as person, harness.bridge(config) as running:
            talk = await running.join(person, upstream.names[0])
            levels = await running.homeserver.state(talk.room_id, "m.room.power_levels", as_user=talk.ghost)
            assert levels is not None
            users = levels["content"]["users"] | {talk.ghost: 0, person.user_id: 50}
            content = levels["content"] | {"users": users, "events_default": 50}
            await running.homeserver.set_state(talk.room_id, "m.room.power_levels", content, as_user=talk.ghost)
            await talk.say("hello?")
            (answer,) = await talk.wait_for_answers(1)
            assert answer.body == "Echo: hello?"
            await talk.wait_until_idle()
            assert talk.from_bot == []
            assert upstream.questions == ["hello?"]


async def test_a_long_answer_comes_in_parts(shared: SharedBridge) -> None:
    async with ScriptedUpstream("verbose") as upstream, shared.talk(upstream) as talk:
        paragraphs = [f"{number}. " + "слово " * 100 for number in range(60)]
        upstream.script = says("\n\n".join(paragraphs))
        await talk.say("all of it")
        await talk.wait_for_answers(2)
        await talk.person.wait_for(lambda: "59. " in talk.answers[-1].body)
        said = "\n\n".join(answer.body for answer in talk.answers)
        assert said.split() == "\n\n".join(paragraphs).split()
        assert len(talk.answers) > 2


async def test_a_stranger_is_told_once_if_an_admin_had_invited_them(
    harness: BridgeHarness, shared: SharedBridge
) -> None:
    async with ScriptedUpstream("private") as upstream, shared.talk(upstream) as talk:
        async with harness.person("stranger") as stranger:
            await talk.running.homeserver.invite(talk.room_id, stranger.user_id)
            await stranger.join(talk.room_id)
            await stranger.say(talk.room_id, "may I?")
            await stranger.say(talk.room_id, "hello?")
            await talk.say("me too")
            await talk.wait_for_answers(1)

            def notices() -> list[str]:
                return [m.body for m in talk.room.messages.values() if m.content["msgtype"] == "m.notice"]

            await talk.person.wait_for(notices)
        assert len(notices()) == 1
        assert notices()[0].startswith("You are not permitted to talk to agents here.")
        assert f"@admin:{DOMAIN}" in notices()[0]
        assert upstream.questions == ["me too"]


async def test_a_stranger_without_an_admins_invitation_is_ignored(harness: BridgeHarness, shared: SharedBridge) -> None:
    async with ScriptedUpstream("quiet") as upstream, shared.talk(upstream) as talk:
        async with harness.person("stranger") as stranger:

            async def entered() -> bool:
                # The bridge may put its own rule back: no person has chosen this one.
                rule = {"join_rule": "public"}
                await talk.running.homeserver.set_state(talk.room_id, "m.room.join_rules", rule, as_user=talk.ghost)
                with suppress(HomeserverRefused):
                    await stranger.join(talk.room_id)
                    return True
                return False

            await eventually(entered, "the stranger has entered")
            await stranger.say(talk.room_id, "anybody?")
        await talk.say("me")
        await talk.wait_for_answers(1)
        assert [message.body for message in talk.room.messages.values()] == ["anybody?", "me", "Echo: me"]


async def test_the_next_message_starts_at_once(shared: SharedBridge) -> None:
    """The queue's polling interval must not become the gap between two turns of a lane."""
    async with ScriptedUpstream("brisk") as upstream, shared.talk(upstream) as talk:
        for number in range(8):
            await talk.say(f"{number}")
        await talk.wait_for_answers(8)
        rows = await talk.running.database.rows(
            """
            SELECT started_at, lag(finished_at) OVER (ORDER BY t.id) AS before
            FROM turn t JOIN conversation c ON c.id = t.conversation WHERE c.room_id = %s ORDER BY t.id
            """,
            (talk.room_id,),
        )
        gaps = [(row["started_at"] - row["before"]).total_seconds() for row in rows if row["before"] is not None]
        assert sorted(gaps)[len(gaps) // 2] < POLLING_INTERVAL / 2

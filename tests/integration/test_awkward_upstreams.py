"""Servers with small contexts, strict templates, slow starts and odd ends of answers, as people in a room see them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from agent_bridge.demo.agents.openai_server import Refusal
from agent_bridge.store.postgres.database import Database
from support.conditions import eventually
from support.scripted_upstream import File, ScriptedUpstream, says

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.harness import BridgeHarness
    from support.shared_bridge import SharedBridge

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="


class StrictUpstream(ScriptedUpstream):
    """Takes questions of *limit* characters whose roles alternate."""

    def __init__(self, model: str, limit: int = 1_000_000, words: str = "") -> None:
        super().__init__(model)
        self._limit = limit
        self._words = words
        self.refused = 0

    async def respond(self, request: web.Request, question: Mapping[str, Any], answer: Any) -> web.StreamResponse:
        messages = question["messages"]
        roles = [message["role"] for message in messages]
        if roles != ["assistant" if at % 2 else "user" for at in range(len(roles))]:
            return self._refuse("Conversation roles must alternate user/assistant/user/assistant/...")
        if sum(len(message["content"]) for message in messages) > self._limit:
            return self._refuse(self._words)
        return await super().respond(request, question, answer)

    def _refuse(self, words: str) -> web.Response:
        self.refused += 1
        return web.json_response(Refusal(words).body, status=400)


@pytest.mark.parametrize(
    ("words", "cause", "remedy"),
    [
        (
            "Requested tokens (999) exceed context window of 512",
            "the message is too long for this agent's model.",
            "Send a shorter message.",
        ),
        pytest.param("n_past is beyond n_ctx", "", "", marks=pytest.mark.long),
    ],
)
async def test_a_small_context_never_blocks_a_room(shared: SharedBridge, words: str, cause: str, remedy: str) -> None:
    async with StrictUpstream("forgetful", 300, words) as upstream, shared.talk(upstream) as talk:
        upstream.script = says("x" * 100)
        for number in range(6):
            await talk.say(f"question {number}")
            answers = await talk.wait_for_answers(number + 1)
            assert answers[-1].body == "x" * 100
        assert upstream.refused
        await talk.say("y" * 400)
        answers = await talk.wait_for_answers(7)
        assert answers[-1].body.startswith(f"⚠️ No answer: {cause}")
        assert remedy in answers[-1].body
        await talk.say("and now?")
        answers = await talk.wait_for_answers(8)
        assert answers[-1].body == "x" * 100


async def test_roles_alternate_in_rooms_and_threads(shared: SharedBridge) -> None:
    async with StrictUpstream("strict") as upstream, shared.talk(upstream) as talk:
        question = await talk.say("one")
        (answer,) = await talk.wait_for_answers(1)
        await talk.person.reply(talk.room_id, answer.event_id, "two", thread=answer.event_id)
        await talk.wait_for_answers(2)
        await talk.person.reply(talk.room_id, question, "three", thread=question)
        await talk.wait_for_answers(3)
        await talk.say("four")
        await talk.wait_for_answers(4)
        assert not upstream.refused


async def test_a_message_waits_for_a_server_that_starts(shared: SharedBridge) -> None:
    async with ScriptedUpstream("sleepy") as upstream, shared.talk(upstream) as talk:
        upstream.script = says(503)
        question = await talk.say("are you there?")
        (notice,) = await talk.person.wait_for(lambda: talk.answers)
        assert notice.content["msgtype"] == "m.notice"
        assert notice.body.startswith("⏳")
        assert upstream.names[0] in notice.body
        upstream.script = says("Here I am.")
        await talk.person.wait_for(lambda: [answer.body for answer in talk.answers] == ["Here I am."])
        assert talk.answers[0].event_id != notice.event_id
        await talk.wait_until_idle()
        assert talk.room.reactions_to(question) == []


async def test_what_was_seen_of_a_broken_answer_is_remembered(shared: SharedBridge) -> None:
    async with ScriptedUpstream("fragile") as upstream, shared.talk(upstream) as talk:
        upstream.scripts.append(says("My name is", None))
        await talk.say("your name?")
        await talk.wait_for_answers(2)
        await talk.say("go on")
        await talk.wait_for_answers(3)
        told = [message["content"] for message in upstream.asked[-1]["messages"]]
        assert told == ["your name?", "My name is", "go on"]


async def test_a_picture_in_the_markdown_is_a_picture(shared: SharedBridge) -> None:
    async with ScriptedUpstream("painter") as upstream, shared.talk(upstream) as talk:
        upstream.scripts.append(says(f"Here is your cat:\n\n![image](data:image/png;base64,{PNG})\n\nEnjoy!"))
        upstream.scripts.append(says(File(f"data:image/png;base64,{PNG}")))
        await talk.say("a cat")
        text, picture = await talk.wait_for_answers(2)
        assert text.body == "Here is your cat:\n\n\n\nEnjoy!"
        assert picture.content["msgtype"] == "m.image"
        await talk.say("another")
        await talk.wait_for_answers(3)
        await talk.say("darker")
        await talk.wait_for_answers(4)
        told = [message["content"] for message in upstream.asked[-1]["messages"]]
        assert told == [
            "a cat",
            f"Here is your cat:\n\n\n\nEnjoy!\n\n[image: {upstream.names[0]}.png]",
            "another",
            f"[image: {upstream.names[0]}.png]",
            "darker",
        ]


@pytest.mark.long
async def test_waits_for_an_upstream_are_no_failures_and_take_no_time_of_a_bridge_that_is_down(
    harness: BridgeHarness, database_url: str
) -> None:
    async with (
        ScriptedUpstream("away") as upstream,
        harness.talk(database_url, upstream, lanes={"max_attempts": 2}) as talk,
        Database(database_url) as database,
    ):
        upstream.scripts.extend([says(503), says(503), says(429), says("Here you are.")])
        await talk.say("please")
        await eventually(partial(_waits, database), "the message waits")
        # As if the bridge had been down for an hour.
        await database.execute("UPDATE turn SET started_at = started_at - interval '1 hour' WHERE open")
        (told,) = await talk.wait_for_answers(1)
        assert told.body == "Here you are."
        (row,) = await database.rows(
            "SELECT failures, upstream_waits, upstream_waited FROM turn WHERE kind = 'message'"
        )
        assert (row["failures"], row["upstream_waits"]) == (1, 2)
        assert 3 <= row["upstream_waited"] < 60


async def _waits(database: Database) -> bool:
    return bool(await database.rows("SELECT 1 FROM turn WHERE upstream_waits > 0"))

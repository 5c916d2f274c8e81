"""The HTTP API with several processes, with lost transactions, in groups, and after an erasure."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from agent_bridge.core.programs import token_hash
from agent_bridge.demo.synapse import free_port
from agent_bridge.render.content import message
from agent_bridge.render.relayed import by_person
from agent_bridge.store.postgres.database import Database
from integration.test_gaps import silent_endpoint
from support.api_client import program_of
from support.bot_rooms import bot_chat
from support.conditions import DEADLINE, eventually
from support.damages import homeserver_of
from support.harness import DOMAIN
from support.scripted_upstream import ScriptedUpstream, echo, waits_for

if TYPE_CHECKING:
    from agent_bridge.config.model import Config
    from support.harness import BridgeHarness

pytestmark = pytest.mark.long


def another(config: Config) -> Config:
    """Return the configuration of another process of the same bridge."""
    service = config.appservice.model_copy(update={"port": free_port()})
    return config.model_copy(update={"appservice": service, "api": config.api.model_copy(update={"port": free_port()})})


def configured(harness: BridgeHarness, database_url: str, upstream: ScriptedUpstream, **more: Any) -> Config:
    permissions = {DOMAIN: "member", f"@boss:{DOMAIN}": "owner"}
    sections: dict[str, Any] = {"permissions": permissions, "api": {"port": free_port()}} | more
    return harness.config(database_url, [{"name": "u", "url": upstream.url}], **sections)


async def test_any_process_takes_requests_and_a_revoked_token_counts_nowhere(
    harness: BridgeHarness, database_url: str
) -> None:
    async with ScriptedUpstream("ada") as upstream, harness.person() as person:
        config = configured(harness, database_url, upstream)
        other = another(config)
        async with harness.bridge(config) as running, harness.bridge(other):
            talk = await running.join(person, upstream.names[0])
            one = await program_of(running, person.user_id)
            two = one.at(other.public_url)
            both = [one, two]
            results = await asyncio.gather(*(each.send(talk.room_id, "hello", "key") for each in both * 3))
            assert {each.status for each in results} == {200}
            assert len({each["event_id"] for each in results}) == 1
            await talk.wait_for_answers(1)
            assert len(talk.answers) == len(upstream.questions) == 1
            gate = asyncio.Event()
            upstream.script = waits_for(gate, "slow ", "answer")
            asked = await one.post("/v1/ask", to=upstream.names[0], text="slowly", timeout=0)
            waits = [
                asyncio.create_task(each.get(f"/v1/asks/{asked['handle']}", wait=30)) for each in both for _ in range(5)
            ]
            await person.wait_for(lambda: len(talk.answers) == 2)
            gate.set()
            found = await asyncio.gather(*waits)
            upstream.script = echo
            assert {(each.status, each["answers"][0]["text"]) for each in found} == {(200, "slow answer")}
            await running.database.execute(
                "UPDATE token SET revoked_at = now() WHERE hash = %s", (token_hash(one.token),)
            )
            assert {(await each.get("/v1/me")).code for each in both} == {"token_invalid"}


async def test_a_relayed_message_that_the_homeserver_lost_is_found(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("ada") as upstream:
        config = configured(harness, database_url, upstream)
        async with harness.person("finder") as person, harness.bridge(config) as running:
            talk = await running.join(person, upstream.names[0])
            program = await program_of(running, person.user_id)
            await program.send(talk.room_id, "first")
            await talk.wait_for_answers(1)
        async with harness.watching(talk) as talk:
            async with silent_endpoint(config.appservice.url) as came:
                await talk.say("ahead")
                await asyncio.wait_for(came.wait(), DEADLINE)
                async with homeserver_of(config) as homeserver:
                    # As of a process that was killed before it noted the event.
                    await _noted(database_url, "apilost")
                    content = by_person(message("lost words", mark="apilost.0"), talk.person.user_id, {})
                    await homeserver.send(talk.room_id, content, txn_id="lost")
                await harness.synapse.kill()
            await harness.synapse.start()
            async with harness.bridge(config) as running:
                await talk.person.wait_for(lambda: len(talk.answers) == 3)
                await eventually(running.idle, "every turn is closed")
        assert upstream.questions == ["first", "ahead", "lost words"]


async def test_other_agents_of_a_group_hear_who_speaks(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("ada", "bea") as upstream, harness.person() as person:
        config = configured(harness, database_url, upstream)
        async with harness.bridge(config) as running:
            names = running.homeserver.namespace
            ghosts = [names.user_id((await running.contact(each)).agent.ghost) for each in upstream.names]
            room_id = await person.create_room(preset="private_chat", invite=[names.bot, *ghosts])
            await person.wait_for(lambda: {names.bot, *ghosts} <= set(person.room(room_id).members()))
            program = await program_of(running, person.user_id)
            await program.send(room_id, "the code is 4711", mentions=[upstream.names[0]])
            await person.wait_for(lambda: person.room(room_id).said_by(ghosts[0]))
            asked = await program.post("/v1/ask", to=room_id, text="which code?", mentions=[upstream.names[1]])
            assert asked["answers"][0]["user_id"] == ghosts[1]
            localpart = person.user_id[1:].partition(":")[0]
            last = str(upstream.asked[-1])
            assert f"{localpart}: the code is 4711" in last
            assert f"{localpart}: {localpart}: " not in last
            assert (await program.post("/v1/ask", to=room_id, text="anybody?")).code == "nobody_answers"


async def test_an_erased_person_has_no_tokens(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("ada") as upstream, harness.person() as person:
        config = configured(harness, database_url, upstream)
        async with harness.bridge(config) as running:
            talk = await running.join(person, upstream.names[0])
            program = await program_of(running, person.user_id)
            sent = await program.send(talk.room_id, "hello", "key")
            await program.request("PUT", f"/v1/rooms/{upstream.names[0]}/read", body={"event_id": sent["event_id"]})
            await talk.wait_for_answers(1)
            desk = await bot_chat(running, person)
            assert "erase" in (await desk.ask("forget me")).body.lower() or desk.said()
            await desk.say("yes")

            async def is_over() -> bool:
                return not await running.database.rows("SELECT 1 FROM token")

            await eventually(is_over, "the tokens are deleted")
            assert (await program.get("/v1/me")).code == "token_invalid"
            for table in ("token", "api_request", "read_marker"):
                assert await running.database.rows(f"SELECT to_jsonb(t) FROM {table} t") == []  # noqa: S608


async def test_a_person_without_power_does_not_write_in_an_announcement_channel(
    harness: BridgeHarness, database_url: str
) -> None:
    async with ScriptedUpstream("ada") as upstream, harness.person() as person, harness.person("boss") as boss:
        config = configured(harness, database_url, upstream)
        async with harness.bridge(config) as running:
            names = running.homeserver.namespace
            room_id = await boss.create_room(
                preset="private_chat",
                invite=[names.bot, person.user_id],
                power_level_content_override={"events_default": 50, "users": {boss.user_id: 100, names.bot: 100}},
                room_version="11",
            )
            await person.join(room_id)
            await boss.wait_for(lambda: names.bot in boss.room(room_id).members())
            program, bosses = await program_of(running, person.user_id), await program_of(running, boss.user_id)
            await eventually(lambda: _known(running, room_id), "the bridge knows the room")
            assert (await program.send(room_id, "hello")).code == "not_permitted"
            assert (await bosses.send(room_id, "hello")).status == 200


async def _noted(database_url: str, name: str) -> None:
    """Write a request of the first token, as a process does before it sends an event."""
    async with Database(database_url) as database:
        await database.execute(
            """INSERT INTO api_request (token, key, action, digest, handle, name)
            SELECT id, %(name)s, 'send', '', %(name)s, %(name)s FROM token LIMIT 1""",
            {"name": name},
        )


async def _known(running: Any, room_id: str) -> bool:
    return bool(await running.database.rows("SELECT 1 FROM room WHERE room_id = %s", (room_id,)))


async def test_a_request_that_waits_ends_with_the_process(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("ada") as upstream, harness.person() as person:
        config = configured(harness, database_url, upstream)
        gate = asyncio.Event()
        async with harness.bridge(config) as running:
            talk = await running.join(person, upstream.names[0])
            program = await program_of(running, person.user_id)
            upstream.scripts.append(waits_for(gate, "some ", "words"))
            waits = asyncio.create_task(program.post("/v1/ask", to=upstream.names[0], text="slowly", timeout=200))
            await person.wait_for(lambda: len(talk.answers) == 1)
            begin = asyncio.get_running_loop().time()
        answer = await waits
        assert asyncio.get_running_loop().time() - begin < 30
        assert (answer.status, answer["is_complete"]) == (202, False)
        async with harness.bridge(config):
            done = await program.get(f"/v1/asks/{answer['handle']}", wait=30)
            assert done.status == 200
            assert done["answers"][0]["status"] == "answered"
        gate.set()


async def test_people_read_by_the_visibility_of_the_room_and_ask_within_quotas(
    harness: BridgeHarness, database_url: str
) -> None:
    async with ScriptedUpstream("ada") as upstream, harness.person("early") as early, harness.person("late") as late:
        quotas = [{"per": "user", "match": late.user_id, "tokens_per_day": 0}]
        config = configured(harness, database_url, upstream, quotas=quotas)
        async with harness.bridge(config) as running:
            names = running.homeserver.namespace
            content = {"history_visibility": "joined"}
            visibility = {"type": "m.room.history_visibility", "state_key": "", "content": content}
            room_id = await early.create_room(
                preset="private_chat", invite=[names.bot, late.user_id], initial_state=[visibility]
            )
            await early.wait_for(lambda: names.bot in early.room(room_id).members())
            for number in range(8):
                await early.say(room_id, f"secret {number}")
            await late.join(room_id)
            await early.say(room_id, "welcome")
            await eventually(lambda: _known(running, room_id), "the bridge knows the room")
            one, two = await program_of(running, early.user_id), await program_of(running, late.user_id)

            async def read(program: Any) -> list[str]:
                texts: list[str] = []
                before = ""
                while True:
                    page = await program.get(f"/v1/rooms/{quote(room_id, safe='')}/messages", limit=3, before=before)
                    texts = [each["text"] for each in page["messages"] if not each["is_agent"]] + texts
                    before = page["before"]
                    if not before:
                        return texts

            assert await read(one) == [*(f"secret {number}" for number in range(8)), "welcome"]
            assert await read(two) == ["welcome"]
            assert (await two.get("/v1/search", q="secret"))["messages"] == []
            await running.join(late, upstream.names[0])
            asked = await two.post("/v1/ask", to=upstream.names[0], text="hello")
            assert (asked.status, asked["answers"][0]["status"]) == (200, "failed")
            assert "quota" in asked["answers"][0]["error"]
            assert upstream.questions == []


async def test_a_thread_is_a_conversation(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("ada") as upstream, harness.person() as person:
        config = configured(harness, database_url, upstream)
        async with harness.bridge(config) as running:
            talk = await running.join(person, upstream.names[0])
            program = await program_of(running, person.user_id)
            root = (await program.send(upstream.names[0], "root"))["event_id"]
            asked = await program.post("/v1/ask", to=upstream.names[0], text="in the thread", thread=root)
            page = await program.get(f"/v1/rooms/{upstream.names[0]}/messages", thread=root)
            # An agent gets the root of a thread with the first question in it.
            answer = "Echo: root\n\nin the thread"
            assert [each["text"] for each in page["messages"]] == ["root", "in the thread", answer]
            assert page["messages"][-1]["thread"] == root
            assert asked["answers"][0]["text"] == answer
            await talk.wait_for_answers(2)

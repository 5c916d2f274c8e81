"""Agents that connect themselves, on a real Synapse: their questions wait in order, and none is lost."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from agent_bridge.bridge.agents.upstream_status import UpstreamStatus
from agent_bridge.core.client_agents import upstream_of_client
from agent_bridge.store.client_agents import ClientAgents, NewClientAgent
from agent_bridge.store.kv import KeyValues
from agent_bridge.store.postgres.database import Database
from agent_bridge.store.postgres.signals import Signals
from support.conditions import DEADLINE, eventually
from support.harness import DOMAIN, SHARED
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.config.model import Config
    from agent_bridge.core.client_agents import ClientQuestion
    from support.harness import BridgeHarness, Conversation, Running
    from support.postgres import Server

OWNER = f"@boss:{DOMAIN}"


@pytest.fixture(scope="module")
async def config(harness: BridgeHarness, postgres: Server) -> AsyncIterator[Config]:
    async with ScriptedUpstream("Ada") as upstream:
        with postgres.migrated() as url:
            permissions = {DOMAIN: "member", OWNER: "owner"}
            there = [{"name": "u", "url": upstream.url}]
            yield harness.config(url, there, service=SHARED, permissions=permissions)


@pytest.fixture(scope="module")
async def running(harness: BridgeHarness, config: Config) -> AsyncIterator[Running]:
    async with harness.bridge(config) as running:
        yield running


@dataclass
class Client:
    """An agent that connects itself."""

    store: ClientAgents
    database: Database
    model: str

    async def questions(self, number: int = 1) -> list[ClientQuestion]:
        """Return the questions once there are *number*."""

        async def waiting() -> bool:
            return len(await self.store.open(self.model)) == number

        await eventually(waiting, f"{number} questions wait")
        return list(await self.store.open(self.model))

    async def waiting_question(self) -> ClientQuestion:
        """Return the question once its worker has left the turn to the reply.

        The worker asks, and then puts the turn back. A change of the turn in between would be overwritten.
        """
        (question,) = await self.questions()

        async def waits() -> bool:
            query = "SELECT not_before IS NOT NULL AS yes FROM turn WHERE key = %(key)s"
            return bool((await self.database.row(query, {"key": question.key}) or {"yes": False})["yes"])

        await eventually(waits, "the turn waits for the reply")
        return question

    async def run(self, statement: str, **values: object) -> None:
        """Change rows."""
        async with self.database.transaction() as connection:
            await connection.execute(statement.encode(), values)


@asynccontextmanager
async def client(config: Config, name: str, *, ephemeral: bool = False) -> AsyncIterator[Client]:
    """Register an agent, and have the leader look at the list now."""
    async with Database(config.database.url, pool_size=4, pool_timeout=DEADLINE) as database:
        store = ClientAgents(database)
        new = NewClientAgent(model=f"client-{name.lower()}", name=name, owner=OWNER, ephemeral=ephemeral)
        async with database.transaction() as connection:
            await store.lock(connection)
            made = await store.register(connection, new, most=100)
        assert made is not None
        status = UpstreamStatus(KeyValues(database), Signals())
        assert await status.ask_one(upstream_of_client(ephemeral=ephemeral), within=DEADLINE)
        yield Client(store, database, made.model)


async def test_questions_wait_for_replies_in_order(harness: BridgeHarness, running: Running, config: Config) -> None:
    async with client(config, "Crab") as crab, harness.person("boss") as boss:
        talk: Conversation = await running.join(boss, "Crab")
        first = await talk.say("How many legs?")
        (question,) = await crab.questions()
        await talk.say("And how many claws?")
        assert question.text == "How many legs?"
        assert (question.sender, question.room_id, question.event_id) == (boss.user_id, talk.room_id, first)
        assert await crab.store.reply(question.id, "client-other", "No") is None
        # Of a token that is limited to other rooms.
        assert not await crab.store.open(crab.model, rooms=["!other:test.local"])
        assert await crab.store.open(crab.model, rooms=[talk.room_id]) == [question]
        assert await crab.store.reply(question.id, crab.model, "No", rooms=["!other:test.local"]) is None
        assert await crab.store.reply(question.id, crab.model, "Ten.") is True
        assert await crab.store.reply(question.id, crab.model, "Ten.") is False
        assert await crab.store.reply(question.id, crab.model, "Eight.") is None
        (second,) = await crab.questions()
        assert second.text == "And how many claws?"
        assert await crab.store.reply(second.id, crab.model, "Two.") is True
        answers = await talk.wait_for_answers(2)
        assert [each.body for each in answers] == ["Ten.", "Two."]
        await eventually(running.idle, "no turn is open")
        # A program whose request had no response repeats it, also when other questions were asked since.
        assert await crab.store.reply(question.id, crab.model, "Ten.") is False
        assert await crab.store.reply(question.id, crab.model, "Eight.") is None


@pytest.mark.long
async def test_an_answer_that_people_end_waits_no_more(
    harness: BridgeHarness, running: Running, config: Config
) -> None:
    async with client(config, "Snail") as snail, harness.person("boss") as boss:
        talk = await running.join(boss, "Snail")
        redacted = await talk.say("my password is 1234")
        (question,) = await snail.questions()
        await boss.redact(talk.room_id, redacted)
        await snail.questions(0)
        assert await snail.store.reply(question.id, snail.model, "Noted.") is None
        await talk.say("Hello?")
        (question,) = await snail.questions()
        await talk.command("stop")
        await snail.questions(0)
        assert await snail.store.reply(question.id, snail.model, "Hello!") is None
        await eventually(running.idle, "no turn is open")
        rows = await snail.database.rows("SELECT text, reply FROM client_question WHERE model = 'client-snail'", {})
        assert rows == []
        await boss.wait_for(lambda: [each.body for each in talk.answers] == ["(stopped)"])


async def test_the_room_is_told_of_silence(harness: BridgeHarness, running: Running, config: Config) -> None:
    async with client(config, "Mole") as mole, harness.person("boss") as boss:
        talk = await running.join(boss, "Mole")
        await talk.say("Are you there?")
        question = await mole.waiting_question()
        await mole.run("UPDATE client_question SET deadline = now() WHERE id = %(id)s", id=question.id)
        due = "UPDATE turn SET not_before = NULL WHERE key = %(key)s RETURNING pg_notify('agent_bridge', 'lanes')"
        await mole.run(due, key=question.key)
        (told,) = await talk.wait_for_answers(1)
        assert "the agent did not reply within 3600 s" in told.body
        assert await mole.store.reply(question.id, mole.model, "Yes") is None


async def test_replies_survive_a_restart(harness: BridgeHarness, running: Running, config: Config) -> None:
    """A bridge that takes over answers a question with the reply that came while none ran."""
    async with client(config, "Newt") as newt, harness.person("boss") as boss:
        talk = await running.join(boss, "Newt")
        await talk.say("Still there?")
        question = await newt.waiting_question()
        async with newt.database.transaction() as connection:
            # As if a worker had died with the turn.
            await connection.execute(
                "UPDATE turn SET state = 'running', not_before = NULL WHERE key = %s"
                " RETURNING pg_notify('agent_bridge', 'lanes')",
                (question.key,),
            )
        await eventually(lambda: _is_put_back(newt, question), "the turn was taken up again")
        (again,) = await newt.questions()
        assert again.id == question.id
        assert await newt.store.reply(question.id, newt.model, "Yes.") is True
        (answer,) = await talk.wait_for_answers(1)
        assert answer.body == "Yes."


async def _is_put_back(each: Client, question: ClientQuestion) -> bool:
    row = await each.database.row("SELECT attempts, not_before FROM turn WHERE key = %(key)s", {"key": question.key})
    return row is not None and row["attempts"] > 1 and row["not_before"] is not None


@pytest.mark.long
async def test_an_agent_that_is_retired_lets_nobody_wait(
    harness: BridgeHarness, running: Running, config: Config
) -> None:
    async with client(config, "Wasp") as wasp, harness.person("boss") as boss:
        talk = await running.join(boss, "Wasp")
        await talk.say("Sting?")
        (question,) = await wasp.questions()
        await talk.command("retire Wasp")
        await boss.wait_for(lambda: any("Wasp is no longer available" in each.body for each in talk.answers))
        await eventually(running.idle, "no turn is open")
        assert await wasp.store.reply(question.id, wasp.model, "No.") is None


async def test_an_agent_that_is_removed_is_gone(harness: BridgeHarness, running: Running, config: Config) -> None:
    async with client(config, "Moth") as moth, harness.person("boss") as boss:
        talk = await running.join(boss, "Moth")
        await talk.say("Fly!")
        await moth.questions()
        assert await moth.store.remove(moth.model)
        (told,) = await talk.wait_for_answers(1)
        assert "no longer" in told.body
        await eventually(running.idle, "no turn is open")


@pytest.mark.long
async def test_an_agent_that_is_removed_while_its_question_begins_to_wait_is_gone(
    harness: BridgeHarness, running: Running, config: Config
) -> None:
    """The removal has the waiting turns go on; this one waits a moment later."""
    async with client(config, "Mayfly") as mayfly, harness.person("boss") as boss:
        talk = await running.join(boss, "Mayfly")
        await talk.say("Fly!")
        await mayfly.questions()
        await mayfly.run("DELETE FROM client_agent WHERE model = %(model)s", model=mayfly.model)
        (waiting,) = await mayfly.database.rows("SELECT id FROM turn WHERE open")
        await mayfly.store.resume(waiting["id"])
        (told,) = await talk.wait_for_answers(1)
        assert "no longer" in told.body

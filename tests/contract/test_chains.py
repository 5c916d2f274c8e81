"""Agents that ask each other, on PostgreSQL: budgets, fences, and the changes of people in between."""

from __future__ import annotations

import asyncio
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.bridge.groups.hand_on import HandOn
from agent_bridge.core.answers import AnswerExtras, Part
from agent_bridge.core.chains import ChainBudget, ChainPosition
from agent_bridge.core.errors import TurnLost
from agent_bridge.core.live import Live
from agent_bridge.core.payloads import MessagePayload, RefusalReason
from agent_bridge.core.results.traces import Trace, TurnTrace
from agent_bridge.core.roles import Role, Roles
from agent_bridge.core.turns import TurnState
from agent_bridge.core.usage import Usage
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.matrix.events import parse_event
from agent_bridge.render.trace import render_trace
from agent_bridge.store.chains import Chains
from agent_bridge.store.intake import IntakeStore
from agent_bridge.store.prune import prune
from agent_bridge.store.rooms import Rooms
from agent_bridge.store.turn_admin import TurnAdmin, TurnSummary
from agent_bridge.store.turns import Turns
from agent_bridge.store.usage import UsageStore
from support.appservice_client import real_intake
from support.change_requests import TALK
from support.jobs import idle_lanes, woken
from support.records import NAMES, used
from support.turn_rows import BOB, OTHER, ROOM, add_agent, content, row_of, take_part, waiting_for_a_lock, watch

if TYPE_CHECKING:
    from agent_bridge.core.turns import Turn
    from agent_bridge.matrix.events import RoomEvent
    from agent_bridge.store.postgres.database import Database

GROUP = "!group:example.org"
FRIDA, GALA = "@agent_frida:example.org", "@agent_gala:example.org"
LARGE = ChainBudget(hops=100, pair=100, turns=100)


@pytest.fixture
async def agents(database: Database) -> tuple[int, int]:
    """Frida and Gala, both in a room of people."""
    frida, gala = await add_agent(database), await add_agent(database, "Gala", OTHER)
    await watch(database, GROUP)
    await take_part(database, GROUP, frida, gala)
    return frida, gala


def event(event_id: str, sender: str = BOB, **more: Any) -> RoomEvent:
    said = {"msgtype": "m.text", "body": "Frida, begin"}
    raw = {"event_id": event_id, "room_id": GROUP, "type": "m.room.message", "sender": sender, "content": said}
    parsed = parse_event(raw | more)
    assert parsed is not None
    return parsed


def reacted(event_id: str, key: str, target: str) -> RoomEvent:
    relation = {"rel_type": "m.annotation", "event_id": target, "key": key}
    return event(event_id, type="m.reaction", content={"m.relates_to": relation})


def redacted(event_id: str, target: str) -> RoomEvent:
    return event(event_id, type="m.room.redaction", content={"redacts": target})


class Talk:
    """Frida and Gala in the room, and a worker that is carried out step by step."""

    def __init__(self, database: Database, budget: ChainBudget = LARGE, role: Role = Role.MEMBER) -> None:
        self.database = database
        self.turns = Turns(database)
        self.chains = Chains(database, NAMES)
        self._intake = real_intake(database)
        self._hand_on = HandOn(
            database,
            Rooms(database),
            IntakeStore(database),
            self.chains,
            idle_lanes(database),
            NAMES,
            Roles.fixed({"example.org": role}, NAMES),
            budgets := Live(budget),
        )
        #: The budget that counts now.
        self.budgets = budgets

    async def receive(self, *events: RoomEvent) -> None:
        await self._intake.take("t", events)

    async def take(self, agent: str) -> Turn:
        """Claim the next turn of the agent with this ghost."""
        row = await self.database.row(
            "SELECT c.id FROM conversation c JOIN agent a ON a.id = c.agent WHERE c.room_id = %s AND a.ghost = %s",
            (GROUP, NAMES.bot_username if agent == "bot" else agent[1:].partition(":")[0]),
        )
        assert row is not None
        turn = await self.turns.take(row["id"])
        assert turn is not None
        return turn

    async def show(self, turn: Turn, *mentions: str, text: str = "your turn") -> str:
        """Commit and show the answer to *turn*; return its event."""
        extras = AnswerExtras(mentions=mentions)
        await self.turns.commit(turn, text, error=None, parts=[0], extras=extras, transcript=TALK)
        shown = f"$answer-{turn.key}"
        await self.turns.sent(turn, 0, shown)
        return shown

    async def ask(self, turn: Turn, *mentions: str) -> None:
        """Carry out the step behind a shown answer."""
        step = self._hand_on.step(turn, mentions)
        assert step is not None
        await step(f"$answer-{turn.key}")

    async def mentioned(self, turn: Turn, text: str) -> tuple[str, ...]:
        return await self._hand_on.mentioned(turn, text)

    def asks(self, turn: Turn, *mentions: str) -> bool:
        """Tell whether an answer to *turn* asks those whom it mentions."""
        return self._hand_on.step(turn, mentions) is not None

    async def answer(self, agent: str, *mentions: str) -> Turn:
        """Have the agent answer its next turn."""
        turn = await self.take(agent)
        await self.show(turn, *mentions)
        await self.ask(turn, *mentions)
        await self.turns.finish(turn, TurnState.DONE, {0: f"$answer-{turn.key}"})
        return turn

    async def asked(self) -> list[tuple[int, str]]:
        """Return hops and agent of each question of an agent."""
        rows = await self.database.rows(
            """SELECT t.hops, a.ghost FROM turn t JOIN conversation c ON c.id = t.conversation
            JOIN agent a ON a.id = c.agent WHERE t.asked_by IS NOT NULL ORDER BY t.id"""
        )
        return [(row["hops"], row["ghost"]) for row in rows]

    async def held(self) -> list[tuple[str, int]]:
        rows = await self.database.rows("SELECT bound, grants FROM chain_hold ORDER BY asked_in, agent")
        return [(row["bound"], row["grants"]) for row in rows]

    async def notices(self) -> list[str]:
        rows = await self.database.rows("SELECT once_key FROM turn WHERE reason = 'chain_limit' ORDER BY id")
        return [row["once_key"].partition(":")[2] for row in rows]

    async def show_notice(self) -> str:
        """Have the newest notice shown; return its event."""
        row = await self.database.row("SELECT id, key FROM turn WHERE reason = 'chain_limit' ORDER BY id DESC LIMIT 1")
        assert row is not None
        shown = f"$notice-{row['key']}"
        values = (row["id"], shown)
        await self.database.execute("INSERT INTO outbox (turn, part, event_id) VALUES (%s, 0, %s)", values)
        return shown

    async def resume(self, request: RoomEvent) -> None:
        """Receive a 👍, with the budgets of this talk."""
        intake = real_intake(self.database, budget=self.budgets.value)
        await intake.take("t", [request])


async def test_the_mentioned_agent_is_asked_in_the_name_of_the_person(
    database: Database, agents: tuple[int, int]
) -> None:
    talk = Talk(database)
    await talk.receive(event("$root"))
    assert (first := await talk.answer(FRIDA, GALA)).chain is None
    assert len(await woken(database)) == 2
    turn = await talk.take(GALA)
    assert turn.chain == ChainPosition("$root", BOB, 1, "Frida")
    assert (turn.sender, turn.event_id, turn.payload) == (FRIDA, f"$answer-{first.key}", MessagePayload("your turn"))
    assert await talk.turns.senders(turn.id) == [BOB]
    row = await row_of(database, turn.event_id)
    assert (row["asked_by"], row["asked_in"], row["hops"]) == (agents[0], first.id, 1)
    assert (await row_of(database, "$root"))["chain"] == row["chain"]


@pytest.mark.usefixtures("agents")
async def test_a_frozen_worker_asks_nobody(database: Database) -> None:
    talk = Talk(database, ChainBudget(hops=100, pair=100, turns=2))
    await talk.receive(event("$root"))
    frozen = await talk.take(FRIDA)
    await talk.show(frozen, GALA)
    await talk.ask(frozen, GALA)
    other = await talk.take(FRIDA)
    await talk.ask(other, GALA)
    with pytest.raises(TurnLost):
        await talk.ask(frozen, GALA)
    await talk.turns.finish(other, TurnState.DONE, {})
    with pytest.raises(TurnLost):
        await talk.ask(other, GALA)
    assert (await talk.asked(), await talk.held()) == ([(1, "agent_gala")], [])


@pytest.mark.usefixtures("agents")
@pytest.mark.parametrize("target", ["$root", "the answer"])
@pytest.mark.parametrize("request_of", [reacted, redacted])
async def test_a_person_who_comes_before_the_question_prevents_it(
    database: Database, target: str, request_of: Any
) -> None:
    talk = Talk(database)
    await talk.receive(event("$root"))
    turn = await talk.take(FRIDA)
    shown = await talk.show(turn, GALA)
    meant = shown if target == "the answer" else target
    await talk.receive(reacted("$x", "🛑", meant) if request_of is reacted else redacted("$x", meant))
    await talk.ask(turn, GALA)
    assert await talk.asked() == []
    assert await talk.held() == []


@pytest.mark.usefixtures("agents")
@pytest.mark.parametrize("target", ["$root", "the first answer", "the second answer"])
async def test_a_redaction_forgets_what_follows(database: Database, target: str) -> None:
    talk = Talk(database)
    await talk.receive(event("$root"))
    first = await talk.answer(FRIDA, GALA)
    second = await talk.answer(GALA, FRIDA)
    third = await talk.take(FRIDA)
    names = {"the first answer": f"$answer-{first.key}", "the second answer": f"$answer-{second.key}"}
    await talk.receive(redacted("$redaction", names.get(target, target)))
    forgotten = {"$root": 0, "the first answer": 1, "the second answer": 2}[target]
    rows = await database.rows("SELECT payload ->> 'body' AS body, stop FROM turn WHERE kind = 'message' ORDER BY id")
    bodies = ["Frida, begin", "your turn", "your turn"]
    assert [row["body"] for row in rows] == [*bodies[:forgotten], *[""] * (3 - forgotten)]
    # The answer that is being given ends.
    assert rows[2]["stop"] == "withdrawn"
    left = await database.rows("SELECT DISTINCT turn FROM message")
    assert {row["turn"] for row in left} == {turn.id for turn in (first, second)[: max(0, forgotten - 1)]}
    assert third.id not in {row["turn"] for row in left}


@pytest.mark.usefixtures("agents")
async def test_the_person_who_began_decides_about_tools(database: Database) -> None:
    talk = Talk(database)
    await talk.receive(event("$root"))
    await talk.answer(FRIDA, GALA)
    turn = await talk.take(GALA)
    await database.execute(
        """INSERT INTO approval (turn, number, ref, call_id, tool, arguments, always)
        VALUES (%s, 0, 'r', 'c', 'Bash', '{}', '')""",
        (turn.id,),
    )
    await talk.turns.intend(turn.id, Part.CARDS[0])
    await talk.turns.sent(turn, Part.CARDS[0], "$card")
    other = "@carol:example.org"
    await talk.receive(event("$no", other, type="m.reaction", content=_relation("✅", "$card")))
    assert (await database.rows("SELECT verdict FROM approval"))[0]["verdict"] is None
    await talk.receive(reacted("$yes", "✅", "$card"))
    assert (await database.rows("SELECT verdict FROM approval"))[0]["verdict"] == "allow"


@pytest.mark.usefixtures("agents")
async def test_a_person_without_a_role_asks_no_agent_any_more(database: Database) -> None:
    talk = Talk(database)
    await talk.receive(event("$root"))
    turn = await talk.take(FRIDA)
    await talk.show(turn, GALA)
    await Talk(database, role=Role.NONE).ask(turn, GALA)
    assert await talk.asked() == []


@pytest.mark.usefixtures("agents")
async def test_an_agent_that_is_gone_is_not_asked(database: Database) -> None:
    talk = Talk(database)
    await database.execute("UPDATE agent SET state = 'gone' WHERE name = 'Gala'")
    await talk.receive(event("$root"))
    await talk.answer(FRIDA, GALA)
    assert await talk.asked() == []


@pytest.mark.usefixtures("agents")
async def test_a_question_of_an_agent_is_answered_alone(database: Database) -> None:
    talk = Talk(database)
    await talk.receive(event("$root"))
    gala = {"msgtype": "m.text", "body": "Gala, wait"}
    await talk.receive(event("$a", content=gala))
    busy = await talk.take(GALA)
    await talk.answer(FRIDA, GALA)
    await talk.receive(event("$b", content=gala), event("$c", content=gala))
    behind = [each.event_id for each in await talk.turns.behind(busy)]
    assert behind == ["$b", "$c"]
    joined = await talk.turns.join(busy)
    assert joined is not None
    assert len(joined[0].questions) == 3
    await talk.turns.finish(busy, TurnState.DONE, {})
    turn = await talk.take(GALA)
    assert turn.chain is not None
    await talk.receive(event("$d", content=gala))
    assert await talk.turns.behind(turn) == []


@pytest.mark.usefixtures("agents")
async def test_tokens_are_a_limit(database: Database) -> None:
    talk = Talk(database, ChainBudget(hops=100, pair=100, turns=100, tokens=50))
    await talk.receive(event("$root"))
    turn = await talk.take(FRIDA)
    await UsageStore(database).record([used(turn, Usage(30, 30))])
    await talk.show(turn, GALA)
    await talk.ask(turn, GALA)
    assert (await talk.asked(), await talk.held()) == ([], [("tokens", 0)])
    await talk.turns.finish(turn, TurnState.DONE, {})
    await talk.resume(reacted("$yes", "👍", await talk.show_notice()))
    assert await talk.asked() == [(1, "agent_gala")]
    # Fifty more than the first answer has used.
    (chain,) = await database.rows("SELECT tokens_allowed, grants FROM chain")
    assert (chain["tokens_allowed"], chain["grants"]) == (110, 1)


@pytest.mark.usefixtures("agents")
async def test_the_limit_of_a_pair_holds_for_all_of_its_chains_within_a_minute(database: Database) -> None:
    talk = Talk(database, ChainBudget(hops=100, pair=2, turns=100))
    for number in range(3):
        await talk.receive(event(f"$root{number}"))
        await talk.answer(FRIDA, GALA)
    assert len(await talk.asked()) == 2
    assert await talk.held() == [("pair", 0)]
    # Not after a minute.
    await database.execute("UPDATE turn SET created_at = created_at - interval '61 seconds'")
    await talk.receive(event("$root3"))
    await talk.answer(FRIDA, GALA)
    assert len(await talk.asked()) == 3


@pytest.mark.usefixtures("agents")
async def test_another_budget_counts_from_the_next_answer_on(database: Database) -> None:
    talk = Talk(database, ChainBudget(hops=0, pair=100, turns=100))
    await talk.receive(event("$root0"), event("$root1"))
    turn = await talk.take(FRIDA)
    assert not talk.asks(turn, GALA)
    talk.budgets.replace(ChainBudget(hops=1, pair=100, turns=100))
    assert talk.asks(turn, GALA)
    await talk.show(turn, GALA)
    await talk.ask(turn, GALA)
    assert await talk.asked() == [(1, "agent_gala")]


async def test_two_rooms_count_a_pair_one_after_the_other(
    database: Database, agents: tuple[int, int], store_url: str
) -> None:
    frida, gala = agents
    chains = Chains(database, NAMES)
    async with database.transaction() as connection:
        await chains.lock_pairs(connection, [(frida, gala)])
        # In the other order of the agents, together with another pair.
        async with database.transaction() as other:
            waiting = asyncio.create_task(chains.lock_pairs(other, [(gala, frida), (gala, 99)]))
            await waiting_for_a_lock(store_url)
            assert not waiting.done()
            await connection.execute("COMMIT")
            await waiting


@pytest.mark.usefixtures("agents")
async def test_a_notice_counts_once(database: Database) -> None:
    talk = Talk(database, ChainBudget(hops=1, pair=100, turns=100))
    await talk.receive(event("$root"))
    await talk.answer(FRIDA, GALA)
    await talk.answer(GALA, FRIDA)
    assert (await talk.held(), await talk.notices()) == ([("hops", 0)], ["1:0"])
    payload = content(await database.row("SELECT * FROM turn WHERE reason = 'chain_limit'") or {})
    assert getattr(payload, "reason", None) is RefusalReason.CHAIN_LIMIT
    notice = await talk.show_notice()
    # A reaction to something else, another reaction, a stranger.
    await talk.resume(reacted("$a", "👍", "$root"))
    await talk.resume(reacted("$b", "👎", notice))
    await talk.resume(event("$c", "@eve:elsewhere.org", type="m.reaction", content=_relation("👍", notice)))
    await talk.resume(event("$d", GALA, type="m.reaction", content=_relation("👍", notice)))
    assert len(await talk.asked()) == 1
    for number in range(3):
        await talk.resume(reacted(f"$yes{number}", "👍🏿", notice))
    assert await talk.asked() == [(1, "agent_gala"), (2, "agent_frida")]
    assert await talk.held() == []
    await talk.answer(FRIDA, GALA)
    assert (await talk.held(), await talk.notices()) == ([("hops", 1)], ["1:0", "1:1"])
    # The earlier notice does not count any more.
    await talk.resume(reacted("$late", "👍", notice))
    assert await talk.held() == [("hops", 1)]


def _relation(key: str, target: str) -> dict[str, Any]:
    return {"m.relates_to": {"rel_type": "m.annotation", "event_id": target, "key": key}}


async def test_agents_that_do_not_fit_wait_for_the_next_notice(database: Database, agents: tuple[int, int]) -> None:
    helga = await add_agent(database, "Helga", "!helga:example.org")
    await take_part(database, GROUP, helga)
    helga_id = "@agent_helga:example.org"
    talk = Talk(database, ChainBudget(hops=100, pair=100, turns=1))
    await talk.receive(event("$root"))
    turn = await talk.answer(FRIDA, GALA, helga_id)
    assert (await talk.held(), await talk.notices()) == ([("turns", 0)] * 2, ["1:0"])
    await talk.resume(reacted("$yes", "👍", await talk.show_notice()))
    assert (await talk.asked(), await talk.held()) == ([(1, "agent_gala")], [("turns", 1)])
    assert await talk.notices() == ["1:0", "1:1"]
    await talk.resume(reacted("$yes2", "👍", await talk.show_notice()))
    assert await talk.asked() == [(1, "agent_gala"), (1, "agent_helga")]
    assert {row["asked_in"] for row in await database.rows("SELECT asked_in FROM turn WHERE hops = 1")} == {turn.id}
    assert len({*agents, helga}) == 3


@pytest.mark.usefixtures("agents")
async def test_an_echo_of_the_bridge_asks_nobody(database: Database) -> None:
    talk = Talk(database)
    mention = {"msgtype": "m.text", "body": "@Gala", "m.mentions": {"user_ids": [GALA]}}
    await talk.receive(event("$echo", FRIDA, content=mention))
    assert await database.rows("SELECT 1 FROM turn") == []


@pytest.mark.usefixtures("agents")
async def test_a_chain_is_deleted_with_its_turns(database: Database) -> None:
    talk = Talk(database, ChainBudget(hops=1, pair=100, turns=100))
    await talk.receive(event("$root"))
    await talk.answer(FRIDA, GALA)
    await talk.answer(GALA, FRIDA)
    await prune(database, turns_days=1, transcript_days=1)
    assert len(await database.rows("SELECT 1 FROM chain")) == 1
    await database.execute("UPDATE turn SET state = 'done', finished_at = now() - interval '2 days'")
    await database.execute("UPDATE message SET created_at = now() - interval '2 days'")
    await database.execute("UPDATE chain SET created_at = now() - interval '2 days'")
    await prune(database, turns_days=1, transcript_days=1)
    for table in ("turn", "chain", "chain_hold"):
        assert await database.rows(f"SELECT 1 FROM {table}") == []  # noqa: S608


@pytest.mark.usefixtures("agents")
async def test_why_tells_the_place_in_the_chain(database: Database) -> None:
    talk = Talk(database, ChainBudget(hops=1, pair=100, turns=100))
    await talk.receive(event("$root"))
    first = await talk.answer(FRIDA, GALA)
    await talk.answer(GALA, FRIDA)

    async def told() -> list[str]:
        found = await TurnAdmin(database).find(f"$answer-{first.key}")
        return [line for each in found for line in _chain_lines(each)]

    began = f"- a chain of agents that {BOB} began with `$root`; hops: "
    waits = "- the agents wait for 👍"
    # The event is the answer of Frida, the question for Gala.
    assert await told() == [f"{began}0", waits, f"{began}1", "- the agent Frida asked", waits]
    await talk.receive(reacted("$stop", "🛑", "$root"))
    ended = "- the agents stopped asking each other because of `$stop`"
    assert await told() == [f"{began}0", ended, f"{began}1", "- the agent Frida asked", ended]


def _chain_lines(summary: TurnSummary) -> list[str]:
    names = {field.name for field in fields(TurnTrace)} & {field.name for field in fields(TurnSummary)}
    trace = TurnTrace(**{name: getattr(summary, name) for name in names}, parts=())
    text = render_trace(Trace("x", (trace,)), ENGLISH)
    return [line for line in text.splitlines() if "agent" in line and line.startswith("- ")]


@pytest.mark.usefixtures("agents")
async def test_homes_know_no_chains(database: Database) -> None:
    talk = Talk(database)
    await talk.receive(event("$home", room_id=ROOM))
    (row,) = await database.rows("SELECT id FROM conversation WHERE room_id = %s", (ROOM,))
    turn = await talk.turns.take(row["id"])
    assert turn is not None
    assert await talk.mentioned(turn, "@Gala") == ()
    assert not talk.asks(turn, GALA)


@pytest.mark.usefixtures("agents")
@pytest.mark.parametrize(("hops", "mentions"), [(4, (GALA,)), (0, ())])
async def test_without_hops_agents_mention_nobody(database: Database, hops: int, mentions: tuple[str, ...]) -> None:
    talk = Talk(database, ChainBudget(hops=hops, pair=10, turns=20))
    await talk.receive(event("$root"))
    turn = await talk.take(FRIDA)
    assert await talk.mentioned(turn, "@Gala, and I am @Frida") == mentions
    assert talk.asks(turn, GALA) == bool(mentions)
    assert not talk.asks(turn, BOB)


@pytest.mark.usefixtures("agents")
@pytest.mark.parametrize("change", ["name = 'Gala Two'", "name = 'Gala Two', state = 'gone'"])
async def test_the_longer_name_of_an_agent_that_is_not_asked_counts(database: Database, change: str) -> None:
    helga = await add_agent(database, "Helga", "!helga:example.org")
    await take_part(database, GROUP, helga)
    await database.execute(f"UPDATE agent SET {change}, displayname = 'x' WHERE name = 'Helga'")  # noqa: S608
    talk = Talk(database)
    speaker = "@agent_frida:example.org" if "gone" in change else "@agent_helga:example.org"
    called = "Frida" if "gone" in change else "Gala Two"
    await talk.receive(event("$root", content={"msgtype": "m.text", "body": f"{called}, begin"}))
    turn = await talk.take(speaker)
    assert await talk.mentioned(turn, "I greet @Gala Two") == ()
    assert await talk.mentioned(turn, "I greet @Gala") == (GALA,)

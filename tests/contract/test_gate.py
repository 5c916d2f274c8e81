"""The gate of quotas on a real PostgreSQL: each subject, several rules, and many messages at once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.bridge.metering.gate import Gate
from agent_bridge.core.chains import ChainPosition
from agent_bridge.core.live import Live
from agent_bridge.core.money import Price, PriceList, PriceRule
from agent_bridge.core.payloads import AgainPayload
from agent_bridge.core.quotas import Measure, Per, Period, QuotaBook, Rule
from agent_bridge.core.roles import Role, Roles
from agent_bridge.core.turns import TurnKind
from agent_bridge.core.usage import Usage
from agent_bridge.store.usage import UsageStore
from support.records import NAMES, rule, used
from support.turn_rows import BOB, OTHER, ROOM, accept, add_agent, new, take

if TYPE_CHECKING:
    from agent_bridge.bridge.metering.gate import Refusal
    from agent_bridge.core.turns import Turn
    from agent_bridge.store.postgres.database import Database

ALICE = "@alice:example.org"
ROLES = Roles.fixed({"*": Role.MEMBER, ALICE: Role.ADMIN}, NAMES)
#: The model of this agent runs on own hardware.
FREE = "Gala"
PRICES = PriceList(
    "USD", [PriceRule(FREE, "*", Price(Decimal(0), Decimal(0))), PriceRule("*", "*", Price(Decimal(1), Decimal(0)))]
)


def per_minute(per: Per, limit: int) -> Rule:
    return rule(per, limit, measure=Measure.MESSAGES, period=Period.MINUTE)


def gate(database: Database, *rules: Rule) -> Gate:
    return Gate(UsageStore(database), Live(QuotaBook(rules, UTC)), ROLES, Live(PRICES), "USD")


async def check(database: Database, turn: Turn, *rules: Rule) -> Refusal | None:
    assert turn.agent is not None
    return await gate(database, *rules).check(turn, turn.agent)


@pytest.fixture
async def agent(database: Database) -> int:
    return await add_agent(database)


async def ask(database: Database, event_id: str, agent: int, room_id: str = ROOM, sender: str = BOB) -> Turn:
    """Ask *agent*, and claim the message."""
    (lane,) = await accept(database, new(event_id, room_id, agent, sender=sender))
    return await take(database, lane)


async def spend(database: Database, turn: Turn, tokens: int, **changes: Any) -> None:
    entry = used(turn, Usage(tokens, 0), **changes)
    await UsageStore(database).record([entry])


async def test_without_a_rule_that_concerns_it_the_database_is_not_asked(database: Database, agent: int) -> None:
    turn = await ask(database, "$1", agent)
    async with database.transaction() as connection:
        await connection.execute("LOCK TABLE usage, turn, kv")
        async with asyncio.timeout(5):
            assert await check(database, turn) is None
            assert (
                await check(database, turn, rule(Per.USER, 0, match="@alice:*"), rule(Per.USER, 0, role="admin"))
                is None
            )


@pytest.mark.parametrize("per", Per)
async def test_each_subject_has_its_own_tokens(database: Database, agent: int, per: Per) -> None:
    other = await add_agent(database, "Gala", OTHER)
    first = await ask(database, "$1", agent)
    await spend(database, first, 10)
    refusal = await check(database, first, rule(per))
    assert refusal is not None
    assert refusal.exceeded.rule.per is per
    assert await check(database, first, rule(per, 11)) is None
    # Alice has another role, the other agent another room; both agents are on one server.
    second = await ask(database, "$2", other, OTHER, ALICE)
    assert (await check(database, second, rule(per)) is not None) is (per is Per.UPSTREAM)


@pytest.mark.parametrize("period", [Period.DAY, Period.MONTH])
async def test_an_old_request_counts_no_more(database: Database, agent: int, period: Period) -> None:
    turn = await ask(database, "$1", agent)
    await spend(database, turn, 10, cost=Decimal("0.5"))
    rules = [rule(Per.USER, period=period), rule(Per.AGENT, 0.5, measure=Measure.MONEY, period=period)]
    for each in rules:
        refusal = await check(database, turn, each)
        assert refusal is not None
        assert refusal.exceeded.until == period.end(datetime.now(UTC), UTC)
    before = period.start(datetime.now(UTC), UTC) - timedelta(seconds=1)
    await database.execute("UPDATE usage SET at = %s", (before,))
    assert await check(database, turn, *rules) is None


async def test_all_rules_count_and_the_first_is_told(database: Database, agent: int) -> None:
    turn = await ask(database, "$1", agent)
    await spend(database, turn, 10)
    rules = [rule(Per.USER, 100), per_minute(Per.USER, 5), rule(Per.ROOM, 10), rule(Per.UPSTREAM, 1)]
    refusal = await check(database, turn, *rules)
    assert refusal is not None
    assert refusal.exceeded.rule is rules[2]


async def test_a_limit_of_zero_lets_nothing_through(database: Database, agent: int) -> None:
    turn = await ask(database, "$1", agent)
    money = rule(Per.UPSTREAM, 0, measure=Measure.MONEY)
    for zero in (rule(Per.USER, 0), per_minute(Per.USER, 0), money):
        refusal = await check(database, turn, zero)
        assert refusal is not None
        assert refusal.exceeded.until is None


async def test_a_model_with_the_price_zero_needs_no_money(database: Database, agent: int) -> None:
    free = await add_agent(database, FREE, OTHER)
    paid, unpaid = await ask(database, "$1", agent), await ask(database, "$2", free, OTHER)
    await spend(database, paid, 10, cost=Decimal("0.5"))
    for limit in (0, 0.5):
        money = rule(Per.USER, limit, measure=Measure.MONEY)
        assert await check(database, paid, money) is not None
        assert await check(database, unpaid, money) is None
        assert await check(database, unpaid, money, rule(Per.USER)) is not None
        # A message may ask for another model of the agent than its own.
        assert await check(database, replace(unpaid, chosen_model="gpt"), money) is not None


@pytest.mark.parametrize(("per", "passed"), [(Per.USER, 14), (Per.ROLE, 14), (Per.ROOM, 7), (Per.UPSTREAM, 7)])
async def test_of_many_messages_at_once_exactly_as_many_pass_as_allowed(
    database: Database, agent: int, per: Per, passed: int
) -> None:
    # Two people with different roles, in 50 threads of a room.
    asked = [
        new(f"${number}", ROOM, agent, thread=f"$t{number}", sender=ALICE if number % 2 else BOB)
        for number in range(50)
    ]
    lanes = await accept(database, *asked)
    turns = [await take(database, lane) for lane in lanes]
    await database.execute("UPDATE turn SET created_at = date_trunc('minute', created_at) + interval '1 second'")
    guard = gate(database, per_minute(per, 7))
    found = await asyncio.gather(*(guard.check(turn, turn.agent) for turn in turns if turn.agent is not None))
    assert sum(refusal is None for refusal in found) == passed


async def test_the_next_minute_lets_messages_through_again(database: Database, agent: int) -> None:
    first, second = new("$1", ROOM, agent, thread="$a"), new("$2", ROOM, agent, thread="$b")
    one, two = [await take(database, lane) for lane in await accept(database, first, second)]
    later = (
        "UPDATE turn SET created_at = date_trunc('minute', created_at) + %s * interval '1 minute' WHERE event_id = %s"
    )
    await database.execute(later, (0, "$1"))
    await database.execute(later, (0, "$2"))
    assert await check(database, one, per_minute(Per.USER, 1)) is None
    assert await check(database, two, per_minute(Per.USER, 1)) is not None
    await database.execute(later, (1, "$2"))
    assert await check(database, two, per_minute(Per.USER, 1)) is None


async def test_the_person_pays_for_agents_that_ask(database: Database, agent: int) -> None:
    turn = await ask(database, "$1", agent, sender="@agent_gala:example.org")
    turn = replace(turn, chain=ChainPosition("$root", BOB, 1, "Gala"))
    await spend(database, turn, 10, user=BOB)
    assert await check(database, turn, per_minute(Per.USER, 0)) is None
    assert await check(database, turn, rule(Per.USER, match=BOB)) is not None


async def test_a_refusal_has_one_name_for_each_person_and_span(database: Database, agent: int) -> None:
    bob = await ask(database, "$1", agent)
    alice = await ask(database, "$2", await add_agent(database, "Gala", OTHER), OTHER, ALICE)
    await spend(database, bob, 10)
    names = [await check(database, turn, rule(Per.UPSTREAM)) for turn in (bob, bob, alice)]
    keys = [each.key for each in names if each is not None]
    assert len(keys) == 3
    assert keys[0] == keys[1] != keys[2]


async def test_a_message_that_is_asked_again_was_counted_before(database: Database, agent: int) -> None:
    turn = replace(await ask(database, "$1", agent), retries=1)
    await spend(database, turn, 10)
    assert await check(database, turn, per_minute(Per.USER, 0)) is None
    assert await check(database, turn, rule(Per.USER)) is not None


async def test_a_request_for_another_answer_counts_as_a_message(database: Database, agent: int) -> None:
    await ask(database, "$1", agent)
    (lane,) = await accept(database, new("$again", ROOM, agent, kind=TurnKind.AGAIN, payload=AgainPayload("$1")))
    await database.execute("UPDATE turn SET created_at = date_trunc('minute', now())")
    await database.execute("UPDATE turn SET state = 'done' WHERE event_id = '$1'")
    turn = await take(database, lane)
    assert await check(database, turn, per_minute(Per.USER, 2)) is None
    assert await check(database, turn, per_minute(Per.USER, 1)) is not None

"""Intake on a real PostgreSQL, through a real endpoint: good events become turns once and in order, others do not."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from agent_bridge.matrix.events import parse_event
from agent_bridge.store.history import Histories
from support.appservice_client import (
    TOKEN,
    AppServiceClient,
    dead_letter_reasons,
    make_homes,
    messages_in,
    real_intake,
    rooms_to_backfill,
    serve_endpoint,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from agent_bridge.bridge.inbound.intake import Intake
    from agent_bridge.matrix.events import RoomEvent
    from agent_bridge.store.postgres.database import Database

ROOMS = ["!one:example.org", "!two:example.org"]
ROOM = ROOMS[0]


@pytest.fixture
async def intake(database: Database) -> Intake:
    await make_homes(database, ROOMS)
    return real_intake(database)


@pytest.fixture
async def client(intake: Intake) -> AsyncIterator[AppServiceClient]:
    async with serve_endpoint(TOKEN, intake) as client:
        yield client


@pytest.fixture
def poisoned(store_url: str) -> Iterator[None]:
    """Have the table of turns refuse every event whose id begins with ``$poison``."""
    with psycopg.connect(store_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE turn ADD CONSTRAINT no_poison CHECK (event_id NOT LIKE '$poison%')")
        yield
        connection.execute("ALTER TABLE turn DROP CONSTRAINT no_poison")


def said(event_id: str, body: Any = "hi", /, *, room_id: str = ROOM, **changes: Any) -> dict[str, Any]:
    values = {
        "event_id": event_id,
        "room_id": room_id,
        "type": "m.room.message",
        "sender": "@bob:example.org",
        "content": {"msgtype": "m.text", "body": body},
        "origin_server_ts": 1,
    }
    return values | changes


def parsed(*events: dict[str, Any]) -> list[RoomEvent]:
    return [event for event in map(parse_event, events) if event is not None]


async def ids_in(database: Database, room_id: str) -> list[str]:
    return [event_id for event_id, _ in await messages_in(database, room_id)]


@pytest.mark.long
async def test_ten_thousand_events_in_one_transaction(client: AppServiceClient, database: Database) -> None:
    events = [said(f"${number}", room_id=ROOMS[number % 2]) for number in range(10_000)]
    started = time.process_time()
    assert await client.put({"events": events}) == (200, {})
    # Synapse closes the connection after 60 s. CPU seconds of this process do not depend on the load of the machine.
    assert time.process_time() - started < 30
    for parity in (0, 1):
        assert await ids_in(database, ROOMS[parity]) == [f"${number}" for number in range(parity, 10_000, 2)]


@pytest.mark.parametrize("hostile", ["a\0b", "\ud800", "\udc00\ud800", "\0" * 1000])
async def test_values_that_postgresql_cannot_store_are_replaced_or_become_dead_letters(
    client: AppServiceClient, database: Database, hostile: str
) -> None:
    reaction = {"rel_type": "m.annotation", "key": "🛑", "event_id": hostile}
    events: list[Any] = [
        said("$first"),
        said("$body", f"x{hostile}"),
        said("$key", content={"msgtype": "m.text", "body": "hi", hostile: {hostile: [hostile]}}),
        said("$stop", f"!ab stop {hostile}"),
        said("$relation", "hi", unsigned={hostile: hostile}),
        said("$msgtype", content={"msgtype": hostile, "body": hostile}),
        said("$reaction", type="m.reaction", content={"m.relates_to": reaction}),
        said("$member", type="m.room.member", state_key="@agent_x:example.org", content={"membership": hostile}),
        *(said("$lost", **{field: hostile}) for field in ("event_id", "room_id", "type", "sender", "state_key")),
        said("$last"),
    ]
    assert await client.put({"events": events}) == (200, {})
    assert await ids_in(database, ROOM) == ["$first", "$body", "$key", "$relation", "$msgtype", "$last"]
    assert len(await dead_letter_reasons(database)) == 1


@pytest.mark.usefixtures("poisoned")
async def test_only_the_refused_event_becomes_a_dead_letter(client: AppServiceClient, database: Database) -> None:
    names = [f"${'poison' if number in {0, 17, 18, 99} else 'good'}{number}" for number in range(100)]
    events = [said(name, room_id=ROOMS[number % 2]) for number, name in enumerate(names)]
    for _ in range(2):
        assert await client.put({"events": events}) == (200, {})
        for parity in (0, 1):
            good = [name for name in names[parity::2] if "good" in name]
            assert await ids_in(database, ROOMS[parity]) == good
        reasons = await dead_letter_reasons(database)
        assert len(reasons) == 4
        assert all("no_poison" in reason for reason in reasons)
    # The dead letters have the rejected events, so no backfill is needed.
    assert await rooms_to_backfill(database) == set()


@pytest.mark.usefixtures("poisoned")
async def test_a_room_whose_history_has_poison_in_it_goes_on(intake: Intake, database: Database) -> None:
    await intake.take("1", parsed(said("$3")))
    await intake.request_backfill("a test")
    history = parsed(said("$1"), said("$poison"), said("$2"), said("$3"))
    for _ in range(2):
        room = next(room for room in await Histories(database).due(3600, 9) if room.room_id == ROOM)
        await intake.take_backfilled(room, history, "$3")
        assert await ids_in(database, ROOM) == ["$1", "$2", "$3"]
        assert await rooms_to_backfill(database) == {ROOMS[1]}
        assert len(await dead_letter_reasons(database)) == 1
        await intake.request_backfill("a test")


async def test_the_same_events_at_the_same_time_are_turns_once(client: AppServiceClient, database: Database) -> None:
    events = [said(f"${number}", room_id=ROOMS[number % 2]) for number in range(60)]
    paths = [f"/transactions/{number}" for number in range(1, 7)]
    answers = await asyncio.gather(*(client.put({"events": events}, path) for path in paths))
    assert answers == [(200, {})] * len(paths)
    for parity in (0, 1):
        assert await ids_in(database, ROOMS[parity]) == [f"${number}" for number in range(parity, 60, 2)]


async def test_a_repeated_event_moves_no_other(database: Database) -> None:
    await make_homes(database, ROOMS)
    intake = real_intake(database, max_queued=3)
    await intake.take("1", parsed(said("$1"), said("$2")))
    await intake.take("2", parsed(said("$1"), said("$2"), said("$3"), said("$3"), said("$4")))
    assert await ids_in(database, ROOM) == ["$1", "$2", "$3"]
    refused = await database.rows("SELECT event_id FROM turn WHERE kind = 'refusal'")
    assert [row["event_id"] for row in refused] == ["$4"]


async def test_dead_letters_are_bounded(intake: Intake, database: Database) -> None:
    await intake.add_dead_letter("\ufffd", "a test", "x" * 2_000_000)
    row = await database.row("SELECT transaction_id, length(body) AS length FROM dead_letter")
    assert row == {"transaction_id": "\ufffd", "length": 1_000_000}
    assert await rooms_to_backfill(database) == set()

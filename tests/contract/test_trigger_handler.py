"""The worker of accepted requests of triggers, on a real PostgreSQL and a server in the homeserver's place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent_bridge.bridge.inbound.trigger_handler import TriggerHandler
from agent_bridge.core.payloads import MessagePayload, TriggerPayload
from agent_bridge.core.roles import Role, Roles
from agent_bridge.core.turns import TurnKind, TurnState
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.store.agents import Agents
from agent_bridge.store.intake import IntakeStore
from agent_bridge.store.triggers import Triggers
from agent_bridge.store.turns import Turns
from support.fake_room import FakeRoom
from support.jobs import idle_lanes
from support.records import NAMES
from support.turn_rows import BOB, ROOM, accept, add_agent, content, new, row_of, take

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.core.turns import Turn
    from agent_bridge.store.postgres.database import Database

ROLES = {"example.org": Role.MEMBER}
REQUEST = "trigger:1"


@pytest.fixture
async def room() -> AsyncIterator[FakeRoom]:
    async with FakeRoom() as running:
        yield running


@pytest.fixture
def roles() -> dict[str, Role]:
    """The roles that count."""
    return dict(ROLES)


@pytest.fixture
async def handler(database: Database, room: FakeRoom, roles: dict[str, Role]) -> AsyncIterator[TriggerHandler]:
    async with homeserver_session() as session:
        yield TriggerHandler(
            Homeserver(room.root_url, "token", NAMES, session),
            database,
            Turns(database),
            Triggers(database),
            IntakeStore(database),
            idle_lanes(database),
            Roles.fixed(roles, NAMES),
            ENGLISH,
        )


async def claimed(database: Database, text: str = "go") -> Turn:
    """Accept a request with *text*, and claim its turn."""
    agent = await add_agent(database)
    payload = TriggerPayload(agent, "agent_frida", "nightly", text)
    (lane,) = await accept(database, new(REQUEST, kind=TurnKind.TRIGGER, payload=payload))
    return await take(database, lane)


async def messages(database: Database) -> list[str]:
    """Return the events about which agents are asked."""
    rows = await database.rows("SELECT event_id FROM turn WHERE kind = 'message' ORDER BY id")
    return [row["event_id"] for row in rows]


async def test_the_notice_is_the_question_of_the_agent(
    database: Database, room: FakeRoom, handler: TriggerHandler
) -> None:
    turn = await claimed(database, "x" * 600 + "\n# end")
    assert await handler.handle(turn)
    assert room.texts() == [f"⏰ nightly (by {BOB}): {'x' * 500}…"]
    (event_id,) = await messages(database)
    assert event_id == room.events[0]["event_id"]
    assert content(await row_of(database, event_id)) == MessagePayload("x" * 600 + "\n# end", trigger="nightly")
    assert (await row_of(database, REQUEST))["state"] == TurnState.DONE


async def test_a_repeated_attempt_changes_nothing(database: Database, room: FakeRoom, handler: TriggerHandler) -> None:
    turn = await claimed(database)
    await handler.handle(turn)
    # The worker died before it stored the event, and the homeserver forgets.
    await database.execute("UPDATE turn SET state = 'committed', finished_at = NULL WHERE event_id = %s", (REQUEST,))
    await database.execute("UPDATE outbox SET event_id = NULL")
    room.forget_transactions()
    assert await handler.handle(await take(database, turn.conversation))
    first = room.events[0]["event_id"]
    assert room.texts() == [f"⏰ nightly (by {BOB}): go"]
    assert await messages(database) == [first]


async def test_an_owner_who_has_lost_the_role_wakes_nobody(
    database: Database, room: FakeRoom, handler: TriggerHandler, roles: dict[str, Role]
) -> None:
    turn = await claimed(database)
    roles["example.org"] = Role.NONE
    await handler.handle(turn)
    assert room.texts() == []
    assert await messages(database) == []
    assert (await row_of(database, REQUEST))["state"] == TurnState.STOPPED


async def test_an_agent_that_has_left_is_not_asked(database: Database, room: FakeRoom, handler: TriggerHandler) -> None:
    turn = await claimed(database)
    await database.execute("UPDATE participant SET state = 'left'")
    await handler.handle(turn)
    assert len(room.texts()) == 1
    assert await messages(database) == []
    assert (await row_of(database, REQUEST))["state"] == TurnState.DONE


async def test_the_triggers_of_a_lost_home_are_revoked(database: Database) -> None:
    agent = await add_agent(database)
    await database.execute(
        """INSERT INTO trigger (public_id, kind, name, owner, agent, room, signing_key)
        SELECT 'id', 'signed', 'n', %s, %s, id, 'key' FROM room WHERE room_id = %s""",
        (BOB, agent, ROOM),
    )
    found = await Triggers(database).find("id")
    assert found is not None
    (known,) = await Agents(database).all()
    await Agents(database).room_lost(known.home.id, ROOM, why="deleted")
    assert await Triggers(database).find("id") is None
    assert await database.rows("SELECT 1 FROM trigger") == []

"""Notifications on a real PostgreSQL: written once, gathered into one message, and not for people who want none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.approvals import Verdict
from agent_bridge.core.notifications import Notification, NotificationKind
from agent_bridge.core.results.notifications import NotificationsSet
from agent_bridge.store.approvals import Approvals
from agent_bridge.store.notifications import Notifications
from agent_bridge.store.turns import Turns
from support.command_services import command_services, give
from support.turn_rows import BOB, ROOM, accept, add_agent, new, take

if TYPE_CHECKING:
    from agent_bridge.store.postgres.database import Database

EVE = "@eve:example.org"


def news(title: str, user: str = BOB, key: str | None = None, delay: float = 0) -> Notification:
    values: dict[str, str | int] = {"task": 1, "title": title, "by": EVE}
    return Notification(user, NotificationKind.TASK_ASSIGNED, ROOM, values, key, delay=delay)


async def add(database: Database, *found: Notification) -> None:
    async with database.transaction() as connection:
        for each in found:
            await Notifications(database).add(connection, each)


async def titles(database: Database, user: str = BOB) -> list[object]:
    """Return what the next message tells *user*."""
    message = await Notifications(database).gather(user)
    return [] if message is None else [each.values.get("title") for each in message.notifications]


async def test_what_gathers_is_one_message_that_does_not_change(database: Database) -> None:
    store = Notifications(database)
    await add(database, news("a"), news("b"), news("c", EVE), news("later", delay=60))
    assert sorted(await store.due(9, 0.0, [])) == [(BOB, 0.0), (EVE, 0.0)]
    ((user, wait),) = await store.due(9, 5.0, [EVE])
    assert user == BOB
    assert 0 < wait <= 5
    first = await store.gather(BOB)
    assert first is not None
    assert first.notifications == (news("a"), news("b"))
    assert len(first.key) == 16
    assert (first.room_id, first.since) == (None, None)
    # The message is sent, and its process dies: a repeat finds it, whatever came since.
    await store.aim(first, "!chat:example.org", "$newest")
    await add(database, news("d"))
    again = await store.gather(BOB)
    assert again is not None
    assert (again.key, again.notifications) == (first.key, first.notifications)
    assert (again.room_id, again.since) == ("!chat:example.org", "$newest")
    await store.sent(again)
    await store.sent(first)
    second = await store.gather(BOB)
    assert second is not None
    assert second.key != first.key
    assert (second.room_id, second.since) == ("!chat:example.org", None)
    assert second.notifications == (news("d"),)
    await store.sent(second)
    assert await store.gather(BOB) is None
    assert [user for user, _ in await store.due(9, 0.0, [])] == [EVE, BOB]


async def test_news_with_a_key_are_written_once(database: Database) -> None:
    await add(database, news("a", key="k"), news("again", key="k"))
    await add(database, news("and again", key="k"))
    assert await titles(database) == ["a"]


async def test_muted_people_get_none(database: Database) -> None:
    await add(database, news("a"), news("c", EVE))
    async with command_services(database) as services:
        assert await give(services, "notify", sender=BOB) == NotificationsSet(is_on=True, is_changed=False)
        assert await give(services, "notify off", sender=BOB) == NotificationsSet(is_on=False, is_changed=True)
        await add(database, news("b"), news("d", EVE))
        rows = await database.rows("SELECT facts ->> 'title' AS title FROM notification ORDER BY id")
        assert [row["title"] for row in rows] == ["c", "d"]
        assert await give(services, "notify", sender=BOB) == NotificationsSet(is_on=False, is_changed=False)
        await give(services, "notify on", sender=BOB, event_id="$on")
    await add(database, news("e"))
    assert await titles(database) == ["e"]


async def test_a_message_that_fails_ends_with_the_wish_for_none(database: Database) -> None:
    store = Notifications(database)
    await add(database, news("a"))
    failed = await store.gather(BOB)
    assert failed is not None
    assert await store.aim(failed, "!chat:example.org", "$newest")
    async with command_services(database) as services:
        await give(services, "notify off", sender=BOB)
        assert await store.due(9, 0.0, []) == []
        # Another process was about to send it.
        assert not await store.aim(failed, "!chat:example.org", "$newest")
        await give(services, "notify on", sender=BOB, event_id="$on")
    await add(database, news("b"))
    assert await titles(database) == ["b"]


@pytest.mark.parametrize("is_decided", [True, False], ids=["decided", "undecided"])
async def test_a_decided_request_is_no_news(database: Database, *, is_decided: bool) -> None:
    (lane,) = await accept(database, new("$e", ROOM, await add_agent(database)))
    turn, store = await take(database, lane), Approvals(database)
    told = Notification(BOB, NotificationKind.APPROVAL_WAITING, ROOM, {"agent": "Frida", "tool": "rm"})
    for _ in range(2):
        await store.ask(turn, ref="r", call_id="c", tool="rm", arguments="", always="", news=told)
    if is_decided:
        await store.end(turn, Verdict.DENY)
    message = await Notifications(database).gather(BOB)
    assert (message is None) == is_decided
    assert message is None or message.notifications == (told,)


async def test_a_quota_is_news_once_for_each_span(database: Database) -> None:
    agent = await add_agent(database)
    (lane,) = await accept(database, new("$a", ROOM, agent))
    (other,) = await accept(database, new("$b", "!other:example.org", agent))
    told = Notification(BOB, NotificationKind.QUOTA_REACHED, ROOM, {"agent": "Frida", "text": "No tokens."})
    turns = Turns(database)
    assert await turns.claim_once(await take(database, lane), "quota:day", told)
    assert not await turns.claim_once(await take(database, other), "quota:day", told)
    message = await Notifications(database).gather(BOB)
    assert message is not None
    assert message.notifications == (told,)

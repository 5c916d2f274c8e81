"""Votes on a real PostgreSQL: many requests at once, responses as intake takes them, and the end of their data."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.bridge.collaboration.votes import Votes
from agent_bridge.core.actors import Actor
from agent_bridge.core.results.votes import VoteCast, VoteClosed, VoteOpened, VoteRefused
from agent_bridge.core.roles import Role, Roles
from agent_bridge.core.votes import MOST_OPEN, Tally, VoteDraft, VoteEnd, VoteProblem
from agent_bridge.matrix.events import parse_event
from agent_bridge.store.personal_data import PersonalData
from agent_bridge.store.prune import prune
from agent_bridge.store.queue import Queue
from agent_bridge.store.redactions import Redactions
from agent_bridge.store.votes import VoteStore
from support.appservice_client import real_intake
from support.records import NAMES
from support.turn_rows import BOB, ROOM, accept, add_agent, new, take_part
from support.vote_rooms import response

if TYPE_CHECKING:
    from agent_bridge.core.votes import Vote
    from agent_bridge.matrix.events import RoomEvent
    from agent_bridge.store.postgres.database import Database

EVE, NOBODY = "@eve:example.org", "@x:other.org"
DRAFT = VoteDraft("Lunch?", ("pizza", "pasta"))


@pytest.fixture
async def agent(database: Database) -> int:
    return await add_agent(database)


def votes(database: Database) -> Votes:
    roles = {"example.org": Role.MEMBER, "@mod:example.org": Role.MODERATOR}
    return Votes(VoteStore(database), Roles.fixed(roles, NAMES))


async def begin(
    database: Database, key: str = "key", draft: VoteDraft = DRAFT, user: str = BOB, **more: Any
) -> VoteOpened | VoteRefused:
    async with database.transaction() as connection:
        return await votes(database).open(connection, Actor(user), ROOM, draft, UTC, key=key, **more)


async def begun(database: Database, key: str = "key", draft: VoteDraft = DRAFT, **more: Any) -> Vote:
    """Begin a vote whose poll is ``$KEY``."""
    opened = await begin(database, key, draft, **more)
    assert isinstance(opened, VoteOpened), opened
    store = VoteStore(database)
    vote = await store.find(opened.number)
    assert vote is not None
    await store.shown(vote, ROOM, f"${key}")
    vote = await store.find(opened.number)
    assert vote is not None
    return vote


async def close(database: Database, number: int | None = None, user: str = BOB) -> VoteClosed | VoteRefused:
    async with database.transaction() as connection:
        return await votes(database).close(connection, Actor(user), ROOM, number)


async def cast(
    database: Database, actor: Actor, answer: str | None, key: str, number: int | None = None
) -> VoteCast | VoteRefused:
    async with database.transaction() as connection:
        return await votes(database).cast(connection, actor, ROOM, number, answer, key=key)


def said(event_id: str, poll: str, *answers: str, sender: str = BOB, **more: Any) -> RoomEvent:
    kind, content = response(poll, *answers)
    raw = {"event_id": event_id, "room_id": ROOM, "type": kind, "sender": sender, "content": content}
    event = parse_event(raw | {"origin_server_ts": 1000} | more)
    assert event is not None
    return event


def redaction(event_id: str, target: str, sender: str = BOB) -> RoomEvent:
    raw = {"event_id": event_id, "room_id": ROOM, "type": "m.room.redaction", "sender": sender}
    event = parse_event(raw | {"content": {"redacts": target}})
    assert event is not None
    return event


async def ballots(database: Database) -> list[tuple[str, list[str]]]:
    rows = await database.rows("SELECT voter, selections FROM ballot ORDER BY id")
    return [(row["voter"], row["selections"]) for row in rows]


@pytest.mark.usefixtures("agent")
async def test_a_room_without_a_vote_costs_nothing(database: Database) -> None:
    # Any statement about ballots would fail.
    await database.execute("ALTER TABLE ballot RENAME TO hidden")
    try:
        await real_intake(database).take("1", [said("$1", "$theirs", "1"), redaction("$2", "$1")])
    finally:
        await database.execute("ALTER TABLE hidden RENAME TO ballot")
    assert await database.rows("SELECT 1 FROM dead_letter") == []


@pytest.mark.usefixtures("agent")
async def test_intake_stores_the_responses_to_open_votes(database: Database) -> None:
    intake, store = real_intake(database), VoteStore(database)
    soon = datetime.now(UTC) + timedelta(minutes=1)
    vote = await begun(database, draft=VoteDraft("Lunch?", ("pizza", "pasta"), soon))
    late = int(soon.timestamp() * 1000) + 1
    events = [
        said("$1", "$key", "1"),
        said("$2", "$key", "2", sender=EVE),
        said("$3", "$theirs", "1"),
        said("$4", "$key", "1", sender=NOBODY),
        said("$5", "$key", "1", sender=NAMES.bot),
        said("$6", "$key", "1", origin_server_ts=late),
        said("$7", "$key"),
        said("$8", "$key", "1", room_id="!other:example.org"),
    ]
    await intake.take("1", events)
    await intake.take("1", events)
    assert await ballots(database) == [(BOB, ["1"]), (EVE, ["2"]), (BOB, [])]
    # A redacted response goes; the one before counts again.
    await intake.take("2", [redaction("$9", "$7")])
    assert await ballots(database) == [(BOB, ["1"]), (EVE, ["2"])]
    # Another vote goes on, so intake looks at the responses of the room.
    await begun(database, "other")
    assert await close(database, vote.id) == VoteClosed(vote.id)
    await intake.take("3", [said("$10", "$key", "2")])
    assert await ballots(database) == [(BOB, ["1"]), (EVE, ["2"])]
    async with database.transaction() as connection:
        assert await store.decide(connection, vote, Tally(((BOB,), (EVE,)), (1, 1)))
    async with database.transaction() as connection:
        assert not await store.decide(connection, vote, Tally(((), ()), (0, 0)))
    assert await ballots(database) == []
    await store.settle(vote)
    found = await store.find(vote.id)
    assert found is not None
    assert found.result == Tally((), (1, 1))


@pytest.mark.usefixtures("agent")
async def test_a_response_that_was_redacted_while_it_was_opened_does_not_count(database: Database) -> None:
    intake = real_intake(database)
    await begun(database)
    await database.execute("INSERT INTO ignored (event_id, room_id, reason) VALUES ('$2', %s, 'redacted')", (ROOM,))
    await intake.take("1", [redaction("$9", "$2")])
    for event_id, answer in (("$1", "1"), ("$2", "2")):
        await intake.take("opened", [replace(said(event_id, "$key", answer), was_encrypted=True)])
    assert await ballots(database) == [(BOB, ["1"])]


@pytest.mark.usefixtures("agent")
async def test_fifty_responses_at_once(database: Database) -> None:
    intake = real_intake(database)
    vote = await begun(database)
    people = [f"@p{number}:example.org" for number in range(10)]
    events = [said(f"${number}", "$key", str(number % 2 + 1), sender=people[number % 10]) for number in range(50)]
    # The homeserver may repeat a transaction, and a backfill may find the same events.
    await asyncio.gather(*(intake.take(str(number), [event]) for number, event in enumerate([*events, *events[:10]])))
    assert len(await ballots(database)) == 50
    said_, given = (await VoteStore(database).ballots([vote.id]))[vote.id]
    assert (len({each.voter for each in said_}), given) == (10, [])


@pytest.mark.usefixtures("agent")
async def test_many_votes_at_once_keep_to_the_limit(database: Database) -> None:
    results = await asyncio.gather(*(begin(database, f"key {number}") for number in range(MOST_OPEN + 5)))
    opened = [each for each in results if isinstance(each, VoteOpened)]
    assert len(opened) == len({each.number for each in opened}) == MOST_OPEN
    assert VoteRefused(VoteProblem.MANY_VOTES, most=MOST_OPEN) in results
    # A repeat of the first request, which has lost the answer, has its result, also when the time of the end is over.
    over = VoteDraft("Lunch?", ("pizza", "pasta"), datetime(2020, 1, 1, tzinfo=UTC))
    repeats = [await begin(database, f"key {number}", over) for number in range(MOST_OPEN + 5)]
    assert [each.number for each in repeats if isinstance(each, VoteOpened)] == [each.number for each in opened]
    # An edit of a command takes the place of its vote.
    await close(database, opened[0].number)
    first = await begin(database, "first", asked_in="$asked")
    assert isinstance(first, VoteOpened)
    corrected = await begin(database, "second", asked_in="$edit", corrects="$asked")
    assert isinstance(corrected, VoteOpened)
    found = await VoteStore(database).find(first.number)
    assert found is not None
    assert found.end is VoteEnd.EDIT
    # Somebody else's edit does not.
    await close(database, corrected.number)
    again = await begin(database, "third", asked_in="$mine")
    assert isinstance(again, VoteOpened)
    await begin(database, "fourth", user=EVE, corrects="$mine")
    assert (await VoteStore(database).find(again.number) or found).end is None


async def test_a_command_that_was_redacted_while_it_began_a_vote(database: Database, agent: int) -> None:
    # Its redaction did not see the vote yet.
    await accept(database, new("$asked", ROOM, agent))
    vote = await begun(database, asked_in="$asked")
    assert not vote.is_withdrawn
    await database.execute("UPDATE turn SET redacted = true")
    found = await VoteStore(database).find(vote.id)
    assert found is not None
    assert found.is_withdrawn


@pytest.mark.usefixtures("agent")
async def test_one_of_many_ends_a_vote(database: Database) -> None:
    assert await close(database) == VoteRefused(VoteProblem.NO_VOTES)
    vote, other = await begun(database), await begun(database, "other")
    assert await close(database) == VoteRefused(VoteProblem.WHICH_VOTE)
    assert await close(database, 99) == VoteRefused(VoteProblem.NO_VOTE, "99")
    assert await close(database, vote.id, EVE) == VoteRefused(VoteProblem.NOT_YOURS, str(vote.id))
    assert await close(database, other.id, "@mod:example.org") == VoteClosed(other.id)
    results = await asyncio.gather(*(close(database, vote.id) for _ in range(8)))
    assert results.count(VoteClosed(vote.id)) == 1
    assert results.count(VoteRefused(VoteProblem.ENDED, str(vote.id))) == 7


async def test_who_may_begin_and_vote(database: Database, agent: int) -> None:
    assert await begin(database, user=NOBODY) == VoteRefused(VoteProblem.OUTSIDE)
    vote = await begun(database)
    ghost = Actor("@agent_frida:example.org", agent)
    assert await cast(database, ghost, "1", "a") == VoteCast(vote.id, "pizza")
    assert await cast(database, ghost, "PASTA", "b") == VoteCast(vote.id, "pasta")
    assert await cast(database, ghost, None, "c") == VoteCast(vote.id, None)
    assert await cast(database, Actor(EVE), " pizza ", "d") == VoteCast(vote.id, "pizza")
    # A repeat of a request.
    assert await cast(database, Actor(EVE), "pasta", "d") == VoteCast(vote.id, "pasta")
    for answer in ("0", "3", "-1", "٢", "", "9" * 5000):
        assert await cast(database, Actor(EVE), answer, "e") == VoteRefused(VoteProblem.NO_ANSWER, answer)
    # A ghost that takes no part, and a person without a role.
    assert await cast(database, Actor("@agent_x:example.org", agent + 7), "1", "f") == VoteRefused(VoteProblem.OUTSIDE)
    assert await cast(database, Actor(NOBODY), "1", "g") == VoteRefused(VoteProblem.OUTSIDE)
    assert await ballots(database) == [
        (ghost.user_id, ["1"]),
        (ghost.user_id, ["2"]),
        (ghost.user_id, []),
        (EVE, ["1"]),
    ]
    # The room shows the newest one of the agent.
    store = VoteStore(database)
    (unshown,) = await store.unshown(vote)
    assert unshown.selections == ()
    await store.ballot_shown(unshown)
    assert await store.unshown(vote) == []
    (entry,) = (await votes(database).listed(ROOM, UTC)).votes
    assert entry.votes == (1, 0)
    # Its time has come, and no leader has ended it yet.
    await database.execute("UPDATE vote SET ends_at = now() - interval '1 s'")
    assert await cast(database, ghost, "1", "h") == VoteRefused(VoteProblem.ENDED, str(vote.id))


@pytest.mark.usefixtures("agent")
async def test_an_answer_is_meant_by_other_code_points_of_the_same_letters(database: Database) -> None:
    vote = await begun(database, draft=VoteDraft("Where?", ("Caf\u00e9", "Bar")))
    for key, answer in enumerate(("CAFE\u0301", "\u200bCaf\u00e9\u200b")):
        assert await cast(database, Actor(EVE), answer, str(key)) == VoteCast(vote.id, "Caf\u00e9")


@pytest.mark.usefixtures("agent")
async def test_a_person_is_erased_and_old_votes_go(database: Database) -> None:
    store = VoteStore(database)
    ended, open_ = await begun(database), await begun(database, "open")
    await real_intake(database).take("1", [said("$1", "$open", "1"), said("$2", "$open", "2", sender=EVE)])
    await close(database, ended.id)
    async with database.transaction() as connection:
        await store.decide(connection, ended, Tally(((BOB,), ()), (1, 0)))
    await store.settle(ended)
    personal = PersonalData(database, Redactions(NAMES.bot_username, redact_answers=False), Queue(database))
    await personal.forget_rest(BOB, 0)
    assert await store.find(ended.id) is None
    left = await store.find(open_.id)
    assert left is not None
    assert left.creator == ""
    assert await ballots(database) == [(EVE, ["2"])]
    async with database.transaction() as connection:
        await store.close(connection, open_.id, VoteEnd.PERSON, EVE)
        await store.decide(connection, open_, Tally(((), (EVE,)), (0, 1)))
    await store.settle(open_)
    await prune(database, turns_days=1, transcript_days=1)
    assert await store.find(open_.id) is not None
    await database.execute("UPDATE vote SET closed_at = now() - interval '2 days'")
    await prune(database, turns_days=1, transcript_days=1)
    assert await store.find(open_.id) is None


async def test_another_ghost_speaks_when_the_first_one_has_left(database: Database, agent: int) -> None:
    other = await add_agent(database, "Bea", "!bea:example.org")
    await take_part(database, ROOM, other)
    await database.execute("UPDATE room SET kind = 'group', bot_joined = false WHERE room_id = %s", (ROOM,))
    vote, store = await begun(database), VoteStore(database)

    async def voice() -> str | None:
        found = await store.find(vote.id)
        return None if found is None else found.voice

    async def gone(ghost: int) -> None:
        await database.execute("UPDATE participant SET state = 'left' WHERE agent = %s", (ghost,))

    assert vote.voice == "agent_frida"
    # The ghost that has shown the poll goes on if the bot comes.
    await database.execute("UPDATE room SET bot_joined = true WHERE room_id = %s", (ROOM,))
    assert await voice() == "agent_frida"
    await database.execute("UPDATE room SET bot_joined = false WHERE room_id = %s", (ROOM,))
    await gone(agent)
    assert await voice() == "agent_bea"
    await gone(other)
    assert await voice() is None

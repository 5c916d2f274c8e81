"""Tasks on a real PostgreSQL: one of many claims succeeds, claims end, subtasks count, and no two changes block."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.bridge.collaboration.tasks import TaskService
from agent_bridge.core.actors import Actor
from agent_bridge.core.results.tasks import TaskProblem, TaskRefused
from agent_bridge.core.roles import Role, Roles
from agent_bridge.core.rooms import KindName
from agent_bridge.core.tasks import CardClaim, Task, TaskAction, TaskState
from agent_bridge.store.notifications import Notifications
from agent_bridge.store.personal_data import PersonalData
from agent_bridge.store.postgres.database import Database
from agent_bridge.store.queue import Queue
from agent_bridge.store.redactions import Redactions
from agent_bridge.store.rooms import Rooms
from agent_bridge.store.tasks import Tasks
from support.records import NAMES
from support.turn_rows import BOB, ROOM

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agent_bridge.store.postgres.database import Connection

EVE, MOD, NOBODY = "@eve:example.org", "@mod:example.org", "@nobody:example.org"
ADA = NAMES.user_id(f"{NAMES.username_prefix}ada")
ROLES = Roles.fixed({"*": Role.MEMBER, MOD: Role.MODERATOR, NOBODY: Role.NONE}, NAMES)
BY_BOB, BY_EVE, BY_MOD, BY_ADA = Actor(BOB), Actor(EVE), Actor(MOD), Actor(ADA, 1)


class Desk:
    """The functions about tasks of one process."""

    def __init__(self, database: Database, claim_timeout: float = 900) -> None:
        no_events: Any = None
        self.database, self.store = database, Tasks(database)
        self.service = TaskService(
            self.store, Notifications(database), no_events, ROLES, NAMES, claim_timeout=claim_timeout
        )

    async def do(self, act: Callable[[Connection], Awaitable[Any]]) -> Any:
        async with self.database.transaction() as connection:
            return await act(connection)

    async def make(self, title: str = "Write", by: Actor = BY_BOB) -> int:
        made = await self.do(lambda connection: self.service.create(connection, by, f"key {title}", ROOM, title))
        assert isinstance(made, Task)
        return made.number

    async def claim(self, number: int, by: Actor) -> Task | TaskRefused:
        return await self.do(lambda connection: self.service.claim(connection, by, number))  # type: ignore[no-any-return]

    async def report(self, number: int, by: Actor, action: TaskAction, **more: Any) -> Task | TaskRefused:
        return await self.do(  # type: ignore[no-any-return]
            lambda connection: self.service.report(connection, by, number, action, **more)
        )

    async def cancel(self, number: int, by: Actor) -> Task | TaskRefused:
        return await self.do(lambda connection: self.service.cancel(connection, by, number))  # type: ignore[no-any-return]

    async def assign(self, number: int, by: Actor, user: str) -> Task | TaskRefused:
        return await self.do(  # type: ignore[no-any-return]
            lambda connection: self.service.assign(connection, by, number, user)
        )

    async def split(self, number: int, by: Actor, *titles: str, key: str = "k") -> list[int] | TaskRefused:
        split = await self.do(lambda connection: self.service.split(connection, by, key, number, titles))
        return split if isinstance(split, TaskRefused) else split[1]

    async def parts(self, number: int, *titles: str, key: str = "k") -> list[int]:
        found = await self.split(number, BY_BOB, *titles, key=key)
        assert not isinstance(found, TaskRefused)
        return found

    async def state(self, number: int) -> tuple[TaskState, str | None, int]:
        found = await self.store.find(number)
        assert found is not None
        return found.state, found.assignee, found.percent


@pytest.fixture
async def desk(database: Database) -> Desk:
    await Rooms(database).enter(ROOM, KindName.GROUP, "$seen")
    return Desk(database)


async def test_of_twenty_claims_of_two_processes_one_succeeds(desk: Desk) -> None:
    number = await desk.make()
    claimers = [Actor(f"@user{place}:example.org") for place in range(20)]
    async with AsyncExitStack() as stack:
        other = Desk(await stack.enter_async_context(Database(desk.database.uri)))
        results = await asyncio.gather(
            *(each.claim(number, claimer) for claimer, each in zip(claimers, [desk, other] * 10, strict=True))
        )
    won = [each for each in results if isinstance(each, Task)]
    assert len(won) == 1
    lost = [each for each in results if isinstance(each, TaskRefused)]
    assert {(each.problem, each.by) for each in lost} == {(TaskProblem.TAKEN, won[0].assignee)}
    assert await desk.state(number) == (TaskState.WORKING, won[0].assignee, 0)
    # The winner may say it again.
    assert isinstance(await desk.claim(number, Actor(won[0].assignee or "")), Task)


async def test_a_repeat_makes_one_task(desk: Desk) -> None:
    assert await desk.make("a") == await desk.make("a")
    (number, *more) = await desk.parts(await desk.make("b"), "x", "y")
    assert await desk.parts(await desk.make("b"), "x", "y") == [number, *more]
    assert await desk.split(number, BY_BOB) == TaskRefused(TaskProblem.NO_TITLE, number, "submitted")
    # Also in a room that has as many tasks as it can have.
    await desk.database.execute(
        "INSERT INTO task (key, room, title, creator) SELECT 'n' || n, r.id, 'x', '@bob:example.org' "
        "FROM room r, generate_series(1, 1000) n WHERE r.room_id = %s",
        (ROOM,),
    )
    again = await desk.do(lambda connection: desk.service.create(connection, BY_BOB, "n1", ROOM, "x"))
    assert isinstance(again, Task)
    other = await desk.do(lambda connection: desk.service.create(connection, BY_BOB, "other", ROOM, "x"))
    assert other == TaskRefused(TaskProblem.TOO_MANY, most=1000)


async def test_an_agent_works_on_a_task(desk: Desk) -> None:
    number = await desk.make()
    unclaimed = TaskRefused(TaskProblem.UNCLAIMED, number, "submitted")
    assert await desk.report(number, BY_ADA, TaskAction.PROGRESS, percent=5) == unclaimed
    assert isinstance(await desk.claim(number, BY_ADA), Task)
    await desk.report(number, BY_ADA, TaskAction.PROGRESS, percent=40, note="half of it")
    await desk.report(number, BY_ADA, TaskAction.ASK_INPUT, note="which format?")
    assert await desk.state(number) == (TaskState.INPUT_REQUIRED, ADA, 40)
    for by, action in ((BY_EVE, TaskAction.DONE), (BY_EVE, TaskAction.PROGRESS), (BY_BOB, TaskAction.FAIL)):
        refused = await desk.report(number, by, action)
        assert refused == TaskRefused(TaskProblem.NOT_YOURS, number, "input-required", ADA)
    bad = await desk.report(number, BY_ADA, TaskAction.PROGRESS, percent=101)
    assert bad == TaskRefused(TaskProblem.BAD_PERCENT, number, "101", most=100)
    # Words that are too long are refused, not cut.
    bad = await desk.report(number, BY_ADA, TaskAction.DONE, note="x" * 1_001)
    assert bad == TaskRefused(TaskProblem.NOTE_TOO_LONG, number, most=1_000)
    await desk.report(number, BY_ADA, TaskAction.DONE, note="PDF")
    found = await desk.store.find(number)
    assert found is not None
    assert (found.state, found.percent, found.note) == (TaskState.COMPLETED, 100, "PDF")
    # A repeat is no error, another change is one.
    assert isinstance(await desk.report(number, BY_ADA, TaskAction.DONE), Task)
    failed = await desk.report(number, BY_ADA, TaskAction.FAIL)
    assert isinstance(failed, TaskRefused)
    assert failed.problem is TaskProblem.BAD_STATE
    assert (await desk.claim(number, BY_EVE)) == TaskRefused(TaskProblem.BAD_STATE, number, "completed", ADA)


async def test_a_task_is_assigned_and_its_person_notified(desk: Desk) -> None:
    number = await desk.make("Read")
    assert isinstance(await desk.assign(number, BY_EVE, EVE), TaskRefused)
    assert isinstance(await desk.assign(number, BY_BOB, EVE), Task)
    assert await desk.state(number) == (TaskState.SUBMITTED, EVE, 0)
    taken = TaskRefused(TaskProblem.TAKEN, number, "submitted", EVE)
    assert await desk.claim(number, BY_MOD) == taken
    # A repeat tells nobody again, agents are told nothing, nor is the one who assigns.
    await desk.assign(number, BY_BOB, EVE)
    assert isinstance(await desk.claim(number, BY_EVE), Task)
    assert isinstance(await desk.assign(number, BY_EVE, ADA), Task)
    assert isinstance(await desk.assign(number, BY_MOD, MOD), Task)
    rows = await desk.database.rows("SELECT user_id, facts FROM notification")
    assert rows == [{"user_id": EVE, "facts": {"task": number, "title": "Read", "by": BOB}}]
    assert isinstance(await desk.assign(number, BY_MOD, EVE), Task)
    assert isinstance(await desk.report(number, BY_EVE, TaskAction.REJECT, note="no time"), Task)
    assert await desk.state(number) == (TaskState.REJECTED, EVE, 0)


async def test_claims_end_without_progress(desk: Desk) -> None:
    late = Desk(desk.database, claim_timeout=0.0)
    numbers = [await desk.make(title) for title in "abc"]
    await late.claim(numbers[0], BY_ADA)
    await desk.claim(numbers[1], BY_ADA)
    await late.claim(numbers[2], BY_ADA)
    await late.report(numbers[2], BY_ADA, TaskAction.ASK_AUTH)
    ended = [number for number, wait in await desk.store.expired(9) if wait <= 0]
    assert ended == [numbers[0]]
    for number in numbers:
        await desk.do(lambda connection, number=number: desk.service.expire(connection, number))  # type: ignore[misc]
    assert await desk.state(numbers[0]) == (TaskState.SUBMITTED, None, 0)
    assert await desk.state(numbers[1]) == (TaskState.WORKING, ADA, 0)
    assert await desk.state(numbers[2]) == (TaskState.AUTH_REQUIRED, ADA, 0)
    assert isinstance(await desk.claim(numbers[0], BY_EVE), Task)


async def test_subtasks_count_for_all_above(desk: Desk) -> None:
    top = await desk.make("top")
    first, second = await desk.parts(top, "first", "second")
    inner, other = await desk.parts(first, "inner", "other", key="k2")
    await desk.claim(top, BY_EVE)
    await desk.claim(inner, BY_ADA)
    await desk.report(inner, BY_ADA, TaskAction.PROGRESS, percent=50)
    assert [(await desk.state(each))[2] for each in (inner, first, top)] == [50, 25, 12]
    await desk.report(inner, BY_ADA, TaskAction.DONE)
    await desk.report(top, BY_EVE, TaskAction.PROGRESS, percent=99)
    assert [(await desk.state(each))[2] for each in (inner, first, top)] == [100, 50, 25]
    open_parts = await desk.report(top, BY_EVE, TaskAction.DONE)
    assert open_parts == TaskRefused(TaskProblem.OPEN_SUBTASKS, top, "working", EVE)
    assert isinstance(await desk.cancel(first, BY_BOB), Task)
    assert [(await desk.state(each))[0] for each in (inner, other, first)] == [
        TaskState.COMPLETED,
        TaskState.CANCELED,
        TaskState.CANCELED,
    ]
    assert await desk.state(top) == (TaskState.WORKING, EVE, 0)
    assert isinstance(await desk.cancel(second, BY_ADA), TaskRefused)
    assert isinstance(await desk.cancel(second, BY_MOD), Task)
    assert isinstance(await desk.report(top, BY_EVE, TaskAction.DONE), Task)
    assert isinstance(await desk.cancel(top, BY_BOB), TaskRefused)


async def test_a_task_that_is_given_up_takes_its_open_subtasks_with_it(desk: Desk) -> None:
    for action, state in ((TaskAction.FAIL, TaskState.FAILED), (TaskAction.REJECT, TaskState.REJECTED)):
        top = await desk.make(f"to {action}")
        first, second, third = await desk.parts(top, "first", "second", "third", key=f"k {action}")
        (inner,) = await desk.parts(second, "inner", key=f"inner {action}")
        await desk.claim(first, BY_EVE)
        await desk.report(first, BY_EVE, TaskAction.DONE)
        await desk.claim(inner, BY_EVE)
        await desk.assign(top, BY_BOB, ADA)
        refused = await desk.report(top, BY_EVE, action)
        assert isinstance(refused, TaskRefused)
        assert (await desk.state(third))[0] is TaskState.SUBMITTED
        assert isinstance(await desk.report(top, BY_ADA, action), Task)
        assert [(await desk.state(each))[0] for each in (top, first, second, third, inner)] == [
            state,
            TaskState.COMPLETED,
            *[TaskState.CANCELED] * 3,
        ]
        # Nobody works on a part of it any more, so it stays as it is.
        before = await desk.state(top)
        assert isinstance(await desk.report(inner, BY_EVE, TaskAction.DONE), TaskRefused)
        assert await desk.state(top) == before


async def test_the_end_of_the_claim_of_a_subtask_is_no_progress(desk: Desk) -> None:
    late = Desk(desk.database, claim_timeout=0.0)
    top = await desk.make("top")
    (part,) = await desk.parts(top, "part")
    await late.claim(top, BY_EVE)
    await late.claim(part, BY_ADA)
    await desk.do(lambda connection: desk.service.expire(connection, part))
    assert await desk.state(part) == (TaskState.SUBMITTED, None, 0)
    assert [number for number, wait in await desk.store.expired(9) if wait <= 0] == [top]


async def test_who_cannot_work_gets_no_task(desk: Desk) -> None:
    number = await desk.make()
    refused = TaskRefused(TaskProblem.ASSIGNEE_WITHOUT_ROLE, number, by=NOBODY)
    assert await desk.assign(number, BY_BOB, NOBODY) == refused
    assert await desk.state(number) == (TaskState.SUBMITTED, None, 0)


async def test_limits(desk: Desk) -> None:
    too_long = await desk.do(lambda connection: desk.service.create(connection, BY_BOB, "k", ROOM, "x" * 201))
    assert too_long == TaskRefused(TaskProblem.TITLE_TOO_LONG, most=200)
    nowhere = await desk.do(lambda connection: desk.service.create(connection, BY_BOB, "k", "!no:example.org", "x"))
    assert nowhere == TaskRefused(TaskProblem.NOT_THERE)
    number = await desk.make()
    many = await desk.split(number, BY_BOB, *map(str, range(51)))
    assert isinstance(many, TaskRefused)
    assert (many.problem, many.most) == (TaskProblem.TOO_MANY_SUBTASKS, 50)
    for depth in range(4):
        (number,) = await desk.parts(number, "below", key=f"k{depth}")
    deep = await desk.split(number, BY_BOB, "too deep", key="deep")
    assert isinstance(deep, TaskRefused)
    assert (deep.problem, deep.most) == (TaskProblem.TOO_DEEP, 5)
    assert await desk.claim(999, BY_BOB) == TaskRefused(TaskProblem.UNKNOWN, 999)


async def test_a_reaction_to_a_card_claims(desk: Desk) -> None:
    number = await desk.make()
    found = (await desk.store.unshown(9, []))[0]
    assert (found.task.number, found.card, found.since) == (number, None, None)
    await desk.store.trying(found.task, "$before")
    assert (await desk.store.unshown(9, []))[0].since == "$before"
    await desk.store.shown(found.task, "$card")
    assert await desk.store.unshown(9, []) == []
    for target, is_card in (("$other", False), ("$card", True), ("$card", True)):
        claim = CardClaim(ROOM, "$reaction", EVE, target)
        assert await desk.do(lambda connection, claim=claim: desk.service.claim_card(connection, claim)) is is_card  # type: ignore[misc]
    assert await desk.state(number) == (TaskState.WORKING, EVE, 0)
    (changed,) = await desk.store.unshown(9, [])
    assert changed.card == "$card"
    # The room is replaced: the card is sent anew.
    await desk.store.shown(changed.task, None)
    await desk.store.follow_rooms()
    assert await desk.store.unshown(9, []) == []
    await desk.database.execute("UPDATE room SET room_id = '!new:example.org' WHERE room_id = %s", (ROOM,))
    await desk.store.follow_rooms()
    (changed,) = await desk.store.unshown(9, [])
    assert (changed.task.room_id, changed.card, changed.since) == ("!new:example.org", None, None)


async def test_changes_of_a_tree_at_once_do_not_block_each_other(desk: Desk) -> None:
    top = await desk.make("top")
    parts = await desk.parts(top, *"abcdefgh")
    below = [each for part in parts for each in await desk.parts(part, "x", "y", key=f"k{part}")]
    async with AsyncExitStack() as stack:
        other = Desk(await stack.enter_async_context(Database(desk.database.uri)))

        async def work(number: int, by: Actor) -> None:
            where = (desk, other)[number % 2]
            await where.claim(number, by)
            await where.report(number, by, TaskAction.PROGRESS, percent=50)
            await where.report(number, by, TaskAction.DONE)

        workers = [work(number, Actor(f"@user{number % 5}:example.org")) for number in below]
        await asyncio.gather(*workers, desk.cancel(parts[0], BY_BOB), other.cancel(parts[1], BY_BOB))
    assert await desk.state(top) == (TaskState.SUBMITTED, None, 100)
    states = [(await desk.state(each))[0] for each in parts]
    assert states[:2] == [TaskState.CANCELED] * 2
    assert states[2:] == [TaskState.SUBMITTED] * 6
    assert {(await desk.state(each))[0] for each in below[4:]} == {TaskState.COMPLETED}


async def test_the_erasure_of_a_creator_leaves_the_claims_of_others(desk: Desk) -> None:
    mine, theirs = await desk.make("of Bob"), await desk.make("of Eve", BY_EVE)
    await Desk(desk.database, claim_timeout=0.0).claim(mine, BY_ADA)
    await desk.claim(theirs, BY_BOB)
    data = PersonalData(desk.database, Redactions("bot", redact_answers=False), Queue(desk.database))
    await data.forget_rest(BOB, until=0)
    assert await desk.state(mine) == (TaskState.WORKING, ADA, 0)
    assert await desk.state(theirs) == (TaskState.SUBMITTED, None, 0)
    # The claim ends, as without the erasure.
    assert [number for number, wait in await desk.store.expired(9) if wait <= 0] == [mine]

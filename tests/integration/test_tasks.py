"""Tasks in a room of a real homeserver: cards, commands, reactions, and what programs read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_bridge.core.tasks import TASK
from support.bot_rooms import BotRoom, bot_room

if TYPE_CHECKING:
    from agent_bridge.demo.timeline import Message
    from support.person import Person
    from support.shared_bridge import SharedBridge


def card(room: BotRoom, number: int) -> Message | None:
    """Return the card of a task, as the person sees it."""
    found = [each for each in room.said() if each.content.get(TASK, {}).get("id") == number]
    assert len(found) <= 1, "a task has one card"
    return found[0] if found else None


def task(room: BotRoom, number: int) -> dict[str, Any]:
    """Return a task as programs read it; empty without a card."""
    found = card(room, number)
    return {} if found is None else dict(found.content[TASK])


async def shows(room: BotRoom, number: int, **expected: object) -> dict[str, Any]:
    """Wait until the card of a task shows *expected*; return the task."""

    def seen() -> dict[str, Any]:
        found = task(room, number)
        return found if expected.items() <= found.items() else {}

    return await room.person.wait_for(seen)


def number_in(text: str) -> int:
    """Return the number in the answer of a command."""
    return int(next(word.rstrip(".,") for word in text.split() if word.rstrip(".,").isdecimal()))


async def say(room: BotRoom, person: Person, text: str) -> str:
    """Have *person* give a command; return the answer."""
    known = {each.event_id for each in room.said() if TASK not in each.content}
    await person.say(room.room_id, f"!ab {text}")
    found = await room.person.wait_for(
        lambda: [each for each in room.said() if TASK not in each.content and each.event_id not in known]
    )
    await room.settled()
    return found[0].body


async def test_people_work_on_tasks(shared: SharedBridge) -> None:
    async with shared.harness.person() as ann, shared.harness.person() as bob:
        room = await bot_room(shared.running, ann, invite=[shared.running.homeserver.namespace.bot, bob.user_id])
        await bob.join(room.room_id)
        await bob.wait_for(lambda: room.room_id in bob.rooms)
        assert "There are no open tasks here" in await say(room, ann, "tasks")
        number = number_in(await say(room, ann, 'task new "Write *the* report"'))
        found = await shows(room, number, state="submitted", title="Write *the* report", creator=ann.user_id)
        assert found["revision"] == 1
        shown = card(room, number)
        assert shown is not None
        assert shown.content["msgtype"] == "m.notice"
        assert f"Task {number}: Write *the* report" in shown.body
        assert f"task claim {number}" in shown.body
        # The first reaction claims it, in any tone of skin, and a second one changes nothing.
        await bob.react(room.room_id, shown.event_id, "✋🏽")
        await shows(room, number, state="working", assignee=bob.user_id)
        await ann.react(room.room_id, shown.event_id, "✋")
        assert f"is taken by {bob.user_id}" in await say(room, ann, f"task claim {number}")
        assert "40 %" in await say(room, bob, f"task progress {number} 40% half of *it*")
        await shows(room, number, progress=40, note="half of *it*")
        assert "belongs to" in await say(room, ann, f"task fail {number}")
        first = number_in((await say(room, ann, f"task split {number} tables | figures")).partition("subtasks")[2])
        await shows(room, first, parent=number, title="tables")
        found = await shows(room, number, progress=0)
        assert [(each["id"], each["title"]) for each in found["subtasks"]] == [
            (first, "tables"),
            (first + 1, "figures"),
        ]
        assert "assigned to" in await say(room, bob, f"task assign {first} {ann.user_id}")
        assert f"Task {first} is done" in await say(room, ann, f"task done {first} see the file")
        await shows(room, number, progress=50)
        assert "subtasks that are open" in await say(room, bob, f"task done {number}")
        listed = await say(room, ann, "tasks")
        assert f"{number} Write *the* report" in listed
        assert f"{first} tables" not in listed
        assert f"{first} tables" in await say(room, ann, "tasks all")
        # A reply to the card needs no number.
        await ann.reply(room.room_id, shown.event_id, "!ab task cancel")
        await shows(room, number, state="canceled")
        await shows(room, first + 1, state="canceled")
        assert task(room, first)["state"] == "completed"
        assert "is canceled, so this is not possible" in await say(room, bob, f"task claim {number}")
        assert "There is no task 99999" in await say(room, bob, "task claim 99999")
        assert "Which task?" in await say(room, bob, "task claim")
        # Others know nothing of the tasks of the room.
        async with shared.harness.person() as eve:
            other = await bot_room(shared.running, eve)
            assert "none of yours" in await say(other, eve, f"task claim {first}")
            assert "No open task is assigned to you" in await say(other, eve, "tasks")

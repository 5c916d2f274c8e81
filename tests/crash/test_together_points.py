"""A process dies at each step of notifications, agent events and tasks: all are told, posted and shown once."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.agent_events import EVENT
from agent_bridge.core.feed import FeedType
from agent_bridge.core.notifications import Notification, NotificationKind
from agent_bridge.core.tasks import TASK
from agent_bridge.store.notifications import Notifications
from agent_bridge.store.postgres.database import Database
from crash.cases import around, short_form
from crash.doomed_process import DoomedProcess, kill_at
from support.api_client import program_of
from support.bot_rooms import BotRoom, bot_chat
from support.conditions import eventually
from support.feed_entries import facts
from support.process import BridgeProcess
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agent_bridge.config.model import Config
    from agent_bridge.demo.timeline import Message
    from support.harness import BridgeHarness
    from support.postgres import Server

#: The steps of notifications, and of an event that a command posts.
_TELLING = around("news_gathered", "news_room", "news_entered", "news_aim", "news_send", "news_sent")
_POSTING = around("effect", "event_add", "event_trying", "event_send", "event_closed", "word", "finish")
#: The steps of a command that makes a task.
_MAKING = around("task_add", "effect", "card_trying", "card_send", "card_shown", "word", "finish")
#: The steps of a reaction that claims one, and of a command that closes one.
_CLAIMING = around("card_claim", "task_save", "card_edit", "card_shown")
_CLOSING = around("task_save", "effect", "card_edit", "card_shown", "word", "finish")
#: The message is in the room, and nobody knows it.
_QUICK = {"after:news_send:1", "after:card_send:1"}


@dataclass(frozen=True)
class Stage:
    """A person in a room with the bot, and no process of the bridge."""

    harness: BridgeHarness
    config: Config
    desk: BotRoom
    database: Database

    def cards(self, title: str) -> list[Message]:
        """Return the cards of the tasks with *title*."""
        return [each for each in self.desk.said() if each.content.get(TASK, {}).get("title") == title]

    async def idle(self) -> bool:
        """Tell whether nothing is to be done."""
        query = """
            SELECT 1 FROM turn WHERE open UNION ALL SELECT 1 FROM task WHERE changes <> shown
            UNION ALL SELECT 1 FROM agent_event WHERE closed_at IS NULL
            UNION ALL SELECT 1 FROM notification WHERE sent_at IS NULL
        """
        return not await self.database.rows(query)

    async def settled(self, title: str, state: str) -> Message:
        """Wait until the only card of a task shows *state*, and nothing is to be done; return it."""
        await self.desk.person.wait_for(
            lambda: [each for each in self.cards(title) if each.content[TASK]["state"] == state]
        )
        await eventually(self.idle, "nothing is to be done")
        (card,) = self.cards(title)
        told = [each for each in await facts(self.database, FeedType.TASK) if each["title"] == title]
        assert [each["revision"] for each in told] == [*range(1, card.content[TASK]["revision"] + 1)]
        assert told[-1] == card.content[TASK]
        return card

    async def number(self, title: str) -> int:
        """Return the number of the only task with *title*."""
        (row,) = await self.database.rows("SELECT id FROM task WHERE title = %s", (title,))
        return int(row["id"])

    async def assign(self, user: str, *titles: str) -> None:
        """Write a notification for each of *titles*."""
        async with self.database.transaction() as connection:
            for title in titles:
                told = Notification(user, NotificationKind.TASK_ASSIGNED, None, {"task": 1, "title": title, "by": ""})
                await Notifications(self.database).add(connection, told)


@pytest.fixture(scope="module")
async def stage(harness: BridgeHarness, postgres: Server) -> AsyncIterator[Stage]:
    with postgres.migrated() as url:
        async with ScriptedUpstream("tea") as upstream, harness.person() as person, Database(url) as database:
            config = harness.config(url, [{"name": "u", "url": upstream.url}], logging={"format": "json"})
            async with harness.bridge(config) as running:
                desk = await bot_chat(running, person)
                await desk.settled()
                # A program may subscribe: its entries are checked, too.
                await program_of(running, person.user_id)
            yield Stage(harness, config, desk, database)


@pytest.mark.parametrize("point", short_form(_TELLING, _QUICK))
async def test_a_killed_notification_is_told_once(stage: Stage, tmp_path: Path, point: str) -> None:
    async with stage.harness.person() as person:
        await stage.assign(person.user_id, "one", "two")
        async with DoomedProcess(tmp_path, stage.config, point, "") as process:
            assert await process.death() == -signal.SIGKILL
        # The message is fixed, whatever comes behind it.
        await stage.assign(person.user_id, "three")
        async with BridgeProcess(tmp_path, stage.config):
            await eventually(stage.idle, "all notifications are told")
            (room_id,) = await person.wait_for(lambda: [*person.invites])
            await person.join(room_id)
            await person.wait_for(lambda: room_id in person.rooms)
            bot = stage.config.namespace.bot
            said = await person.wait_for(lambda: person.room(room_id).said_by(bot))
        entries = [each["values"]["title"] for each in await facts(stage.database, FeedType.NOTIFICATION)]
        assert entries[-3:] == ["one", "two", "three"]
        lines = [line.partition("you by")[2].strip(" :") for each in said for line in each.body.splitlines()]
        assert [line for line in lines if line] == ["one", "two", "three"]


@pytest.mark.long
@pytest.mark.parametrize("point", _POSTING)
async def test_a_killed_event_is_posted_once(stage: Stage, tmp_path: Path, point: str) -> None:
    kind = point.replace(":", ".")
    command, told = f"event {kind} {{x: 0.5}}", len(stage.desk.said())
    await kill_at(tmp_path, stage.config, point, command, stage.desk.say)
    async with BridgeProcess(tmp_path, stage.config) as process:
        await process.wait_for("listening")
        await stage.desk.person.wait_for(lambda: len(stage.desk.said()) >= told + 2)
        await eventually(stage.idle, "the event is posted")
    said = stage.desk.said()[told:]
    assert len(said) == 2
    (event,) = [each.content[EVENT] for each in said if EVENT in each.content]
    assert (event["kind"], event["data"], event["numbers"]) == (kind, {"x": "0.5"}, ["/x"])


@pytest.mark.parametrize("point", short_form(_MAKING, _QUICK))
async def test_a_killed_command_makes_one_task(stage: Stage, tmp_path: Path, point: str) -> None:
    title = f"made {point}"
    await kill_at(tmp_path, stage.config, point, f"task new {title}", stage.desk.say)
    async with BridgeProcess(tmp_path, stage.config) as process:
        await process.wait_for("listening")
        card = await stage.settled(title, "submitted")
    number = await stage.number(title)
    assert card.content[TASK]["id"] == number
    assert len([each for each in stage.desk.said() if each.body == f"Task {number} is made."]) == 1


@pytest.mark.long
@pytest.mark.parametrize("point", _CLAIMING)
async def test_a_killed_reaction_claims_once(stage: Stage, tmp_path: Path, point: str) -> None:
    title = f"claimed {point}"
    async with BridgeProcess(tmp_path, stage.config) as process:
        await process.wait_for("listening")
        await stage.desk.say(f"task new {title}")
        card = await stage.settled(title, "submitted")
    async with DoomedProcess(tmp_path, stage.config, point, "") as process:
        await process.wait_for("listening")
        await stage.desk.person.react(stage.desk.room_id, card.event_id, "✋")
        assert await process.death() == -signal.SIGKILL
    async with BridgeProcess(tmp_path, stage.config) as process:
        await process.wait_for("listening")
        card = await stage.settled(title, "working")
    assert card.content[TASK]["assignee"] == stage.desk.person.user_id
    assert card.content[TASK]["revision"] == 2


@pytest.mark.long
@pytest.mark.parametrize("point", _CLOSING)
async def test_a_killed_command_closes_a_task_once(stage: Stage, tmp_path: Path, point: str) -> None:
    title = f"closed {point}"
    async with BridgeProcess(tmp_path, stage.config) as process:
        await process.wait_for("listening")
        await stage.desk.say(f"task new {title}")
        await stage.settled(title, "submitted")
        number = await stage.number(title)
        await stage.desk.say(f"task claim {number}")
        await stage.settled(title, "working")
    command = f"task done {number} the end"
    await kill_at(tmp_path, stage.config, point, command, stage.desk.say)
    async with BridgeProcess(tmp_path, stage.config) as process:
        await process.wait_for("listening")
        card = await stage.settled(title, "completed")
        await stage.desk.person.wait_for(
            lambda: [each for each in stage.desk.said() if each.body == f"Task {number} is done."]
        )
    assert (card.content[TASK]["note"], card.content[TASK]["revision"]) == ("the end", 3)
    assert len([each for each in stage.desk.said() if each.body == f"Task {number} is done."]) == 1

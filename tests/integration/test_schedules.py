"""Schedules on a real Synapse: an agent is asked at a time, and the room shows who had it scheduled."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.demo.synapse import free_port
from support.bot_rooms import bot_chat
from support.conditions import eventually
from support.harness import DOMAIN, PREFIX, SHARED
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.config.model import Config
    from agent_bridge.demo.timeline import Message, Room
    from support.harness import BridgeHarness, Running
    from support.person import Person
    from support.postgres import Server

KEEPERS = [f"timer{number}" for number in range(4)]
BOT = f"@sharedbridge:{DOMAIN}"


@pytest.fixture(scope="module")
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream(*(f"clock{letter}" for letter in "abcd")) as upstream:
        yield upstream


@pytest.fixture(scope="module")
async def config(harness: BridgeHarness, postgres: Server, upstream: ScriptedUpstream) -> AsyncIterator[Config]:
    permissions: dict[str, str] = {DOMAIN: "member", f"@boss:{DOMAIN}": "owner"}
    permissions |= {f"@{name}:{DOMAIN}": "moderator" for name in KEEPERS}
    with postgres.migrated() as url:
        yield harness.config(
            url,
            [{"name": "u", "url": upstream.url}],
            service=SHARED,
            permissions=permissions,
            timezone="Asia/Kolkata",
            notifications={"gather": 0.1},
        )


@pytest.fixture(scope="module")
async def running(harness: BridgeHarness, config: Config) -> AsyncIterator[Running]:
    async with harness.bridge(config) as running:
        yield running


def notices(room: Room) -> list[Message]:
    """Return the messages that tell who had an agent asked."""
    return [each for each in room.said_by(BOT) if each.body.startswith("⏰ Scheduled by")]


def reply_of(message: Message) -> Any:
    return message.versions[0].get("m.relates_to", {}).get("m.in_reply_to", {}).get("event_id")


async def due(running: Running, person: Person, seconds: float = 1) -> None:
    """Have the schedules of *person* be due since *seconds*, as if the time had come."""
    await running.database.execute(
        "UPDATE schedule SET due_at = now() - make_interval(secs => %s) WHERE owner = %s", (seconds, person.user_id)
    )
    await running.database.execute("SELECT pg_notify('agent_bridge', 'schedules')")


async def quiet(running: Running) -> None:
    await eventually(running.idle, "no turn is open")


async def test_an_agent_is_asked_at_its_time(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream, config: Config
) -> None:
    other = config.model_copy(update={"appservice": config.appservice.model_copy(update={"port": free_port()})})
    async with harness.person(KEEPERS[0]) as person, harness.bridge(other):
        talk = await running.join(person, upstream.names[0])
        desk = await bot_chat(running, person)
        await desk.ask("help schedule")
        # The agent of the room need not be named.
        made = await talk.command('schedule "every weekday 9:00" the *news*,\nplease')
        number = re.findall(r"Schedule (\d+)", made)[0]
        assert re.fullmatch(
            rf"Schedule {number} \(every weekday 9:00\): {upstream.names[0]} is asked at 20\d\d-\d\d-\d\d 09:00 "
            rf"\(Asia/Kolkata\)\. {PREFIX} unschedule {number} ends it\.",
            made,
        )
        answers = len(talk.answers)
        await due(running, person)
        await talk.wait_for_answers(answers + 1)
        await quiet(running)
        (notice,) = notices(talk.room)
        assert notice.body == f"⏰ Scheduled by {person.user_id} (every weekday 9:00): the *news*, please"
        assert notice.content["m.mentions"] == {"user_ids": [talk.ghost]}
        assert reply_of(talk.answers[-1]) == notice.event_id
        assert upstream.questions[-1].endswith("this time (every weekday 9:00):\n\nthe *news*,\nplease")
        # The bridge was away for long: once, with a notice, and a notification.
        await due(running, person, 3 * 86_400)
        await talk.wait_for_answers(answers + 2)
        await quiet(running)
        assert "; late, once for" in notices(talk.room)[1].body
        assert "It is late: it was due at" in upstream.questions[-1]
        told = "Schedule " + number + " missed its time"
        await person.wait_for(lambda: [each for each in desk.said() if told in each.body])
        assert len(notices(talk.room)) == 2
        listed = await talk.command("schedules")
        assert "every weekday 9:00" in listed
        assert f"Schedule {number} is paused" in await talk.command(f"pause {number}")
        assert "goes on at" in await talk.command(f"resume #{number}")
        assert "is deleted" in await talk.command(f"unschedule {number}")
        assert "You have no schedule" in await talk.command(f"unschedule {number}")


async def test_times_of_the_profile_and_words_that_are_no_times(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    async with harness.person(KEEPERS[1]) as person:
        talk = await running.join(person, upstream.names[1])
        await person.ask("PUT", f"/profile/{person.user_id}/m.tz", {"m.tz": "Europe/Berlin"})
        name = upstream.names[1]
        assert "09:00 (Europe/Berlin)" in await talk.command(f"schedule завтра в 9:00 @{name} новости")
        assert "12:00 (Europe/Berlin)" in await talk.command(f"schedule on 2027-12-01 12:00 {name}: hello")
        assert "(cron 0 9 * * 1-5)" in await talk.command(f'schedule "cron 0 9 * * 1-5" "{name}" hello')
        listed = await talk.command("schedules")
        assert [text in listed for text in ("новости", "hello", "on 2027-12-01 12:00")] == [True] * 3
        assert "I do not understand foo as a part" in await talk.command('schedule "every foo" hello')
        assert "missing behind tomorrow" in await talk.command("schedule tomorrow hello")
        for nothing in ("", ' ""', " :"):
            assert "What is the agent to be asked" in await talk.command(f"schedule in 20 minutes{nothing}")
        assert "is not here" in await talk.command(f"schedule in 20 minutes @{upstream.names[2]} hello")
        # A zone that does not exist.
        await person.ask("PUT", f"/profile/{person.user_id}/m.tz", {"m.tz": "../x"})
        assert "(Asia/Kolkata)" in await talk.command("schedule tomorrow 9:00 hello")


@pytest.mark.long
async def test_members_schedule_in_own_chats_and_admins_end_all(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    async with harness.person("mia") as person, harness.person("boss") as boss, harness.person(KEEPERS[2]) as keeper:
        talk = await running.join(person, upstream.names[2])
        await running.join(keeper, upstream.names[2])
        assert "moderator" in await talk.command("schedule in 20 minutes hello")
        desk, bosses = await bot_chat(running, keeper), await bot_chat(running, boss)
        assert "No agent is called hello." in (await desk.ask("schedule in 20 minutes hello")).body
        made = (await desk.ask(f"schedule in 20 minutes @{upstream.names[2]} hello")).body
        number = re.findall(r"Schedule (\d+)", made)[0]
        assert "admin" in (await desk.ask("schedules all")).body
        # Prompts are for their owners.
        listed = (await bosses.ask("schedules all")).body
        assert [text in listed for text in (keeper.user_id, "hello")] == [True, False]
        assert "hello" in (await desk.ask("schedules")).body
        assert "You have no schedule" in await talk.command(f"pause {number}")
        # The home of the agent, at its time.
        await due(running, keeper)
        await talk.wait_for_answers(len(talk.answers) + 1)
        await quiet(running)
        assert notices(talk.room)[-1].body == f"⏰ Scheduled by {keeper.user_id} (in 20 minutes): hello"
        assert (await desk.ask("schedules")).body.startswith("You have no schedules.")
        made = (await desk.ask(f"schedule every day 9:00 @{upstream.names[2]} hello")).body
        number = re.findall(r"Schedule (\d+)", made)[0]
        assert "is deleted" in (await bosses.ask(f"unschedule {number}")).body

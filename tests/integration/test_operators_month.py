"""A month of an operator in thirty steps: agents and people come and go, and everything is restarted in between.

Each evening no message is lost, doubled or out of order, the rooms are as they are to be, roles are power levels, and
the bridge counts as the server does (:meth:`support.month.Month.evening`). Each night all times in the database move
back by a day.
"""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import aiohttp
import pytest

from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.i18n.english import ENGLISH
from support.administrators import server_administrator
from support.conditions import eventually
from support.harness import new_harness
from support.imports import imported
from support.month import KEPT_DAYS, TOKEN, Month
from support.month_people import BOT, words_of
from support.postgres import Cluster
from support.scripted_upstream import waits_for
from support.trigger_requests import Secret, secret_in, wake
from support.watchdog import temporary_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path
    from typing import LiteralString

#: Seconds for which a process is frozen.
_FROZEN = 3.0
#: Rows of a table that may be there without a look at their growth.
_MOST = 20
#: Rows that the retention does not keep.
_OLD: tuple[LiteralString, ...] = (
    "SELECT 1 FROM turn WHERE finished_at < now() - make_interval(days => %(days)s) LIMIT 1",
    "SELECT 1 FROM message WHERE created_at < now() - make_interval(days => %(days)s) LIMIT 1",
    "SELECT 1 FROM ignored WHERE created_at < now() - make_interval(days => %(days)s) LIMIT 1",
    "SELECT 1 FROM operation WHERE finished_at < now() - make_interval(days => %(days)s) LIMIT 1",
    "SELECT 1 FROM trigger_request WHERE created_at < now() - make_interval(days => %(days)s) LIMIT 1",
    "SELECT 1 FROM outbox WHERE created_at < now() - make_interval(days => %(days)s) LIMIT 1",
)


@pytest.fixture
async def month(tmp_path: Path) -> AsyncIterator[Month]:
    with temporary_folder("ab-pg-") as folder, Cluster(folder) as cluster, cluster.migrated() as url:
        async with new_harness() as harness, Month(harness, cluster, url, tmp_path) as month:
            yield month


async def day_1(month: Month) -> None:
    """The bridge starts: people get one invitation, enter the rooms from the Space, and ask."""
    await month.start()
    space = await month.space()
    for name in ("Ada", "Bea", "Cleo", "Dora"):
        await month.contact(name)
    for user in (month.ann, month.bob):
        await user.accept(space)
        await user.begin()
        assert {*user.person.invites} == set()
        await user.enter("Ada")
    await month.op.begin()
    await month.op.tell("invite *", until="invited to the Space")
    await month.op.accept(space)
    await month.ann.ask("Ada", "day 1")
    await month.bob.ask("Ada", "and me")


async def day_2(month: Month) -> None:
    """A new agent is seen at once by the webhook, and stands in its place in the Space."""
    month.upstream.add("Abel")
    await synced(month)
    await month.ann.enter("Abel")
    await month.ann.ask("Abel", "day 2")
    await eventually(lambda: lists(month, "Abel", "Ada", "Bea", "Cleo", "Dora"), "the Space lists it")


async def day_3(month: Month) -> None:
    """An agent gets another name: room, member and Space follow, and the conversation goes on."""
    room_id = await month.bob.enter("Bea")
    await month.bob.ask("Bea", "before")
    next(each for each in month.upstream.models if each["name"] == "Bea")["name"] = "Zoe"
    await month.bob.person.wait_for(lambda: (month.bob.person.room(room_id).name or "").startswith("Zoe"))
    assert await month.room("Zoe") == room_id
    await month.bob.ask("Zoe", "after")
    await eventually(lambda: lists(month, "Abel", "Ada", "Cleo", "Dora", "Zoe"), "the Space follows")


async def day_4(month: Month) -> None:
    """Bob becomes a moderator by a command, and pins a message."""
    bob = month.bob
    assert "is not" not in await month.op.tell(f"role {bob.user_id} moderator", until="is a moderator")
    room_id = await month.room("Ada")
    event_id = await bob.say("Ada", "pin me")
    await bob.answered("Ada")
    before = len(bob.said(room_id))
    await bob.person.reply(room_id, event_id, "!ab pin")
    await bob.person.wait_for(lambda: [each.body for each in bob.said(room_id)[before:]] == ["Pinned."])
    assert bob.person.room(room_id).state["m.room.pinned_events", ""]["pinned"] == [event_id]


async def day_5(month: Month) -> None:
    """The operator invites Cem everywhere: one invitation, and the rooms are open from the Space."""
    cem = month.cem
    reply = await month.op.tell(f"invite * {cem.user_id}", until="invited to the Space")
    assert "can be entered from the Space" in reply
    await cem.accept(await month.space())
    assert [*cem.person.invites] == []
    await cem.begin()
    await cem.enter("Ada")
    await cem.ask("Ada", "I am new")


async def day_6(month: Month) -> None:
    """Bob mutes Cem in a room for a time: he cannot write there, and the others are answered."""
    room_id = await month.room("Ada")
    assert "is muted here" in await month.bob.tell(f"!ab mute {month.cem.user_id} 30 min", room_id)

    async def is_refused() -> bool:
        try:
            await month.cem.person.say(room_id, "unheard")
        except HomeserverRefused:
            return True
        return False

    await eventually(is_refused, "Cem cannot write")
    await month.ann.ask("Ada", "I can")
    assert "is not muted" in await month.bob.tell(f"!ab unmute {month.cem.user_id}", room_id)

    async def may_write() -> bool:
        return await month.power("Ada", month.cem.user_id) == 0

    # Of two changes of state at once, a client may keep the former one.
    await eventually(may_write, "Cem may write")
    await month.cem.ask("Ada", "so can I")


async def day_7(month: Month) -> None:
    """The bridge is stopped in order, people write meanwhile, and it starts again."""
    (process,) = month.processes
    assert await process.stop() == 0
    for text in ("one", "two", "three"):
        await month.ann.say("Ada", text)
    await month.bob.say("Zoe", "four")
    await month.start()
    await month.ann.answered("Ada")
    await month.bob.answered("Zoe")


async def day_8(month: Month) -> None:
    """Cem is removed from a room: `invite *` leaves it out, and an invitation into the room lets him in."""
    room_id = await month.op.enter("Ada")
    cem = month.cem
    assert "is out of this room" in await month.op.tell(f"!ab kick {cem.user_id} off topic", room_id)
    await cem.person.wait_for(lambda: room_id not in cem.person.rooms)
    reply = await month.op.tell(f"invite * {cem.user_id}", until="already in the Space")
    assert "1 room left out, because the user was removed there" in reply
    await month.op.tell(f"!ab invite {cem.user_id}", room_id, until="Invited")
    await cem.accept(room_id)
    await cem.ask("Ada", "I am sorry")


async def day_9(month: Month) -> None:
    """The file takes Cem's role away: he is out of all rooms, and gets one line."""
    cem, room_id = month.cem, await month.room("Ada")
    before = len(cem.said(cem.desk))
    permissions = month.sections["permissions"] | {cem.user_id: "none"}
    assert "permissions" in await month.change(permissions=permissions)
    await cem.person.wait_for(lambda: {room_id}.isdisjoint(cem.person.rooms))
    await cem.person.wait_for(lambda: cem.said(cem.desk)[before:])
    (line,) = cem.said(cem.desk)[before:]
    assert line.body.startswith("You no longer have access")
    await month.ann.ask("Ada", "we are two")


async def day_10(month: Month) -> None:
    """Cem gets a role by a command, which has priority over the file, and comes back."""
    cem = month.cem
    assert "is a member" in await month.op.tell(f"role {cem.user_id} member")
    await month.op.tell(f"invite * {cem.user_id}", until="invited to the Space")
    await cem.accept(await month.space())
    await cem.enter("Ada")
    await cem.ask("Ada", "here again")


async def day_11(month: Month) -> None:
    """A quota is exhausted: one line tells Ann, further messages get a mark, and Bob is answered."""
    _, tokens = await month.tokens(month.ann.user_id)
    assert tokens
    await month.ann.ask("Ada", "within the quota")
    await month.change(quotas=[{"per": "user", "match": month.ann.user_id, "tokens_per_day": 1}])
    room_id, ghost = await month.room("Ada"), await month.ghost("Ada")
    before = len(month.ann.said(room_id, ghost))
    for text in ("beyond", "far beyond"):
        await month.ann.refused("Ada", text)
    await month.quiet()
    (line,) = month.ann.said(room_id, ghost)[before:]
    assert line.body.startswith("⚠️ You have used your 1 token for today. Try again ")
    await month.bob.ask("Ada", "I have tokens")
    assert "1 request" in await month.ann.tell("usage")


async def day_12(month: Month) -> None:
    """On the next day Ann is answered; the quota is taken back."""
    await month.ann.ask("Ada", "a new day")
    await month.ann.refused("Ada", "and over")
    assert "quotas" in await month.change(quotas=[])
    await month.ann.ask("Ada", "no quota")


async def day_13(month: Month) -> None:
    """The bridge is killed in the middle of an answer, which goes on."""
    gate = await half_answered(month, "in the mid", "dle")
    await month.processes[-1].kill()
    gate.set()
    await month.bob.say("Ada", "while it is dead")
    await month.start()
    await month.ann.answered("Ada")


async def day_14(month: Month) -> None:
    """A second process starts, the first one is killed, and the second one goes on; then the first one is back."""
    first = month.processes[-1]
    second = await month.start(1)
    await month.ann.ask("Ada", "two of them")
    await first.kill()
    await month.ann.ask("Ada", "the second one")
    await second.wait_for("this process leads")
    month.upstream.add("Finn")
    await synced(month)
    await month.bob.enter("Finn")
    await month.bob.ask("Finn", "made by the second one")
    await month.start()
    assert await second.stop() == 0
    await month.ann.ask("Ada", "the first one")


async def day_15(month: Month) -> None:
    """The homeserver is restarted while an agent answers."""
    gate = await half_answered(month, "before the re", "start")
    await month.harness.synapse.stop()
    gate.set()
    await month.harness.synapse.start()
    await month.ann.answered("Ada")
    await month.bob.ask("Ada", "after it")


async def day_16(month: Month) -> None:
    """The database is restarted, and people write meanwhile."""
    room_id, ghost = await month.room("Ada"), await month.ghost("Ada")
    month.expected_errors.add("the connection that held")
    await asyncio.to_thread(month.cluster.stop)
    for text in ("no database", "still none"):
        await month.ann.person.say(room_id, text)
        month.due[room_id, ghost].append(f"Echo: {text}")
    await asyncio.to_thread(month.cluster.start)
    await month.ann.answered("Ada")


async def day_17(month: Month) -> None:
    """The process is frozen for a moment, and people write meanwhile."""
    month.processes[-1].signal(signal.SIGSTOP)
    try:
        for text in ("frozen", "still"):
            await month.bob.say("Ada", text)
        await asyncio.sleep(_FROZEN)
    finally:
        month.processes[-1].signal(signal.SIGCONT)
    await month.bob.answered("Ada")


async def day_18(month: Month) -> None:
    """An agent disappears: its room is marked, and each person is told once a day."""
    room_id, ghost = await month.ann.enter("Cleo"), await month.ghost("Cleo")
    await month.ann.ask("Cleo", "are you there?")
    month.cleo.update(month.upstream.remove("Cleo"))
    await month.state("Cleo", "gone")
    await month.ann.person.wait_for(lambda: (month.ann.person.room(room_id).name or "").endswith("(gone)"))
    before = len(month.ann.said(room_id, ghost))
    await month.ann.refused("Cleo", "hello?")
    await month.ann.refused("Cleo", "hello!")
    await month.quiet()
    (line,) = month.ann.said(room_id, ghost)[before:]
    assert "Cleo is no longer available" in line.body


async def day_19(month: Month) -> None:
    """The agent returns: everything is undone in the same room."""
    room_id = await month.room("Cleo")
    month.upstream.models.append(month.cleo)
    await month.state("Cleo", "active")
    await month.ann.person.wait_for(lambda: not (month.ann.person.room(room_id).name or "(gone)").endswith("(gone)"))
    await month.ann.ask("Cleo", "welcome back")


async def day_20(month: Month) -> None:
    """The operator retires an agent that its server lists: the Space does not list its room."""
    assert "is retired" in await month.op.tell("retire Zoe")
    await month.state("Zoe", "retired")
    await eventually(lambda: lists(month, "Abel", "Ada", "Cleo", "Dora", "Finn"), "the Space does not list it")
    await month.bob.refused("Zoe", "are you retired?")


async def day_21(month: Month) -> None:
    """The operator brings the agent back."""
    assert await month.op.tell("retire Zoe back") == "Zoe is back."
    await month.state("Zoe", "active")
    await eventually(lambda: lists(month, "Abel", "Ada", "Cleo", "Dora", "Finn", "Zoe"), "the Space lists it")
    await month.bob.ask("Zoe", "welcome back")


async def day_22(month: Month) -> None:
    """Two agents disappear at once, and the operator confirms it; later one is retired, and its room deleted."""
    room_id, alias = await month.room("Cleo"), f"#{(await month.ghost('Cleo'))[1:]}"
    key = (room_id, await month.ghost("Cleo"))
    month.upstream.models.remove(month.cleo)
    finn = month.upstream.remove("Finn")
    await eventually(lambda: is_doubted(month), "the plan tells of the doubt")
    await month.op.tell("sync all")
    for name in ("Cleo", "Finn"):
        await month.state(name, "gone")
    month.upstream.models.append(finn)
    await month.state("Finn", "active")
    for _ in range(3):
        await month.night()
    async with server_administrator(month.harness, BOT):
        assert "retire" in await month.change(retire={"after_days": 2, "delete": True})

        async def is_deleted() -> bool:
            # The client of a person may not see it: the homeserver deletes the end of the membership, too.
            joined = (await month.ann.person.ask("GET", "/joined_rooms"))["joined_rooms"]
            rows = await month.database.rows("SELECT 1 FROM room WHERE room_id = %s", (room_id,))
            return room_id not in joined and not rows and await month.homeserver.resolve_alias(alias) is None

        await eventually(is_deleted, "the room is deleted", 20)
    await month.change(retire={"after_days": None, "delete": False})
    del month.due[key]


async def day_23(month: Month) -> None:
    """The agent returns, and has a new room."""
    month.upstream.models.append(month.cleo)
    await month.state("Cleo", "active")
    await month.ann.enter("Cleo")
    await month.ann.ask("Cleo", "a new room")


async def day_24(month: Month) -> None:
    """Agents of a short life come and go all at once, and so do their rooms."""
    month.swarm.models += [{"id": f"worker-{number}", "object": "model"} for number in (1, 2)]
    rooms = [await month.bob.enter(f"worker-{number}") for number in (1, 2)]
    await month.bob.ask("worker-1", "to work")
    await month.quiet()
    keys = [(rooms[0], await month.ghost("worker-1"))]
    month.swarm.models.clear()
    for number in (1, 2):
        await month.state(f"worker-{number}", "gone")
    await month.night()
    await month.night()
    await month.change(ephemeral_after=3600)
    await month.bob.person.wait_for(lambda: {*rooms}.isdisjoint(month.bob.person.rooms))
    for key in keys:
        del month.due[key]


async def day_25(month: Month) -> None:
    """Programs wake an agent by a callback and by a signed request, also after a restart, until it is revoked."""
    op, room_id, ghost = month.op, await month.room("Ada"), await month.ghost("Ada")
    callback, signed = await trigger(month, "nightly"), await trigger(month, "ci signed")
    for secret, name, text in (
        (callback, "nightly", "once"),
        (signed, "ci", "first"),
        (signed, "ci", "second"),
    ):
        if text == "second":
            await month.restart()
        status, _ = await wake(secret, text)
        assert status == 202, text
        asks = ENGLISH.triggers.asks.format(trigger=name)
        month.due[room_id, ghost].append(f"Echo: {asks}\n\n{text}")
        await month.ann.answered("Ada")
    notices = [each.body for each in op.said(room_id) if each.body.startswith("⏰")]
    assert [each.rpartition(" ")[2] for each in notices] == ["once", "first", "second"]
    assert (await wake(callback, "twice"))[0] == 410
    await op.tell("trigger revoke ci", until="revoked")
    assert (await wake(signed, "third"))[0] in {404, 410}


async def day_26(month: Month) -> None:
    """Earlier messages with an agent are shown, once, in their order."""
    room_id = await month.op.enter("Dora")
    for expected in ("Imported 8 messages.", "Imported 0 messages. Here already: 8."):
        assert await month.op.tell("!ab import all", room_id, until=".") == expected
    shown = [each["content"]["body"] for each in await imported(month.op.person, room_id)]
    assert shown == [f"{kind} {number}" for number in range(4) for kind in ("question", "answer")]
    await month.op.ask("Dora", "and today?")


async def day_27(month: Month) -> None:
    """Ann has her conversation in a file."""
    room_id = await month.room("Cleo")
    await month.ann.ask("Cleo", "for the file")
    await month.ann.person.say(room_id, "!ab export md")

    def files() -> list[str]:
        messages = month.ann.person.room(room_id).messages.values()
        return [each.content["url"] for each in messages if each.content.get("msgtype") == "m.file"]

    await month.ann.person.wait_for(files)
    data = (await month.ann.person.download(files()[-1])).decode()
    assert "> for the file" in data
    assert "> Echo: for the file" in data


async def day_28(month: Month) -> None:
    """Somebody damages rooms by hand: the repair names each difference, and a second one finds none."""
    homeserver, room_id, space = month.homeserver, await month.room("Ada"), await month.space()
    await homeserver.set_state(room_id, "m.room.topic", {"topic": "another"})
    await homeserver.set_state(space, "m.space.child", {}, key=room_id)
    await homeserver.set_state(await month.room("Zoe"), "m.room.guest_access", {"guest_access": "can_join"})
    assert await month.op.tell("plan") == "The next pass changes nothing."
    reply = await month.op.tell("repair", until="compared.")
    lines = reply.splitlines()
    assert any("Ada" in line and "set topic, Space entry" in line for line in lines), reply
    assert any("Zoe" in line and "set access of guests" in line for line in lines), reply
    assert "There are no differences." in await month.op.tell("repair", until="compared.")
    await month.ann.ask("Ada", "all is well")


async def day_29(month: Month) -> None:
    """Bob forgets his data, and the operator erases those of Cem: what others said stays."""
    erased = [await month.tokens(each.user_id) for each in (month.bob, month.cem)]
    assert (await month.bob.tell("forget me")).startswith("Erase everything")
    await month.bob.tell("yes", until="are erased")
    code, output = await month.command("erase", month.cem.user_id, "--yes")
    assert code == 0, output
    month.erased = (sum(requests for requests, _ in erased), sum(tokens for _, tokens in erased))
    assert [await month.tokens(each.user_id) for each in (month.bob, month.cem)] == [(0, 0)] * 2
    await month.ann.ask("Ada", "do you remember?")
    told = str(month.upstream.asked[-1]["messages"])
    assert "all is well" in told
    assert "I am sorry" not in told


async def day_30(month: Month) -> None:
    """A file with a fault changes nothing; Ann leaves a room and comes back; the bridge starts a last time."""
    ann, room_id = month.ann, await month.room("Ada")
    month.spoil("permissions: nobody\n")
    assert "The configuration is not valid" in await month.op.tell("reload", until="valid")
    month.expected_errors.add("the configuration is not valid: nothing changes")
    month.write()
    await month.ann.ask("Ada", "as before")
    await ann.tell("leave Ada", until="has left")
    await ann.person.wait_for(lambda: room_id not in ann.person.rooms)
    await ann.tell("invite Ada", until="Invited")
    await ann.accept(room_id)
    await ann.ask("Ada", "the end")
    await month.restart()
    await ann.ask("Ada", "and a beginning")


DAYS: list[Callable[[Month], Awaitable[None]]] = [
    *(day_1, day_2, day_3, day_4, day_5, day_6, day_7, day_8, day_9, day_10),
    *(day_11, day_12, day_13, day_14, day_15, day_16, day_17, day_18, day_19, day_20),
    *(day_21, day_22, day_23, day_24, day_25, day_26, day_27, day_28, day_29, day_30),
]


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_a_month_of_an_operator(month: Month) -> None:
    for number, day in enumerate(DAYS, 1):
        try:
            await day(month)
            await month.evening()
            await month.night()
        except BaseException as error:
            error.add_note(f"on day {number}: {day.__doc__}")
            raise
    await check_rows(month)


async def check_rows(month: Month) -> None:
    """Turns and all that belongs to them stay for the days of the retention alone, and nothing piles up."""

    async def pruned() -> bool:
        # The bridge has started before the last night.
        old = [await month.database.rows(query, {"days": KEPT_DAYS + 1}) for query in _OLD]
        return not any(old)

    await eventually(pruned, "the rows of earlier days are deleted")
    last = month.rows[-1]
    # What people have, and what the bridge keeps for the month.
    lasting = {"usage", "usage_day", "imported_message", "kv", "agent", "room", "participant", "conversation"}
    days = month.rows[:-1]
    grown = {
        table: [counts[table] for counts in days]
        for table in last
        if table not in lasting
        and last[table] > _MOST
        and last[table] > max(counts[table] for counts in days[: len(days) // 2])
    }
    assert grown == {}


async def is_doubted(month: Month) -> bool:
    """Tell whether the bridge waits for the operator's word about agents that disappeared."""
    return "2 disappeared at once" in await month.op.tell("plan")


async def half_answered(month: Month, half: str, rest: str) -> asyncio.Event:
    """Have Ann ask Ada *half* and *rest*, and wait until she sees half of the answer; the rest waits for the result."""
    gate, beginning = asyncio.Event(), f"Echo: {half}"
    month.upstream.scripts.append(waits_for(gate, beginning, rest))
    await month.ann.say("Ada", half + rest)
    key = (await month.room("Ada"), await month.ghost("Ada"))
    # A word is shown when it has ended.
    shown = beginning.rpartition(" ")[0]
    await month.ann.person.wait_for(lambda: words_of(month.ann.said(*key))[-1].startswith(shown))
    return gate


async def synced(month: Month) -> None:
    """Have the bridge read the list of the server by its webhook."""
    url = f"{month.config.appservice.url}/v1/upstreams/{month.upstream.name}/sync"
    async with aiohttp.request("POST", url, headers={"Authorization": f"Bearer {TOKEN}"}) as response:
        assert response.status == 200


async def lists(month: Month, *names: str) -> bool:
    """Tell whether the Space lists the agents with *names*, in this order."""
    return await month.listed() == [*names]


async def trigger(month: Month, words: str) -> Secret:
    """Have the operator make a trigger of Ada; return its secret."""
    before = len(month.op.said(month.op.desk))
    await month.op.tell(f"trigger new @Ada {words}", until="Trigger")
    found = [secret_in(each.body) for each in month.op.said(month.op.desk)[before:]]
    (secret,) = [each for each in found if each is not None]
    return secret.at(month.config.appservice.url)

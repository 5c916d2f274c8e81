"""Programs post agent events, and work on tasks and votes, by the HTTP API and from a shell, on a real Synapse."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.programs import token_hash
from agent_bridge.core.servers import ChannelType, NewPlace
from agent_bridge.matrix.rooms import MUTED_POWER
from agent_bridge.store.servers import Servers
from agent_bridge.store.tokens import Tokens
from integration.test_api_replicas import another
from support.api_client import program_of
from support.bot_rooms import bot_chat, named_upstream
from support.conditions import eventually
from support.harness import DOMAIN, SHARED
from support.places import delete_places
from support.vote_rooms import VoteRoom

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.config.model import Config
    from support.api_client import Answer, Program
    from support.harness import BridgeHarness, Running
    from support.person import Person
    from support.postgres import Server

BOSS = f"@boss:{DOMAIN}"
DATA = {"subtask": 1, "sources": 12, "confidence": 0.87}
LOG = "/v1/rooms/-/events"
#: By the names of people: their roles, and the answers to an event in a log channel, and in one for announcements.
POSTERS = {
    "nobody": ("none", "role_missing", "role_missing"),
    "robot": ("agent", "", "not_permitted"),
    "plain": ("member", "", "not_permitted"),
    "mod": ("moderator", "", "not_permitted"),
    "admin": ("admin", "", ""),
    "muted": ("member", "muted", "not_permitted"),
    "silenced": ("member", "not_permitted", "not_permitted"),
}


@pytest.fixture(scope="module")
async def config(harness: BridgeHarness, postgres: Server) -> AsyncIterator[Config]:
    roles = {f"@{name}:{DOMAIN}": role for name, (role, *_) in POSTERS.items()}
    async with named_upstream("Ada", "Bea") as upstream:
        with postgres.migrated() as url:
            there = [{"name": "u", "url": upstream.url}]
            more = {DOMAIN: "member", BOSS: "owner", f"@second:{DOMAIN}": "admin"}
            yield harness.config(url, there, service=SHARED, permissions=roles | more)


@pytest.fixture(scope="module")
async def running(harness: BridgeHarness, config: Config) -> AsyncIterator[Running]:
    async with harness.bridge(config) as running:
        yield running
        await delete_places(running)


async def revoke(running: Running, program: Program) -> None:
    """Revoke the token of a program."""
    (row,) = await running.database.rows("SELECT id FROM token WHERE hash = %s", (token_hash(program.token),))
    async with running.database.transaction() as connection:
        await Tokens(running.database, running.homeserver.namespace).revoke(connection, row["id"])


def told(answer: Answer) -> tuple[int, str]:
    """Return the status of an answer, and its reason or its code."""
    return answer.status, answer.content.get("reason") or answer.code


async def test_an_event_is_accepted_before_the_room_shows_it(harness: BridgeHarness, running: Running) -> None:
    """The first event makes the channel; a repeat with the same key tells the event id as soon as there is one."""
    async with harness.person("boss"):
        program = await program_of(running, BOSS)
        first = await program.post(LOG, "first", kind="started", wait=0)
        assert (first.status, first["event_id"]) == (202, None)

        async def shown() -> Answer | None:
            again = await program.post(LOG, "first", kind="started", wait=0)
            assert again.headers["Idempotent-Replayed"] == "true"
            return again if again.status == 200 else None

        assert (await eventually(shown, "the event is shown"))["room_id"] == first["room_id"]
        assert (await program.post(LOG, "first", kind="result", wait=0)).code == "idempotency_key_reused"
        found = (await program.get("/v1/rooms/agent-logs/events"))["events"]
        assert [each["kind"] for each in found] == ["started"]
        # Another one who may make channels is invited into it, too; one who has left it is not.
        async with harness.person("second") as second:
            others = await program_of(running, second.user_id)
            assert (await others.post(LOG, kind="started", wait=20))["room_id"] == first["room_id"]
            await second.join(first["room_id"])
            await second.leave(first["room_id"])
            assert (await others.post(LOG, kind="started")).code == "room_not_found"


@pytest.mark.long
async def test_who_posts_events_into_a_log_channel(harness: BridgeHarness, running: Running) -> None:
    """The role is enough in a log channel, for events and nowhere else; mutes count, also those of clients."""
    bot = running.homeserver.namespace.bot
    async with harness.person("boss") as boss, AsyncExitStack() as stack:
        log = (await (await program_of(running, BOSS)).post(LOG, kind="started", wait=20))["room_id"]
        await boss.join(log)
        desk = await bot_chat(running, boss)
        await desk.ask("channel new news announcement")
        rows = await running.database.rows("SELECT room_id FROM room WHERE kind = 'channel' AND room_id <> %s", (log,))
        news = str(rows[0]["room_id"])
        await boss.join(news)
        people = {name: await stack.enter_async_context(harness.person(name)) for name in POSTERS}
        programs = {name: await program_of(running, each.user_id) for name, each in people.items()}
        plain = programs["plain"]
        assert (await plain.post("/v1/rooms/agent-logs/events", kind="x")).code == "room_not_found"
        for person in people.values():
            for room_id in (log, news):
                await boss.invite(room_id, person.user_id)
                await person.join(room_id)
        await boss.say(log, f"!ab mute {people['muted'].user_id}")
        await boss.wait_for(lambda: [each for each in boss.room(log).said_by(bot) if "muted" in each.body])
        # The bridge sets the level of a mute; of two who set levels at the same time, the last one wins.
        await eventually(lambda: has_power(running, log, people["muted"].user_id, MUTED_POWER), "the level of the mute")
        await set_power(running, boss, log, people["silenced"].user_id, MUTED_POWER)
        for name, (_, in_log, in_news) in POSTERS.items():
            posted = await programs[name].post(LOG, kind="result", text=f"by {name}", data=DATA, wait=20)
            assert (name, posted.code, posted.status < 300) == (name, in_log, not in_log)
            elsewhere = await programs[name].post(f"/v1/rooms/{news}/events", kind="result", wait=20)
            assert (name, elsewhere.code) == (name, in_news)
        # A message, a task and a vote need the power.
        assert (await plain.send(log, "hello")).code == "not_permitted"
        assert told(await plain.post("/v1/tasks", room=log, title="x")) == (409, "not_there")
        assert (await plain.post(f"/v1/rooms/{log}/votes", question="x?", answers=["a", "b"])).code == "not_permitted"
        read = (await plain.get(LOG))["events"]
        by = [name for each in read for name in POSTERS if f"by {name}" in each["text"]]
        assert by == [name for name, (_, in_log, _) in POSTERS.items() if not in_log]
        assert {each["sender"] for each in read if "by plain" in each["text"]} == {people["plain"].user_id}


async def has_power(running: Running, room_id: str, user_id: str, power: int) -> bool:
    """Tell whether a user has a power level in a room."""
    levels = await running.homeserver.state(room_id, "m.room.power_levels")
    return levels is not None and levels["content"]["users"].get(user_id) == power


async def set_power(running: Running, boss: Person, room_id: str, user_id: str, power: int) -> None:
    """Give a user a power level in a room, as clients do; -1 mutes."""
    levels = await running.homeserver.state(room_id, "m.room.power_levels")
    assert levels is not None
    users = {**levels["content"]["users"], user_id: power}
    await boss.set_state(room_id, "m.room.power_levels", {**levels["content"], "users": users})


async def test_an_agent_posts_into_a_log_channel(harness: BridgeHarness, running: Running) -> None:
    async with harness.person("boss") as boss:
        log = (await (await program_of(running, BOSS)).post(LOG, kind="started", wait=20))["room_id"]
        await boss.join(log)
        agent = await program_of(running, "Ada")
        assert (await agent.post(LOG, kind="result")).code == "room_not_found"
        desk = await bot_chat(running, boss)
        await desk.ask("channel add agent-logs Ada")

        async def post() -> Answer | None:
            answer = await agent.post(LOG, kind="research_complete", data=DATA, wait=20)
            return answer if answer.status == 200 else None

        # The ghost gets its power a moment after it has entered.
        posted = await eventually(post, "the agent may post")
        ghost = running.homeserver.namespace.user_id((await running.contact("Ada")).agent.ghost)
        (shown,) = await boss.wait_for(lambda: boss.room(log).said_by(ghost))
        assert shown.event_id == posted["event_id"]
        last = (await agent.get("/v1/rooms/agent-logs/events"))["events"][-1]
        assert (last["sender"], last["sender_name"], last["data"]) == (ghost, "Ada", DATA)
        await revoke(running, agent)
        assert told(await agent.post(LOG, kind="result")) == (401, "token_invalid")
        assert told(await agent.get(LOG)) == (401, "token_invalid")


async def test_a_log_channel_that_the_homeserver_left_half_made_has_the_levels_of_its_type(
    running: Running, harness: BridgeHarness
) -> None:
    """Synapse makes the room and its alias first: another part of the bridge may find it, or Synapse may die."""
    servers, namespace = Servers(running.database), running.homeserver.namespace
    async with harness.person("boss"), running.database.transaction() as connection:
        place = await servers.add_channel(connection, NewPlace("h" * 16, "half"), None, ChannelType.LOG)
        (channel,) = [each for each in await servers.channels(None, connection) if each.id == place]
        alias = namespace.channel_alias_localpart(channel.key)
        bare = {"room_alias_name": alias, "power_level_content_override": {"users_default": "none"}}
        with pytest.raises(HomeserverRefused):
            await running.homeserver.create_room(bare)

    async def levels() -> Any:
        found = await servers.find(place)
        if found is None or found.room_id is None:
            return None
        event = await running.homeserver.state(found.room_id, "m.room.power_levels")
        return event and event["content"]

    found = await eventually(levels, "the room has levels")
    assert (found["events_default"], found["events"]["m.reaction"], found["invite"]) == (10, 0, 50)


async def test_events_in_other_rooms(harness: BridgeHarness, running: Running) -> None:
    """The room of an agent takes events of its people and of the agent; a name means what it means elsewhere."""
    async with harness.person() as person, harness.person() as guest:
        talk = await running.join(person, "Bea")
        program, agent = await program_of(running, person.user_id), await program_of(running, "Bea")
        for each in (program, agent):
            posted = await each.post("/v1/rooms/Bea/events", kind="progress", data={"percent": 0.5}, wait=20)
            assert (posted.status, posted["room_id"]) == (200, talk.room_id)
        assert [each["kind"] for each in (await program.get("/v1/rooms/Bea/events"))["events"]] == ["progress"] * 2
        outside = await program_of(running, guest.user_id)
        for path in (f"/v1/rooms/{talk.room_id}/events", "/v1/rooms/Bea/events"):
            assert (await outside.post(path, kind="progress")).code == "room_not_found"
            assert (await outside.get(path)).code == "room_not_found"
        refused = await program.post("/v1/rooms/Bea/events", kind="Bad kind")
        assert (refused.code, refused["place"], *told(refused)) == ("invalid_request", "Bad kind", 400, "bad_kind")


@pytest.mark.long
async def test_two_processes_make_one_channel_for_logs(harness: BridgeHarness, database_url: str) -> None:
    async with named_upstream("Ada") as upstream, harness.person("boss"):
        there = [{"name": "u", "url": upstream.url}]
        config = harness.config(database_url, there, permissions={DOMAIN: "member", BOSS: "owner"})
        other = another(config)
        async with harness.bridge(config) as running, harness.bridge(other):
            one = await program_of(running, BOSS)
            both = (one, one.at(other.public_url))
            posted = await asyncio.gather(*(each.post(LOG, kind="progress", wait=20) for each in both * 4))
            assert {each.status for each in posted} == {200}
            assert len({each["room_id"] for each in posted}) == 1
            assert len({each["event_id"] for each in posted}) == len(posted)
            rows = await running.database.rows("SELECT name FROM room WHERE kind = 'channel'")
            assert [row["name"] for row in rows] == ["agent-logs"]
            await delete_places(running)


async def test_tasks_are_assigned_and_split(harness: BridgeHarness, running: Running) -> None:
    async with harness.person() as person, harness.person() as other, harness.person() as guest:
        talk = await running.join(person, "Ada")
        await running.join(other, "Ada")
        ghost = talk.ghost
        mine, agents = await program_of(running, person.user_id), await program_of(running, "Ada")
        theirs, outside = await program_of(running, other.user_id), await program_of(running, guest.user_id)
        made = await mine.post("/v1/tasks", room="Ada", title="Write the report")
        path = f"/v1/tasks/{made['number']}"
        split = await mine.post(f"{path}/split", "parts", titles=["tables", "the figures"])
        assert (split["number"], [each["title"] for each in split["subtasks"]]) == (
            made["number"],
            ["tables", "the figures"],
        )
        again = await mine.post(f"{path}/split", "parts", titles=["tables", "the figures"])
        assert (again.content, again.headers["Idempotent-Replayed"]) == (split.content, "true")
        for name, user_id in (("Ada", ghost), (ghost, ghost), (other.user_id, other.user_id)):
            assigned = await mine.post(f"{path}/assign", assignee=name)
            assert (assigned.status, assigned["assignee"]) == (200, user_id)
        assert told(await agents.post(f"{path}/claim")) == (409, "taken")
        # The assignee hands it on; one who has nothing to do with it does not.
        assert (await theirs.post(f"{path}/assign", assignee="Ada"))["assignee"] == ghost
        assert told(await theirs.post(f"{path}/assign", assignee=other.user_id)) == (403, "not_yours")
        assert told(await theirs.post(f"{path}/split", titles=["x"])) == (403, "not_yours")
        assert (await agents.post(f"{path}/split", titles=["sources"]))["subtasks"][0]["creator"] == ghost
        for assignee, problem in (
            (guest.user_id, (409, "assignee_outside")),
            ("Bea", (409, "assignee_outside")),
            ("Nobody", (404, "agent_not_found")),
            ("@:", (404, "user_not_found")),
        ):
            assert told(await mine.post(f"{path}/assign", assignee=assignee)) == problem
        for titles in ([], [""], ["x" * 201], ["x"] * 51, None, "x"):
            assert (await mine.post(f"{path}/split", titles=titles)).code == "invalid_request"
        assert told(await mine.post(f"{path}/split", titles=["x"] * 48)) == (409, "too_many_subtasks")
        acts: dict[str, dict[str, Any]] = {"assign": {"assignee": "Ada"}, "split": {"titles": ["x"]}}
        for act, given in acts.items():
            assert (await outside.post(f"{path}/{act}", **given)).code == "task_not_found"
            assert (await mine.post(f"/v1/tasks/{2**64}/{act}", **given)).code == "task_not_found"
        await revoke(running, theirs)
        assert (await theirs.post(f"{path}/assign", assignee="Ada")).code == "token_invalid"
        # Long lists have pages: no task is out of reach.
        await running.database.execute(
            "INSERT INTO task (key, room, title, creator, changes, shown) SELECT 'n' || n, r.id, 'n' || n, %s, 1, 1 "
            "FROM room r, generate_series(1, 196) n WHERE r.room_id = %s",
            (person.user_id, talk.room_id),
        )
        pages = [await mine.get("/v1/tasks", room="Ada", page=page) for page in (1, 2, 3)]
        assert [(len(each["tasks"]), each["page"], each["pages"]) for each in pages] == [
            (100, 1, 2),
            (100, 2, 2),
            (0, 3, 2),
        ]
        assert len({each["number"] for page in pages for each in page["tasks"]}) == 200


async def test_votes_begin_and_end(harness: BridgeHarness, running: Running) -> None:
    async with harness.person("plain") as plain, harness.person() as person, harness.person("mod") as mod:
        talk = await running.join(plain, "Bea")
        await running.join(person, "Bea")
        await running.join(mod, "Bea")
        room = VoteRoom(running.homeserver, talk.room_id)
        agent, mods = await program_of(running, "Bea"), await program_of(running, mod.user_id)
        mine, theirs = await program_of(running, plain.user_id), await program_of(running, person.user_id)
        path = "/v1/rooms/Bea/votes"
        until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        begun = await mine.post(path, "lunch", question="Lunch?", answers=["pizza", "pasta"], until=until, quorum=2)
        assert (begun.status, begun["answers"], begun["quorum"]) == (201, ["pizza", "pasta"], 2)
        assert datetime.fromisoformat(begun["ends_at"]) == datetime.fromisoformat(until)
        again = await mine.post(path, "lunch", question="Lunch?", answers=["pizza", "pasta"], until=until, quorum=2)
        assert again.content == begun.content
        poll = await room.poll("Lunch?")
        for program, answer in ((agent, "pizza"), (theirs, "2")):
            assert (await program.post("/v1/rooms/Bea/ballots", answer=answer)).status == 200
        close = f"/v1/votes/{begun['number']}/close"
        for program in (agent, theirs):
            assert told(await program.post(close)) == (403, "not_yours")
        closed = await mine.post(close, "close")
        assert (closed.status, closed["number"]) == (200, begun["number"])
        assert (await mine.post(close, "close")).content == closed.content
        assert told(await mine.post(close)) == (409, "ended")
        assert await room.votes(poll) == [1, 1]
        # Agents begin votes, too, and moderators end those of others.
        second = await agent.post(path, question="And now?", answers=["yes", "no"])
        assert second["ends_at"] is None
        assert (await mods.post(f"/v1/votes/{second['number']}/close")).status == 200
        for body, code, reason in (
            ({"answers": ["a", "A"]}, "invalid_request", "same_answers"),
            ({"until": "2020-01-01T00:00:00Z"}, "invalid_request", "past"),
            ({"until": "2999-01-01T00:00:00Z"}, "invalid_request", "too_far"),
            ({"until": "tomorrow"}, "invalid_request", None),
            ({"until": "2030-01-01T00:00:00"}, "invalid_request", None),
            ({"until": 1900000000}, "invalid_request", None),
            ({"until": "1900000000"}, "invalid_request", None),
            ({"answers": ["a"]}, "invalid_request", None),
            ({"quorum": 0}, "invalid_request", None),
        ):
            refused = await mine.post(path, **({"question": "x?", "answers": ["a", "b"]} | body))
            assert (refused.code, refused.content.get("reason")) == (code, reason), body
        async with harness.person() as guest:
            outside = await program_of(running, guest.user_id)
            assert (await outside.post(f"/v1/rooms/{talk.room_id}/votes", question="x?", answers=["a", "b"])).code == (
                "room_not_found"
            )
            for number in (begun["number"], 2**62, 2**64, "x"):
                assert (await outside.post(f"/v1/votes/{number}/close")).code == "vote_not_found"
        await revoke(running, agent)
        assert (await agent.post(path, question="x?", answers=["a", "b"])).code == "token_invalid"


async def test_a_moderator_of_a_room_that_people_made_ends_votes(harness: BridgeHarness, running: Running) -> None:
    async with harness.person() as owner, harness.person() as helper, harness.person() as member:
        ghost = running.homeserver.namespace.user_id((await running.contact("Ada")).agent.ghost)
        invite = [running.homeserver.namespace.bot, ghost, helper.user_id, member.user_id]
        levels = {"users": {owner.user_id: 100, helper.user_id: 50}}
        room_id = await owner.create_room(
            preset="private_chat", invite=invite, power_level_content_override=levels, room_version="11"
        )
        await helper.join(room_id)
        await member.join(room_id)
        await owner.wait_for(lambda: {invite[0], ghost} <= set(owner.room(room_id).members()))
        programs = [await program_of(running, each.user_id) for each in (owner, member, helper)]
        path = f"/v1/rooms/{quote(room_id, safe='')}/votes"

        async def begun() -> Any:
            answer = await programs[0].post(path, question="Which?", answers=["a", "b"])
            return answer["number"] if answer.status == 201 else None

        number = await eventually(begun, "the bridge knows the room")
        answers = [(await each.post(f"/v1/votes/{number}/close")).status for each in programs[1:]]
        assert answers == [403, 200]


async def test_the_power_in_a_channel_ends_no_votes_of_others(harness: BridgeHarness, running: Running) -> None:
    """In rooms that the bridge makes, the power follows the role."""
    async with harness.person("boss") as boss, harness.person() as member:
        desk = await bot_chat(running, boss)
        await desk.ask("channel new talk")
        program, bosses = await program_of(running, member.user_id), await program_of(running, BOSS)
        invited = await boss.wait_for(lambda: [each for each, room in boss.invites.items() if room.name == "talk"])
        await boss.join(invited[0])
        await boss.invite(invited[0], member.user_id)
        await member.join(invited[0])
        await set_power(running, boss, invited[0], member.user_id, 50)
        vote = await bosses.post("/v1/rooms/talk/votes", question="Which?", answers=["a", "b"])
        assert told(await program.post(f"/v1/votes/{vote['number']}/close")) == (403, "not_yours")


async def test_what_each_role_may_do_with_tasks_and_votes(harness: BridgeHarness, running: Running) -> None:
    """Everybody with a role makes, splits and assigns own tasks, and begins and closes own votes; nobody else does."""
    ghost = running.homeserver.namespace.user_id((await running.contact("Ada")).agent.ghost)
    async with harness.person() as owner, AsyncExitStack() as stack:
        names = [name for name in POSTERS if name not in {"muted", "silenced"}]
        people = [await stack.enter_async_context(harness.person(name)) for name in names]
        invite = [running.homeserver.namespace.bot, ghost, *(each.user_id for each in people)]
        room_id = await owner.create_room(preset="private_chat", invite=invite)
        await owner.wait_for(lambda: {invite[0], ghost} <= set(owner.room(room_id).members()))
        room = quote(room_id, safe="")
        agent = await program_of(running, "Ada")

        async def known() -> bool:
            return (await agent.get(f"/v1/rooms/{room}/votes")).status == 200

        await eventually(known, "the bridge knows the room")
        foreign = (await agent.post("/v1/tasks", room=room_id, title="x"))["number"]
        vote = (await agent.post(f"/v1/rooms/{room}/votes", question="x?", answers=["a", "b"]))["number"]
        for name, person in zip(names, people, strict=True):
            await person.join(room_id)
            program, refused = await program_of(running, person.user_id), POSTERS[name][1]
            made = await program.post("/v1/tasks", room=room_id, title="Read")
            begun = await program.post(f"/v1/rooms/{room}/votes", question=f"{name}?", answers=["a", "b"])
            assert (name, made.code, begun.code) == (name, refused, refused)
            # Moderators also decide about those of others.
            own = name in {"robot", "plain"}
            task, closes = (made["number"], begun["number"]) if own else (foreign, vote)
            assigned = await program.post(f"/v1/tasks/{task}/assign", assignee=person.user_id)
            split = await program.post(f"/v1/tasks/{task}/split", titles=["x"])
            assert (name, assigned.code, split.code) == (name, refused, refused)
            # The vote of the agent ends once.
            closed = await program.post(f"/v1/votes/{closes}/close")
            assert (name, closed.code) == (name, "vote_refused" if name == "admin" else refused)

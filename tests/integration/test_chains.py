"""Agents that mention each other, on a real Synapse: each limit binds at an exact number of answers."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import pytest

from agent_bridge.demo.synapse import free_port
from agent_bridge.store.postgres.database import Database
from support.chain_rooms import CHAIN, ChainRoom, MutualUpstream, chain_config, chain_room, entered, make_room
from support.conditions import eventually
from support.harness import DOMAIN
from support.process import BridgeProcess
from support.proxy import Proxy
from support.scripted_upstream import own_words, says, waits_for

if TYPE_CHECKING:
    from pathlib import Path

    from support.harness import BridgeHarness


#: Budgets, and the answers until each notice.
BUDGETS = {
    "hops": ({"max_hops": 4, "pair_per_minute": 100, "chain_turns": 100}, (5, 9, 13)),
    "pair": ({"max_hops": 100, "pair_per_minute": 3, "chain_turns": 100}, (4, 7, 10)),
    "chain": ({"max_hops": 100, "pair_per_minute": 100, "chain_turns": 6}, (6, 12, 18)),
}


@pytest.mark.parametrize(
    ("budgets", "counts"),
    [
        *(
            pytest.param(budgets, counts[:2], id=name, marks=() if name == "hops" else pytest.mark.long)
            for name, (budgets, counts) in BUDGETS.items()
        ),
        *(pytest.param(*each, id=f"{name}, long", marks=pytest.mark.long) for name, each in BUDGETS.items()),
    ],
)
async def test_the_first_limit_binds_exactly(
    harness: BridgeHarness, database_url: str, budgets: dict[str, int], counts: tuple[int, ...]
) -> None:
    async with (
        MutualUpstream("Ada", "Bea") as upstream,
        harness.person() as person,
        harness.person() as other,
        chain_room(harness, database_url, upstream, person, **budgets) as room,
    ):
        await other.join(room.room_id)
        root = await person.say(room.room_id, "Ada, begin")
        await room.settled(counts[0], 1)
        for notices, answers in enumerate(counts[1:], 2):
            notice = room.notices()[-1]
            # Two people react: this counts once.
            await room.handled(await room.react(notice.event_id, "👍🏽"))
            await room.handled(await room.react(notice.event_id, "👍", other))
            await room.settled(answers, notices)
        assert len(upstream.asked) == counts[-1]
        said = room.answers()
        assert [message.sender for message in said] == [
            room.ghosts["Ada" if number % 2 == 0 else "Bea"] for number in range(counts[-1])
        ]
        # Each answer mentions the next agent, and has its place in the chain.
        for hops, message in enumerate(said):
            following = room.ghosts["Bea" if hops % 2 == 0 else "Ada"]
            assert message.content["m.mentions"] == {"user_ids": [following]}
            assert message.content[CHAIN] == {"root": root, "hops": hops, "asker": person.user_id}
        rows = await room.database.rows(
            "SELECT hops, asked_by IS NULL AS first FROM turn WHERE kind = 'message' ORDER BY id"
        )
        assert [(row["hops"], row["first"]) for row in rows] == [(hops, hops == 0) for hops in range(counts[-1])]
        # An agent knows who speaks.
        questions = [question.rpartition("\n\n")[2] for question in upstream.questions[1:3]]
        assert [question.partition(":")[0] for question in questions] == ["Ada", "Bea"]


#: In the body of a request.
THUMBS_UP = b"\\ud83d\\udc4d"


async def asked(upstream: MutualUpstream, number: int) -> bool:
    return len(upstream.asked) == number


async def running(room: ChainRoom, upstream: MutualUpstream, text: str) -> str:
    """Begin a chain whose third answer is being given; return its message."""
    upstream.permits = asyncio.Semaphore(2)
    before = len(upstream.asked)
    root = await room.person.say(room.room_id, text)
    await room.person.wait_for(lambda: len(room.answers(root)) == 2)
    await eventually(partial(asked, upstream, before + 3), "the third answer begins")
    return root


async def test_a_stop_on_any_message_ends_the_chain(harness: BridgeHarness, database_url: str) -> None:
    async with (
        MutualUpstream("Ada", "Bea") as upstream,
        harness.person() as person,
        chain_room(harness, database_url, upstream, person, max_hops=2) as room,
    ):
        for meant in ("root", "middle", "command"):
            root = await running(room, upstream, f"Ada, begin until the {meant} is stopped")
            if meant == "command":
                await person.say(room.room_id, "!ab stop")
            else:
                await room.react(root if meant == "root" else room.answers(root)[0].event_id, "🛑")
            await room.idle()
            # The answer that is stopped says so, and no other begins.
            assert [message.body for message in room.answers(root)] == ["Your turn, @Bea!", "Your turn, @Ada!"]
            assert room.notices() == []
        assert len(upstream.asked) == 9
        upstream.permits = None
        root = await person.say(room.room_id, "Ada, begin until the notice is stopped")
        await person.wait_for(room.notices)
        (notice,) = room.notices()
        await room.handled(await room.react(notice.event_id, "🛑"))
        await room.handled(await room.react(notice.event_id, "👍"))
        await room.idle()
        assert len(room.answers(root)) == 3
        assert await room.database.rows("SELECT 1 FROM chain WHERE stopped_by IS NULL") == []
        assert await room.database.rows("SELECT 1 FROM chain_hold") == []


@pytest.mark.long
async def test_a_reaction_counts_before_the_bridge_has_the_id_of_its_notice(
    harness: BridgeHarness, database_url: str
) -> None:
    responds = asyncio.Event()
    async with (
        MutualUpstream("Ada", "Bea") as upstream,
        harness.person() as person,
        Proxy(harness.synapse.url) as proxy,
    ):
        proxy.delays = lambda _path, body: responds if THUMBS_UP in body else None
        there = {"address": proxy.url, "domain": DOMAIN}
        room_id = await make_room(person)
        config = chain_config(harness, database_url, upstream, person, budgets={"max_hops": 1}, homeserver=there)
        async with harness.bridge(config) as running:
            room = await entered(person, running.database, room_id, upstream)
            await person.say(room_id, "Ada, begin")
            await person.wait_for(lambda: len(room.notices()) == 1)
            await room.handled(await room.react(room.notices()[0].event_id, "👍"))
            await person.wait_for(lambda: len(room.answers()) == 3)
            # The notice before it waits for its response: the next one comes when that is there.
            responds.set()
            await person.wait_for(lambda: len(room.notices()) == 2)
            await room.idle()
            responds.clear()
            await room.handled(await room.react(room.notices()[1].event_id, "👍"))
            await person.wait_for(lambda: len(room.notices()) == 3)
            await room.handled(await room.react(room.notices()[2].event_id, "🛑"))
            responds.set()
            await room.handled(await room.react(room.notices()[2].event_id, "👍"))
            await room.idle()
            assert (len(room.answers()), len(room.notices())) == (4, 3)
            assert await room.database.rows("SELECT 1 FROM chain WHERE stopped_by IS NULL") == []


@pytest.mark.long
async def test_only_agents_in_the_room_are_asked(harness: BridgeHarness, database_url: str) -> None:
    async with (
        MutualUpstream("Ada", "Bea", "Cleo") as upstream,
        harness.person() as person,
        chain_room(harness, database_url, upstream, person) as room,
    ):
        # Nobody: a person, code, itself.
        silent = f"{person.user_id} @{person.user_id} [x](https://matrix.to/#/{person.user_id}) `@Bea` @Ada"
        upstream.scripts.append(says(silent))
        root = await person.say(room.room_id, "Ada, mention nobody")
        await person.wait_for(lambda: room.answers(root))
        await room.idle()
        (answer,) = room.answers(root)
        assert answer.content["m.mentions"] == {}
        # Both others, each once.
        upstream.scripts += [says("@Bea and @Cleo: go, @Bea"), says("fine"), says("fine")]
        root = await person.say(room.room_id, "Ada, mention both")
        await person.wait_for(lambda: len(room.answers(root)) == 3)
        await room.idle()
        first, *others = room.answers(root)
        assert first.content["m.mentions"] == {"user_ids": [room.ghosts["Bea"], room.ghosts["Cleo"]]}
        assert {message.sender for message in others} == {room.ghosts["Bea"], room.ghosts["Cleo"]}
        asked = [question.rpartition("\n\n")[2] for question in upstream.questions[-2:]]
        assert asked == ["Ada: @Bea and @Cleo: go, @Bea"] * 2
        # Of an answer that grows, only the last edit mentions.
        begin, end = asyncio.Event(), " and @Bea, what do you think of this?"
        upstream.scripts += [waits_for(begin, "@Cleo, this is a whole sentence.", end), says("fine"), says("fine")]
        root = await person.say(room.room_id, "Ada, take your time")
        await person.wait_for(lambda: room.answers(root))
        begin.set()
        await person.wait_for(lambda: len(room.answers(root)) == 3)
        await room.idle()
        history = await person.ask("GET", f"/rooms/{room.room_id}/messages?dir=b&limit=30")
        contents = [each["content"] for each in history["chunk"] if each["sender"] == room.ghosts["Ada"]]
        grown = [each for each in contents if each.get(CHAIN, {}).get("root") == root]
        mentions = [each["m.mentions"] for each in grown]
        assert len(mentions) >= 2
        assert mentions[0] == {"user_ids": [room.ghosts["Cleo"], room.ghosts["Bea"]]}
        assert not any(mentions[1:])
        # An agent that was removed is not asked.
        await person.ask("POST", f"/rooms/{room.room_id}/kick", {"user_id": room.ghosts["Bea"]})

        async def is_outside() -> bool:
            return bool(await room.database.rows("SELECT 1 FROM participant WHERE state = 'left'"))

        await eventually(is_outside, "the bridge knows that the agent was removed")
        upstream.scripts.append(says("@Bea, are you there?"))
        root = await person.say(room.room_id, "Ada, mention Bea")
        await person.wait_for(lambda: room.answers(root))
        await room.idle()
        assert [message.content["m.mentions"] for message in room.answers(root)] == [{}]
        assert len(upstream.asked) == 8


@pytest.mark.long
async def test_another_answer_repeats_no_chain_and_a_redaction_forgets_it(
    harness: BridgeHarness, database_url: str
) -> None:
    async with (
        MutualUpstream("Ada", "Bea") as upstream,
        harness.person() as person,
        chain_room(harness, database_url, upstream, person, max_hops=1) as room,
    ):
        root = await person.say(room.room_id, "Ada, begin")
        await room.settled(2, 1)
        await room.react(root, "🔁")
        await eventually(partial(asked, upstream, 3), "Ada is asked again")
        await room.settled(2, 1)
        await person.edit(room.room_id, root, "Ada, begin at once")
        await eventually(partial(asked, upstream, 4), "Ada is asked again")
        await room.settled(2, 1)
        # 🔁 on the message of an agent that asks another one is about that message.
        await room.react(room.answers(root)[0].event_id, "🔁")
        await eventually(partial(asked, upstream, 5), "Ada is asked again")
        await room.settled(2, 1)
        assert [own_words(question).rpartition("\n\n")[2] for question in upstream.questions] == [
            "Ada, begin",
            "Ada: Your turn, @Bea!",
            "Ada, begin",
            "Ada, begin at once",
            "Ada, begin at once",
        ]
        await person.redact(room.room_id, root)
        await person.wait_for(lambda: not room.answers())
        await room.idle()
        assert await room.database.rows("SELECT 1 FROM message") == []
        assert await room.database.rows("SELECT 1 FROM chain_hold") == []
        left = await room.database.rows("SELECT answer, payload ->> 'body' AS body FROM turn WHERE kind = 'message'")
        assert [(row["answer"], row["body"]) for row in left] == [(None, "")] * 2
        await room.handled(await room.react(room.notices()[0].event_id, "👍"))
        await room.idle()
        assert (len(room.answers()), len(upstream.asked)) == (0, 5)


@pytest.mark.long
async def test_a_kill_changes_no_count(harness: BridgeHarness, database_url: str, tmp_path: Path) -> None:
    """A second process, which the homeserver does not know, goes on each time the first one is killed."""
    async with (
        MutualUpstream("Ada", "Bea") as upstream,
        harness.person() as person,
        Database(database_url) as database,
    ):
        room_id = await make_room(person)
        budgets = {"max_hops": 4, "pair_per_minute": 100}
        config = chain_config(harness, database_url, upstream, person, budgets=budgets, logging={"format": "json"})
        service = config.appservice.model_copy(update={"port": free_port()})
        folders = [tmp_path / name for name in ("one", "two")]
        for folder in folders:
            folder.mkdir()
        async with BridgeProcess(folders[1], config.model_copy(update={"appservice": service})) as two:
            await two.wait_for("listening")
            one = BridgeProcess(folders[0], config)
            async with one:
                await one.wait_for("listening")
                room = await entered(person, database, room_id, upstream)
                root = await person.say(room_id, "Ada, begin")
                await person.wait_for(lambda: len(room.answers(root)) >= 2)
                await one.kill()
            await person.wait_for(room.notices)
            async with BridgeProcess(folders[0], config) as again:
                await room.settled(5, 1)
                await room.handled(await room.react(room.notices()[0].event_id, "👍"))
                await person.wait_for(lambda: len(room.answers(root)) >= 6)
                await again.kill()
            await person.wait_for(lambda: len(room.notices()) == 2)
            async with BridgeProcess(folders[0], config):
                await room.settled(9, 2)
        mentioning = [message for message in room.answers(root) if message.content["m.mentions"].get("user_ids")]
        assert len(mentioning) == 9
        (row,) = await database.rows("SELECT count(*) AS turns FROM turn WHERE kind = 'message'")
        assert row["turns"] == 9

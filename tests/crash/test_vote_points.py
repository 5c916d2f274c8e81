"""A process dies at each point of a vote, and the next process goes on: one poll, one end, one result, no vote lost."""

from __future__ import annotations

import signal
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.feed import FeedType
from agent_bridge.core.polls import VOTE
from crash.cases import around, short_form
from crash.doomed_process import DoomedProcess, kill_at
from support.api_client import program_of
from support.bot_rooms import named_upstream
from support.conditions import eventually
from support.feed_entries import facts
from support.harness import DOMAIN
from support.vote_rooms import VoteRoom, cast, response

if TYPE_CHECKING:
    from pathlib import Path

    from agent_bridge.config.model import Config
    from support.harness import BridgeHarness, Running
    from support.scripted_upstream import ScriptedUpstream

NEW = '!ab vote new "Lunch?" pizza | pasta'
CLOSE = "!ab vote close"
_DIGITS = dict.fromkeys(map(ord, "0123456789"))
#: Points that the quick form has: the homeserver has the end of the poll, and the database does not know it.
_QUICK = {"after:poll_end:1"}
_BEGINNING = around("effect", "vote_begun", "poll", "poll_shown", "ballot", "word", "finish")
_VOTING = around("intake", "ballot")
_ENDING = [
    *around("vote_closed", "effect", "vote_decided", "vote_begun", "poll_end", "poll_ended"),
    *around("vote_begun:2", "vote_result", "vote_settled"),
]


def _configured(harness: BridgeHarness, database_url: str, upstream: ScriptedUpstream) -> Config:
    there = [{"name": "scripted", "url": upstream.url}]
    return harness.config(database_url, there, logging={"format": "json"}, permissions={DOMAIN: "member"})


async def _is_settled(running: Running) -> bool:
    rows = await running.database.rows("SELECT is_settled FROM vote")
    return all(each["is_settled"] for each in rows)


@pytest.mark.parametrize("point", short_form(_BEGINNING, _QUICK))
async def test_a_vote_begins_once(harness: BridgeHarness, database_url: str, tmp_path: Path, point: str) -> None:
    async with named_upstream("Ada") as upstream, harness.person() as bob:
        config = _configured(harness, database_url, upstream)
        async with harness.bridge(config) as running:
            talk = await running.join(bob, "Ada")
            await program_of(running, bob.user_id)
        await kill_at(tmp_path, config, point, NEW, partial(bob.say, talk.room_id))
        async with harness.bridge(config) as running:
            talk, room = replace(talk, running=running), VoteRoom(running.homeserver, talk.room_id)
            poll = await room.poll("Lunch?")
            await cast(bob, talk.room_id, poll, "1")
            await talk.wait_until_idle()
            await bob.say(talk.room_id, CLOSE)
            assert await room.votes(poll) == [1, 0]
            await talk.wait_until_idle()
            assert len(await room.polls()) == 1
            replies = [each.body.split(".")[0] for each in talk.from_bot if VOTE not in each.content]
            # A number that was given to a lost transaction stays unused.
            assert [each.translate(_DIGITS) for each in replies] == ["Vote  has begun", "Vote  ends"]
            told = await facts(running.database, FeedType.VOTE)
            assert [(each["id"], each["state"]) for each in told] == [
                (told[0]["id"], state) for state in ("open", "closed")
            ]


@pytest.mark.parametrize("point", short_form(_ENDING, _QUICK))
async def test_a_vote_ends_once(harness: BridgeHarness, database_url: str, tmp_path: Path, point: str) -> None:
    async with named_upstream("Ada") as upstream, harness.person() as bob:
        config = _configured(harness, database_url, upstream)
        async with harness.bridge(config) as running:
            talk = await running.join(bob, "Ada")
            await bob.say(talk.room_id, NEW)
            poll = await VoteRoom(running.homeserver, talk.room_id).poll("Lunch?")
            await program_of(running, bob.user_id)
            await cast(bob, talk.room_id, poll, "1")
            await cast(bob, talk.room_id, poll, "2")
            await talk.wait_until_idle()
        await kill_at(tmp_path, config, point, CLOSE, partial(bob.say, talk.room_id))
        async with harness.bridge(config) as running:
            talk, room = replace(talk, running=running), VoteRoom(running.homeserver, talk.room_id)
            assert await room.votes(poll) == [0, 1]
            await talk.wait_until_idle()
            await eventually(lambda: _is_settled(running), "the vote is settled")
            assert len(await room.ends(poll)) == len(await room.results(poll)) == 1
            (told,) = await facts(running.database, FeedType.VOTE)
            assert (told["state"], told["winners"]) == ("closed", ["2"])


@pytest.mark.parametrize("point", short_form(_VOTING, _QUICK))
async def test_a_vote_is_not_lost(harness: BridgeHarness, database_url: str, tmp_path: Path, point: str) -> None:
    async with named_upstream("Ada") as upstream, harness.person() as bob:
        config = _configured(harness, database_url, upstream)
        async with harness.bridge(config) as running:
            talk = await running.join(bob, "Ada")
            await bob.say(talk.room_id, NEW)
            poll = await VoteRoom(running.homeserver, talk.room_id).poll("Lunch?")
            await talk.wait_until_idle()

            async def is_known() -> bool:
                return bool(await running.database.rows("SELECT 1 FROM vote WHERE poll IS NOT NULL"))

            await eventually(is_known, "the poll is known")
        kind, content = response(poll, "2")
        async with DoomedProcess(tmp_path, config, point, "my vote") as process:
            await process.wait_for("listening")
            await bob.send(talk.room_id, kind, content | {"body": "my vote"})
            assert await process.death() == -signal.SIGKILL
        async with harness.bridge(config) as running:
            room = VoteRoom(running.homeserver, talk.room_id)

            async def counted() -> bool:
                return len(await running.database.rows("SELECT 1 FROM ballot")) == 1

            await eventually(counted, "the vote is stored once")
            await bob.say(talk.room_id, CLOSE)
            assert await room.votes(poll) == [0, 1]


@pytest.mark.long
async def test_a_vote_ends_while_the_bridge_is_away(harness: BridgeHarness, database_url: str) -> None:
    async with named_upstream("Ada") as upstream, harness.person() as bob, harness.person() as carol:
        config = _configured(harness, database_url, upstream)
        async with harness.bridge(config) as running:
            talk = await running.join(bob, "Ada")
            await running.join(carol, "Ada")
            await bob.say(talk.room_id, f"{NEW} in 4 s")
            poll = await VoteRoom(running.homeserver, talk.room_id).poll("Lunch?")
            await talk.wait_until_idle()
            row = await running.database.row("SELECT ends_at FROM vote")
            assert row is not None
        await cast(bob, talk.room_id, poll, "2")
        assert datetime.now(UTC) < row["ends_at"], "the machine is too slow for this test"

        async def is_over() -> bool:
            return bool(datetime.now(UTC) > row["ends_at"])

        await eventually(is_over, "the time has come")
        await cast(bob, talk.room_id, poll, "1")
        await cast(carol, talk.room_id, poll, "1")
        async with harness.bridge(config) as running:
            room = VoteRoom(running.homeserver, talk.room_id)
            assert await room.votes(poll) == [0, 1]
            assert (await room.result(poll))[VOTE]["ended_by"] == "time"

"""Votes on a real homeserver: people and agents vote in polls, which end by hand, in time, or without a result."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from agent_bridge.bridge.collaboration.vote_keeper import VoteKeeper
from agent_bridge.bridge.collaboration.vote_room import VoteRoom as ShownVotes
from agent_bridge.bridge.collaboration.votes import Votes
from agent_bridge.core.actors import Actor
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.polls import POLL_END, POLL_RESPONSE, POLL_START, VOTE
from agent_bridge.core.results.votes import VoteCast, VoteOpened, VoteRefused
from agent_bridge.core.roles import Role, Roles
from agent_bridge.core.votes import Tally, VoteDraft, VoteEnd, VoteProblem
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.render.votes import end_content, result_content, start_content
from agent_bridge.store.notifications import Notifications
from agent_bridge.store.postgres.signals import Signals
from agent_bridge.store.votes import VoteStore
from support.bot_rooms import bot_chat, named_upstream
from support.conditions import eventually
from support.direct_chats import upgrade
from support.harness import DOMAIN, SHARED, Conversation
from support.vote_rooms import VoteRoom, cast

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.harness import BridgeHarness, Running
    from support.person import Person
    from support.postgres import Server


@pytest.fixture(scope="module")
async def running(harness: BridgeHarness, postgres: Server) -> AsyncIterator[Running]:
    permissions = {DOMAIN: "member", f"@mod:{DOMAIN}": "moderator", f"@nobody:{DOMAIN}": "none"}
    permissions |= {f"@votes{number}:{DOMAIN}": "owner" for number in range(3)}
    with postgres.migrated() as url:
        async with named_upstream("Ada") as upstream:
            there = [{"name": "u", "url": upstream.url, "poll_interval": 60}]
            rooms = {"join_rule": "restricted"}
            config = harness.config(url, there, service=SHARED, permissions=permissions, rooms=rooms, space={})
            async with harness.bridge(config) as running:
                await eventually(lambda: _is_linked(running), "the room of Ada is in the Space")
                yield running


async def _is_linked(running: Running) -> bool:
    return (await running.contact("Ada")).home.space is not None


@dataclass(frozen=True)
class VotingRoom(VoteRoom):
    """The room of Ada, in which Bob votes."""

    running: Running
    talk: Conversation

    @property
    def bob(self) -> Person:
        return self.talk.person

    async def command(self, text: str, by: Person | None = None) -> str:
        """Give a command, and return the answer: results may come in between."""

        def answers() -> list[str]:
            return [each.body for each in self.talk.from_bot if VOTE not in each.content]

        before = len(answers())
        await (by or self.bob).say(self.room_id, f"!ab {text}")
        return (await self.bob.wait_for(lambda: answers()[before:]))[0]

    async def listed(self, line: str) -> None:
        """Wait until the list of votes has *line*."""

        async def has() -> bool:
            return line in await self.command("votes")

        await eventually(has, f"the list has {line}")

    async def agent_votes(self, number: int | None, answer: str | None, key: str = "") -> VoteCast | VoteRefused:
        """Have Ada vote through the service."""
        store = VoteStore(self.running.database)
        ada = await self.running.contact("Ada")
        actor = Actor(self.talk.ghost, ada.agent.id)
        votes = Votes(store, Roles.fixed({DOMAIN: Role.MEMBER}, self.homeserver.namespace))
        async with self.running.database.transaction() as connection:
            return await votes.cast(connection, actor, self.room_id, number, answer, key=key or uuid4().hex)


@asynccontextmanager
async def voting(harness: BridgeHarness, running: Running) -> AsyncIterator[VotingRoom]:
    async with harness.person() as bob:
        talk = await running.join(bob, "Ada")
        try:
            yield VotingRoom(running.homeserver, talk.room_id, running, talk)
        finally:
            # The tests share the room.
            await running.database.execute("DELETE FROM vote WHERE state = 'open'")


@asynccontextmanager
async def others(harness: BridgeHarness) -> AsyncIterator[tuple[Person, Person]]:
    async with harness.person("mod") as mod, harness.person("nobody") as nobody:
        yield mod, nobody


async def test_people_and_agents_vote(harness: BridgeHarness, running: Running) -> None:
    async with voting(harness, running) as room, harness.person() as carol, others(harness) as (mod, nobody):
        for each in (mod, nobody, carol):
            await running.homeserver.invite(room.room_id, each.user_id)
            await each.join(room.room_id)
        assert "There are no votes here" in await room.command("votes")
        opened = await room.command('vote new "Lunch?" pizza | pasta *1* | soup quorum 3')
        number = int(opened.split()[1])
        assert opened == (
            f"Vote {number} has begun. !ab vote close {number} ends it. The result counts from 3 votes on. "
            "Clients that show no polls: !ab vote for <answer>."
        )
        poll = await room.poll("Lunch?")
        (start,) = [each for each in await room.polls() if each["event_id"] == poll]
        assert start["sender"] == running.homeserver.namespace.bot
        assert start["content"][POLL_START]["answers"][1] == {"id": "2", "org.matrix.msc1767.text": "pasta *1*"}
        assert start["content"][POLL_START]["max_selections"] == 1
        # Each has one vote; the last one counts.
        await cast(room.bob, room.room_id, poll, "1")
        await cast(room.bob, room.room_id, poll, "2", stable=True)
        undone = await cast(room.bob, room.room_id, poll, "3")
        await room.listed("soup: 1 vote")
        await room.bob.redact(room.room_id, undone)
        await room.listed("soup: 0 votes")
        await cast(mod, room.room_id, poll, "1")
        await cast(mod, room.room_id, poll, "9")
        await cast(nobody, room.room_id, poll, "1")
        assert await room.agent_votes(number, "2", key="first") == VoteCast(number, "pasta *1*")
        assert await room.agent_votes(number, "2", key="first") == VoteCast(number, "pasta *1*")
        assert await room.agent_votes(None, "Pasta *1*") == VoteCast(number, "pasta *1*")
        assert await room.agent_votes(number, "4") == VoteRefused(VoteProblem.NO_ANSWER, "4")
        await room.listed("pasta *1*: 2 votes")
        assert "Only the one who began" in await room.command(f"vote close {number}", by=carol)
        assert await room.command(f"vote close {number}", by=mod) == f"Vote {number} ends."
        result = await room.result(poll)
        facts = result[VOTE]
        assert [each["votes"] for each in facts["answers"]] == [0, 2, 0]
        assert facts["answers"][1]["voters"] == sorted([room.bob.user_id, room.talk.ghost])
        assert (facts["quorum_reached"], facts["voters"], facts["ended_by"]) == (False, 2, "person")
        assert "does not count" in result["body"]
        (end,) = await room.ends(poll)
        assert end["org.matrix.msc1767.text"] == result["body"]
        # The ghost has shown its votes in the poll.
        ghosts = [each for each in await room.events(POLL_RESPONSE) if each["sender"] == room.talk.ghost]
        assert {str(each["content"][POLL_RESPONSE]["answers"]) for each in ghosts} == {"['2']"}
        assert await room.agent_votes(number, "1") == VoteRefused(VoteProblem.ENDED, str(number))
        assert f"Vote {number} has ended" in await room.command(f"vote close {number}")
        assert "ended" in await room.command("votes")
        rows = await running.database.rows("SELECT result, is_settled FROM vote WHERE id = %s", (number,))
        assert await running.database.rows("SELECT 1 FROM ballot") == []
        assert "by" not in rows[0]["result"] or not rows[0]["is_settled"]


@pytest.mark.long
async def test_a_vote_ends_in_time(harness: BridgeHarness, running: Running) -> None:
    async with voting(harness, running) as room:
        assert "It ends at " in await room.command("vote new In time? yes | no in 3 s")
        poll = await room.poll("In time?")
        await cast(room.bob, room.room_id, poll, "1")
        result = await room.result(poll)
        assert (result[VOTE]["ended_by"], result[VOTE]["winners"]) == ("time", ["1"])
        # The creator is told; a creator who closes a vote is not.
        query = "SELECT kind, facts FROM notification WHERE user_id = %s"
        (told,) = await running.database.rows(query, (room.bob.user_id,))
        assert (told["kind"], told["facts"]["question"], told["facts"]["result"]) == (
            "vote_closed",
            "In time?",
            "yes: 1 vote",
        )
        await room.command("vote new Again? yes | no")
        again = await room.poll("Again?")
        await room.command("vote close")
        await room.result(again)
        assert len(await running.database.rows(query, (room.bob.user_id,))) == 1
        await cast(room.bob, room.room_id, poll, "2")
        assert "yes: 1 vote" in await room.command("votes")
        assert len(await room.ends(poll)) == len(await room.results(poll)) == 1
        assert "That time is over" in await room.command('vote new "Q" a | b until 2026-01-01')
        assert "do not understand the time *it rains*".replace("*", "") in await room.command(
            'vote new "Q" a | b until it rains'
        )


async def test_votes_that_are_cancelled_or_corrected(harness: BridgeHarness, running: Running) -> None:
    async with voting(harness, running) as room:
        # The creator redacts the command.
        command = await room.bob.say(room.room_id, '!ab vote new "Secret?" a | b')
        secret = await room.poll("Secret?")
        await room.bob.redact(room.room_id, command)
        await room.bob.wait_for(lambda: any("was cancelled" in each.body for each in room.talk.from_bot))
        assert secret not in {each["event_id"] for each in await room.polls()}

        async def is_forgotten() -> bool:
            query = "SELECT question, answers FROM vote WHERE poll = %s AND is_settled"
            rows = await running.database.rows(query, (secret,))
            return [(each["question"], each["answers"]) for each in rows] == [("", [])]

        await eventually(is_forgotten, "the words of the vote are forgotten")
        # The creator corrects the command.
        command = await room.bob.say(room.room_id, '!ab vote new "Wrnog?" a | b')
        wrong = await room.poll("Wrnog?")
        await room.bob.edit(room.room_id, command, '!ab vote new "Right?" a | b')
        right = await room.poll("Right?")

        async def gone() -> bool:
            return wrong not in {each["event_id"] for each in await room.polls()}

        await eventually(gone, "the first poll is redacted")
        assert await room.ends(wrong) == []
        # A moderator redacts the poll: here the bot, which has the power.
        cancelled = len([each for each in room.talk.from_bot if "was cancelled" in each.body])
        async with harness.person("mod") as mod:
            await running.homeserver.invite(room.room_id, mod.user_id)
            await mod.join(room.room_id)
            await eventually(lambda: _redacts(mod, room.room_id, right), "the moderator has the power")
        await room.bob.wait_for(
            lambda: len([each for each in room.talk.from_bot if "was cancelled" in each.body]) > cancelled
        )
        assert await room.ends(right) == []


async def _redacts(mod: Person, room_id: str, event_id: str) -> bool:
    try:
        await mod.redact(room_id, event_id)
    except HomeserverRefused:
        # The power follows the role within seconds.
        return False
    return True


async def test_polls_of_people_are_theirs(harness: BridgeHarness, running: Running) -> None:
    async with voting(harness, running) as room:
        content = {
            "org.matrix.msc1767.text": "Mine?\n1. a\n2. b",
            POLL_START: {
                "kind": "org.matrix.msc3381.poll.disclosed",
                "max_selections": 1,
                "question": {"org.matrix.msc1767.text": "Mine?"},
                "answers": [{"id": "1", "org.matrix.msc1767.text": "a"}, {"id": "2", "org.matrix.msc1767.text": "b"}],
            },
        }
        theirs = await room.bob.send(room.room_id, POLL_START, content)
        await room.command('vote new "Ours?" a | b')
        ours = await room.poll("Ours?")
        await cast(room.bob, room.room_id, theirs, "1")
        await cast(room.bob, room.room_id, ours, "2")
        await room.listed("b: 1 vote")
        assert await running.database.rows("SELECT 1 FROM ballot WHERE selections = '[\"1\"]'") == []
        await room.command("vote close")
        assert await room.votes(ours) == [0, 1]
        assert await room.ends(theirs) == []


@pytest.mark.long
async def test_people_without_polls_and_moderators_with_them(harness: BridgeHarness, running: Running) -> None:
    """Not every client shows polls, and those that do let moderators end them."""
    async with voting(harness, running) as room, harness.person("mod") as mod, harness.person() as carol:
        for each in (mod, carol):
            await running.homeserver.invite(room.room_id, each.user_id)
            await each.join(room.room_id)
        number = (await room.command("vote new How many? 3 apples | 4 apples")).split()[1]
        poll = await room.poll("How many?")
        assert await room.command('vote for "4 Apples"') == f"Your vote in vote {number}: 4 apples."
        assert await room.command("vote for 3 apples") == f"Your vote in vote {number}: 3 apples."
        assert await room.command(f"vote for {number} 2") == f"Your vote in vote {number}: 4 apples."
        assert await room.command("vote for 9 pears") == "9 pears is none of the answers."
        assert await room.command("vote for") == "Which answer? !ab votes lists them."
        # A person votes by a command and in the poll: the later vote counts.
        await cast(room.bob, room.room_id, poll, "1")
        await cast(carol, room.room_id, poll, "2")
        await room.listed("3 apples: 1 vote")
        end = {"m.relates_to": {"rel_type": "m.reference", "event_id": poll}, POLL_END: {}}
        # Clients ignore the end by a member, and so does the bridge.
        await carol.send(room.room_id, POLL_END, end)
        await cast(carol, room.room_id, poll, "1")
        await room.listed("3 apples: 2 votes")
        await mod.send(room.room_id, POLL_END, end)
        result = await room.result(poll)
        assert [each["votes"] for each in result[VOTE]["answers"]] == [2, 0]
        assert await room.command("vote for 1") == "No vote is open here. !ab vote new begins one."


@pytest.mark.long
async def test_two_leaders_at_once(harness: BridgeHarness, running: Running) -> None:
    """A leader that was frozen goes on beside the new one: each event is sent once all the same."""
    signals, store = Signals(), VoteStore(running.database)
    votes = Votes(store, Roles.fixed({DOMAIN: Role.MEMBER}, running.homeserver.namespace))

    async def lead() -> None:
        keeper = VoteKeeper(
            running.database,
            store,
            ShownVotes(running.homeserver, store, ENGLISH),
            votes,
            Notifications(running.database),
            signals,
            ENGLISH,
        )
        while True:
            await keeper.keep()
            await asyncio.sleep(0.02)

    async with voting(harness, running) as room, asyncio.TaskGroup() as others:
        leaders = [others.create_task(lead()) for _ in range(2)]
        polls = []
        for number in range(3):
            await room.command(f'vote new "Twice {number}?" a | b in 2 s')
            polls.append(await room.poll(f"Twice {number}?"))
            await cast(room.bob, room.room_id, polls[-1], "1")
        for poll in polls:
            assert await room.votes(poll) == [1, 0]
        await eventually(lambda: _all_settled(running), "the votes are settled")
        for leader in leaders:
            leader.cancel()
        for poll in polls:
            assert len(await room.ends(poll)) == len(await room.results(poll)) == 1
        assert len({each["content"][VOTE]["question"] for each in await room.polls()}) == len(await room.polls())
        query = "SELECT 1 FROM notification WHERE user_id = %s"
        assert len(await running.database.rows(query, (room.bob.user_id,))) == len(polls)


async def _all_settled(running: Running) -> bool:
    return not await running.database.rows("SELECT 1 FROM vote WHERE NOT is_settled")


async def test_events_whose_transaction_ids_are_forgotten_are_found(harness: BridgeHarness, running: Running) -> None:
    """The homeserver remembers a transaction id for a while only: the bridge searches for what it may have sent."""
    store, bot = VoteStore(running.database), running.homeserver.namespace.bot

    async def sent(room_id: str, content: dict[str, Any], kind: str) -> str:
        return await running.homeserver.send(room_id, content, kind=kind, txn_id=uuid4().hex)

    async with voting(harness, running) as room:
        # The leader sees the vote when the events are there, as after a kill.
        async with running.database.transaction() as connection:
            votes = Votes(store, Roles.fixed({DOMAIN: Role.MEMBER}, running.homeserver.namespace))
            actor, draft = Actor(room.bob.user_id), VoteDraft("Forgotten?", ("a", "b"))
            opened = await votes.open(connection, actor, room.room_id, draft, UTC, key=uuid4().hex)
            assert isinstance(opened, VoteOpened)
            vote = await store.lock(connection, opened.number)
            assert vote is not None
            poll = await sent(room.room_id, start_content(vote), POLL_START)
            await connection.execute("UPDATE vote SET begun = 1 WHERE id = %s", (vote.id,))
        await cast(room.bob, room.room_id, poll, "2")
        await room.listed("b: 1 vote")
        async with running.database.transaction() as connection:
            found = await store.lock(connection, opened.number)
            assert found is not None
            assert found.poll == poll
            await store.close(connection, vote.id, VoteEnd.PERSON, "")
            await store.decide(connection, vote, Tally(((), (room.bob.user_id,)), (0, 1)))
            found = await store.lock(connection, opened.number)
            assert found is not None
            found = replace(found, room_now=room.room_id)
            end = await sent(room.room_id, end_content(found, ENGLISH), POLL_END)
            await sent(room.room_id, result_content(found, ENGLISH), "m.room.message")
            await connection.execute("UPDATE vote SET begun = 3 WHERE id = %s", (vote.id,))

        async def is_settled() -> bool:
            row = await running.database.row("SELECT end_event FROM vote WHERE id = %s AND is_settled", (vote.id,))
            return row is not None and row["end_event"] == end

        await eventually(is_settled, "the vote is settled")
        polls = [each for each in await room.polls() if each["content"][VOTE]["question"] == "Forgotten?"]
        assert [each["sender"] for each in polls] == [bot]
        assert len(await room.ends(poll)) == len(await room.results(poll)) == 1


@pytest.mark.parametrize("number", [50, pytest.param(230, marks=pytest.mark.long)])
async def test_many_responses_at_once(harness: BridgeHarness, running: Running, number: int) -> None:
    """Also more than the homeserver returns at once."""
    async with voting(harness, running) as room, harness.person() as carol:
        await running.homeserver.invite(room.room_id, carol.user_id)
        await carol.join(room.room_id)
        await room.command('vote new "Storm?" a | b | c')
        poll = await room.poll("Storm?")
        voters = (room.bob, carol)
        await asyncio.gather(*(cast(voters[each % 2], room.room_id, poll, str(each % 3 + 1)) for each in range(number)))
        await room.command("vote close")
        responses = await room.events(POLL_RESPONSE)
        last = {each["sender"]: each["content"] for each in responses if each["sender"] in {x.user_id for x in voters}}
        chosen = [each[POLL_RESPONSE]["answers"][0] for each in last.values()]
        assert await room.votes(poll) == [chosen.count(answer) for answer in "123"]


@asynccontextmanager
async def channel(
    harness: BridgeHarness, running: Running, owner: str, name: str
) -> AsyncIterator[tuple[VoteRoom, Person, Person]]:
    """Make a channel, and give it with its owner and a member."""
    async with harness.person(owner) as maker, harness.person() as carol:
        desk = await bot_chat(running, maker)
        assert "is ready" in (await desk.ask(f"channel new {name}")).body
        row = await running.database.row("SELECT room_id FROM room WHERE kind = 'channel' ORDER BY id DESC LIMIT 1")
        assert row is not None
        for each in (maker, carol):
            await running.homeserver.invite(row["room_id"], each.user_id)
            await each.join(row["room_id"])
        yield VoteRoom(running.homeserver, row["room_id"]), maker, carol


async def test_members_vote_where_they_may_not_write(harness: BridgeHarness, running: Running) -> None:
    async with channel(harness, running, "votes0", "voted-news announcement") as (room, owner, carol):
        await owner.say(room.room_id, '!ab vote new "Move?" yes | no')
        poll = await room.poll("Move?")
        with pytest.raises(HomeserverRefused):
            await carol.say(room.room_id, "no")
        await cast(carol, room.room_id, poll, "2")
        await owner.say(room.room_id, "!ab vote close")
        assert await room.votes(poll) == [0, 1]


@pytest.mark.long
async def test_an_upgrade_ends_a_vote(harness: BridgeHarness, running: Running) -> None:
    async with channel(harness, running, "votes1", "voted-talk") as (room, owner, carol):
        await owner.say(room.room_id, '!ab vote new "Stay?" yes | no')
        poll = await room.poll("Stay?")
        await cast(carol, room.room_id, poll, "2")
        # The bot comes from the Space.
        moved = VoteRoom(running.homeserver, await upgrade(owner, room.room_id, carol.user_id))

        async def told() -> dict[str, Any] | None:
            # The bot has yet to enter the new room.
            with suppress(HomeserverRefused):
                found = await moved.results(poll)
                return found[0] if found else None
            return None

        result = await eventually(told, "the new room has the result", 40)
        assert [each["votes"] for each in result[VOTE]["answers"]] == [0, 1]
        assert "the room was upgraded" in result["body"]
        assert len(await room.events(POLL_END)) == 1


@pytest.mark.parametrize("end", [VoteEnd.UPGRADE, VoteEnd.TIME, VoteEnd.PERSON])
async def test_a_result_waits_until_the_bot_has_entered_the_new_room(
    harness: BridgeHarness, running: Running, end: VoteEnd
) -> None:
    """The room can be upgraded just before the result is told, for each end of a vote."""
    store = VoteStore(running.database)
    shown = ShownVotes(running.homeserver, store, ENGLISH)
    async with voting(harness, running) as room:
        await room.command('vote new "Where?" here | there')
        poll = await room.poll("Where?")
        await room.command("vote close")
        await room.result(poll)
        row = await running.database.row("SELECT id FROM vote WHERE poll = %s", (poll,))
        assert row is not None
        vote = await store.find(row["id"])
        assert vote is not None
        moved = replace(vote, end=end, result=Tally(((), ()), (0, 0)), room_now=await room.bob.create_room())
        with pytest.raises(HomeserverRefused):
            await shown.tell(moved, has_result=True)
        # It is never let in.
        await shown.tell(replace(moved, closed_at=datetime.now(UTC) - timedelta(days=1)), has_result=True)

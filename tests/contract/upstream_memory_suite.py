"""The contract of the capabilities that concern conversations which an upstream keeps; see ``upstream_suite.py``."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.core.errors import UpstreamError
from agent_bridge.core.transcript import ChatMessage
from agent_bridge.upstream.capabilities import AskedQuestion, ScheduleInfo
from support.scripted_app_server import ScriptedAppServer
from support.scripted_letta_v1 import ScriptedLettaV1
from support.upstream_kinds import QUESTION, ask

if TYPE_CHECKING:
    from agent_bridge.upstream.base import Upstream
    from agent_bridge.upstream.capabilities import (
        Archive,
        Branches,
        Conversations,
        Deletion,
        History,
        PastMessage,
        Schedules,
    )
    from support.scripted_upstream import ScriptedUpstream

MODEL, LANE = QUESTION.model, QUESTION.session


async def say(upstream: Upstream, words: str) -> str:
    """Ask in the lane of these tests, and return the answer."""
    request = replace(QUESTION, messages=(ChatMessage("user", words),), idempotency_key=words)
    answer = await ask(upstream, request)
    assert answer.error is None
    return answer.text


async def read(history: History, conversation: str | None, *, newest: int = 1_000) -> list[PastMessage]:
    """Return the messages of a conversation."""
    return [each async for page in history(MODEL, conversation, newest=newest) for each in page]


async def words_in(upstream: Upstream, conversation: str) -> list[str]:
    """Return the words in a conversation."""
    assert upstream.can.history is not None
    return [each.message.content for each in await read(upstream.can.history, conversation)]


def lister(server: ScriptedUpstream) -> ScriptedAppServer | ScriptedLettaV1:
    """Return *server*, whose agent is the one of these tests."""
    assert isinstance(server, ScriptedAppServer | ScriptedLettaV1)
    server.models = [{"id": MODEL}, {"id": "Other"}]
    return server


class Conversing:
    """The capability ``conversations``."""

    @pytest.fixture
    def conversations(self, server: ScriptedUpstream, upstream: Upstream) -> Conversations:
        assert upstream.can.conversations is not None
        lister(server)
        return upstream.can.conversations

    async def test_they_are_opened_listed_and_renamed(self, conversations: Conversations) -> None:
        assert await conversations.list(MODEL) == ()
        first = await conversations.open(MODEL, "First")
        second = await conversations.open(MODEL, "Second")
        other = await conversations.open("Other", "Of another agent")
        assert (first.name, second.is_archived) == ("First", False)
        assert await conversations.list(MODEL) == (second, first)
        assert await conversations.list("Other") == (other,)
        await conversations.rename(first.ref, "Renamed")
        assert await conversations.list(MODEL) == (second, replace(first, name="Renamed"))

    async def test_many_are_listed(self, server: ScriptedUpstream, conversations: Conversations) -> None:
        names = [str(number) for number in range(205)]
        for name in names:
            await conversations.open(MODEL, name)
        assert [each.name for each in await conversations.list(MODEL)] == names[::-1]
        lister(server).knows_cursors = False
        assert [each.name for each in await conversations.list(MODEL)] == names[:104:-1]

    async def test_a_copy_goes_on_independently(self, upstream: Upstream, conversations: Conversations) -> None:
        assert await conversations.current(MODEL, LANE) is None
        await say(upstream, "one")
        original = await conversations.current(MODEL, LANE)
        assert original is not None
        copy = await conversations.fork(MODEL, original, "ab-1")
        await say(upstream, "two")
        names = {each.ref: each.name for each in await conversations.list(MODEL)}
        assert names[copy.ref] == copy.name
        assert copy.name.endswith("ab-1")
        assert "ab-1" not in names[original]
        assert await words_in(upstream, copy.ref) == ["one", "Echo: one"]
        assert await words_in(upstream, original) == ["one", "Echo: one", "two", "Echo: two"]

    async def test_a_repeat_returns_the_same_copy(self, conversations: Conversations) -> None:
        """The bridge may be killed before and after each request: it repeats all of them."""
        made = await conversations.open(MODEL, "Original")
        copy = await conversations.fork(MODEL, made.ref, "ab-1")
        assert await conversations.fork(MODEL, made.ref, "ab-1") == copy
        second = await conversations.fork(MODEL, made.ref, "ab-2")
        names = {each.ref: each.name for each in await conversations.list(MODEL)}
        assert names == {made.ref: "Original", copy.ref: "Original ab-1", second.ref: "Original ab-2"}
        # A copy that has its own name is none of these.
        await conversations.rename(copy.ref, "Saved")
        assert (await conversations.fork(MODEL, made.ref, "ab-1")).ref not in names

    async def test_a_lane_goes_on_with_another_conversation(
        self, upstream: Upstream, conversations: Conversations
    ) -> None:
        await say(upstream, "one")
        original = await conversations.current(MODEL, LANE)
        assert original is not None
        saved = await conversations.fork(MODEL, original, "ab-1")
        empty = await conversations.open(MODEL, "Empty")
        for ref, words in ((empty.ref, "two"), (saved.ref, "three")):
            await conversations.select(MODEL, LANE, ref)
            assert await conversations.current(MODEL, LANE) == ref
            await say(upstream, words)
        assert await words_in(upstream, original) == ["one", "Echo: one"]
        assert await words_in(upstream, empty.ref) == ["two", "Echo: two"]
        assert await words_in(upstream, saved.ref) == ["one", "Echo: one", "three", "Echo: three"]
        assert len(await conversations.list(MODEL)) == 3


class Branching:
    """The capability ``branches``."""

    @pytest.fixture
    def branches(self, server: ScriptedUpstream, upstream: Upstream) -> Branches:
        assert upstream.can.branches is not None
        lister(server)
        return upstream.can.branches

    async def test_the_beginning_is_copied(self, upstream: Upstream, branches: Branches) -> None:
        assert upstream.can.conversations is not None
        for words in ("one", "two", "three"):
            await say(upstream, words)
        original = await upstream.can.conversations.current(MODEL, LANE)
        assert original is not None
        two = AskedQuestion("two", 1)
        asked = await branches(MODEL, original, two, "ab-1", answered=False)
        answered = await branches(MODEL, original, two, "ab-2", answered=True)
        assert asked is not None
        assert answered is not None
        assert asked.name.endswith("ab-1")
        assert await words_in(upstream, asked.ref) == ["one", "Echo: one", "two"]
        assert await words_in(upstream, answered.ref) == ["one", "Echo: one", "two", "Echo: two"]
        # The bridge may be killed, and repeats its request.
        assert await branches(MODEL, original, two, "ab-2", answered=True) == answered
        assert await branches(MODEL, original, AskedQuestion("four", 1), "ab-3", answered=True) is None
        assert len(await upstream.can.conversations.list(MODEL)) == 3


class Archiving:
    """The capability ``archive``."""

    @pytest.fixture
    def archive(self, server: ScriptedUpstream, upstream: Upstream) -> Archive:
        assert upstream.can.archive is not None
        lister(server)
        return upstream.can.archive

    async def test_conversations_are_put_away_and_taken_out(self, upstream: Upstream, archive: Archive) -> None:
        assert upstream.can.conversations is not None
        made = await upstream.can.conversations.open(MODEL, "Old")
        for archived in (True, True, False):
            await archive(made.ref, archived=archived)
            assert await upstream.can.conversations.list(MODEL) == (replace(made, is_archived=archived),)


class Deleting:
    """The capability ``deletion``."""

    @pytest.fixture
    def deletion(self, server: ScriptedUpstream, upstream: Upstream) -> Deletion:
        assert upstream.can.deletion is not None
        lister(server)
        return upstream.can.deletion

    async def test_a_conversation_is_deleted(self, upstream: Upstream, deletion: Deletion) -> None:
        assert upstream.can.conversations is not None
        made = await upstream.can.conversations.open(MODEL, "Old")
        kept = await upstream.can.conversations.open(MODEL, "New")
        for _ in range(2):
            await deletion(made.ref)
            assert await upstream.can.conversations.list(MODEL) == (kept,)


class Remembering:
    """The capability ``history``."""

    @pytest.fixture
    def history(self, server: ScriptedUpstream, upstream: Upstream) -> History:
        assert upstream.can.history is not None
        lister(server)
        return upstream.can.history

    async def test_the_words_come_in_their_order(self, server: ScriptedUpstream, history: History) -> None:
        lister(server).remember("default", "hello", "Good morning.")
        lister(server).remember("default", "and?", "\nNothing new.")
        messages = await read(history, None)
        assert [each.message for each in messages] == [
            ChatMessage("user", "hello"),
            ChatMessage("assistant", "Good morning."),
            ChatMessage("user", "and?"),
            ChatMessage("assistant", "\nNothing new."),
        ]
        assert len({each.ref for each in messages}) == 4
        assert {each.sent_at.date() for each in messages} == {datetime(2026, 11, 21, tzinfo=UTC).date()}
        assert not any(each.is_bridged for each in messages)

    async def test_messages_that_people_have_in_a_room_are_marked(
        self, server: ScriptedUpstream, upstream: Upstream, history: History
    ) -> None:
        assert upstream.can.conversations is not None
        await say(upstream, "one")
        conversation = await upstream.can.conversations.current(MODEL, LANE)
        assert conversation is not None
        lister(server).remember(conversation, "two", "Two.")
        await say(upstream, "three")
        messages = await read(history, conversation)
        assert [(each.message.content, each.is_bridged) for each in messages] == [
            ("one", True),
            ("Echo: one", True),
            ("two", False),
            ("Two.", False),
            ("three", True),
            ("Echo: three", True),
        ]

    async def test_words_for_the_model_alone_are_left_out(self, server: ScriptedUpstream, history: History) -> None:
        reminder = "<system-reminder>\nThe user is at home.\n</system-reminder>"
        lister(server).remember("default", f"{reminder}\n\nhello {reminder}", "Good morning.")
        lister(server).remember("default", f"{reminder}<system-alert>ping</system-alert>", "So.")
        lister(server).remember("default", "What is <system-reminder>?", "A mark.")
        expected = ["hello", "Good morning.", "So.", "What is <system-reminder>?", "A mark."]
        assert [each.message.content for each in await read(history, None)] == expected

    async def test_only_the_newest_messages_are_read(self, server: ScriptedUpstream, history: History) -> None:
        for number in range(120):
            lister(server).remember("default", f"q{number}", f"a{number}")
        pages = [page async for page in history(MODEL, newest=203)]
        found = [each.message.content for page in pages for each in page]
        # The first one of the 203 is an answer without its question.
        assert (found[0], found[-1], len(found)) == ("q19", "a119", 202)
        assert len(pages) > 1
        assert len(await read(history, None)) == 240

    async def test_pages_without_an_end_are_an_error(self, server: ScriptedUpstream, history: History) -> None:
        for number in range(120):
            lister(server).remember("default", f"q{number}", f"a{number}")
        lister(server).knows_cursors = False
        with pytest.raises(UpstreamError, match="same messages on every page"):
            await read(history, None)

    async def test_an_empty_conversation_has_no_page(
        self, server: ScriptedUpstream, upstream: Upstream, history: History
    ) -> None:
        assert upstream.can.conversations is not None
        made = await upstream.can.conversations.open(MODEL, "Empty")
        assert [page async for page in history(MODEL, made.ref)] == []
        lister(server).talks.clear()
        with pytest.raises(UpstreamError):
            await read(history, made.ref)


class Scheduling:
    """The capability ``schedules``."""

    @pytest.fixture
    def schedules(self, server: ScriptedUpstream, upstream: Upstream) -> Schedules:
        assert upstream.can.schedules is not None
        lister(server)
        return upstream.can.schedules

    async def test_schedules_that_have_not_ended_are_listed(
        self, server: ScriptedUpstream, schedules: Schedules
    ) -> None:
        assert isinstance(server, ScriptedAppServer)
        assert await schedules(MODEL) == ()
        daily: dict[str, Any] = {
            "id": "task-1",
            "agent_id": MODEL,
            "conversation_id": "new",
            "name": "Daily report",
            "description": "A report of\nthe day",
            "cron": "0 9 * * *",
            "timezone": "Europe/Berlin",
            "recurring": True,
            "status": "active",
            "scheduled_for": None,
        }
        once = {"id": "task-2", "recurring": False, "scheduled_for": "2026-12-01T08:00:00.000Z"}
        paused = {"id": "task-3", "conversation_id": "local-conv-1", "status": "paused"}
        ended = ({"id": f"task-{status}", "status": status} for status in ("fired", "missed", "cancelled"))
        changes: list[Any] = [{}, once, {"agent_id": "Other"}, paused, *ended]
        server.tasks = [daily | each for each in changes]
        info = ScheduleInfo(
            "task-1", "Daily report", "A report of the day", "0 9 * * *", "Europe/Berlin", None, False, None
        )
        assert await schedules(MODEL) == (
            info,
            replace(info, ref="task-2", once_at=datetime(2026, 12, 1, 8, tzinfo=UTC)),
            replace(info, ref="task-3", is_paused=True, conversation="local-conv-1"),
        )

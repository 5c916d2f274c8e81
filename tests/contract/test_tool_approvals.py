"""Requests for a decision about a tool call, on a real PostgreSQL and in a room of a server in a homeserver's place."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from agent_bridge.bridge.answering.tool_approvals import NOTIFY_AFTER, ToolApprovals
from agent_bridge.bridge.delivery.approval_cards import ApprovalCards
from agent_bridge.bridge.delivery.outbox import Outbox
from agent_bridge.commands.approvals import deny
from agent_bridge.commands.argument_kinds import Words
from agent_bridge.config.upstreams import UpstreamConfig
from agent_bridge.core.answers import Part
from agent_bridge.core.approvals import DecisionRequest, DecisionResult, Verdict
from agent_bridge.core.errors import UpstreamRefused
from agent_bridge.core.results.commands import DecisionMade
from agent_bridge.core.turns import StopReason, TurnState
from agent_bridge.i18n.catalogue import Text
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.store.approvals import Approvals
from agent_bridge.store.notifications import Notifications
from agent_bridge.store.postgres.session import Session
from agent_bridge.store.postgres.signals import Signals
from agent_bridge.upstream.answer import ApprovalRequest, ToolCall
from agent_bridge.upstream.capabilities import Capabilities, Decision
from support.change_requests import note as accept_change
from support.change_requests import redaction
from support.conditions import eventually
from support.records import NAMES
from support.records import agent as agent_record
from support.turn_rows import BOB, ROOM, take

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from agent_bridge.bridge.answering.tool_approvals import OpenApprovals
    from agent_bridge.commands.registry import CommandContext
    from agent_bridge.core.turns import Turn
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.postgres.database import Database
    from agent_bridge.store.turns import Turns
    from agent_bridge.upstream.base import Upstream
    from support.fake_room import FakeRoom

GHOST = NAMES.user_id("agent_frida")
REQUEST = ApprovalRequest("ref", ToolCall("call", "Bash", '{"command": "swordfish"}'))
ALWAYS = replace(REQUEST, always="all of them")


class Server:
    """An upstream that keeps the decisions that it gets."""

    def __init__(self) -> None:
        self.decided: list[tuple[str, Decision]] = []
        self.is_late = False
        #: Called with each decision before the response to it.
        self.takes: Callable[[str], None] = lambda _ref: None

    @property
    def can(self) -> Capabilities:
        return Capabilities(approvals=self)

    async def decide(self, ref: str, decision: Decision, /) -> None:
        if self.is_late:
            raise UpstreamRefused(Text("approval_closed", upstream="up"))
        self.takes(ref)
        self.decided.append((ref, decision))


class Desk:
    """A process that decides requests."""

    def __init__(self, database: Database, homeserver: Homeserver, turns: Turns, signals: Signals) -> None:
        self.store = Approvals(database)
        self.tools = ToolApprovals(self.store, ApprovalCards(homeserver, ENGLISH), signals, ENGLISH)
        self.server = Server()
        self._database, self._homeserver, self._turns = database, homeserver, turns

    @asynccontextmanager
    async def attempt(self, turn: Turn) -> AsyncIterator[OpenApprovals]:
        outbox = Outbox(self._homeserver, self._turns, turn, GHOST)
        await outbox.recover()
        config = UpstreamConfig(name="up", url="http://127.0.0.1:9")
        upstream = cast("Upstream", self.server)
        async with self.tools.during(turn, agent_record(), upstream, config, outbox) as opened:
            yield opened

    async def rows(self) -> list[dict[str, Any]]:
        return list(await self._database.rows("SELECT * FROM approval ORDER BY number"))

    async def verdicts(self) -> list[str | None]:
        return [row["verdict"] for row in await self.rows()]

    async def decide(self, target: str | None, verdict: Verdict = Verdict.ALLOW, **changes: Any) -> DecisionResult:
        values: dict[str, Any] = {"room_id": ROOM, "event_id": f"$by-{target}", "sender": BOB, "is_admin": False}
        request = DecisionRequest(**(values | {"target": target, "verdict": verdict} | changes))
        async with self._database.transaction() as connection:
            return await self.store.decide(connection, request)


@pytest.fixture
async def desk(database: Database, homeserver: Homeserver, turns: Turns) -> AsyncIterator[Desk]:
    signals = Signals()
    async with Session(database.uri, signals):
        yield Desk(database, homeserver, turns, signals)


async def offered(room: FakeRoom, number: int = 2) -> None:
    """Wait until as many reactions are offered."""

    async def seen() -> bool:
        return len(room.reactions()) == number

    await eventually(seen, "the reactions are offered")


async def idle(opened: OpenApprovals) -> None:
    async def seen() -> bool:
        return not opened.waits

    await eventually(seen, "no request is open")


async def card_shows(room: FakeRoom, words: str) -> None:
    async def seen() -> bool:
        return any(words in text for text in room.texts())

    await eventually(seen, f"a card shows {words}")


async def test_a_decision_reaches_the_server_once(database: Database, lane: int, desk: Desk, room: FakeRoom) -> None:
    async with desk.attempt(await take(database, lane)) as opened:
        opened.ask(ALWAYS)
        await offered(room, 3)
        assert await desk.decide("$0", Verdict.ALWAYS, is_admin=True) is DecisionResult.TAKEN
        assert await desk.decide("$0", Verdict.DENY, event_id="$later") is DecisionResult.CLOSED
        await idle(opened)
    assert desk.server.decided == [("ref", Decision(allow=True, always=True))]
    assert room.reactions() == []
    assert "from now on such calls of all agents of the server" in room.texts()[0]
    assert [op.part for op in opened.ops()] == [Part.CARDS[0]]


@pytest.mark.parametrize(("request_", "is_admin"), [(REQUEST, True), (ALWAYS, False)])
async def test_a_permission_that_is_not_offered_to_the_person_counts_for_one_call(
    database: Database, lane: int, desk: Desk, room: FakeRoom, request_: ApprovalRequest, *, is_admin: bool
) -> None:
    async with desk.attempt(await take(database, lane)) as opened:
        opened.ask(request_)
        await offered(room, 3 if request_.always else 2)
        assert await desk.decide("$0", Verdict.ALWAYS, is_admin=is_admin) is DecisionResult.TAKEN
        await idle(opened)
    assert desk.server.decided == [("ref", Decision(allow=True))]
    assert "from now on" not in room.texts()[0]


async def test_the_asker_is_notified_while_a_request_is_undecided(
    database: Database, lane: int, desk: Desk, room: FakeRoom
) -> None:
    notifications = Notifications(database)
    async with desk.attempt(await take(database, lane)) as opened:
        opened.ask(REQUEST)
        await offered(room)
        ((user, wait),) = await notifications.due(9, 0.0, [])
        assert (user, wait > NOTIFY_AFTER / 2) == (BOB, True)
        await database.execute("UPDATE notification SET due_at = now()")
        told = await notifications.gather(BOB)
        assert told is not None
        assert [(each.kind, dict(each.values)) for each in told.notifications] == [
            ("approval_waiting", {"agent": agent_record().name, "tool": REQUEST.call.name})
        ]
        await desk.decide("$0")
        await idle(opened)


async def test_a_call_that_another_program_decided_may_have_run(
    database: Database, lane: int, desk: Desk, room: FakeRoom
) -> None:
    async with desk.attempt(await take(database, lane)) as opened:
        opened.ask(REQUEST)
        opened.ask(replace(REQUEST, ref="other", call=replace(REQUEST.call, call_id="lost")))
        await offered(room, 4)
        opened.close("ref")
        await card_shows(room, "any more")
    assert await desk.verdicts() == ["withdrawn"] * 2
    assert (await desk.tools.earlier(await take(database, lane)))[0] == {"lost"}
    assert desk.server.decided == []


async def test_a_word_that_was_never_sent_does_not_tell_that_the_tool_ran(
    database: Database, lane: int, desk: Desk, room: FakeRoom
) -> None:
    async with desk.attempt(await take(database, lane)) as opened:
        opened.ask(REQUEST)
        await offered(room)
    # The process is killed while the card is open, and a person decides before the next one takes the turn up.
    await database.execute("UPDATE approval SET verdict = NULL")
    assert await desk.decide("$0") is DecisionResult.TAKEN
    turn = await take(database, lane)
    assert await desk.tools.earlier(turn) == (frozenset({"call"}), frozenset())
    # The upstream repeats the request: the word counts, and from then on the tool may have run.
    async with desk.attempt(turn) as opened:
        opened.ask(REQUEST)
        await idle(opened)
    assert desk.server.decided == [("ref", Decision(allow=True))]
    assert await desk.tools.earlier(await take(database, lane)) == (frozenset(), frozenset({"ref"}))


async def test_a_refusal_that_came_too_late_does_not_tell_that_the_tool_never_ran(
    database: Database, lane: int, desk: Desk, room: FakeRoom
) -> None:
    desk.server.is_late = True
    async with desk.attempt(await take(database, lane)) as opened:
        opened.ask(REQUEST)
        await offered(room)
        assert await desk.decide("$0", Verdict.DENY) is DecisionResult.TAKEN
        await idle(opened)
    assert await desk.verdicts() == ["deny"]
    assert (await desk.tools.earlier(await take(database, lane)))[0] == set()


async def test_a_refusal_counts_although_the_server_goes_on_before_it_responds(
    database: Database, lane: int, desk: Desk, room: FakeRoom
) -> None:
    async with desk.attempt(await take(database, lane)) as opened:
        desk.server.takes = opened.close
        opened.ask(REQUEST)
        await offered(room)
        assert await desk.decide("$0", Verdict.DENY) is DecisionResult.TAKEN
        await idle(opened)
    assert (await desk.tools.earlier(await take(database, lane)))[0] == {"call"}


async def test_a_refusal_tells_nothing_about_an_allowed_call_with_the_same_id(
    database: Database, lane: int, desk: Desk, room: FakeRoom
) -> None:
    async with desk.attempt(await take(database, lane)) as opened:
        for verdict in (Verdict.DENY, Verdict.ALLOW):
            opened.ask(replace(REQUEST, ref=verdict))
            await offered(room, 2)
            assert await desk.decide(None, verdict, event_id=f"$by-{verdict}") is DecisionResult.TAKEN
            await idle(opened)
    assert (await desk.tools.earlier(await take(database, lane)))[0] == set()


async def test_a_worker_that_lost_the_turn_changes_no_request(
    database: Database, lane: int, desk: Desk, room: FakeRoom
) -> None:
    async with desk.attempt(await take(database, lane)) as lost:
        lost.ask(REQUEST)
        await offered(room)
        async with desk.attempt(await take(database, lane)) as opened:
            opened.ask(REQUEST)
            await card_shows(room, "wants to use")
            await offered(room)
            before = (room.texts(), room.reactions())
            await lost.end()
            assert (await desk.verdicts(), lost.ops()) == ([None], ())
            assert (room.texts(), room.reactions()) == before
            # What it takes for a new request is none of its business either.
            lost.ask(replace(REQUEST, ref="new"))
            await idle(lost)
            assert await desk.decide("$0") is DecisionResult.TAKEN
            await idle(opened)
    assert desk.server.decided == [("ref", Decision(allow=True))]
    assert await desk.verdicts() == ["allow"]


async def test_a_verdict_that_cannot_be_shown_counts(database: Database, lane: int, desk: Desk, room: FakeRoom) -> None:
    turn = await take(database, lane)
    room.forbidden.add(f"ab.{turn.key}.{Part.CARDS[0]}.1.1")
    async with desk.attempt(turn) as opened:
        opened.ask(REQUEST)
        await offered(room)
        assert await desk.decide("$0") is DecisionResult.TAKEN
        await idle(opened)
        assert desk.server.decided == [("ref", Decision(allow=True))]
    assert await desk.verdicts() == ["allow"]


async def test_a_card_that_cannot_be_shown_refuses(database: Database, lane: int, desk: Desk, room: FakeRoom) -> None:
    turn = await take(database, lane)
    room.forbidden.add(f"ab.{turn.key}.{Part.CARDS[0]}")
    async with desk.attempt(turn) as opened:
        opened.ask(REQUEST)
        await idle(opened)
    assert desk.server.decided == [("ref", Decision(allow=False, reason=ENGLISH.approval_no_answer))]
    assert await desk.verdicts() == ["expired"]


@pytest.mark.parametrize("end", ["stop", "finish"])
async def test_a_request_of_an_answer_that_ends_takes_no_decision(
    database: Database, lane: int, desk: Desk, turns: Turns, end: str
) -> None:
    """The worker was killed before it withdrew the request."""
    turn = await take(database, lane)
    assert await desk.store.ask(turn, ref="r", call_id="c", tool="t", arguments="", always="") is not None
    assert await desk.decide(None) is DecisionResult.UNKNOWN, "nobody can see the card"
    await turns.intend(turn.id, Part.CARDS[0])
    await turns.sent(turn, Part.CARDS[0], "$card")
    if end == "stop":
        await database.execute("UPDATE turn SET stop = %s", (StopReason.STOPPED,))
    else:
        await turns.finish(turn, TurnState.FAILED, {})
    assert await desk.decide("$card") is DecisionResult.CLOSED
    assert await desk.decide(None) is DecisionResult.UNKNOWN
    assert await desk.verdicts() == [None]


async def test_a_repeated_command_has_the_same_result_after_the_end(
    database: Database, lane: int, desk: Desk, turns: Turns
) -> None:
    turn = await take(database, lane)
    assert await desk.store.ask(turn, ref="r", call_id="c", tool="t", arguments="", always="") is not None
    await turns.intend(turn.id, Part.CARDS[0])
    await turns.sent(turn, Part.CARDS[0], "$card")
    assert await desk.decide(None, event_id="$command") is DecisionResult.TAKEN
    await turns.finish(turn, TurnState.DONE, {})
    assert await desk.decide(None, event_id="$command") is DecisionResult.TAKEN
    assert await desk.decide(None, event_id="$next") is DecisionResult.UNKNOWN


async def test_the_event_that_replaced_a_card_takes_decisions(
    database: Database, lane: int, desk: Desk, turns: Turns, room: FakeRoom
) -> None:
    turn = await take(database, lane)
    async with desk.attempt(turn) as opened:
        opened.ask(REQUEST)
        await offered(room)
        await turns.sent(turn, Part.CARDS[0], "$again")
        assert await desk.decide("$0") is DecisionResult.UNKNOWN
        assert await desk.decide("$again") is DecisionResult.TAKEN


async def test_requests_at_once_get_a_number_each(database: Database, lane: int, desk: Desk) -> None:
    turn = await take(database, lane)
    asked = [
        desk.store.ask(turn, ref=f"r{number}", call_id="c", tool="t", arguments="", always="") for number in range(8)
    ]
    found = await asyncio.gather(*asked)
    assert sorted(each.number for each in found if each is not None) == list(range(8))


async def test_an_attempt_edits_no_card_that_shows_its_end(
    database: Database, lane: int, desk: Desk, room: FakeRoom
) -> None:
    async with desk.attempt(await take(database, lane)) as opened:
        opened.ask(REQUEST)
        await offered(room)
    sent = len(room.events)
    async with desk.attempt(await take(database, lane)) as opened:
        assert len(room.events) == sent
        assert [op.part for op in opened.ops()] == [Part.CARDS[0]]
        # The upstream asks once more: the same card does.
        opened.ask(REQUEST)
        await card_shows(room, "wants to use")
        await offered(room)
    await card_shows(room, "any more")


async def test_a_verdict_whose_worker_was_killed_is_shown(
    database: Database, lane: int, desk: Desk, room: FakeRoom
) -> None:
    turn = await take(database, lane)
    async with desk.attempt(turn) as opened:
        opened.ask(REQUEST)
        await offered(room)
    await database.execute("UPDATE approval SET verdict = 'deny', decided_by = %s, is_settled = false", (BOB,))
    async with desk.attempt(await take(database, lane)):
        await card_shows(room, "refused the tool")
    assert [row["is_settled"] for row in await desk.rows()] == [True]


async def test_nothing_of_a_redacted_card_comes_back(
    database: Database, lane: int, desk: Desk, room: FakeRoom, turns: Turns
) -> None:
    turn = await take(database, lane)
    async with desk.attempt(turn) as opened:
        opened.ask(REQUEST)
        await offered(room)
        room.redact("$0")
        await accept_change(database, redaction("$0"))
        # Its worker goes on for a moment, and asks about one more.
        opened.ask(replace(REQUEST, ref="new"))
        opened.close("ref")
        await idle(opened)
    assert (await desk.rows(), opened.ops(), room.texts()) == ([], (), [])
    await turns.finish(turn, TurnState.STOPPED, {}, taken_back=[Part.CARDS[0]])
    assert desk.server.decided == []


async def test_a_new_request_never_takes_the_card_of_a_forgotten_one(
    database: Database, lane: int, desk: Desk, turns: Turns
) -> None:
    turn = await take(database, lane)
    await turns.intend(turn.id, Part.CARDS[0])
    asked = await desk.store.ask(turn, ref="r", call_id="c", tool="t", arguments="", always="")
    assert asked is not None
    assert (asked.number, asked.is_sent) == (1, False)


async def test_the_reason_of_a_refusal_is_bounded(database: Database, lane: int, desk: Desk, turns: Turns) -> None:
    turn = await take(database, lane)
    assert await desk.store.ask(turn, ref="r", call_id="c", tool="t", arguments="", always="") is not None
    await turns.intend(turn.id, Part.CARDS[0])
    await turns.sent(turn, Part.CARDS[0], "$card")
    services = SimpleNamespace(database=database, approvals=desk.store)
    given = {"sender": BOB, "room_id": ROOM, "thread": "", "event_id": "$command"}
    context = cast("CommandContext", SimpleNamespace(services=services, can=lambda _: False, **given))
    assert await deny.run(context, Words("no " * 10_000)) == DecisionMade(DecisionResult.TAKEN)
    assert [len(each.reason) for each in await desk.store.of_turn(turn)] == [500]

"""Votes: the counting of ballots, the words of a command, and the contents of events."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis.strategies import composite, integers, lists, permutations, sampled_from, tuples

from agent_bridge.bridge.feed.entries import entry_of
from agent_bridge.commands.votes import draft_of
from agent_bridge.core.feed import FeedType
from agent_bridge.core.results.votes import VoteRefused
from agent_bridge.core.votes import (
    LONGEST_ANSWER,
    LONGEST_QUESTION,
    MOST_ANSWERS,
    Ballot,
    Fault,
    Tally,
    Vote,
    VoteDraft,
    VoteEnd,
    VoteProblem,
    VoteState,
    checked,
    tally,
)
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.i18n.russian import RUSSIAN
from agent_bridge.matrix.events import parse_event
from agent_bridge.matrix.polls import answered_poll, ballot_of, selections
from agent_bridge.render.content import MAX_ENCRYPTED
from agent_bridge.render.votes import (
    end_content,
    response_content,
    result_content,
    start_content,
    vote_renderers,
)

if TYPE_CHECKING:
    from agent_bridge.i18n.catalogue import Texts

NOW = datetime(2026, 11, 28, 17, 30, tzinfo=UTC)
LATER = NOW + timedelta(minutes=30)
VOTERS = ["@a:x", "@b:x", "@c:x"]
BALLOTS = lists(tuples(sampled_from(VOTERS), sampled_from(["1", "2", "3", "9", ""]), integers(0, 20)), max_size=12)


def cast(given_: list[tuple[str, str, int]]) -> list[Ballot]:
    return [Ballot(voter, (chosen,) if chosen else (), at) for voter, chosen, at in given_]


@given(BALLOTS, BALLOTS, integers(0, 20))
def test_each_voter_has_one_vote(said: list[Any], given_: list[Any], until: int) -> None:
    result = tally(3, cast(said), sorted(cast(given_), key=lambda each: each.at), until=until)
    named = [voter for voters in result.by for voter in voters]
    assert len(named) == len(set(named)) == result.voters
    in_time = {voter for voter, _, at in [*said, *given_] if at <= until}
    assert set(named) <= in_time
    # The last response counts, whatever its time, if there is nothing else.
    for voter in VOTERS:
        own = [chosen for each, chosen, at in said if each == voter and at <= until]
        if own and not any(each == voter for each, *_ in given_):
            counted = [str(number) for number, voters in enumerate(result.by, 1) if voter in voters]
            assert counted == ([own[-1]] if own[-1] in {"1", "2", "3"} else [])


@given(BALLOTS)
def test_equal_votes_repeated_change_nothing(said: list[Any]) -> None:
    doubled = [each for each in cast(said) for _ in range(2)]
    assert tally(3, doubled) == tally(3, cast(said))


@composite
def interleavings(draw: Any) -> tuple[list[Ballot], list[Ballot]]:
    """Two orders of the same ballots in which those of each voter keep their order."""
    ballots = cast(draw(BALLOTS))
    other = list(ballots)
    order = draw(permutations(VOTERS))
    return ballots, sorted(other, key=lambda each: order.index(each.voter))


@given(interleavings())
def test_the_order_of_different_voters_does_not_matter(orders: tuple[list[Ballot], list[Ballot]]) -> None:
    assert tally(3, orders[0]) == tally(3, orders[1])


def test_the_rules_of_the_count() -> None:
    said = cast([("@a:x", "1", 1), ("@a:x", "", 2), ("@b:x", "1", 1), ("@b:x", "9", 2), ("@c:x", "2", 9)])
    # An empty selection, and an unknown answer, take an earlier vote back.
    assert tally(2, said).votes == (0, 1)
    assert tally(2, said, until=8).votes == (0, 0)
    assert tally(2, said, until=1).votes == (2, 0)
    assert tally(2, said, counts=lambda voter: voter != "@c:x").votes == (0, 0)
    # The first selection counts.
    assert tally(2, [Ballot("@a:x", ("2", "1"), 1)]).votes == (0, 1)
    # Of a voter with two ways to vote, the later time counts.
    assert tally(2, cast([("@a:x", "1", 5)]), cast([("@a:x", "2", 4)])).votes == (1, 0)
    assert tally(2, cast([("@a:x", "1", 5)]), cast([("@a:x", "2", 6), ("@a:x", "1", 7)])).votes == (1, 0)
    assert Tally((), (2, 0, 2)).winners == (0, 2)
    assert Tally((), (0, 0)).winners == ()
    assert not Tally((), (1, 1)).has_quorum(3)
    assert Tally((), (1, 1)).has_quorum(2)


@pytest.mark.parametrize(
    ("words", "question", "answers", "minutes", "quorum"),
    [
        ('"Lunch?" pizza | pasta', "Lunch?", ("pizza", "pasta"), None, None),
        ("Lunch? pizza | pasta", "Lunch?", ("pizza", "pasta"), None, None),
        ("«Обед» пицца|паста до 18:00 кворум 3", "Обед", ("пицца", "паста"), 30, 3),
        ("“Lunch?” pizza | pasta quorum 3 until 18:00", "Lunch?", ("pizza", "pasta"), 30, 3),
        ('"Lunch?" pizza | pasta in 30 minutes', "Lunch?", ("pizza", "pasta"), 30, None),
        ('"Обед?" пицца | паста через 30 минут', "Обед?", ("пицца", "паста"), 30, None),
        (
            '"Lunch?"\n- pizza\n- pasta\nuntil 18:00'.replace("\nuntil", " until"),
            "Lunch?",
            ("pizza", "pasta"),
            30,
            None,
        ),
        ('"When?" now | "wait until it rains" until 18:00', "When?", ("now", "wait until it rains"), 30, None),
        ('"When?" now | then until Saturday', "When?", ("now", "then"), 389, None),
        ('"When?" now | then до завтра', "When?", ("now", "then"), 1440 + 389, None),
        ('"When?" now | then до пятницы 17:30', "When?", ("now", "then"), 6 * 1440, None),
        ('"When?" now | then until 2026-12-01 17:30', "When?", ("now", "then"), 3 * 1440, None),
        ('"When?" "a | b" | c', "When?", ("a | b", "c"), None, None),
        ('"When?" now | "until 18:00"', "When?", ("now", "until 18:00"), None, None),
        ('"When?" until 18:00 | later', "When?", ("until 18:00", "later"), None, None),
        ('"Q"  a  b |  c ', "Q", ("a b", "c"), None, None),
        ('"Q" -5 | - 5', "Q", ("-5", "5"), None, None),
        ('"Q" | a | | b |', "Q", ("a", "b"), None, None),
        ('"Q" in 3 days | in 4 days', "Q", ("in 3 days",), 5760, None),
        ("Lunch? pizza | pasta in an hour quorum 2", "Lunch?", ("pizza", "pasta"), 60, 2),
        ("Lunch? pizza | pasta in half an hour", "Lunch?", ("pizza", "pasta"), 30, None),
        ("Обед? пицца | паста кворум 2 через час", "Обед?", ("пицца", "паста"), 60, 2),
        ("Обед? пицца | паста через полтора часа", "Обед?", ("пицца", "паста"), 90, None),
        ("Обед? пицца | паста до полуночи", "Обед?", ("пицца", "паста"), 390, None),
        ('"Where?" at home | in a restaurant', "Where?", ("at home", "in a restaurant"), None, None),
        ('"Where?" at home | lunch in a restaurant', "Where?", ("at home", "lunch in a restaurant"), None, None),
    ],
)
def test_the_words_of_a_vote(
    words: str, question: str, answers: tuple[str, ...], minutes: int | None, quorum: int | None
) -> None:
    draft = draft_of(words, NOW, UTC)
    ready = draft if isinstance(draft, VoteRefused) else checked(draft, NOW)
    if len(answers) == 1:
        assert ready == Fault(VoteProblem.FEW_ANSWERS, most=2)
        return
    assert ready == VoteDraft(question, answers, None if minutes is None else NOW + timedelta(minutes=minutes), quorum)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("", VoteProblem.NO_QUESTION),
        ("pizza | pasta", VoteProblem.NO_QUESTION),
        ('""', VoteProblem.NO_QUESTION),
        ('"\u200b\u202e" a | b', VoteProblem.NO_QUESTION),
        (f'"{"q" * (LONGEST_QUESTION + 1)}" a | b', VoteProblem.QUESTION_TOO_LONG),
        ('"Q"', VoteProblem.FEW_ANSWERS),
        ('"Q" a', VoteProblem.FEW_ANSWERS),
        ('"Q" a | \u2800', VoteProblem.FEW_ANSWERS),
        (f'"Q" {"|".join(map(str, range(MOST_ANSWERS + 1)))}', VoteProblem.MANY_ANSWERS),
        (f'"Q" a | {"b" * (LONGEST_ANSWER + 1)}', VoteProblem.ANSWER_TOO_LONG),
        ('"Q" Ja | JA', VoteProblem.SAME_ANSWERS),
        ('"Q" caf\u00e9 | cafe\u0301', VoteProblem.SAME_ANSWERS),
        ('"Q" a | b until it rains', VoteProblem.NO_TIME),
        ('"Q" a | b until every day 9:00', VoteProblem.NO_TIME),
        ('"Q" a | b until 25:00', VoteProblem.NO_TIME),
        ('"Q" a | b until 2026-02-30', VoteProblem.NO_TIME),
        ('"Q" a | b until today 17:30', VoteProblem.PAST),
        ('"Q" a | b until 2033-12-01 12:00', VoteProblem.TOO_FAR),
        ('"Q" a | b until 2027-12-01 12:00', VoteProblem.TOO_FAR),
        ('"Q" a | b quorum 0', VoteProblem.BAD_QUORUM),
        ('"Q" a | b quorum -1', VoteProblem.BAD_QUORUM),
        ('"Q" a | b quorum 2,5', VoteProblem.BAD_QUORUM),
        ('"Q" a | b quorum ٣', VoteProblem.BAD_QUORUM),
        ('"Q" a | b quorum 99999999999', VoteProblem.BAD_QUORUM),
    ],
)
def test_words_that_are_no_vote(words: str, problem: VoteProblem) -> None:
    draft = draft_of(words, NOW, UTC)
    refused = draft if isinstance(draft, VoteRefused) else checked(draft, NOW)
    assert isinstance(refused, VoteRefused | Fault), refused
    assert refused.problem is problem


def vote(**changes: Any) -> Vote:
    values: dict[str, Any] = {
        "id": 3,
        "key": "0123456789abcdef",
        "room_id": "!r:x",
        "room_now": "!r:x",
        "thread": "",
        "voice": None,
        "creator": "@bob:x",
        "question": "Lunch?",
        "answers": ("pizza *1*", "pasta"),
        "quorum": None,
        "ends_at": None,
        "created_at": NOW,
        "state": VoteState.CLOSED,
        "end": VoteEnd.TIME,
        "closed_by": None,
        "closed_at": LATER,
        "begun": 0,
        "poll": "$poll",
        "end_event": None,
        "result": Tally((("@a:x", "@b:x"), ()), (2, 0)),
        "is_settled": False,
    }
    return Vote(**values | changes)


def test_the_text_of_a_result() -> None:
    content = result_content(vote(), ENGLISH)
    assert content["body"] == (
        "Result of vote 3: Lunch?\n\n• pizza *1*: 2 votes (100 %)\n• pasta: 0 votes (0 %)\n\nMost votes: pizza *1*"
    )
    assert content["m.relates_to"] == {"m.in_reply_to": {"event_id": "$poll"}}
    facts = content["org.agent_bridge.vote"]
    assert facts["answers"][0] == {"id": "1", "text": "pizza *1*", "votes": 2, "voters": ["@a:x", "@b:x"]}
    assert (facts["voters"], facts["winners"], facts["quorum_reached"]) == (2, ["1"], True)
    assert "A tie: pizza" in result_content(vote(result=Tally((), (1, 1))), ENGLISH)["body"]
    assert "Nobody has voted" in result_content(vote(result=Tally((), (0, 0))), ENGLISH)["body"]
    missed = result_content(vote(quorum=3), ENGLISH)
    assert "does not count: 2 votes of the 3" in missed["body"]
    assert not missed["org.agent_bridge.vote"]["quorum_reached"]
    upgraded = result_content(vote(room_now="!new:x", end=VoteEnd.UPGRADE), RUSSIAN)
    assert "комнату обновили" in upgraded["body"]
    # The poll is in another room.
    assert "m.relates_to" not in upgraded


@pytest.mark.parametrize("texts", [ENGLISH, RUSSIAN], ids=["english", "russian"])
def test_a_vote_without_a_number_is_no_reason_to_close_one_of_several(texts: Texts) -> None:
    told = vote_renderers(texts, "!ab")[VoteRefused](VoteRefused(VoteProblem.WHICH_VOTE))
    assert "!ab votes" in told
    assert "vote close" not in told


@pytest.mark.parametrize("sign", ["x", "\N{GRINNING FACE}", "&", '"', "*", "<"])
def test_the_largest_vote_fits_an_event(sign: str) -> None:
    answers = tuple((sign * LONGEST_ANSWER)[:-2] + f"{number:02d}" for number in range(MOST_ANSWERS))
    names = tuple(f"@{'v' * 200}{number}:x" for number in range(200))
    by = (names, *((),) * (MOST_ANSWERS - 1))
    large = vote(question=sign * LONGEST_QUESTION, answers=answers, result=Tally(by, (200, *(0,) * 19)))
    for content in (start_content(large), end_content(large, RUSSIAN), result_content(large, RUSSIAN)):
        assert len(json.dumps(content, ensure_ascii=False).encode()) <= MAX_ENCRYPTED
    # So many voters are a number.
    assert "voters" not in end_content(large, RUSSIAN)["org.agent_bridge.vote"]["answers"][0]


def response(said: dict[str, Any], kind: str = "m.poll.response", **changes: Any) -> dict[str, Any]:
    relation = {"m.relates_to": {"rel_type": "m.reference", "event_id": "$poll"}}
    event = {"type": kind, "sender": "@a:x", "origin_server_ts": 5, "content": relation | said}
    return event | changes


@pytest.mark.parametrize(
    ("event", "chosen"),
    [
        (response({"m.selections": ["1"]}), ("1",)),
        (response({"m.selections": ["1", "2", "3"]}), ("1", "2")),
        (
            response({"org.matrix.msc3381.poll.response": {"answers": ["2"]}}, "org.matrix.msc3381.poll.response"),
            ("2",),
        ),
        (response({"m.poll.response": {"answers": ["2"]}}), ("2",)),
        (response({"m.selections": []}), ()),
        (response({}), ()),
        (response({"m.selections": "1"}), ()),
        (response({"m.selections": [1]}), ()),
        (response({"m.selections": ["x" * 60]}), ("x" * 50,)),
        (response({"org.matrix.msc3381.poll.response": []}), ()),
        (response({"m.selections": ["1"]}, "m.room.message"), None),
        (response({"m.selections": ["1"]}, origin_server_ts="5"), None),
        (response({"m.selections": ["1"]}, content={"m.selections": ["1"]}), None),
        (response({"m.relates_to": {"rel_type": "m.replace", "event_id": "$poll"}, "m.selections": ["1"]}), None),
        (response({"m.relates_to": {"rel_type": "m.reference", "event_id": "$other"}}), None),
        (response({"m.relates_to": []}), None),
    ],
)
def test_responses_of_clients(event: dict[str, Any], chosen: tuple[str, ...] | None) -> None:
    ballot = ballot_of(event, "$poll")
    assert (None if ballot is None else ballot.selections) == chosen
    if chosen is not None:
        assert answered_poll(event["type"], event["content"]) == "$poll"
        assert selections(event["content"]) == chosen


@pytest.mark.parametrize(
    ("kind", "content", "type_", "target"),
    [
        ("org.matrix.msc3381.poll.start", start_content(vote()), FeedType.MESSAGE, None),
        ("org.matrix.msc3381.poll.start", {"org.matrix.msc3381.poll.start": {}}, FeedType.MESSAGE, None),
        ("org.matrix.msc3381.poll.response", response_content("$poll", ("1",)), None, None),
        ("m.poll.response", response_content("$poll", ()), None, None),
        ("org.matrix.msc3381.poll.end", end_content(vote(), ENGLISH), None, None),
        ("m.poll.response", {}, None, None),
    ],
)
def test_single_votes_are_no_entries_for_programs(
    kind: str, content: dict[str, Any], type_: FeedType | None, target: str | None
) -> None:
    event = parse_event(response({}, kind, event_id="$1", room_id="!r:x", content=content))
    assert event is not None
    entry = entry_of(event)
    assert (None if entry is None else (entry.type, entry.target)) == (None if type_ is None else (type_, target))

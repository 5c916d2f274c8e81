"""Requests to the upstream are judged: their histories, and how many there are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crash.asked import LAST, Change, Fate, Question, question
from crash.histories import Disturbance, Request, judge_groups, judge_repeats, judge_requests
from crash.verdict import Verdict

ONE, TWO, THREE = (question(7, f"1.{number}", Fate.WHOLE) for number in (1, 2, 3))
END = replace(question(7, f"1.9{LAST}"), last=True)
REDACTED = replace(ONE, change=Change.REDACT)
OVER = replace(ONE, interruptible=True)
AGAIN = replace(ONE, change=Change.AGAIN)
IN_THREAD = replace(TWO, thread="1.1")


def asks(new: Question, *earlier: Question) -> Request:
    """Return a request for *new* with *earlier* questions and their answers."""
    pairs = [(("user", each.text), ("assistant", each.whole)) for each in earlier]
    return Request((*(message for pair in pairs for message in pair), ("user", new.text)))


@pytest.mark.parametrize(
    ("room", "requests", "verdict"),
    [
        pytest.param([ONE], [asks(ONE)], Verdict(), id="no history"),
        pytest.param([ONE, TWO, THREE], [asks(TWO, ONE), asks(THREE, ONE, TWO)], Verdict(), id="all well"),
        pytest.param(
            [ONE, TWO], [asks(TWO, ONE, ONE)], Verdict(doubled=("1.1: twice in a history",)), id="twice in a history"
        ),
        pytest.param(
            [ONE, TWO, THREE],
            [asks(THREE, TWO, ONE)],
            Verdict(reordered=("1.1: behind 1.2 in a history",)),
            id="the wrong way round",
        ),
        pytest.param(
            [ONE, TWO], [asks(TWO)], Verdict(lost=("1.1: not in the history of 1.2",)), id="the previous one is missing"
        ),
        pytest.param(
            [ONE, TWO],
            [Request((("user", ONE.text), ("user", TWO.text)))],
            Verdict(lost=("1.1: without its answer in the history of 1.2",)),
            id="the previous answer is missing",
        ),
        pytest.param(
            [OVER, TWO], [Request((("user", ONE.text), ("user", TWO.text)))], Verdict(), id="interrupted in silence"
        ),
        pytest.param(
            [OVER, TWO],
            [Request((("user", ONE.text), ("assistant", ONE.whole[:9]), ("user", TWO.text)))],
            Verdict(),
            id="interrupted",
        ),
        pytest.param(
            [OVER, TWO],
            [Request((("user", ONE.text), ("assistant", "else"), ("user", TWO.text)))],
            Verdict(lost=("1.1: in the history of 1.2 with the answer 'else'",)),
            id="interrupted, with another answer",
        ),
        pytest.param(
            [OVER, TWO],
            [asks(TWO)],
            Verdict(lost=("1.1: not in the history of 1.2",)),
            id="an interrupted question is missing",
        ),
        pytest.param([AGAIN, TWO, THREE], [asks(THREE, TWO, ONE)], Verdict(), id="asked again behind a later one"),
        pytest.param([ONE, IN_THREAD], [Request((("user", ONE.text), ("user", TWO.text)))], Verdict(), id="a thread"),
        pytest.param([ONE], [asks(TWO, ONE)], Verdict(doubled=("1.2: nobody asked this",)), id="from nowhere"),
        pytest.param([REDACTED, TWO], [asks(TWO, ONE)], Verdict(), id="perhaps redacted later"),
        pytest.param(
            [REDACTED, END],
            [asks(END, ONE)],
            Verdict(kept=(f"1.1: redacted, and in the history of {END.key}",)),
            id="redacted before",
        ),
    ],
)
def test_histories_are_judged(room: list[Question], requests: list[Request], verdict: Verdict) -> None:
    assert judge_requests([room], requests, ()) == verdict


def test_a_question_that_came_late_is_missed_by_no_history() -> None:
    assert judge_requests([[ONE, TWO]], [asks(TWO), asks(ONE, TWO)], {"1.1"}).clean


def test_the_parts_of_a_message_are_one_text() -> None:
    body = {"messages": [{"role": "user", "content": [{"type": "text", "text": "1.1 see"}, {"type": "image_url"}]}]}
    assert Request.of(body).keys == ["1.1"]


def test_questions_that_the_bridge_joined_are_apart() -> None:
    body = {"messages": [{"role": "user", "content": "1.1 what do you say?\n\n1.2 what do you say?"}]}
    assert Request.of(body).keys == ["1.1", "1.2"]


def test_other_words_count_only_in_rooms_of_one_agent() -> None:
    texts = ["Ada said:\n\n> yes\n\nBob: 1.1 what do you say?", "Bob: 1.2 what do you say?"]
    body = {"model": "ada", "messages": [{"role": "user", "content": text} for text in texts]}
    assert Request.of(body, {"1.2"}).keys == ["1.1", "1.2"]
    assert Request.of(body).keys == ["Ada", ">", "Bob:", "Bob:"]


def test_questions_to_other_agents_count_only_as_the_newest_one() -> None:
    request = asks(TWO, ONE)
    assert request.without({"1.1"}).keys == ["1.2"]
    assert request.without({"1.2"}).keys == ["1.1", "1.2"]


@pytest.mark.parametrize(
    ("asked", "moments", "clean"),
    [
        pytest.param(ONE, [5.0], True, id="once"),
        pytest.param(ONE, [5.0, 50.0], False, id="again without a fault"),
        pytest.param(AGAIN, [5.0, 50.0], True, id="again because a person wants it"),
        pytest.param(ONE, [99.0, 101.0, 103.0], True, id="around a fault"),
        pytest.param(ONE, [99.0, 101.0, 103.0, 104.0], False, id="too often around a fault"),
    ],
)
def test_repeats_need_a_fault(asked: Question, moments: list[float], clean: bool) -> None:  # noqa: FBT001
    fault = Disturbance("SIGKILL", 100.0, 102.0)
    assert judge_repeats([asked], {asked.key: moments}, [fault]).clean is clean


def test_messages_that_are_answered_together_were_asked_together() -> None:
    together = Request((("user", ONE.text), ("user", TWO.text)))
    assert judge_groups([[ONE.key, TWO.key]], [asks(ONE), together]).clean
    assert judge_groups([[ONE.key, TWO.key]], [asks(ONE), asks(TWO, ONE)]).lost == ("1.1, 1.2: never asked together",)

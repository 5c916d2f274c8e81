"""The verdict of the crash runs recognises every kind of fault."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crash.asked import EDITED as EDITED_KEY
from crash.asked import Change, Fate, Question, question
from crash.verdict import Shown, Verdict, judge, judge_reactions

ONE, TWO = (question(7, f"1.{number}", Fate.WHOLE) for number in (1, 2))
LONG = question(7, "1.3", Fate.LONG)
CUT = question(7, "1.4", Fate.CUT)
WORD = Shown("⚠️ The answer ends here: the connection was cut.", notice=True)


def said(*questions: Question) -> list[Shown]:
    return [Shown(body) for each in questions for body in each.due]


def counts(verdict: Verdict) -> dict[str, int]:
    faults = {
        "lost": verdict.lost,
        "doubled": verdict.doubled,
        "reordered": verdict.reordered,
        "stuck": verdict.stuck,
        "kept": verdict.kept,
    }
    return {kind: len(found) for kind, found in faults.items() if found}


HALF = Shown(ONE.due[0][: len(ONE.due[0]) // 2])
OVER = replace(ONE, interruptible=True)
BROKEN_OFF = Shown(f"{HALF.body}\n\n*(interrupted by the next message)*")
UNMARKED = Shown(f"{HALF.body}\n\n(interrupted by the next message)")
SILENT = Shown("(interrupted by the next message)", notice=True, about=ONE.key)


@pytest.mark.parametrize(
    ("asked", "shown", "faults"),
    [
        pytest.param([ONE, TWO, LONG], said(ONE, TWO, LONG), {}, id="all well"),
        pytest.param([], [], {}, id="nothing asked"),
        pytest.param([CUT, ONE], [*said(CUT), WORD, *said(ONE)], {}, id="cut and told"),
        pytest.param([OVER, TWO], said(OVER, TWO), {}, id="not interrupted"),
        pytest.param([OVER, TWO], [BROKEN_OFF, *said(TWO)], {}, id="interrupted"),
        pytest.param([OVER, TWO], [UNMARKED, *said(TWO)], {}, id="interrupted, in one event"),
        pytest.param([OVER, TWO], [SILENT, *said(TWO)], {}, id="interrupted before its first word"),
        pytest.param([OVER, TWO], [HALF, *said(TWO)], {"stuck": 1}, id="half without a word about its interruption"),
        pytest.param([OVER, TWO], said(TWO), {"lost": 1}, id="nothing of an interrupted answer"),
        pytest.param([OVER, TWO], [BROKEN_OFF, SILENT, *said(TWO)], {"lost": 1}, id="interrupted and told so twice"),
        pytest.param([ONE, TWO], [BROKEN_OFF, *said(TWO)], {"lost": 1}, id="interrupted without a message"),
        pytest.param([ONE, TWO], said(TWO), {"lost": 1}, id="the first is missing"),
        pytest.param([ONE, TWO], [], {"lost": 2}, id="nothing there"),
        pytest.param([ONE], [WORD], {"lost": 1, "doubled": 1}, id="a word only"),
        pytest.param([ONE], [HALF, WORD], {"lost": 1}, id="half where a whole one was due, though told"),
        pytest.param([ONE], [*said(ONE), WORD], {"lost": 1}, id="whole, and a word against it"),
        pytest.param([ONE], [Shown("1.1/0 something else")], {"lost": 1}, id="another text"),
        pytest.param([CUT], [Shown(CUT.due[0] + " more"), WORD], {"lost": 1}, id="more than was said"),
        pytest.param([ONE, TWO], [*said(ONE), *said(ONE), *said(TWO)], {"doubled": 1}, id="said twice"),
        pytest.param([ONE, TWO], [HALF, *said(ONE, TWO)], {"stuck": 1, "doubled": 1}, id="half, then again"),
        pytest.param([ONE, TWO], [*said(ONE, TWO, ONE)], {"doubled": 1}, id="said again later"),
        pytest.param([LONG], [*said(LONG), *said(LONG)], {"doubled": 2}, id="both parts twice"),
        pytest.param([CUT], [*said(CUT), WORD, WORD], {"doubled": 1}, id="told twice"),
        pytest.param([ONE], [*said(ONE), Shown("…")], {"doubled": 1}, id="a message that nobody asked for"),
        pytest.param([ONE], said(ONE, TWO), {"doubled": 1}, id="an answer that nobody asked for"),
        pytest.param([ONE, TWO], said(TWO, ONE), {"reordered": 1}, id="the wrong way round"),
        pytest.param([LONG], list(reversed(said(LONG))), {"reordered": 1}, id="parts the wrong way round"),
        pytest.param([ONE, TWO], [HALF, *said(TWO)], {"stuck": 1}, id="half without a word"),
        pytest.param([CUT], said(CUT), {"stuck": 1}, id="cut without a word"),
        pytest.param([LONG], said(LONG)[:1], {"stuck": 1}, id="a part is missing"),
        pytest.param([ONE], [Shown("1.1/0")], {"stuck": 1}, id="hardly begun"),
    ],
)
def test_each_fault_is_told(asked: list[Question], shown: list[Shown], faults: dict[str, int]) -> None:
    verdict = judge(asked, shown)
    assert counts(verdict) == faults
    assert verdict.clean == (not faults)


STOPPED, REDACTED = (replace(ONE, change=change) for change in (Change.STOP, Change.REDACT))
EDITED = replace(question(7, f"1.1{EDITED_KEY}"), change=Change.EDIT, key_before="1.1")
IN_THREAD = replace(TWO, thread="1.1")
STOP_WORD = Shown("(stopped)", notice=True)


@pytest.mark.parametrize(
    ("asked", "shown", "faults"),
    [
        pytest.param([STOPPED], said(ONE), {}, id="stopped too late"),
        pytest.param([STOPPED], [Shown(f"{HALF.body}\n\n(stopped)")], {}, id="stopped on its way"),
        pytest.param([STOPPED], [Shown(f"{HALF.body}\n\n*(stopped)*")], {}, id="stopped on its way, in italics"),
        pytest.param([STOPPED, TWO], [replace(STOP_WORD, about="1.1"), *said(TWO)], {}, id="stopped before"),
        pytest.param([STOPPED], [], {"lost": 1}, id="stopped without a word"),
        pytest.param([STOPPED], [Shown("1.1/0 else (stopped)")], {"lost": 1}, id="stopped, another text"),
        pytest.param([REDACTED, TWO], said(TWO), {}, id="redacted before"),
        pytest.param([REDACTED], said(ONE), {}, id="redacted too late"),
        pytest.param([EDITED], [replace(said(EDITED)[0], about=EDITED.key)], {}, id="edited"),
        pytest.param([EDITED], [replace(said(ONE)[0], about=EDITED.key)], {"lost": 1}, id="the answer of before"),
        pytest.param([ONE], [replace(said(ONE)[0], live=True)], {"stuck": 1}, id="whole, and it grows for ever"),
        pytest.param([ONE, IN_THREAD], [*said(ONE), replace(said(TWO)[0], thread="1.1")], {}, id="in its thread"),
        pytest.param([ONE, IN_THREAD], said(ONE, TWO), {"doubled": 1}, id="in the room instead of its thread"),
        pytest.param([ONE, IN_THREAD], [replace(said(TWO)[0], thread="1.1"), *said(ONE)], {}, id="a thread is a lane"),
        pytest.param([ONE, TWO], [replace(WORD, about="1.1"), *said(ONE, TWO)], {"lost": 1}, id="a word about another"),
    ],
)
def test_changes_threads_and_marks_are_judged(
    asked: list[Question], shown: list[Shown], faults: dict[str, int]
) -> None:
    assert counts(judge(asked, shown)) == faults


@pytest.mark.parametrize(
    ("reactions", "faults"),
    [
        pytest.param([("1.4", "⚠️"), ("1.2", "🛑")], {}, id="all well"),
        pytest.param([("1.4", "⚠️"), ("1.1", "🛑")], {"stuck": 1}, id="the offer to stop"),
        pytest.param([("1.4", "⚠️"), ("1.2", "🛑"), ("1.2", "🛑")], {"stuck": 1}, id="stopped, and the offer to stop"),
        pytest.param([("1.4", "⚠️"), ("1.3", "🛑")], {}, id="the offer to stop a redacted question"),
        pytest.param([("1.4", "⚠️"), ("1.1", "⏳")], {"stuck": 1}, id="it waits for ever"),
        pytest.param([("1.4", "⚠️"), ("1.1", "⏳ 9+")], {"stuck": 1}, id="it waits behind others for ever"),
        pytest.param([("1.4", "⚠️"), ("1.4", "🔁")], {}, id="the offer to ask again"),
        pytest.param([("1.4", "⚠️"), ("1.1", "🔁")], {"stuck": 1}, id="never asked again"),
        pytest.param([("1.4", "⚠️"), ("1.4", "🔁"), ("1.4", "🔁")], {"stuck": 1}, id="offered twice"),
        pytest.param([("1.4", "⚠️"), ("1.1", "⚠️")], {"doubled": 1}, id="a warning at a whole answer"),
        pytest.param([("1.4", "⚠️"), ("1.4", "⚠️")], {"doubled": 1}, id="warned twice"),
        pytest.param([], {"stuck": 1}, id="half an answer without a warning"),
    ],
)
def test_reactions_are_judged(reactions: list[tuple[str | None, str]], faults: dict[str, int]) -> None:
    asked = [ONE, CUT, replace(TWO, change=Change.STOP), replace(LONG, change=Change.REDACT)]
    assert counts(judge_reactions(asked, reactions)) == faults


def test_verdicts_add_up() -> None:
    both = judge([ONE], []) + judge([TWO], said(TWO, TWO))
    assert counts(both) == {"lost": 1, "doubled": 1}
    assert not both.clean
    assert (Verdict() + Verdict()).clean


@pytest.mark.parametrize("fate", list(Fate))
def test_a_question_is_the_same_every_time(fate: Fate) -> None:
    first = question(3, "2.9", fate)
    assert first == question(3, "2.9", fate)
    assert first != question(4, "2.9", fate)
    text = "".join(piece for _, piece in first.pieces)
    assert text.strip() == "\n\n".join(first.due)
    assert sum(pause for pause, _ in first.pieces) <= 2
    assert text.startswith("2.9/0 ")

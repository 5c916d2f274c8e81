"""The verdict about the work of an administrator recognises every kind of fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from crash.operated import judge_imported, judge_words
from crash.operation import Words

if TYPE_CHECKING:
    from crash.verdict import Verdict

WORDS = Words(due=["word1."], unheard=["word2."], woken=["wake3."])
ANSWERS, NOTICES, ASKED = ("I hear word1.", "I hear wake3."), ("⏰ ci: wake3.",), ("word1.", "sent: wake3.")


def kinds(verdict: Verdict) -> list[str]:
    names = ("lost", "doubled", "reordered", "stuck", "kept")
    return [name for name in names for _ in getattr(verdict, name)]


@pytest.mark.parametrize(
    ("answers", "notices", "asked", "expected"),
    [
        (ANSWERS, NOTICES, ASKED, []),
        (ANSWERS[1:], NOTICES, ASKED, ["lost"]),
        ((*ANSWERS, ANSWERS[0]), NOTICES, ASKED, ["doubled"]),
        (ANSWERS, (), ASKED, ["lost"]),
        (ANSWERS, NOTICES * 2, ASKED, ["doubled"]),
        (ANSWERS, NOTICES, ASKED[:1], ["lost"]),
        (ANSWERS, NOTICES, (*ASKED, "sent: wake3."), ["doubled"]),
        (ANSWERS, NOTICES, (*ASKED, "word2."), ["kept"]),
    ],
)
def test_words(answers: tuple[str, ...], notices: tuple[str, ...], asked: tuple[str, ...], expected: list[str]) -> None:
    assert kinds(judge_words(WORDS, answers, notices, asked)) == expected


@pytest.mark.parametrize(
    ("bodies", "expected"),
    [
        (["question 0", "answer 0", "question 1", "answer 1"], []),
        (["question 0", "answer 0", "answer 1", "question 1"], ["reordered"]),
        (["question 0", "answer 0", "question 1", "answer 1", "answer 0"], ["doubled"]),
        (["question 0", "answer 0", "question 1"], ["lost", "reordered"]),
    ],
)
def test_imported(bodies: list[str], expected: list[str]) -> None:
    assert kinds(judge_imported(bodies, 2)) == expected

"""The comparison of the questions in a room with the messages that it shows. Does no I/O."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import astuple, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agent_bridge.demo.timeline import Message
    from crash.asked import Question

_KEYED = re.compile(r"(?P<key>\S+)/(?P<part>\d+)(?: |$)")
_WORD = "⚠️"


@dataclass(frozen=True, slots=True)
class Shown:
    """One message of the agent on the screen."""

    body: str
    notice: bool = False

    @classmethod
    def of(cls, message: Message) -> Shown:
        """Return the current text of *message*."""
        return cls(message.body, message.content.get("msgtype") == "m.notice")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The faults, one line each."""

    #: A due answer is missing, or has another text.
    lost: tuple[str, ...] = ()
    #: A message is not due: an answer's second copy, or one notice too many.
    doubled: tuple[str, ...] = ()
    #: An answer comes before the answer to an earlier question, or a part before an earlier part.
    reordered: tuple[str, ...] = ()
    #: An answer stopped on its way, without a notice about it.
    stuck: tuple[str, ...] = ()

    def __add__(self, other: Verdict) -> Verdict:
        return Verdict(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    @property
    def clean(self) -> bool:
        """Whether there is no fault."""
        return self == Verdict()


def judge(asked: Sequence[Question], shown: Sequence[Shown]) -> Verdict:
    """Compare the questions *asked* in one room, in their order, with the messages *shown* by the agent."""
    due = {question.key: question for question in asked}
    answers: dict[str, list[tuple[int, str]]] = defaultdict(list)
    words: dict[str, list[str]] = defaultdict(list)
    extra: list[str] = []
    last: str | None = None
    for each in shown:
        keyed = _KEYED.match(each.body)
        if each.notice and last is not None and not words[last]:
            words[last].append(each.body)
        elif not each.notice and keyed and keyed["key"] in due:
            last = keyed["key"]
            answers[last].append((int(keyed["part"]), each.body))
        else:
            extra.append(f"nobody asked for {_shorten(each.body)}")
    lost: list[str] = []
    stuck: list[str] = []
    for question in asked:
        if (fault := _fault(question, answers[question.key], words[question.key])) is not None:
            (stuck if fault.startswith("half") else lost).append(f"{question.key}: {fault}")
        extra += [f"{question.key}: shown again: {_shorten(body)}" for body in _repeated(answers[question.key])]
    return Verdict(tuple(lost), tuple(extra), tuple(_disorder(asked, answers)), tuple(stuck))


def judge_histories(asked: Sequence[Question], histories: Iterable[Sequence[str]]) -> Verdict:
    """Judge the requests to an upstream: each history is the keys of a request's questions, the new one last.

    A missing key is no fault: a history may begin late, and omits questions without a whole answer.
    """
    rank = {question.key: number for number, question in enumerate(asked)}
    twice: set[str] = set()
    late: set[str] = set()
    for keys in histories:
        twice |= {f"{key}: twice in a history" for key, count in Counter(keys).items() if count > 1}
        order = list(dict.fromkeys(keys))
        late |= {f"{then}: behind {key} in a history" for key, then in pairwise(order) if rank[then] < rank[key]}
    return Verdict(doubled=tuple(sorted(twice)), reordered=tuple(sorted(late)))


def _fault(question: Question, answer: Sequence[tuple[int, str]], words: Sequence[str]) -> str | None:
    """Return how *answer* and *words* differ from the due ones, None if they do not."""
    if not answer:
        return "no answer"
    parts = dict(reversed(answer))  # the first of several copies counts: the others are separate faults
    bodies = tuple(parts[part] for part in sorted(parts))
    if bodies == question.due:
        if question.cut:
            return None if words and words[0].startswith(_WORD) else "half an answer without a word about it"
        return f"a whole answer, and then {_shorten(words[0])}" if words else None
    whole = "\n\n".join(question.due)
    if words:
        return f"not the answer that was due, and then {_shorten(words[0])}"
    half = "\n\n".join(bodies)
    return "half an answer" if whole.startswith(half) else f"something else: {_shorten(half)}"


def _repeated(answer: Iterable[tuple[int, str]]) -> list[str]:
    seen: set[int] = set()
    repeated = []
    for part, body in answer:
        if part in seen:
            repeated.append(body)
        seen.add(part)
    return repeated


def _disorder(asked: Sequence[Question], answers: dict[str, list[tuple[int, str]]]) -> list[str]:
    """Return the answers and parts that come too late; copies do not count."""
    rank = {question.key: number for number, question in enumerate(asked)}
    order = list(dict.fromkeys(key for key in answers if answers[key]))
    found = []
    newest = -1
    for key in order:
        if rank[key] < newest:
            found.append(f"{key}: behind the answer to a later question")
        newest = max(newest, rank[key])
    for key in order:
        parts = list(dict.fromkeys(part for part, _ in answers[key]))
        if parts != sorted(parts):
            found.append(f"{key}: its parts stand as {parts}")
    return found


def _shorten(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:60]}…")

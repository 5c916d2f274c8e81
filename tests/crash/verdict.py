"""The comparison of the questions in a room with the messages that it shows. Does no I/O."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

from agent_bridge.bridge.delivery.status_reactions import WARNING
from agent_bridge.bridge.delivery.waiting_reactions import WAITING_REACTION
from agent_bridge.core.ids import MARK
from agent_bridge.render.content import LIVE
from crash.asked import Change

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agent_bridge.demo.timeline import Message
    from crash.asked import Question

_KEYED = re.compile(r"(?P<key>\S+)/(?P<part>\d+)(?: |$)")
#: The end of an answer that a person stopped, or that a message interrupted: alone, and as the plain text of italics.
_STOPPED, _STOPPED_BODY = "(stopped)", "*(stopped)*"
_INTERRUPTED = "(interrupted by the next message)"


@dataclass(frozen=True, slots=True)
class Shown:
    """One message of the agent on the screen."""

    body: str
    notice: bool = False
    #: The key of the question that the message's mark names; None if it names none.
    about: str | None = None
    #: Whether edits will complete it.
    live: bool = False
    #: The key of the question at the root of its thread; empty outside threads.
    thread: str = ""

    @classmethod
    def of(cls, message: Message, questions: Mapping[str, str], roots: Mapping[str, str]) -> Shown:
        """Return the current text of *message*.

        *questions* are the keys of the questions by the key of their turns, *roots* by the event of the question.
        """
        first = message.versions[0]
        turn = str(first.get(MARK, "")).partition(".")[0]
        relation = first.get("m.relates_to", {})
        root = relation.get("event_id") if relation.get("rel_type") == "m.thread" else None
        is_notice = message.content.get("msgtype") == "m.notice"
        thread = roots.get(root, "a thread without a question") if root else ""
        return cls(message.body, is_notice, questions.get(turn), LIVE in message.content, thread)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The faults, one line each."""

    #: A due answer is missing, or has another text; or a history lacks an answer.
    lost: tuple[str, ...] = ()
    #: Something is not due: an answer's second copy, one notice, reaction or request too many.
    doubled: tuple[str, ...] = ()
    #: An answer comes before the answer to an earlier question, or a part before an earlier part.
    reordered: tuple[str, ...] = ()
    #: An answer stopped on its way, without a notice about it; or a sign of work that is over stayed.
    stuck: tuple[str, ...] = ()
    #: The text of a redacted question was kept.
    kept: tuple[str, ...] = ()

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
    stuck = [f"it grows for ever: {shorten(each.body)}" for each in shown if each.live]
    last: str | None = None
    for each in shown:
        keyed = _KEYED.match(each.body)
        about = each.about or (last if each.notice else keyed and keyed["key"])
        if about not in due or (each.notice and words[about]):
            extra.append(f"nobody asked for {shorten(each.body)}")
        elif each.notice:
            words[about].append(each.body)
        else:
            last = about
            answers[last].append((int(keyed["part"]) if keyed else 0, each.body))
        if about in due and each.thread != due[about].thread:
            extra.append(f"{about}: in another thread")
    lost: list[str] = []
    for question in asked:
        if (fault := _fault(question, answers[question.key], words[question.key])) is not None:
            (stuck if fault.startswith("half") else lost).append(f"{question.key}: {fault}")
        extra += [f"{question.key}: shown again: {shorten(body)}" for body in _repeated(answers[question.key])]
    return Verdict(tuple(lost), tuple(extra), tuple(_disorder(asked, answers)), tuple(stuck))


def judge_reactions(asked: Sequence[Question], reactions: Iterable[tuple[str | None, str]]) -> Verdict:
    """Judge the *reactions* of a room in the end: the key of the question (None: another event), and the emoji."""
    due = {question.key: question for question in asked}
    stuck: list[str] = []
    extra: list[str] = []
    warned: Counter[str] = Counter()
    offered: Counter[str | None] = Counter()
    stops: Counter[str | None] = Counter()
    for about, reaction in reactions:
        if reaction.startswith(WAITING_REACTION):
            stuck.append(f"{about}: {reaction} stayed")
        elif reaction == Change.AGAIN:
            offered[about] += 1
        elif reaction == Change.STOP:
            stops[about] += 1
        elif reaction == WARNING and about in due:
            warned[about] += 1
    # The ghost offers 🔁 below half an answer. Any other one is a person's that the bridge did not handle.
    stuck += [
        f"{about}: {Change.AGAIN} stayed" for about, count in offered.items() if count > _offers(due.get(about or ""))
    ]
    stuck += [
        f"{about}: {Change.STOP} stayed" for about, count in stops.items() if count > _stops(due.get(about or ""))
    ]
    for question in asked:
        if question.may_be_partial or (question.interruptible and question.cut):
            continue
        if warned[question.key] > question.cut:
            extra.append(f"{question.key}: {warned[question.key]} times {WARNING}")
        elif warned[question.key] < question.cut:
            stuck.append(f"{question.key}: half an answer without {WARNING}")
    return Verdict(doubled=tuple(extra), stuck=tuple(stuck))


def _fault(question: Question, answer: Sequence[tuple[int, str]], words: Sequence[str]) -> str | None:
    """Return how *answer* and *words* differ from the due ones, None if they do not."""
    is_part = question.may_be_partial and _is_part(question, answer, words)
    if is_part or (question.interruptible and _is_interrupted(question, answer, words)):
        return None
    if not answer:
        return "no answer"
    parts = dict(reversed(answer))  # the first of several copies counts: the others are separate faults
    bodies = tuple(parts[part] for part in sorted(parts))
    if bodies == question.due:
        if question.cut:
            return None if words and words[0].startswith(WARNING) else "half an answer without a word about it"
        return f"a whole answer, and then {shorten(words[0])}" if words else None
    if words:
        return f"not the answer that was due, and then {shorten(words[0])}"
    half = "\n\n".join(bodies)
    return "half an answer" if question.whole.startswith(half) else f"something else: {shorten(half)}"


def _is_part(question: Question, answer: Sequence[tuple[int, str]], words: Sequence[str]) -> bool:
    """Tell whether *answer* and *words* are right for a question that a person stopped, perhaps too late."""
    text = "\n\n".join(body for _, body in sorted(answer)).strip()
    part = text.removesuffix(_STOPPED_BODY).removesuffix(_STOPPED).rstrip()
    if not question.whole.startswith(part):
        return False
    if not words:
        return bool(part) or question.change is Change.REDACT
    return words[0].strip() == _STOPPED if not part else question.cut and text == question.whole


def _is_interrupted(question: Question, answer: Sequence[tuple[int, str]], words: Sequence[str]) -> bool:
    """Tell whether *answer* and *words* are those of an interrupted answer to *question*."""
    if not answer:
        return list(words) == [_INTERRUPTED]
    text = "\n\n".join(body for _, body in sorted(answer)).strip()
    # The body of the first event of a message has no marks.
    part = text.removesuffix(f"*{_INTERRUPTED}*").removesuffix(_INTERRUPTED).rstrip()
    return not words and part != text and question.whole.startswith(part)


def _repeated(answer: Iterable[tuple[int, str]]) -> list[str]:
    seen: set[int] = set()
    repeated = []
    for part, body in answer:
        if part in seen:
            repeated.append(body)
        seen.add(part)
    return repeated


def _disorder(asked: Sequence[Question], answers: dict[str, list[tuple[int, str]]]) -> list[str]:
    """Return the answers and parts that come too late; copies do not count. Each thread has an order of its own."""
    rank = {question.key: number for number, question in enumerate(asked)}
    thread = {question.key: question.thread for question in asked}
    order = list(dict.fromkeys(key for key in answers if answers[key]))
    found = []
    newest: dict[str, int] = defaultdict(lambda: -1)
    for key in order:
        if rank[key] < newest[thread[key]]:
            found.append(f"{key}: behind the answer to a later question")
        newest[thread[key]] = max(newest[thread[key]], rank[key])
    for key in order:
        parts = list(dict.fromkeys(part for part, _ in answers[key]))
        if parts != sorted(parts):
            found.append(f"{key}: its parts stand as {parts}")
    return found


def shorten(text: str) -> str:
    """Return *text* in quotation marks, as much of it as fits a line."""
    return repr(text if len(text) <= 60 else f"{text[:60]}…")


def _offers(question: Question | None) -> int:
    return int(question is not None and (question.cut or question.may_be_partial))


def _stops(question: Question | None) -> float:
    """Return the number of 🛑 that may stay: that of a person. No client shows the reactions to a redacted message."""
    if question is not None and question.change is Change.REDACT:
        return math.inf
    return int(question is not None and question.change is Change.STOP)

"""The requests to the upstream: each history is complete and in order, and no question is asked too often. No I/O."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import astuple, dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from crash.asked import Change, key_of, parts_of, questions_in
from crash.verdict import Verdict, shorten

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from crash.asked import Question

#: Requests that one fault may interrupt: the one that runs as it begins, and the one that runs as it ends.
_PER_FAULT = 2
#: Seconds after a fault in which it may interrupt a request: a silent connection is noticed after 7 s.
_AFTER_FAULT = 10.0


@dataclass(frozen=True, slots=True)
class Request:
    """One request to an upstream: role and text of its messages, the new question last; joined questions apart."""

    messages: tuple[tuple[str, str], ...]
    #: The id of the model that is asked.
    model: str = ""

    @classmethod
    def of(cls, body: Mapping[str, Any], shared: Collection[str] = ()) -> Request:
        """Return the request with the JSON *body*.

        *shared* are the keys of the questions in rooms of several agents. A request about one of them may also have the
        names of speakers, and what people and other agents said: only the questions in it count.
        """
        said = [(str(each["role"]), _text(each["content"])) for each in body["messages"]]
        is_shared = any(key_of(question) in shared for question in questions_in(said[-1][1]))
        split = questions_in if is_shared else parts_of
        messages = ((role, part) for role, text in said for part in (split(text) if role == "user" else [text]))
        return cls(tuple(messages), str(body.get("model", "")))

    def without(self, overheard: Collection[str]) -> Request:
        """Return the request without the questions *overheard* (keys) of other agents; the newest question stays."""
        kept = [said for said in self.messages[:-1] if said[0] != "user" or key_of(said[1]) not in overheard]
        return replace(self, messages=(*kept, *self.messages[-1:]))

    @property
    def keys(self) -> list[str]:
        """The keys of the questions in it."""
        return [key_of(text) for role, text in self.messages if role == "user"]

    @property
    def newest(self) -> list[str]:
        """The keys of the questions behind the last answer in it."""
        unanswered = itertools.takewhile(lambda said: said[0] == "user", reversed(self.messages))
        return [key_of(text) for _, text in unanswered][::-1]


@dataclass(frozen=True, slots=True)
class Disturbance:
    """A fault that happened. Times are seconds of the monotonic clock."""

    name: str
    began: float
    ended: float


def judge_requests(rooms: Iterable[Sequence[Question]], requests: Iterable[Request], late: Collection[str]) -> Verdict:
    """Judge the *requests* for the questions of *rooms*; *late*: the homeserver delivered these keys late, or never.

    A history may begin late, and omits questions without a whole answer.
    """
    rooms = [*rooms]
    questions = [question for room in rooms for question in room]
    known = {question.key: question for question in questions}
    known |= {question.key_before: question for question in questions if question.key_before}
    before = {key: earlier for room in rooms for key, earlier in _predecessors(room)}
    verdict = Verdict()
    for request in requests:
        if stray := [key for key in request.keys if key not in known]:
            verdict += Verdict(doubled=(f"{stray[0]}: nobody asked this",))
            continue
        asked = known[request.keys[-1]]
        verdict += _order(request, known, questions, late)
        lost = [*_gaps(request, known, asked)]
        earlier = before.get(asked.key)
        if earlier is not None and _stays(earlier) and earlier.key not in request.keys:
            # It comes later if the homeserver delivered it, or this one, late.
            lost += [f"{earlier.key}: not in the history of {asked.key}"] * ({earlier.key, asked.key}.isdisjoint(late))
        redacted = [key for key in request.keys if asked.last and known[key].change is Change.REDACT]
        kept = tuple(f"{key}: redacted, and in the history of {asked.key}" for key in redacted)
        verdict += Verdict(lost=tuple(lost), kept=kept)
    return Verdict(*(tuple(dict.fromkeys(faults)) for faults in astuple(verdict)))


def judge_groups(groups: Iterable[Sequence[str]], requests: Collection[Request]) -> Verdict:
    """Find the questions of *groups* (keys) that count as answered together, and that no request asks together."""
    lost = [group for group in groups if not any(request.newest[-len(group) :] == [*group] for request in requests)]
    return Verdict(lost=tuple(f"{', '.join(group)}: never asked together" for group in lost))


def _order(
    request: Request, known: Mapping[str, Question], questions: Sequence[Question], late: Collection[str]
) -> Verdict:
    rank = {question.key: number for number, question in enumerate(questions)}
    keys = [known[key].key for key in request.keys]
    twice = tuple(f"{key}: twice in a history" for key, count in Counter(keys).items() if count > 1)
    pairs = pairwise(dict.fromkeys(keys))
    # A 🔁 that the homeserver delivers behind later questions moves its question behind them.
    moved = {question.key for question in questions if question.change is Change.AGAIN} | {*late}
    behind = [(key, then) for key, then in pairs if rank[then] < rank[key] and then not in moved]
    return Verdict(doubled=twice, reordered=tuple(f"{then}: behind {key} in a history" for key, then in behind))


def judge_repeats(
    questions: Iterable[Question], moments: Mapping[str, Sequence[float]], disturbances: Sequence[Disturbance]
) -> Verdict:
    """Find the questions that were asked more often than the faults between their first and last request explain."""
    found = []
    for question in questions:
        for key in filter(None, (question.key, question.key_before)):
            times = moments.get(key, ())
            if len(times) <= 1:
                continue
            near = [each for each in disturbances if each.began <= times[-1] and each.ended + _AFTER_FAULT >= times[0]]
            limit = 1 + _PER_FAULT * len(near) + (question.change is Change.AGAIN)
            if len(times) > limit:
                found.append(f"{key}: asked {len(times)} times, with {len(near)} fault(s) meanwhile")
    return Verdict(doubled=tuple(found))


def _predecessors(room: Sequence[Question]) -> Iterable[tuple[str, Question]]:
    """Yield each key with the question before it in its lane."""
    newest: dict[str, Question] = {}
    for question in room:
        if question.thread in newest:
            yield question.key, newest[question.thread]
        newest[question.thread] = question


def _stays(question: Question) -> bool:
    """Tell whether every later history of the lane has the question. An interrupted one stays, perhaps alone."""
    return not question.cut and not question.may_be_partial


def _gaps(request: Request, known: Mapping[str, Question], asked: Question) -> Iterable[str]:
    """Yield the questions in the history whose answers it lacks. The root of a thread has none there."""
    earlier = request.messages[:-1]
    for (role, text), (reply, answer) in pairwise((*earlier, ("", ""))):
        question = known.get(key_of(text)) if role == "user" else None
        if question is None or (asked.thread and question.key == asked.thread):
            continue
        if question.interruptible:
            # The answer may be interrupted before its first word, or it is that to the message after it.
            if reply == "assistant" and not question.whole.startswith(answer) and not question.cut:
                yield f"{question.key}: in the history of {asked.key} with the answer {shorten(answer)}"
        elif reply != "assistant":
            yield f"{question.key}: without its answer in the history of {asked.key}"
        elif answer != question.whole and _stays(question):
            yield f"{question.key}: in the history of {asked.key} with the answer {shorten(answer)}"


def _text(content: str | Sequence[Mapping[str, Any]]) -> str:
    return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)

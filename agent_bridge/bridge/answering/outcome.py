"""Outcomes: how a turn ends, and the messages that show it. Pure; the only place that makes an :class:`Outcome`.

============================  ============================================  =========
an attempt that               shows                                         turn ends
============================  ============================================  =========
ended with a whole answer     reasoning and tools, text, notes, files       done
failed                        the text so far, a notice with the cause      failed
was stopped (🛑, ``stop``)    cards, the text so far and "(stopped)"        stopped
was interrupted               cards, the text so far and "(interrupted)"    stopped
was stopped by an edit        cards, text so far; the new text is next      stopped
was stopped by a redaction    cards, the text so far and "(stopped)"        stopped
was withdrawn                 nothing                                       stopped
was dropped                   the text so far, a notice                     failed
============================  ============================================  =========
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING

from agent_bridge.bridge.metering.recorder import payer_of
from agent_bridge.core.answers import NO_EXTRAS, AnswerExtras, Notice, Op, Part
from agent_bridge.core.errors import AnswerFiltered
from agent_bridge.core.notifications import Notification, NotificationKind
from agent_bridge.core.transcript import NO_CATCH_UP, CatchUp, ChatMessage
from agent_bridge.core.turns import StopReason, TurnState
from agent_bridge.i18n.catalogue import cause as clause
from agent_bridge.render.content import escape, fenced
from agent_bridge.render.markdown.unmarked import to_unmarked
from agent_bridge.render.rendition import ops_for
from agent_bridge.render.split import with_ending
from agent_bridge.render.usage import exceeded_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.bridge.metering.gate import Refusal
    from agent_bridge.core.answers import AnswerFile
    from agent_bridge.core.errors import UpstreamError
    from agent_bridge.core.turns import Turn
    from agent_bridge.core.usage import Usage, UsageEntry
    from agent_bridge.i18n.catalogue import Texts

#: The beginning of a notice that there is no answer.
_MARK = "⚠️ "


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer, or only a part of one, in the language of the room."""

    #: The end of a sentence.
    cause: str
    #: A sentence that says how a person can help; may be empty.
    remedy: str = ""
    #: The upstream's own words; may be empty.
    detail: str = ""
    #: The error of the upstream; None: the upstream was not asked.
    error: UpstreamError | None = None
    #: The cause for the people in the room, if it is not the one for administrators.
    told: str = ""
    #: The whole notice, in place of one that is made of the cause; empty: none.
    line: str = ""
    #: The key under which a failure is told once; empty: it is told each time.
    once: str = ""
    #: Until when a quota refuses the question: a timestamp, or ``infinity``; None: no quota refuses it.
    quota_until: str | None = None

    @classmethod
    def of(cls, error: UpstreamError, agent: str, texts: Texts) -> Failure:
        """Return the failure that *error* of *agent* is."""
        told = error.cause_in_room(texts, escape(agent))
        # An administrator finds the cause in the folded details.
        detail = error.says(texts) if error.is_about_settings else error.detail or ""
        return cls(error.cause(texts), error.remedy(texts), detail, error, told)

    @classmethod
    def of_quota(cls, refusal: Refusal, agent: str, texts: Texts) -> Failure:
        """Return the failure of a question to *agent* that a quota refuses."""
        line = quota_line(refusal, agent, texts)
        until = refusal.exceeded.until
        at = "infinity" if until is None else until.isoformat()
        return cls(clause(line.removeprefix(_MARK)), line=line, once=refusal.key, quota_until=at)

    def notice(self, texts: Texts, *, midway: bool) -> Notice:
        """Return the notice about it; *midway*: below a part of the answer."""
        if self.line:
            return Notice(self.line)
        head = (texts.failed_midway if midway else texts.failed).format(cause=clause(self.told or self.cause))
        return Notice(f"{head} {self.remedy}".strip(), self.detail)


class Announced(Enum):
    """When people were told of the failure of an attempt before. It matters if the attempt gave no text."""

    NEVER = auto()
    #: The room, a moment ago: it is told briefly.
    JUST_NOW = auto()
    #: The sender: the message gets its mark, and no words.
    TODAY = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt to answer a turn: its end, and the output of the agent until then."""

    #: None: with a whole answer.
    ended_by: Failure | StopReason | None = None
    text: str = ""
    #: The bridge's own words below a whole answer, as Markdown; may be empty.
    remark: str = ""
    #: The question as the transcript keeps it.
    question: str = ""
    #: The messages of the room that the agent got with it.
    caught_up: CatchUp = NO_CATCH_UP
    #: The messages that show reasoning and tool calls.
    activity: tuple[Op, ...] = ()
    files: tuple[AnswerFile, ...] = ()
    #: The file with the text that does not fit into the messages.
    rest: AnswerFile | None = None
    #: Sentences about files that were not read or not sent, without a full stop.
    notes: tuple[str, ...] = ()
    #: The upstream's reference of the run; None if it gave none.
    run: str | None = None
    #: The tokens of all its requests.
    used: tuple[UsageEntry, ...] = ()
    #: Whether the agent had begun to answer, and whether the question can be asked together with the messages behind it
    #: if it had not. For an attempt that was interrupted.
    is_begun: bool = True
    collects: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a turn ends."""

    text: str
    #: Why there is no whole answer, in words; None if the answer is whole or a person stopped it.
    error: str | None = None
    #: How a person ended it; None for any other end.
    stopped: StopReason | None = None
    extras: AnswerExtras = NO_EXTRAS
    #: The question as the transcript keeps it.
    question: str = ""
    #: The messages of the room that were to reach the agent with it.
    caught_up: CatchUp = NO_CATCH_UP
    #: The answer as the transcript keeps it, without the bridge's own words; empty if it keeps neither.
    said: str = ""
    #: The upstream's reference of the run; None if it gave none.
    run: str | None = None
    #: The tokens of all requests of its last attempt.
    used: tuple[UsageEntry, ...] = ()
    #: As in :class:`Failure`.
    quota_until: str | None = None

    @property
    def usage(self) -> Usage | None:
        """The tokens that the upstream reported for the last of its requests; None without a report."""
        return None if not self.used or self.used[-1].is_estimated else self.used[-1].usage

    @property
    def state(self) -> TurnState:
        """The state in which the turn ends."""
        if self.error is not None:
            return TurnState.FAILED
        return TurnState.STOPPED if self.stopped else TurnState.DONE

    @property
    def transcript(self) -> list[ChatMessage]:
        """The messages that later questions have as their history: none if there was no answer.

        People saw the text of an answer that broke off or that they stopped, so they talk about it. The message that
        interrupted an answer continues the question.
        """
        question, answer = ChatMessage("user", self.question), ChatMessage("assistant", self.said)
        if self.stopped is StopReason.INTERRUPTED:
            return [each for each in (question, answer) if each.content]
        if not self.said or self.stopped not in {None, StopReason.STOPPED}:
            return []
        return [question, answer]

    @property
    def heard(self) -> CatchUp:
        """The messages of the room that the agent has from now on: none if it may not have got the question."""
        return self.caught_up if self.transcript or self.run is not None else NO_CATCH_UP

    def mentioning(self, users: Sequence[str]) -> Outcome:
        """Return the outcome whose final message also mentions *users* (user ids)."""
        mentions = tuple(dict.fromkeys((*self.extras.mentions, *users)))
        return replace(self, extras=replace(self.extras, mentions=mentions))

    def ops(self, texts: Texts, max_parts: int) -> list[Op]:
        """Return the messages that show it, in their order in the room; the text in *max_parts* messages at most.

        The last message with text of the agent has the mentions; without such a message, the last one of all.
        """
        text = self._text_ops(texts, max_parts)
        activity = _cards(self.extras.activity) if self.stopped else self.extras.activity
        notices = [] if self.extras.notice is None else [_notice_op(Part.TEXT[len(text)], self.extras.notice, texts)]
        files = [Op(part, "", file=file) for part, file in zip(Part.FILES, self.extras.files, strict=False)]
        ops = [*activity, *text, *notices, *files]
        if self.extras.mentions and len(ops) > len(activity):
            final = len(activity) + len(text) - 1 if text else len(ops) - 1
            ops[final] = replace(ops[final], mentions=self.extras.mentions)
        return ops

    def _text_ops(self, texts: Texts, max_parts: int) -> list[Op]:
        text, ending = self.text.strip(), self._ending(texts)
        if not text:
            tells = self.stopped in {StopReason.STOPPED, StopReason.INTERRUPTED}
            return [Op(Part.TEXT[0], ending, notice=True)] if tells else []
        end = f"*{ending}*" if ending else ""
        ops = ops_for(text)
        if not self.extras.rest or len(ops) <= max_parts:
            return ops_for(with_ending(text, end)) if end else ops
        last = ops[max_parts - 1]
        ending = "\n\n".join(word for word in (f"*{texts.rest_as_file}*", end) if word)
        return [*ops[: max_parts - 1], replace(last, text=with_ending(last.text, ending))]

    def _ending(self, texts: Texts) -> str:
        """Return the words that tell how the answer was ended; empty if the room needs none."""
        if self.stopped is StopReason.INTERRUPTED:
            return texts.interrupted
        return texts.stopped if self.stopped in {StopReason.STOPPED, StopReason.REDACTED} else ""


def quota_line(refusal: Refusal, agent: str, texts: Texts) -> str:
    """Return the line that tells why a quota refuses a question to *agent*, and until when."""
    return f"{_MARK}{exceeded_line(refusal.exceeded, refusal.now, refusal.currency, agent, texts)}"


def quota_news(turn: Turn, agent: str, line: str) -> Notification:
    """Return the notification of the person who pays for *turn*: a quota, of which *line* tells, refuses it."""
    values = {"agent": agent, "text": line.removeprefix(_MARK)}
    return Notification(payer_of(turn), NotificationKind.QUOTA_REACHED, turn.room_id, values)


def outcome_of(attempt: Attempt, texts: Texts, *, announced: Announced = Announced.NEVER) -> Outcome:
    """Return the outcome of *attempt*, of whose failure people may have been told before."""
    ended_by = Failure(texts.dropped) if attempt.ended_by is StopReason.DROPPED else attempt.ended_by
    files = (*((attempt.rest,) if attempt.rest else ()), *attempt.files)
    extras = AnswerExtras(files=files, rest=attempt.rest is not None)
    if ended_by is StopReason.WITHDRAWN:
        return Outcome("", stopped=ended_by, run=attempt.run)
    if isinstance(ended_by, StopReason):
        return Outcome(
            attempt.text,
            stopped=ended_by,
            extras=replace(extras, activity=_cards(attempt.activity)),
            question=attempt.question,
            caught_up=attempt.caught_up,
            said=attempt.text,
            run=attempt.run,
        )
    if ended_by is None:
        notice = Notice("\n\n".join(_sentence(note) for note in attempt.notes)) if attempt.notes else None
        extras = replace(extras, activity=attempt.activity, notice=notice)
        text = with_ending(attempt.text, attempt.remark) if attempt.remark else attempt.text
        said = _with_files(attempt.text, attempt.files)
        return Outcome(
            text, extras=extras, question=attempt.question, caught_up=attempt.caught_up, said=said, run=attempt.run
        )
    midway = bool(attempt.text)
    is_repeated = announced is not Announced.NEVER and not midway
    told: Notice | None = ended_by.notice(texts, midway=midway)
    if is_repeated:
        told = Notice(texts.failed_again) if announced is Announced.JUST_NOW else None
    activity = _cards(attempt.activity) if is_repeated else attempt.activity
    extras = replace(extras, activity=activity, notice=told)
    # The next question would be refused too if it had the text that a filter stopped.
    said = "" if isinstance(ended_by.error, AnswerFiltered) else attempt.text
    return Outcome(
        attempt.text,
        ended_by.cause,
        extras=extras,
        question=attempt.question,
        caught_up=attempt.caught_up,
        said=said,
        run=attempt.run,
        quota_until=ended_by.quota_until,
    )


def committed_outcome(turn: Turn) -> Outcome:
    """Return the outcome that an earlier attempt committed for *turn*."""
    if turn.stop is StopReason.WITHDRAWN:
        return Outcome("", stopped=turn.stop)
    return Outcome(turn.answer or "", turn.error, stopped=turn.stop, extras=turn.extras)


def beyond(text: str, max_parts: int) -> str:
    """Return the Markdown of the answer *text* that *max_parts* messages do not show; empty if they show all of it."""
    return "\n\n".join(op.text for op in ops_for(text.strip())[max_parts:])


def _cards(activity: Sequence[Op]) -> tuple[Op, ...]:
    """Return the cards among *activity*: people have to find the tools that they allowed, however the answer ends."""
    return tuple(each for each in activity if each.part in Part.CARDS)


def as_markdown(notice: Notice, texts: Texts) -> str:
    """Return *notice* with its detail in a section that folds."""
    if not notice.detail:
        return notice.summary
    section = f"<details><summary>{texts.details}</summary>\n\n{fenced(notice.detail)}\n\n</details>"
    return f"{notice.summary}\n\n{section}"


def _notice_op(part: int, notice: Notice, texts: Texts) -> Op:
    # A client without HTML cannot fold: it shows the summary alone.
    plain = to_unmarked(notice.summary) if notice.detail else None
    return Op(part, as_markdown(notice, texts), notice=True, plain=plain)


def _with_files(text: str, files: Sequence[AnswerFile]) -> str:
    """Return the *text* of an answer with a word for each of its *files*, so that later questions can refer to them."""
    words = (f"[{'image' if _is_image(file) else 'file'}: {file.name}]" for file in files)
    return "\n\n".join(part for part in (text, "\n".join(words)) if part)


def _is_image(file: AnswerFile) -> bool:
    return file.media.content_type.startswith("image/")


def _sentence(note: str) -> str:
    return f"{note[:1].upper()}{note[1:]}."

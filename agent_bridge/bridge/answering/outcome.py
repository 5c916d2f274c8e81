"""Outcome: how asking an agent ended, and what shows it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from agent_bridge.core.turns import AnswerExtras, StopReason, TurnState
from agent_bridge.i18n.catalogue import cause as clause
from agent_bridge.render.content import fenced
from agent_bridge.render.rendition import Op, ops_for
from agent_bridge.render.split import with_ending

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.i18n.catalogue import Texts

NOTHING = AnswerExtras()
#: The part that the first file is: behind any text, so that no other answer to the question edits it into text.
_FILES = 500_000
_DETAILS = "\n\n<details>"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How asking ended."""

    text: str
    #: Why the answer is missing or not whole, in words; None when all is well.
    error: str | None = None
    #: How a person ended it; None when nobody did.
    stopped: StopReason | None = None
    extras: AnswerExtras = NOTHING
    #: What was asked, as the transcript keeps it.
    asked: str = ""

    @property
    def state(self) -> TurnState:
        """What becomes of the turn."""
        if self.error is not None:
            return TurnState.FAILED
        return TurnState.STOPPED if self.stopped else TurnState.DONE

    def ops(self, texts: Texts, max_parts: int) -> list[Op]:
        """Return what shows it whole: what was done besides, the text, a word about what is missing, files."""
        said = self._said(texts, max_parts)
        activity = [] if self.stopped else [Op(**aside) for aside in self.extras.activity]
        if self.extras.notice:
            # Where nothing folds, the detail is left out.
            short, folded, _ = self.extras.notice.partition(_DETAILS)
            said.append(Op(len(said), self.extras.notice, notice=True, plain=short if folded else None))
        return [*activity, *said, *(Op(_FILES + n, "", content=each) for n, each in enumerate(self.extras.files))]

    def _said(self, texts: Texts, max_parts: int) -> list[Op]:
        text = self.text.strip()
        if not text:
            return [Op(0, texts.stopped, notice=True)] if self.stopped is StopReason.STOPPED else []
        end = f"*{texts.stopped}*" if self.stopped in {StopReason.STOPPED, StopReason.REDACTED} else ""
        ops = ops_for(text)
        if not self.extras.rest or len(ops) <= max_parts:
            return ops_for(with_ending(text, end)) if end else ops
        last = ops[max_parts - 1]
        ending = "\n\n".join(word for word in (f"*{texts.rest_as_file}*", end) if word)
        return [*ops[: max_parts - 1], replace(last, text=with_ending(last.text, ending))]


def beyond(text: str, max_parts: int) -> str:
    """Return as Markdown what of an answer *max_parts* parts do not show; empty when they show it whole."""
    return "\n\n".join(op.text for op in ops_for(text.strip())[max_parts:])


def as_extras(ops: Sequence[Op]) -> tuple[dict[str, Any], ...]:
    """Return the asides *ops* as they are kept in :class:`~agent_bridge.core.turns.AnswerExtras`."""
    return tuple({key: value for key, value in asdict(op).items() if key != "content"} for op in ops)


def failure_notice(texts: Texts, cause: str, *, midway: bool, remedy: str = "", detail: str | None = None) -> str:
    """Return the notice that there is no (or, *midway*, no whole) answer: the cause, what to do, the detail folded."""
    head = (texts.failed_midway if midway else texts.failed).format(cause=clause(cause))
    text = f"{head} {remedy}".strip()
    if not detail:
        return text
    return f"{text}{_DETAILS}<summary>{texts.details}</summary>\n\n{fenced(detail)}\n\n</details>"

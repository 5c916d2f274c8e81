"""Outcome: how asking an agent ended, and what shows it."""

from __future__ import annotations

from dataclasses import dataclass

from agent_bridge.core.model import TurnState
from agent_bridge.render import words
from agent_bridge.render.rendition import Op, ops_for
from agent_bridge.render.split import with_ending


@dataclass(frozen=True, slots=True)
class Outcome:
    """How asking ended."""

    text: str
    #: Why the answer is missing or not whole, in words; None when all is well.
    error: str | None = None
    #: Whether a person ended it.
    stopped: bool = False

    @property
    def state(self) -> TurnState:
        """What becomes of the turn."""
        if self.error is not None:
            return TurnState.FAILED
        return TurnState.STOPPED if self.stopped else TurnState.DONE

    def ops(self) -> list[Op]:
        """Return what shows it whole: the text, and where it is missing or broken a word about it."""
        text = self.text.strip()
        if self.stopped and self.error is None:
            return ops_for(with_ending(text, f"*{words.STOPPED}*")) if text else [Op(0, words.STOPPED, notice=True)]
        shown = ops_for(text) if text or self.error is None else []
        if self.error is None:
            return shown
        told = words.FAILED_MIDWAY if shown else words.FAILED
        return [*shown, Op(len(shown), told.format(cause=words.cause(self.error)), notice=True)]

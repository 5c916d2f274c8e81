"""Outcomes that the database did not store: the next attempt of the same process commits them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent_bridge.bridge.answering.outcome import Outcome
    from agent_bridge.core.turns import Turn

#: Outcomes that are kept at most. The oldest one makes room for a new one, and its agent is asked again.
_MAX = 100


class Uncommitted:
    """The outcomes of turns from before their commit until the database has stored them.

    An agent that is asked again may act twice. The memory of one process is no durability: after a kill the agent is
    asked again.
    """

    def __init__(self) -> None:
        #: By row ids of turns: the question that was asked, and the outcome.
        self._outcomes: dict[int, tuple[str, Outcome]] = {}

    def keep(self, turn: Turn, outcome: Outcome) -> None:
        """Keep *outcome* until :meth:`forget`."""
        self._outcomes[turn.id] = turn.request_key, outcome
        if len(self._outcomes) > _MAX:
            del self._outcomes[next(iter(self._outcomes))]

    def find(self, turn: Turn) -> Outcome | None:
        """Return the kept outcome of *turn*; None if there is none, or if the question has changed since."""
        if turn.id not in self._outcomes:
            return None
        key, outcome = self._outcomes[turn.id]
        return outcome if key == turn.request_key else None

    def forget(self, turn: Turn) -> None:
        """Forget the outcome of *turn*."""
        self._outcomes.pop(turn.id, None)

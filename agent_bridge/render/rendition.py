"""The way deltas become ops: a state machine over a clock that is handed in."""

from __future__ import annotations

from dataclasses import dataclass

from agent_bridge.render.split import split


@dataclass(frozen=True, slots=True)
class Op:
    """Say *text* as part *part*: send it if the part was never said, else edit."""

    part: int
    text: str
    #: Whether it is the bridge's own word (``m.notice``).
    notice: bool = False


class Rendition:
    """An answer as it grows, shown at a bounded rate.

    The first words are shown :attr:`FIRST` seconds after they arrived, so that a quick answer is one event and no
    edit; then at most one pass of edits every :attr:`INTERVAL` seconds. Times are seconds of any monotonic clock.
    """

    #: Seconds that the first words are held back.
    FIRST = 0.2
    #: Seconds between two passes of edits.
    INTERVAL = 1.0

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._shown: dict[int, str] = {}
        self._begun = False
        self._due: float | None = None
        self._last: float | None = None

    @property
    def text(self) -> str:
        """All that arrived so far."""
        return "".join(self._pieces)

    @property
    def due(self) -> float | None:
        """When :meth:`take` has something to show next, None while there is nothing new."""
        return self._due

    def feed(self, text: str, now: float) -> None:
        """Add a delta that arrived at *now*."""
        self._pieces.append(text)
        self._begun = self._begun or bool(text.strip())
        if self._due is None and self._begun:
            self._due = now + self.FIRST if self._last is None else max(now, self._last + self.INTERVAL)

    def take(self, now: float) -> list[Op]:
        """Return what should be shown at *now*; what is returned counts as shown."""
        if self._due is None or now < self._due:
            return []
        self._last, self._due = now, None
        ops = [op for op in ops_for(self.text) if self._shown.get(op.part) != op.text]
        self._shown.update((op.part, op.text) for op in ops)
        return ops


def ops_for(text: str) -> list[Op]:
    """Return the ops that show *text* whole, by part."""
    return [Op(part, piece) for part, piece in enumerate(split(text.strip()))]

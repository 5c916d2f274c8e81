"""The attempts at a turn, as its steps tell them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Steps by which a worker ends its attempt.
_ENDS = frozenset({"put_back", "answered", "again", "done", "failed", "stopped"})
#: Steps after which the answer is committed, and those after which the agent may be asked again.
_COMMITS = frozenset({"answered", "shown_again"})
_REOPENS = frozenset({"again", "retried", "edited", "redacted", "edit_redacted", "answer_redacted"})


def left_attempts(steps: Iterable[str]) -> tuple[int, ...]:
    """Return the numbers of the earlier attempts that may have asked the agent, and whose workers told no end.

    *steps*: the names of all steps of a turn that is being attempted. The process of such a worker was killed, or it
    lost the database. An attempt that had a committed answer to show asked nobody.
    """
    left: list[int] = []
    number, running, is_committed = 0, False, False
    for step in steps:
        if step == "taken_up":
            if running:
                left.append(number)
            number += 1
            running = not is_committed
        running = running and step not in _ENDS
        is_committed = (is_committed or step in _COMMITS) and step not in _REOPENS
    return tuple(left)

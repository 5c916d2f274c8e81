"""Pages of lists that are too long for one message."""

from __future__ import annotations

from agent_bridge.commands.argument_kinds import ArgumentError
from agent_bridge.core.results.commands import ArgumentProblem


def number_of_pages(page: int, entries: int, size: int) -> int:
    """Return how many pages of *size* a list of *entries* has: at least one, which may be empty.

    Raises:
        ArgumentError: *page* is the number of none of them.
    """
    pages = max(1, -(-entries // size))
    if not 1 <= page <= pages:
        raise ArgumentError(ArgumentProblem.NO_SUCH_PAGE, value=str(page), most=pages)
    return pages

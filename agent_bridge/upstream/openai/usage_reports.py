"""Which models are asked to report the tokens of an answer: servers differ, and some refuse the wish."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from agent_bridge.core.errors import ConversationTooLong

if TYPE_CHECKING:
    from agent_bridge.core.errors import UpstreamError

#: Words of a server that does not know the wish.
_NAMES = (b"stream_options", b"include_usage")
#: Statuses of a server that cannot handle the content of the request. Not each of them names the part.
_UNPROCESSABLE = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)


class UsageReports:
    """Remembers, in memory, the models whose server refuses the wish, and those whose server has accepted it."""

    def __init__(self, *, wanted: bool) -> None:
        self._wanted = wanted
        self._refused: set[str] = set()
        self._accepted: set[str] = set()

    def are_wanted_of(self, model: str) -> bool:
        """Tell whether a request to *model* has the wish."""
        return self._wanted and model not in self._refused

    def accept(self, model: str) -> None:
        """Note that an answer of *model* began after a request with the wish."""
        self._accepted.add(model)

    def refuse(self, model: str) -> None:
        """Note that *model* answers a request without the wish, after it refused the same one with it."""
        self._refused.add(model)

    def may_be_refused(self, model: str, error: UpstreamError) -> bool:
        """Tell whether *error*, for a request with the wish to *model*, may be due to it.

        A server that fails may have acted on the request, so only refusals count.
        """
        if error.status is not None and error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return False
        words = (error.body or b"") + (error.detail or "").encode()
        if any(each in words for each in _NAMES):
            return True
        is_unclear = error.perhaps_too_long and not isinstance(error, ConversationTooLong)
        return is_unclear and error.status in _UNPROCESSABLE and model not in self._accepted

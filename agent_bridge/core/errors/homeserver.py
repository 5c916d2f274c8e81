"""The errors of the homeserver."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from agent_bridge.core.errors.base import BridgeError
from agent_bridge.i18n.catalogue import Text
from agent_bridge.i18n.english import ENGLISH

if TYPE_CHECKING:
    from agent_bridge.i18n.catalogue import Texts


class HomeserverError(BridgeError):
    """A request to the homeserver failed."""

    def __init__(self, text: Text, *, status: int | None = None, errcode: str | None = None) -> None:
        super().__init__(ENGLISH.render(text))
        self._text = text
        #: HTTP status; None without a response.
        self.status = status
        #: ``errcode`` of the Matrix spec; None if the body has none.
        self.errcode = errcode

    @property
    def had_no_effect(self) -> bool:
        """Whether the request was certainly not carried out; without a response, or behind a proxy, it may be yet."""
        return self.status is not None and self.status < HTTPStatus.INTERNAL_SERVER_ERROR

    def says(self, texts: Texts, /) -> str:
        """Return the cause, including the message of the homeserver."""
        return texts.render(self._text)


class HomeserverUnavailable(HomeserverError):
    """The homeserver did not respond, or responded with 429 or 5xx."""

    retryable = True


class RateLimited(HomeserverUnavailable):
    """The homeserver limits the requests of this kind: background work waits for :attr:`retry_after` seconds."""

    retry_after: float

    def __init__(self, retry_after: float) -> None:
        super().__init__(Text("homeserver_limits", seconds=round(retry_after)), status=HTTPStatus.TOO_MANY_REQUESTS)
        self.retry_after = retry_after


class RegistrationRejected(HomeserverUnavailable):
    """The homeserver has another registration of the bridge. The request itself may be correct."""


class TokenRejected(RegistrationRejected):
    """The homeserver does not know the ``as_token``. The request itself may be correct."""


class UserNotRegistered(HomeserverUnavailable):
    """The homeserver does not know the user of the request: it was reset, or restored from an older backup."""


class HomeserverRefused(HomeserverError):
    """The homeserver refused the request; a repeat has the same result."""


class ServerOutOfReach(HomeserverRefused):
    """Another server does not answer the homeserver, or refuses an invitation of one of its users."""


class RoomOutOfReach(HomeserverRefused):
    """The alias of a new room points to a room that its creator cannot enter."""

    def __init__(self, text: Text, *, room_id: str, status: int | None = None, errcode: str | None = None) -> None:
        super().__init__(text, status=status, errcode=errcode)
        #: The room that has the alias.
        self.room_id = room_id

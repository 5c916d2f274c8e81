"""Requests that the homeserver answers when another server has: invitations and files. It may wait for minutes."""

from __future__ import annotations

import time
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from agent_bridge.core.errors import HomeserverUnavailable, ServerOutOfReach
from agent_bridge.i18n.catalogue import Text
from agent_bridge.matrix.session import limited_to

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent_bridge.core.ids import Namespace

#: Seconds that another server has for an invitation and for a file, and those for which a silent one is left alone.
INVITATION, FILE, _REST = 15.0, 60.0, 300.0


class OtherServers:
    """Tells the outage of another server from one of the homeserver.

    Whoever waits for the homeserver until it responds would wait as long as the other server is away.
    """

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace
        #: The end of the rest of each server that was silent, by a monotonic clock.
        self._silent: dict[str, float] = {}

    @contextmanager
    def inviting(self, user_id: str) -> Iterator[None]:
        """Raise :class:`ServerOutOfReach` if the block, an invitation, does not reach the server of *user_id*.

        The homeserver may deliver an invitation later that took too long.
        """
        try:
            with self.asking(user_id.partition(":")[2], INVITATION):
                yield
        except HomeserverUnavailable as error:
            is_answer = error.errcode is not None and (error.status or 0) >= HTTPStatus.INTERNAL_SERVER_ERROR
            if not (is_answer and self._namespace.is_foreign(user_id)):
                raise
            text = Text("server_out_of_reach", said=str(error))
            raise ServerOutOfReach(text, status=error.status, errcode=error.errcode) from error

    @contextmanager
    def asking(self, server: str, seconds: float) -> Iterator[None]:
        """Raise :class:`ServerOutOfReach` if a response of *server* takes more than *seconds*, or one just did."""
        if server == self._namespace.domain:
            yield
            return
        if time.monotonic() < self._silent.get(server, 0.0):
            raise ServerOutOfReach(Text("server_out_of_reach", said=server))
        with limited_to(seconds) as limit:
            try:
                yield
            except HomeserverUnavailable as error:
                if not limit.has_expired:
                    raise
                now = time.monotonic()
                self._silent = {each: end for each, end in self._silent.items() if end > now}
                self._silent[server] = now + _REST
                raise ServerOutOfReach(Text("server_out_of_reach", said=server)) from error

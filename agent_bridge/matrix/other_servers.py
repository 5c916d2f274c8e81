"""Invitations of people of other servers. The homeserver answers one when the other server has, or after minutes."""

from __future__ import annotations

import time
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from agent_bridge.core.errors import HomeserverUnavailable, UserOutOfReach
from agent_bridge.i18n.catalogue import Text
from agent_bridge.matrix.session import limited_to

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent_bridge.core.ids import Namespace

#: Seconds that another server has to answer, and those for which one that was silent is not asked again.
_ANSWER, _REST = 15.0, 300.0


class OtherServers:
    """Tells the outage of another server from one of the homeserver.

    Whoever waits for the homeserver until it responds would wait as long as the other server is away.
    """

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace
        #: The end of the rest of each server that was silent, by a monotonic clock.
        self._silent: dict[str, float] = {}

    @contextmanager
    def reaching(self, user_id: str) -> Iterator[None]:
        """Raise :class:`UserOutOfReach` if the block, an invitation, does not reach the server of *user_id*.

        The homeserver may deliver an invitation later that took too long.
        """
        if not self._namespace.is_foreign(user_id):
            yield
            return
        server = user_id.partition(":")[2]
        if time.monotonic() < self._silent.get(server, 0.0):
            raise UserOutOfReach(Text("user_out_of_reach", said=server))
        with limited_to(_ANSWER) as limit:
            try:
                yield
            except HomeserverUnavailable as error:
                is_answer = error.errcode is not None and (error.status or 0) >= HTTPStatus.INTERNAL_SERVER_ERROR
                if limit.has_expired:
                    self._silent[server] = time.monotonic() + _REST
                elif not is_answer:
                    raise
                text = Text("user_out_of_reach", said=str(error))
                raise UserOutOfReach(text, status=error.status, errcode=error.errcode) from error

"""The sockets of database connections."""

from __future__ import annotations

import os
import socket
from contextlib import suppress


def hang_up(file_descriptor: int) -> None:
    """End the connection of a socket, so that each task that waits for it wakes with an error.

    A task that is cancelled waits for a server that does not answer: psycopg asks it to cancel the statement first.
    """
    with suppress(OSError), socket.socket(fileno=os.dup(file_descriptor)) as duplicate:
        duplicate.shutdown(socket.SHUT_RDWR)

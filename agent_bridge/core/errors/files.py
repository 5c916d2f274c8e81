"""The errors of files."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from agent_bridge.core.errors.base import BridgeError

if TYPE_CHECKING:
    from agent_bridge.i18n.catalogue import Texts


class FileProblem(StrEnum):
    """Why a file is not accepted."""

    #: More bytes than the limit.
    TOO_LARGE = "too large"
    #: More files than the limit.
    TOO_MANY = "too many"
    #: More pixels than the limit.
    TOO_MANY_PIXELS = "too many pixels"
    #: A format that the bridge does not read.
    UNSUPPORTED = "unsupported"
    #: A supported format, but the file is cut off, damaged or protected by a password.
    UNREADABLE = "unreadable"
    #: A document without text, such as a scan.
    NO_TEXT = "no text"
    #: Reading it takes too much time or memory.
    TOO_HARD = "too hard"
    #: The optional package that reads it is not installed.
    NOT_INSTALLED = "not installed"
    #: A link to an address that the bridge does not fetch from.
    FORBIDDEN = "forbidden"
    #: A link that does not deliver a file.
    UNREACHABLE = "unreachable"
    #: End-to-end encrypted, and without a valid key or for a bridge without keys; or without a link.
    ENCRYPTED = "encrypted"
    #: Encrypted, and another file than its message tells, or with a wrong key.
    DAMAGED = "damaged"


class FileRefused(BridgeError):
    """A file is not accepted."""

    def __init__(self, message: str, problem: FileProblem) -> None:
        super().__init__(message)
        self.problem = problem

    def says(self, texts: Texts, /) -> str:
        """Return the problem of the file."""
        return texts.file_problems[self.problem]


class TooLarge(FileRefused):
    """A file has more bytes than the limit."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the file is larger than {limit} bytes", FileProblem.TOO_LARGE)
        #: The limit in bytes.
        self.limit = limit

"""Pictures in files that the configuration names. An address changes with the content of its file."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

from agent_bridge.core.errors import FileProblem, FileRefused, TooLarge

_SCHEME = "file"
_DIGITS = 16


def address_of_file(path: Path, limit: int) -> str:
    """Return the address of the picture in *path*, a file of at most *limit* bytes. It reads the file.

    Raises:
        FileRefused: the file cannot be read, or has more bytes.
    """
    return f"{_SCHEME}:{hashlib.sha256(read_picture(path, limit)).hexdigest()[:_DIGITS]}:{path}"


def read_address(address: str, limit: int) -> bytes | None:
    """Return the file of *address*; None if it is the address of something else.

    Raises:
        FileRefused: the file cannot be read, or has more than *limit* bytes.
    """
    scheme, _, rest = address.partition(":")
    return read_picture(Path(rest.partition(":")[2]), limit) if scheme == _SCHEME else None


def read_picture(path: Path, limit: int) -> bytes:
    """Return the content of the file *path*.

    Raises:
        FileRefused: it cannot be read, or has more than *limit* bytes.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            # Opening a pipe would wait for its other end.
            raise FileRefused(f"{path} is not a file", FileProblem.UNREADABLE)
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except (OSError, ValueError) as error:
        cause = error.strerror if isinstance(error, OSError) else error
        raise FileRefused(f"{path} cannot be read: {cause}", FileProblem.UNREADABLE) from error
    if len(data) > limit:
        raise TooLarge(limit)
    return data

"""Replaces the content of a file that people own: as a whole, with a copy of the former content beside it."""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING

from agent_bridge.core.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def replace_content(path: Path, before: bytes, after: bytes) -> Path:
    """Replace the content *before* of the file *path* by *after*, and return the path of the copy of *before*.

    Readers find the one or the other. Both files have the owner, group, mode and extended attributes of the former
    one; a link stays a link, and the copy is beside its target. A failure leaves the file as it was, and no copy.

    Raises:
        BridgeError: the file cannot be replaced, or has another content meanwhile.
    """
    target = path.resolve()
    try:
        if not stat.S_ISREG(target.stat().st_mode):
            raise BridgeError(f"{path}: is not a regular file")
        with _written(target, after, (f".{target.name}.{os.getpid()}.{at}" for at in count())) as fresh:
            names = (f"{target.name}.bak{at or ''}" for at in count())
            with _written(target, before, names) as copy:
                if target.read_bytes() != before:
                    raise BridgeError(f"{path}: was changed meanwhile; run the command again")
                fresh.replace(target)
        _keep(target.parent)
    except OSError as error:
        hint = "; run the command as its owner, or as root" if isinstance(error, PermissionError) else ""
        raise BridgeError(f"{path}: cannot be replaced: {error.strerror}{hint}") from error
    return copy


@contextmanager
def _written(model: Path, content: bytes, names: Iterator[str]) -> Iterator[Path]:
    """Give a new file with *content* and the rights of *model*, by the first of *names* that is free.

    It is removed if its content cannot be written, or if the block fails.
    """
    path, descriptor = _new(model.parent, names)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123  # a descriptor
            file.write(content)
            file.flush()
            os.fsync(descriptor)
            found, own = model.stat(), os.fstat(descriptor)
            if (found.st_uid, found.st_gid) != (own.st_uid, own.st_gid):
                os.fchown(descriptor, found.st_uid, found.st_gid)
            shutil.copystat(model, path)
            os.utime(descriptor)
        yield path
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _new(folder: Path, names: Iterator[str]) -> tuple[Path, int]:
    """Create a file that only this user can read, and return it open for writing."""
    for name in names:
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            return folder / name, os.open(folder / name, flags, 0o600)
        except FileExistsError:
            continue
    raise AssertionError("the names have no end")


def _keep(folder: Path) -> None:
    """Have the names in *folder* survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Files that are encrypted end to end, each with a key of its own (Matrix spec, "Sending encrypted attachments")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mautrix.crypto.attachments import decrypt_attachment, encrypt_attachment
from mautrix.errors import DecryptionError

from agent_bridge.core.errors import FileProblem, FileRefused
from agent_bridge.core.file_key import FileKey

if TYPE_CHECKING:
    from mautrix.types import EncryptedFile


def seal(data: bytes) -> tuple[bytes, FileKey]:
    """Return *data* encrypted, which has the same size, and its key, which is a new one."""
    sealed, file = encrypt_attachment(data)
    return sealed, _key(file)


def opened(data: bytes, key: FileKey) -> bytes:
    """Return the file in the clear whose encrypted form is *data*.

    Raises:
        FileRefused: *data* is not the file that the key belongs to, or the key is none.
    """
    try:
        return decrypt_attachment(data, key.key, key.sha256, key.iv)
    except (DecryptionError, ValueError) as error:
        raise FileRefused(f"an encrypted file cannot be opened: {error}", FileProblem.DAMAGED) from error


def _key(file: EncryptedFile) -> FileKey:
    return FileKey(str(file.key.key), str(file.iv), str(file.hashes["sha256"]))

"""The keys of files that are encrypted end to end."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, repr=False)
class FileKey:
    """Opens an encrypted file (Matrix spec, "Sending encrypted attachments", version ``v2``). It has no text form.

    All values are unpadded base64, as events have them.
    """

    #: The key of AES-CTR with 256 bits, in the alphabet for URLs.
    key: str
    #: The initial counter block.
    iv: str
    #: The hash of the encrypted file.
    sha256: str

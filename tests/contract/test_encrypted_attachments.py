"""The encryption of files, and the functions of matrix-nio as another implementation."""

from __future__ import annotations

from dataclasses import replace

import pytest
from nio.crypto.attachments import decrypt_attachment, encrypt_attachment

from agent_bridge.core.errors import FileProblem, FileRefused
from agent_bridge.core.file_key import FileKey
from agent_bridge.encryption.attachments import opened, seal

DATA = bytes(range(256)) * 100


def test_another_implementation_opens_what_is_sealed() -> None:
    sealed, key = seal(DATA)
    assert (len(sealed), sealed == DATA) == (len(DATA), False)
    assert decrypt_attachment(sealed, key.key, key.sha256, key.iv) == DATA
    assert seal(DATA)[1].key != key.key


def test_what_another_implementation_sealed_is_opened() -> None:
    sealed, keys = encrypt_attachment(DATA)
    key = FileKey(keys["key"]["k"], keys["iv"], keys["hashes"]["sha256"])
    assert opened(sealed, key) == DATA


def test_a_file_that_does_not_match_its_key() -> None:
    sealed, key = seal(DATA)
    faults = (
        (sealed[:-1], key),
        (sealed, replace(key, sha256=key.key)),
        (sealed, replace(key, iv="AAAA")),
        (sealed, replace(key, key=key.key[:8])),
        (sealed, replace(key, sha256="====x")),
    )
    for data, wrong in faults:
        with pytest.raises(FileRefused) as refusal:
            opened(data, wrong)
        assert refusal.value.problem is FileProblem.DAMAGED

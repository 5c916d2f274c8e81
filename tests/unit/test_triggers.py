"""Signatures and times of the requests of triggers."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from agent_bridge.core.triggers import WINDOW, digest, is_timely, signature_of
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.render.triggers import secret_text

#: Computed by OpenSSL: ``printf '%s.%s' 1700000000 '{"text": "Hello"}' | openssl dgst -sha256 -hmac key``.
VECTOR = ("key", "1700000000", b'{"text": "Hello"}', "14c9d6435640ffd7c862cbbd358ba9b9e9747f3eea95249ef92378ba31e3163f")


def test_a_signature_is_the_one_of_other_programs() -> None:
    key, timestamp, body, expected = VECTOR
    assert signature_of(key, timestamp, body) == expected


@pytest.mark.parametrize("other", [("kez", 0), ("1700000001", 1), (b'{"text": "Hallo"}', 2)])
def test_everything_counts_for_a_signature(other: tuple[str, int]) -> None:
    values = list(VECTOR[:3])
    values[other[1]] = other[0]
    assert signature_of(*values) != VECTOR[3]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [
        ("1000", True),
        (str(1000 - WINDOW), True),
        (str(1000 + WINDOW), True),
        (str(999 - WINDOW), False),
        (str(1001 + WINDOW), False),
        ("", False),
        ("1e3", False),
        ("-1000", False),
        ("+1000", False),
        (" 1000", False),
        ("1000.0", False),
        ("\u0661\u0660\u0660\u0660", False),
        ("0x3e8", False),
        ("9" * 5000, False),
    ],
)
def test_the_window(timestamp: str, *, expected: bool) -> None:
    assert is_timely(timestamp, 1000.0) is expected


def test_a_digest_takes_any_text() -> None:
    assert digest("a") == digest(b"a") == "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
    assert len(digest("\udcff")) == 64


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_the_example_that_the_owner_gets_signs_like_the_bridge() -> None:
    text = secret_text("a `b` *c*", "http://127.0.0.1:1/v1/triggers/x", "the-key", 60, ENGLISH)
    script = text.partition("```sh\n")[2].partition("\n```")[0]
    lines, _, _ = script.partition("curl ")
    found = subprocess.run(
        ["/bin/sh", "-c", f'{lines}printf "%s %s %s" "$TIME" "$SIGNATURE" "$BODY"'],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    ).stdout
    timestamp, signature, body = found.split(" ", 2)
    assert signature == signature_of("the-key", timestamp, body.encode())

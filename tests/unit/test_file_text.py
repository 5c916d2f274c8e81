from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.files.text import DecodedText, as_text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"a\r\nb\rc\nd", "a\nb\nc\nd"),
        (b"a\r\n\r\nb", "a\n\nb"),
        ("a\u2028b\u2029c\x85d\fe\vf".encode(), "a\nb\nc\nd\ne\nf"),
        ("Grüße 👋".encode(), "Grüße 👋"),
        ("Grüße".encode("utf-8-sig"), "Grüße"),
        ("Grüße 👋".encode("utf-16"), "Grüße 👋"),
        (b"\xfe\xff" + "Grüße".encode("utf-16-be"), "Grüße"),
        (b"\xff\xfea\x00b", "a\ufffd"),
        (b"\xef\xbb\xbfa\xff", "a\ufffd"),
        ("Grüße €".encode("cp1252"), "Grüße €"),
        (b"\x81a", "\ufffda"),
        (b"a\x00\x07\x1b[31m\x7fb\tc", "a[31mb\tc"),
        ("a\x9bb\ufeffc".encode(), "abc"),
    ],
)
def test_texts(data: bytes, text: str) -> None:
    assert as_text(data, max_chars=100) == DecodedText(text, cut=False)


@pytest.mark.parametrize(("max_chars", "text", "cut"), [(5, "Grüße", False), (4, "Grüß", True), (1, "G", True)])
def test_the_bound_is_exact(max_chars: int, text: str, cut: bool) -> None:  # noqa: FBT001
    assert as_text("Grüße".encode(), max_chars=max_chars) == DecodedText(text, cut)


@given(st.binary(), st.integers(1, 50))
def test_any_bytes(data: bytes, max_chars: int) -> None:
    text = as_text(data, max_chars=max_chars).text
    assert len(text) <= max_chars
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", text)


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters="\ufeff")))
def test_what_is_written_is_read(text: str) -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        assert as_text(text.encode(encoding), max_chars=1000).text == text


def test_of_a_large_file_the_beginning_alone_is_looked_at() -> None:
    started = time.process_time()
    assert as_text(b"\r" * 20_000_000, max_chars=1000) == DecodedText("\n" * 1000, cut=True)
    assert time.process_time() - started < 0.5

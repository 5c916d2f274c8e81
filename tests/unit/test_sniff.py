from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from agent_bridge.files.sniff import DOCX, PDF, PPTX, XLSX, Family, Kind, kind_of
from support import sample_documents

TEXT, IMAGE, AUDIO, VIDEO, DOCUMENT, OTHER = (
    Family.TEXT,
    Family.IMAGE,
    Family.AUDIO,
    Family.VIDEO,
    Family.DOCUMENT,
    Family.OTHER,
)


def drawn(form: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (3, 2)).save(out, form)
    return out.getvalue()


def packed(names: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in names.items():
            archive.writestr(name, data)
    return out.getvalue()


OGG = b"OggS\x00\x02" + bytes(22) + b"\x01\x13OpusHead\x01"
MP4 = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + bytes(16)
M4A = b"\x00\x00\x00\x18ftypM4A \x00\x00\x00\x00M4A mp42" + bytes(16)
WEBM = b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\xf7\x81\x01\x42\xf2\x81\x04\x42\xf3\x81\x08\x42\x82\x84webm" + bytes(
    16
)
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00" + bytes(16)
MP3 = b"ID3\x03\x00\x00\x00\x00\x00\x00" + bytes(16)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.mark.parametrize(
    ("data", "content_type", "family"),
    [
        (drawn("PNG"), "image/png", IMAGE),
        (drawn("JPEG"), "image/jpeg", IMAGE),
        (drawn("GIF"), "image/gif", IMAGE),
        (drawn("WEBP"), "image/webp", IMAGE),
        (drawn("BMP"), "image/bmp", IMAGE),
        (drawn("TIFF"), "image/tiff", IMAGE),
        (drawn("AVIF"), "image/avif", IMAGE),
        (OGG, "audio/ogg", AUDIO),
        (M4A, "audio/mp4", AUDIO),
        (WAV, "audio/x-wav", AUDIO),
        (MP3, "audio/mpeg", AUDIO),
        (MP4, "video/mp4", VIDEO),
        (WEBM, "video/webm", VIDEO),
        (sample_documents.pdf(), PDF, DOCUMENT),
        (b"\r\n" + sample_documents.pdf(), PDF, DOCUMENT),
        (b"%PDF-1.4 all of it text", PDF, DOCUMENT),
        (sample_documents.docx(), DOCX, DOCUMENT),
        (sample_documents.xlsx([["a"]]), XLSX, DOCUMENT),
        (sample_documents.pptx("a"), PPTX, DOCUMENT),
        (rb"{\rtf1\ansi hello}", "application/rtf", DOCUMENT),
        (packed({"mimetype": b"application/epub+zip", "a": b"b"}), "application/epub+zip", DOCUMENT),
        (packed({"a.txt": b"a"}), "application/zip", OTHER),
        (packed({"word/document.xml": b""}), "application/zip", OTHER),
        (b"\x1f\x8b\x08\x00" + bytes(20), "application/gzip", OTHER),
        (b"\x7fELF\x02\x01\x01" + bytes(60), "application/x-executable", OTHER),
        (bytes(100), "application/octet-stream", OTHER),
        (b"\x00", "application/octet-stream", OTHER),
        (b"", "text/plain", TEXT),
        (b"hello\n", "text/plain", TEXT),
        (b"BMW and GIF and BM", "text/plain", TEXT),
        (b"GIF89a is a format", "text/plain", TEXT),
        ("Привет".encode(), "text/plain", TEXT),
        ("Привет".encode("cp1251"), "text/plain", TEXT),
        ("Grüße".encode("latin-1"), "text/plain", TEXT),
        ("hello".encode("utf-8-sig"), "text/plain", TEXT),
        ("hello".encode("utf-16"), "text/plain", TEXT),
        (b"\xfe\xff" + "hello".encode("utf-16-be"), "text/plain", TEXT),
        (b"\xff\xfe\x00\xd8", "application/octet-stream", OTHER),
        (b"\xff\xfe\x00\x00", "application/octet-stream", OTHER),
        (b"\x1b[31mred\x1b[0m\f\v\ttext", "text/plain", TEXT),
        (b"text\x00", "application/octet-stream", OTHER),
        (b"text\x07", "application/octet-stream", OTHER),
        (SVG, "text/plain", TEXT),
        (b"<!DOCTYPE html><script>alert(1)</script>", "text/plain", TEXT),
        (b'<?xml version="1.0"?><a/>', "text/plain", TEXT),
    ],
)
def test_kinds_by_content(data: bytes, content_type: str, family: Family) -> None:
    assert kind_of(data) == Kind(content_type, family)


@pytest.mark.parametrize(
    ("data", "claimed", "name", "content_type"),
    [
        (b"a,b", "text/csv", None, "text/csv"),
        (b"a,b", "Text/CSV; charset=utf-8", None, "text/csv"),
        (b"a,b", None, "A.CSV", "text/csv"),
        (b"a,b", "text/plain", "a.csv", "text/csv"),
        (b"a,b", "image/png", "a.csv", "text/csv"),
        (b"a,b", "text/markdown", "a.csv", "text/markdown"),
        (b"{}", "application/json", None, "application/json"),
        (b"x", "application/pdf", "a.pdf", "text/plain"),
        (b"x", "text/html", "a.html", "text/plain"),
        (b"x", "application/xhtml+xml", None, "text/plain"),
        (b"x", "text/xml", None, "text/plain"),
        (SVG, "image/svg+xml", "a.svg", "text/plain"),
        (b"x", "text/csv\r\nX: y", None, "text/plain"),
        (b"x", "text/" + "a" * 100, None, "text/plain"),
        (b"x", "", "", "text/plain"),
        (drawn("PNG"), "image/jpeg", "a.jpg", "image/png"),
        (drawn("PNG"), "text/csv", "a.csv", "image/png"),
        (bytes(9), "image/png", "a.png", "application/octet-stream"),
        (MP4, "audio/mp4", None, "audio/mp4"),
        (WEBM, "audio/webm;codecs=opus", None, "audio/webm"),
        (OGG, "video/ogg", None, "video/ogg"),
        (OGG, "audio/mp4", None, "audio/ogg"),
        (MP4, "image/mp4", None, "video/mp4"),
        (sample_documents.docx(), "application/zip", "a.zip", DOCX),
    ],
)  # fmt: skip
def test_what_is_claimed(data: bytes, claimed: str | None, name: str | None, content_type: str) -> None:
    assert kind_of(data, claimed, name).content_type == content_type


@given(st.binary() | st.text().map(str.encode), st.none() | st.text(), st.none() | st.text())
@example(b"x", "text/x-svg", "a.html")
def test_whatever_comes(data: bytes, claimed: str | None, name: str | None) -> None:
    kind = kind_of(data, claimed, name)
    assert kind.content_type.isascii()
    assert kind.content_type.count("/") == 1
    assert not any(active in kind.content_type for active in ("html", "svg", "+xml"))
    assert kind.family.value == kind.content_type.partition("/")[0] or kind.family in {DOCUMENT, TEXT, OTHER}


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])), st.sampled_from(["utf-8", "utf-16", "utf-8-sig"]))
def test_text_is_text(text: str, encoding: str) -> None:
    assert kind_of(("_" + text).encode(encoding)).family is TEXT


@given(st.sampled_from(["PNG", "JPEG", "GIF", "WEBP"]), st.sampled_from([SVG, b"%PDF-1.4", b"<html>", b"PK\x03\x04"]))
def test_a_polyglot_is_what_its_beginning_is(form: str, tail: bytes) -> None:
    assert kind_of(drawn(form) + tail, "text/html", "a.html").content_type == f"image/{form.lower()}"

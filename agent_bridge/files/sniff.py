"""Tells the type of a file by its bytes. The sender's claim only chooses among types that the bytes allow.

The signatures come from `filetype`. `puremagic` was tried in its place: it also matches the end of a file, so that a
JPEG with an SVG appended counts as SVG, and it finds fewer types of sound.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from enum import StrEnum

_OFFICE = "application/vnd.openxmlformats-officedocument."
PDF = "application/pdf"
DOCX = f"{_OFFICE}wordprocessingml.document"
XLSX = f"{_OFFICE}spreadsheetml.sheet"
PPTX = f"{_OFFICE}presentationml.presentation"

#: The part that identifies each office format. Names in a ZIP archive are never compressed.
_OFFICE_PARTS = {b"word/document.xml": DOCX, b"xl/workbook.xml": XLSX, b"ppt/presentation.xml": PPTX}
_DOCUMENT = re.compile(rf"{re.escape(PDF)}|application/(rtf|msword|epub\+zip|vnd\.(ms-|oasis|openxml).*)")
_CONTROL = bytes(sorted({*range(0x20), 0x7F} - set(b"\t\n\v\f\r\x1b")))
_CONTROL_CHARACTER = re.compile(f"[{re.escape(_CONTROL.decode())}]")
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_TEXT_TYPE = re.compile(
    r"text/[a-z0-9][a-z0-9.+-]{0,60}|application/(json|ld\+json|x-ndjson|yaml|x-yaml|toml|sql|javascript|x-sh)"
)
#: Text that a browser runs.
_ACTIVE = re.compile(r"html|xml|svg")
_BY_SUFFIX = {
    "csv": "text/csv",
    "json": "application/json",
    "md": "text/markdown",
    "tsv": "text/tab-separated-values",
    "yaml": "application/yaml",
    "yml": "application/yaml",
}
#: Containers that begin with the same bytes for sound and for film.
_CONTAINER = re.compile(r"(audio|video)/(mp4|ogg|webm)")


class Family(StrEnum):
    """The use of a file."""

    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    #: PDF, office files, books.
    DOCUMENT = "document"
    #: Anything that people read unchanged, including HTML and SVG.
    TEXT = "text"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Kind:
    """The type of a file."""

    #: The media type without parameters. Text that a browser would run has ``text/plain``.
    content_type: str
    family: Family


def kind_of(data: bytes, claimed: str | None = None, name: str | None = None) -> Kind:
    """Return the type of *data*.

    *claimed* is the media type that the sender named. It and the suffix of *name* choose among the types of text;
    *claimed* also chooses between sound and film in the same container. Nothing else is believed.
    """
    claim = (claimed or "").partition(";")[0].strip().lower()
    if data[:1024].lstrip().startswith(b"%PDF-"):
        return Kind(PDF, Family.DOCUMENT)
    if data.startswith(rb"{\rtf"):
        return Kind("application/rtf", Family.DOCUMENT)
    if _is_text(data):
        return Kind(_text_type(claim, name), Family.TEXT)
    if data.startswith(b"PK\x03\x04"):
        return _archive(data)
    return _binary(_guess(data) or "application/octet-stream", claim)


def _is_text(data: bytes) -> bool:
    if data.startswith(_UTF_16):
        try:
            characters = data.decode("utf-16")
        except UnicodeDecodeError:
            return False
        return _CONTROL_CHARACTER.search(characters) is None
    # Text in an old code page has no control characters either.
    return len(data.translate(None, _CONTROL)) == len(data)


def _text_type(claim: str, name: str | None) -> str:
    wanted = claim
    if not _TEXT_TYPE.fullmatch(claim) or claim == "text/plain":
        wanted = _BY_SUFFIX.get((name or "").rpartition(".")[2].lower(), "text/plain")
    return "text/plain" if _ACTIVE.search(wanted) else wanted


def _archive(data: bytes) -> Kind:
    if b"[Content_Types].xml" in data:
        for part, content_type in _OFFICE_PARTS.items():
            if part in data:
                return Kind(content_type, Family.DOCUMENT)
    guess = _guess(data)
    # filetype identifies an office file by the name of its first part alone.
    return _binary(guess if guess and "openxml" not in guess else "application/zip", "")


def _guess(data: bytes) -> str | None:
    import filetype  # type: ignore[import-untyped]  # a hundred modules, for the first file only

    guess = filetype.guess(data)
    return None if guess is None else str(guess.mime)


def _binary(content_type: str, claim: str) -> Kind:
    container, claimed = _CONTAINER.fullmatch(content_type), _CONTAINER.fullmatch(claim)
    if container and claimed and container[2] == claimed[2]:
        return Kind(claim, Family(claimed[1]))
    if _DOCUMENT.fullmatch(content_type):
        return Kind(content_type, Family.DOCUMENT)
    first = content_type.partition("/")[0]
    return Kind(content_type, Family(first) if first in {"image", "audio", "video"} else Family.OTHER)

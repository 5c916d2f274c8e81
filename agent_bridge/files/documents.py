"""Converts PDFs and office files to Markdown, each in a separate process with limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.errors import FileProblem, FileRefused
from agent_bridge.files import document_worker
from agent_bridge.files.reader import run_reader
from agent_bridge.files.sniff import DOCX, PDF, PPTX, XLSX
from agent_bridge.files.text import DecodedText, as_text

if TYPE_CHECKING:
    from agent_bridge.files.sniff import Kind

_FORMS = {PDF: "pdf", DOCX: "docx", XLSX: "xlsx", PPTX: "pptx"}
_PROGRAM = "document_worker.py"


async def as_markdown(data: bytes, kind: Kind, *, max_chars: int, seconds: float = 20) -> DecodedText:
    """Return up to *max_chars* characters of the text of a document as Markdown.

    A call takes at least two seconds and up to 1 GB of memory in a separate process, which ends with the call. The
    caller limits the number of concurrent calls.

    Raises:
        FileRefused: the document has another format, is damaged or protected, has no text or takes more than
            *seconds*; or the extra ``documents`` is not installed.
    """
    form = _FORMS.get(kind.content_type)
    if form is None:
        raise FileRefused(f"documents of the type {kind.content_type} are not supported", FileProblem.UNSUPPORTED)
    try:
        code, out = await run_reader(_PROGRAM, form, str(max_chars), data=data, seconds=seconds)
    except TimeoutError:
        raise FileRefused(f"reading the document took more than {seconds:g} s", FileProblem.TOO_HARD) from None
    if code:
        raise _failure(code)
    text = as_text(out, max_chars=max_chars)
    if not text.text.strip():
        raise FileRefused("the document has no text: is it a scan?", FileProblem.NO_TEXT)
    return text


def _failure(code: int) -> FileRefused:
    if code == document_worker.NOT_INSTALLED:
        return FileRefused("the bridge was installed without the extra `documents`", FileProblem.NOT_INSTALLED)
    # A negative code is a signal: a decoder crashed or reached a limit.
    if code == document_worker.TOO_HARD or code < 0:
        return FileRefused("reading the document takes too much time or memory", FileProblem.TOO_HARD)
    return FileRefused("the document is damaged or protected by a password", FileProblem.UNREADABLE)

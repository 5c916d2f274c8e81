"""PDFs and office files as Markdown, read by a process that is ended when it misbehaves."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING

from agent_bridge.core.errors import FileProblem, FileRefused
from agent_bridge.files import worker
from agent_bridge.files.sniff import DOCX, PDF, PPTX, XLSX
from agent_bridge.files.text import DecodedText, as_text

if TYPE_CHECKING:
    from agent_bridge.files.sniff import Kind

_FORMS = {PDF: "pdf", DOCX: "docx", XLSX: "xlsx", PPTX: "pptx"}
#: Nothing of the bridge's own environment, where its secrets may be. One thread: each reserves memory.
_ENVIRONMENT = {"LANG": "C.UTF-8", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


async def as_markdown(data: bytes, kind: Kind, *, max_chars: int, seconds: float = 60) -> DecodedText:
    """Return up to *max_chars* characters of a document's text as Markdown.

    Takes two seconds at least and up to 1 GB of memory, in a process of its own that never outlives the call. Bound
    how many run at once.

    Raises:
        FileRefused: the document is of another format, damaged or locked, has no text or takes more than *seconds*;
            or the extra ``documents`` is not installed.
    """
    form = _FORMS.get(kind.content_type)
    if form is None:
        raise FileRefused(f"documents of the type {kind.content_type} are not read", FileProblem.UNSUPPORTED)
    try:
        async with asyncio.timeout(seconds):
            code, out = await _read(data, form, max_chars)
    except TimeoutError:
        raise FileRefused(f"reading the document took more than {seconds:g} s", FileProblem.TOO_HARD) from None
    if code:
        raise _failure(code)
    text = as_text(out, max_chars=max_chars)
    if not text.text.strip():
        raise FileRefused("the document has no text: is it a scan?", FileProblem.NO_TEXT)
    return text


async def _read(data: bytes, form: str, max_chars: int) -> tuple[int, bytes]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        worker.__file__,
        form,
        str(max_chars),
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        env=_ENVIRONMENT,
    )
    try:
        out, _ = await process.communicate(data)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, out


def _failure(code: int) -> FileRefused:
    if code == worker.NOT_INSTALLED:
        return FileRefused(
            "the bridge was installed without the extra that reads documents: documents", FileProblem.NOT_INSTALLED
        )
    # Ended by a signal: a decoder that crashed or came to a bound.
    if code == worker.TOO_HARD or code < 0:
        return FileRefused("the document takes too much to be read", FileProblem.TOO_HARD)
    return FileRefused("the document is damaged or locked", FileProblem.UNREADABLE)

"""Converts PDFs and office files to Markdown, each in a separate process with limits."""

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
#: The whole environment: the bridge's own may contain secrets. One thread, because each thread reserves memory.
_ENVIRONMENT = {"LANG": "C.UTF-8", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


async def as_markdown(data: bytes, kind: Kind, *, max_chars: int, seconds: float = 60) -> DecodedText:
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
        return FileRefused("the bridge was installed without the extra `documents`", FileProblem.NOT_INSTALLED)
    # A negative code is a signal: a decoder crashed or reached a limit.
    if code == worker.TOO_HARD or code < 0:
        return FileRefused("reading the document takes too much time or memory", FileProblem.TOO_HARD)
    return FileRefused("the document is damaged or protected by a password", FileProblem.UNREADABLE)

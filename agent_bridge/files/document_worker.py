"""A separate program that converts one untrusted document: bytes on standard input, Markdown on standard output.

It is run by path in isolated mode (``python -I document_worker.py pdf 1000``), without the configuration and the
secrets of the bridge. Its memory and time are limited, and it can neither write files nor start processes nor use the
network.
"""

from __future__ import annotations

import io
import sys
from importlib import import_module

from agent_bridge.files import sandbox

#: Exit codes.
NOT_INSTALLED = 3
TOO_HARD = 4
#: Bytes of address space; the imported modules take a quarter of it.
_MEMORY = 1024**3
#: Seconds of CPU time: the limit if the bridge dies and cannot end the process.
_CPU = 40
_CONVERTERS = {"pdf": "PdfConverter", "docx": "DocxConverter", "xlsx": "XlsxConverter", "pptx": "PptxConverter"}


def _main(form: str, max_chars: int) -> int:
    sandbox.bound(_MEMORY, _CPU)
    out, sys.stdout = sys.stdout.buffer, sys.stderr
    data = sys.stdin.buffer.read()
    try:
        markitdown = import_module("markitdown")
        converter = getattr(import_module("markitdown.converters"), _CONVERTERS[form])()
        missing = markitdown.MissingDependencyException
    except ImportError:
        return NOT_INSTALLED
    sandbox.deny()
    try:
        text = converter.convert(io.BytesIO(data), markitdown.StreamInfo(extension=f".{form}")).markdown
    except missing:
        return NOT_INSTALLED
    except (MemoryError, RecursionError):
        return TOO_HARD
    # One extra character shows the caller that the text was cut.
    out.write(text[: max_chars + 1].encode("utf-8", "replace"))
    out.flush()
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1], int(sys.argv[2])))

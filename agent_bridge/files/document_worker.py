"""A separate program that converts one untrusted document: bytes on standard input, Markdown on standard output.

It is run by path in isolated mode (``python -I document_worker.py pdf 1000``), without the configuration and the
secrets of the bridge. Its memory and time are limited, and it can neither write files nor start processes nor use the
network.
"""

from __future__ import annotations

import io
import re
import sys
import zipfile
import zlib
from importlib import import_module

from agent_bridge.files import sandbox

#: Exit codes.
NOT_INSTALLED = 3
TOO_HARD = 4
#: Bytes of address space; the imported modules take a quarter of it.
_MEMORY = 1024**3
#: Seconds of CPU time: the limit if the bridge dies and cannot end the process.
_CPU = 40
#: Cells of the largest sheet that the converter reads within the time: it makes each of them, also the empty ones.
_MAX_CELLS = 500_000
#: Bytes of a sheet that are searched for its cells, and the addresses of its cells.
_MAX_SHEET, _CELL = 256 * 1024**2, re.compile(rb'\br="([A-Z]{1,3})([0-9]{1,7})"')
_CONVERTERS = {"pdf": "PdfConverter", "docx": "DocxConverter", "xlsx": "XlsxConverter", "pptx": "PptxConverter"}
#: The libraries of each converter. markitdown imports all that are there, which takes longer than most conversions.
_LIBRARIES = {
    "pdf": {"pdfminer", "pdfplumber"},
    "docx": {"mammoth"},
    "xlsx": {"pandas", "openpyxl"},
    "pptx": {"pptx"},
}


def _main(form: str, max_chars: int) -> int:
    sandbox.bound(_MEMORY, _CPU)
    out, sys.stdout = sys.stdout.buffer, sys.stderr
    data = sys.stdin.buffer.read()
    if form == "xlsx" and _is_too_large(data):
        return TOO_HARD
    for library in set().union(*_LIBRARIES.values()) - _LIBRARIES[form]:
        sys.modules[library] = None  # type: ignore[assignment]
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


def _is_too_large(book: bytes) -> bool:
    """Tell whether a sheet of *book* reaches so far that it has too many cells, most of them empty."""
    try:
        with zipfile.ZipFile(io.BytesIO(book)) as archive:
            sheets = [name for name in archive.namelist() if name.startswith("xl/worksheets/")]
            return any(_cells(archive, name) > _MAX_CELLS for name in sheets)
    except MemoryError:
        return True
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError):
        # The converter tells how it is damaged.
        return False


def _cells(archive: zipfile.ZipFile, name: str) -> int:
    """Return the number of cells of a sheet, from the first to the last column and row."""
    with archive.open(name) as sheet:
        cells = set(_CELL.findall(sheet.read(_MAX_SHEET)))
    width = max((_column(letters) for letters, _ in cells), default=0)
    return width * max((int(row) for _, row in cells), default=0)


def _column(letters: bytes) -> int:
    """Return the number of the column *letters*: ``A`` is 1, ``AA`` is 27."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1], int(sys.argv[2])))

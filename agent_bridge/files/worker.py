"""A separate program that converts one untrusted document: bytes on standard input, Markdown on standard output.

It is run by path in isolated mode (``python -I worker.py pdf 1000``), without the configuration and the secrets of the
bridge. Its memory and time are limited, and it can neither write files nor start processes nor use the network.
"""

from __future__ import annotations

import io
import sys
from importlib import import_module

#: Exit codes.
NOT_INSTALLED = 3
TOO_HARD = 4
#: Bytes of address space; the imported modules take a quarter of it.
_MEMORY = 1024**3
#: Seconds of CPU time: the limit if the bridge dies and cannot end the process.
_CPU = 120
_CONVERTERS = {"pdf": "PdfConverter", "docx": "DocxConverter", "xlsx": "XlsxConverter", "pptx": "PptxConverter"}
#: Actions that are denied, by the names of Python's audit events.
_DENIED = ("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork", "urllib.")


def _bound() -> None:
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (_CPU, _CPU))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _deny(event: str, _: object) -> None:
    if event.startswith(_DENIED):
        raise PermissionError(f"{event} is not allowed")


def _main(form: str, max_chars: int) -> int:
    _bound()
    out, sys.stdout = sys.stdout.buffer, sys.stderr
    data = sys.stdin.buffer.read()
    try:
        markitdown = import_module("markitdown")
        converter = getattr(import_module("markitdown.converters"), _CONVERTERS[form])()
        missing = markitdown.MissingDependencyException
    except ImportError:
        return NOT_INSTALLED
    sys.addaudithook(_deny)
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

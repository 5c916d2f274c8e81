"""Documents, read by a real process: good ones, and hostile ones that attack or exhaust the process."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import zlib
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from agent_bridge.core.errors import FileProblem, FileRefused
from agent_bridge.files import document_worker
from agent_bridge.files.documents import as_markdown
from agent_bridge.files.reader import Places
from agent_bridge.files.sniff import DOCX, PDF, PPTX, XLSX, Family, Kind, kind_of
from agent_bridge.files.text import DecodedText
from support import sample_documents
from support.conditions import eventually


@pytest.fixture(scope="module")
def slow() -> bytes:
    """A document that takes long."""
    return sample_documents.docx("<w:p/>" * 2_000_000)


def children() -> set[str]:
    """Workers of this process that have not ended."""
    found: set[str] = set()
    for task in Path("/proc/self/task").iterdir():
        # A thread may end in the meantime.
        with suppress(FileNotFoundError):
            found.update((task / "children").read_text().split())
    return {pid for pid in found if _is_worker(pid)}


def _is_worker(pid: str) -> bool:
    try:
        return document_worker.__file__.encode() in Path("/proc", pid, "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


async def refusal(data: bytes, kind: Kind | None = None, seconds: float = 20) -> FileProblem:
    with pytest.raises(FileRefused) as caught:
        await as_markdown(data, kind or kind_of(data), max_chars=1000, seconds=seconds)
    assert not children()
    return caught.value.problem


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (sample_documents.pdf("Hello from a PDF"), "Hello from a PDF"),
        (sample_documents.docx(), "Hello from Word"),
        (sample_documents.xlsx([["name", "age"], ["Frida", 7]]), "| name | age |\n| --- | --- |\n| Frida | 7 |"),
        (sample_documents.pptx("Hello from a slide"), "# Hello from a slide"),
        (sample_documents.docx("<w:p><w:r><w:t>Привет 👋</w:t></w:r></w:p>"), "Привет 👋"),
    ],
    ids=["pdf", "docx", "xlsx", "pptx", "unicode"],
)
async def test_documents(data: bytes, text: str) -> None:
    found = await as_markdown(data, kind_of(data), max_chars=1000)
    assert text in found.text
    assert not found.cut
    assert not children()


async def test_the_bound_of_characters_is_exact() -> None:
    data = sample_documents.docx("<w:p><w:r><w:t>0123456789</w:t></w:r></w:p>")
    assert await as_markdown(data, kind_of(data), max_chars=10) == DecodedText("0123456789", cut=False)
    assert await as_markdown(data, kind_of(data), max_chars=9) == DecodedText("012345678", cut=True)


@pytest.mark.parametrize(
    ("data", "kind", "problem"),
    [
        (sample_documents.pdf(""), None, FileProblem.NO_TEXT),
        (sample_documents.pdf()[:100], None, FileProblem.UNREADABLE),
        (b"%PDF-", None, FileProblem.UNREADABLE),
        (sample_documents.docx()[:-40], None, FileProblem.UNREADABLE),
        (b"PK\x03\x04", Kind(DOCX, Family.DOCUMENT), FileProblem.UNREADABLE),
        (b"", Kind(XLSX, Family.DOCUMENT), FileProblem.UNREADABLE),
        (sample_documents.pdf(), Kind(PPTX, Family.DOCUMENT), FileProblem.UNREADABLE),
        (rb"{\rtf1 hello}", None, FileProblem.UNSUPPORTED),
        (b"hello", None, FileProblem.UNSUPPORTED),
        (b"PK\x03\x04", None, FileProblem.UNSUPPORTED),
    ],
    ids=range(10),
)
async def test_documents_without_text(data: bytes, kind: Kind | None, problem: FileProblem) -> None:
    assert await refusal(data, kind) is problem


@pytest.mark.parametrize("last", ["XFD1048576", "B250001"])
async def test_a_sheet_of_empty_cells_is_refused(last: str) -> None:
    """A workbook of 5 kB, of which the converter makes each cell."""
    assert await refusal(sample_documents.xlsx([["a"]], {last: "b"}), seconds=120) is FileProblem.TOO_HARD


async def test_a_person_has_one_place_of_two() -> None:
    places, reading = Places(2), Counter[str]()
    go_on = asyncio.Event()

    async def read(holder: str) -> None:
        async with places.place(holder):
            reading[holder] += 1
            await go_on.wait()

    tasks = [asyncio.create_task(read(holder)) for holder in ("@ann:x", "@ann:x", "@ann:x", "@bob:x", "@eve:x")]

    async def two() -> bool:
        return reading.total() == 2

    await eventually(two, "both places are taken")
    assert reading == {"@ann:x": 1, "@bob:x": 1}
    go_on.set()
    await asyncio.gather(*tasks)
    assert reading == {"@ann:x": 3, "@bob:x": 1, "@eve:x": 1}


async def test_a_slow_document_is_given_up(slow: bytes) -> None:
    assert await refusal(slow, seconds=2) is FileProblem.TOO_HARD


async def test_a_cancelled_caller_leaves_no_process_behind(slow: bytes) -> None:
    reading = asyncio.create_task(as_markdown(slow, kind_of(slow), max_chars=10))

    async def started() -> set[str]:
        return children()

    await eventually(started, "a worker runs")
    reading.cancel()
    await asyncio.wait({reading})
    assert reading.cancelled()
    assert not children()


@pytest.mark.long
async def test_a_decompression_bomb_is_refused() -> None:
    """A page of 14 kB that is six gigabytes long. The sheets of empty cells are the short form."""
    packer, space = zlib.compressobj(9), b" " * 2**20
    first, again = (packer.compress(space) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    page = zlib.compress(first + again * 6000 + packer.flush(), 9)
    bomb = sample_documents.pdf_of(page, "/Filter [/FlateDecode /FlateDecode]")
    assert len(bomb) < 20_000
    assert await refusal(bomb) is FileProblem.TOO_HARD


async def test_a_document_reads_no_other_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("s3cret")
    entity = f'<!DOCTYPE a [<!ENTITY x SYSTEM "{secret.as_uri()}">]>'
    types = sample_documents.docx(f"{entity}<w:p><w:r><w:t>&x;</w:t></w:r></w:p>")
    picture = sample_documents.docx(
        "<w:p><w:r><w:t>seen</w:t></w:r><w:r><w:drawing><wp:inline "
        'xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing" '
        'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
        'xmlns:pic="http://schemas.openxmlformats.org/drawingml/2006/picture" '
        'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><wp:docPr id="1" name="a"/>'
        '<a:graphic><a:graphicData><pic:pic><pic:blipFill><a:blip r:link="r9"/></pic:blipFill></pic:pic>'
        "</a:graphicData></a:graphic></wp:inline></w:drawing></w:r></w:p>",
        {"word/_rels/document.xml.rels": sample_documents.link_to(secret.as_uri())},
    )
    for data in (types, picture):
        try:
            text = (await as_markdown(data, kind_of(data), max_chars=1000)).text
        except FileRefused as error:
            text = str(error)
        assert "s3cret" not in text
        assert "czNjcmV0" not in text


def test_the_worker_opens_no_connection_starts_no_process_and_touches_no_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    attempts = [
        f"open({str(secret)!r}).read()",
        f"import os; os.open({str(secret)!r}, os.O_RDONLY)",
        f"open('/usr/share/../..{secret}').read()",
        "open('/proc/self/environ').read()",
        "import socket; socket.create_connection(('127.0.0.1', 9))",
        "import urllib.request; urllib.request.urlopen('file:///etc/hostname')",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.system('true')",
        "import os; os.fork()",
        f"open({str(tmp_path / 'x')!r}, 'w').write('x' * 100_000)",
    ]
    for attempt in attempts:
        program = (
            "import sys; from agent_bridge.files import sandbox; sandbox.bound(1024**3, 10); sandbox.deny()\n"
            f"try:\n    {attempt}\nexcept OSError as error: sys.exit(7)"
        )
        done = subprocess.run([sys.executable, "-I", "-c", program], check=False, capture_output=True, timeout=30)
        assert done.returncode == 7, (attempt, done.stderr)


def test_the_worker_says_that_the_extra_is_missing(tmp_path: Path) -> None:
    program = (
        "import runpy, sys; sys.modules['markitdown'] = None; sys.argv = ['worker', 'pdf', '10']\n"
        f"runpy.run_path({document_worker.__file__!r}, run_name='__main__')"
    )
    command = [sys.executable, "-I", "-c", program]
    done = subprocess.run(
        command, check=False, input=sample_documents.pdf(), capture_output=True, timeout=30, cwd=tmp_path
    )
    assert done.returncode == document_worker.NOT_INSTALLED


async def test_the_extra_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The interpreter of the environment does not find the package."""
    bare = tmp_path / "python"
    without = (
        "import runpy, sys; sys.modules['markitdown'] = None; sys.argv = sys.argv[2:]; "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{without}" "$@"\n')
    bare.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(bare))
    assert await refusal(sample_documents.pdf()) is FileProblem.NOT_INSTALLED


async def test_the_worker_gets_no_secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shown = tmp_path / "environment"
    spy = tmp_path / "python"
    spy.write_text(f'#!/bin/sh\nenv > {shown}\nexec {sys.executable} "$@"\n')
    spy.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(spy))
    monkeypatch.setitem(os.environ, "LETTA_API_KEY", "s3cret")
    await as_markdown(sample_documents.pdf(), Kind(PDF, Family.DOCUMENT), max_chars=10)
    assert "LANG=" in shown.read_text()
    assert "s3cret" not in shown.read_text()

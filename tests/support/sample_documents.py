"""Small documents, made by the usual libraries."""

from __future__ import annotations

import io
import zipfile

_DOCX_TYPES = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    '<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.'
    'wordprocessingml.document.main+xml"/></Types>'
)
_RELATIONSHIPS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_DOCX_ROOT = (
    f'<?xml version="1.0"?><Relationships xmlns="{_RELATIONSHIPS}">'
    f'<Relationship Id="r1" Type="{_OFFICE}/officeDocument" Target="word/document.xml"/></Relationships>'
)
_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def pdf(text: str = "Hello from a PDF", pages: int = 1) -> bytes:
    """A PDF with *text* on each page; none of it for an empty one."""
    return pdf_of(f"BT /F1 24 Tf 72 700 Td ({text}) Tj ET".encode() if text else b"0 0 m 9 9 l S", pages=pages)


def pdf_of(stream: bytes, more: str = "", pages: int = 1) -> bytes:
    """A PDF whose pages all show *stream*, with *more* in the dictionary of the stream."""
    kids = " ".join(f"{4 + number} 0 R" for number in range(pages))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {pages} >>".encode(),
        b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(stream), more.encode(), stream),
    ]
    page = (
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 3 0 R /Resources << /Font << /F1 "
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>"
    )
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for number, each in enumerate([*objects, *[page] * pages], 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(places) + 1, start)
    return bytes(out)


def docx(body: str = "<w:p><w:r><w:t>Hello from Word</w:t></w:r></w:p>", extra: dict[str, str] | None = None) -> bytes:
    """A document of Word with *body* as WordprocessingML, and *extra* parts."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", _DOCX_TYPES)
        archive.writestr("_rels/.rels", _DOCX_ROOT)
        for name, content in (extra or {}).items():
            archive.writestr(name, content)
        head = f'<?xml version="1.0"?><w:document xmlns:w="{_WORD}"><w:body>'
        archive.writestr("word/document.xml", f"{head}{body}</w:body></w:document>")
    return out.getvalue()


def xlsx(rows: list[list[object]], cells: dict[str, str] | None = None) -> bytes:
    """A workbook with one sheet: *rows*, and *cells* by their addresses."""
    import openpyxl  # type: ignore[import-untyped]

    book, out = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    for place, value in (cells or {}).items():
        book.active[place] = value
    book.save(out)
    return out.getvalue()


def pptx(title: str) -> bytes:
    """A presentation with one slide."""
    import pptx as library

    show, out = library.Presentation(), io.BytesIO()
    show.slides.add_slide(show.slide_layouts[0]).shapes.title.text = title
    show.save(out)
    return out.getvalue()


def link_to(url: str) -> str:
    """The relationships of a part whose ``r9`` is a picture outside of the document."""
    return (
        f'<?xml version="1.0"?><Relationships xmlns="{_RELATIONSHIPS}">'
        f'<Relationship Id="r9" Type="{_OFFICE}/image" Target="{url}" TargetMode="External"/></Relationships>'
    )

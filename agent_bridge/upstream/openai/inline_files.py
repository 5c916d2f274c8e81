"""Files inside the text of an answer, as ``data:`` URLs (RFC 2397): pictures in Markdown or HTML, and links."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent_bridge.core.errors import FileProblem
from agent_bridge.upstream.answer import FileDelta, TextDelta
from agent_bridge.upstream.openai.code_lines import CodeLines
from agent_bridge.upstream.transport.pieces import file_delta

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The beginning of a link, up to its URL: in Markdown, in HTML, or none. A short URL is an example.
_MARKDOWN = r"!?\[[^\[\]\n]{0,300}\]\(\s{0,3}<?"
_HTML = r"<(?:img|a|source|video|audio|embed)\s[^<>]{0,300}?(?:src|href|srcset|poster)\s?=\s?[\"']?"
#: It stands around the same picture in several formats.
_PICTURE = r"<picture\b[^<>]{0,300}>\s{0,20}"
_BEGIN = re.compile(
    rf"(?P<svg>{_MARKDOWN}|{_HTML})(?=data:image/svg\+xml[^,<>\s]{{0,40}},<(?:svg|\?xml))"
    rf"|(?P<markdown>{_MARKDOWN})(?=data:[^\s)]{{32}})"
    rf"|(?P<html>(?P<picture>{_PICTURE})?{_HTML})(?=data:[^\s\"']{{32}})"
    r"|(?P<definition>(?:^|(?<=\n))[ ]{0,3}\[[^\[\]\n]{1,300}\]:[ \t]{0,3}<?)(?=data:[^\s)]{32})"
    r"|(?P<picture_end></picture\s{0,3}>)"
    r"|(?P<bare>[<`]?)(?=data:[\w.+-]{1,80}/[\w.+-]{1,80}(?:;[\w.=-]{1,80}){0,5};base64,[\w+/-]{64})",
    re.IGNORECASE,
)
#: The end of a text that may be such a beginning.
_UNFINISHED = re.compile(
    r"(?:!|[ ]{0,3}!?\[[^\[\]\n]{0,300}(?:\](?:(?:\(|:)\s{0,3}<?(?:d|da|dat|data|data:[^\s)]{0,64})?)?)?"
    rf"|(?:{_PICTURE})?</?(?:[a-z]{{1,7}}(?:\s[^<>]{{0,400}}(?:<[?a-z]{{0,4}})?)?)?|{_PICTURE}"
    r"|[<`]?(?:d|da|dat|data|data:[\w.+/;=,-]{0,1000})|`)\Z",
    re.IGNORECASE,
)
#: The first character that is no part of the URL, by the kind of the beginning; and the rest of the Markdown or HTML.
_STOP = {
    "markdown": re.compile(r"[\s>)]"),
    "html": re.compile(r"[\"'\s>]"),
    "definition": re.compile(r"[\s>]"),
    "bare": re.compile(r"[^\w.+/;:=,-]"),
    # A blank line ends the paragraph, and with it a URL without an end.
    "svg": re.compile(r"(?<=</svg>)|(?<=/>)(?=>?[\"')])|\n[ \t\r]{0,3}\n", re.IGNORECASE),
}
_REST = {
    "markdown": re.compile(r">?(?:\s+(?:\"[^\"\n]*\"|'[^'\n]*'))?\s*\)"),
    "html": re.compile(r"[^<>]*>"),
    "definition": re.compile(r"[^\n]*(?=\n)"),
    "bare": re.compile(r"[>`]?"),
    "svg": re.compile(r">?\s*\)|[^<>\n]*>"),
}
#: The URL of a definition whose file was taken out: its references show their text alone.
_NO_URL = "#"
#: Characters of the longest end of a picture in SVG.
_SVG_END = len("</svg>")
_OUTSIDE = re.compile(r"[<\n]")
#: Characters of a URL.
MAX_URL = 32 * 1024 * 1024
#: Characters of text that are searched for the beginning of a link.
_LONGEST_BEGIN = 2_000
#: Characters after a URL in which the rest of the Markdown or the HTML is expected.
_MAX_REST = 500


class InlineFiles:
    """Takes the files out of the text of one answer. The text may be cut into pieces anywhere.

    Of a file whose URL has more than *limit* characters, nothing is kept, and its event has a problem.
    """

    def __init__(self, limit: int = MAX_URL) -> None:
        self._limit = limit
        self._held = ""
        self._code = CodeLines()
        #: The kind of the beginning of the URL that is being read, and its pieces.
        self._kind = ""
        self._url: list[str] = []
        self._length = 0
        #: The beginning of an SVG picture whose end was not found. Without an end it is text.
        self._beginning = ""
        #: Whether the tags around a picture in several formats have begun.
        self._in_picture = False
        #: Whether the URL is complete, and only the rest of the Markdown or HTML is missing.
        self._complete = False

    def feed(self, text: str) -> Iterator[TextDelta | FileDelta]:
        """Yield the text of the next piece, and the files that it completes."""
        text, self._held = self._held + text, ""
        yield from self._read(text, final=False)

    def close(self) -> Iterator[TextDelta | FileDelta]:
        """Yield the text that was held back."""
        text, self._held = self._held, ""
        yield from self._read(text, final=True)
        if self._kind:
            yield from self._file()

    def _read(self, text: str, *, final: bool) -> Iterator[TextDelta | FileDelta]:
        while text:
            if self._kind:
                text = self._read_url(text, final=final)
                if self._kind:
                    self._held = text
                    return
                yield from self._file()
                continue
            found = _BEGIN.search(text)
            if found is None:
                partial = None if final else _UNFINISHED.search(text, max(0, len(text) - _LONGEST_BEGIN))
                stop = partial.start() if partial else len(text)
                yield from self._say(text[:stop])
                self._held = text[stop:]
                return
            yield from self._say(text[: found.start()])
            if self._code.in_block:
                start = max(found.end(), found.start() + 1)
                yield from self._say(text[found.start() : start])
                text = text[start:]
            elif found["picture_end"]:
                yield from self._say("" if self._in_picture else found[0])
                self._in_picture, text = False, text[found.end() :]
            else:
                self._kind, text = str(found.lastgroup), text[found.end() :]
                self._beginning = found[0] if self._kind == "svg" else ""
                self._in_picture |= bool(found["picture"])
                if self._kind == "definition":
                    yield from self._say(found[0].rstrip("<") + _NO_URL)

    def _say(self, text: str) -> Iterator[TextDelta]:
        if text:
            self._code.add(text)
            yield TextDelta(text)

    def _read_url(self, text: str, *, final: bool) -> str:
        """Return the text after the URL; while the URL is not complete, the text that waits for more."""
        kind = self._kind
        if not self._complete:
            stop = _STOP[kind].search(text)
            if stop is None:
                # The end of the picture may be cut.
                taken = max(0, len(text) - _SVG_END) if kind == "svg" and not final else len(text)
                self._add(text[:taken])
                return text[taken:]
            self._add(text[: stop.start()])
            if kind == "svg":
                if stop[0]:
                    self._kind = ""
                    return text[stop.start() :]
                self._beginning = ""
            self._complete, text = True, text[stop.start() :]
        rest = _REST[kind].match(text)
        if rest is None and not final:
            if kind == "html" and not _OUTSIDE.search(text):
                # Further attributes may have URLs as well.
                return ""
            if len(text) < _MAX_REST:
                return text
        self._kind, self._complete = "", False
        return text[rest.end() :] if rest else text

    def _add(self, piece: str) -> None:
        self._length += len(piece)
        if self._length <= self._limit:
            self._url.append(piece)
        else:
            self._url.clear()

    def _file(self) -> Iterator[TextDelta | FileDelta]:
        url, self._url = "".join(self._url), []
        length, self._length = self._length, 0
        self._kind, self._complete = "", False
        beginning, self._beginning = self._beginning, ""
        if beginning and length <= self._limit:
            yield from self._say(beginning + url)
        elif length > self._limit:
            yield FileDelta("", None, None, FileProblem.TOO_LARGE)
        elif found := file_delta(url):
            yield found

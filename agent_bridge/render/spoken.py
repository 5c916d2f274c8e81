"""Markdown as words that a voice reads aloud: without marks, addresses and code."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from agent_bridge.render.markdown.html import MAX_MARKDOWN, to_html
from agent_bridge.render.markdown.plain import to_plain

#: Elements that end a sentence.
_SENTENCES = frozenset(
    "p h1 h2 h3 h4 h5 h6 li tr blockquote summary div ul ol table details".split()  # noqa: SIM905  # shorter
)
#: An address, without the punctuation behind it, and the words behind that: Chinese and Japanese have no spaces.
_ADDRESS = re.compile(
    r"(?:(?:https?|ftp)://|\bmailto:(?=\w)|\bmatrix:(?:u|r|roomid)/|\bwww\.)"
    r"(?:\([^\s()，。！？；：、（）「」『』《》【】]*\)|[^\s()，。！？；：、（）「」『』《》【】])*"
    r"""(?<![.,!?;:…'"\]}»”’])"""
)
#: Pictographs, with the signs that modify and join them.
_PICTOGRAPHS = re.compile(
    "(?:[\U0001f000-\U0001faff\u2190-\u21ff\u2300-\u23ff\u2500-\u27bf\u2b00-\u2bff]"
    "[\ufe0e\ufe0f\u200d\U000e0020-\U000e007f]*)+"
)
#: Control characters, directions, and the rest of a keycap: they are within words.
_SILENT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufe0e\ufe0f\u20e3\ufeff]"
)
_TIMES = re.compile(r"(?<=\d) ?\* ?(?=\d)")
#: Signs that voices name or choke on; C# and #1 are words.
_UNSAID = re.compile(r"[*_~|`<>\\]|(?<![^\W\d_])#(?!\d)")
_SPACES = re.compile(r"[^\S\n]+")
_BEFORE_SIGN = re.compile(r" +(?=[.,!?;:](?:\s|$)|[，。！？；：、])", re.MULTILINE)
_LINES = re.compile(r" *\n[ \n]*")
#: The end of a sentence, after which a text is cut; of a clause, if there is none; a space, if there is none either.
#: Scripts without spaces have signs of their own.
_CUTS = tuple(
    re.compile(each)
    for each in (
        r"\n",
        r"(?<=[.!?…।؟۔])\s+|(?<=[。！？])(?![。！？」』”’）])|(?<=[。！？][」』”’）])",
        r"(?<=[,;:،؛])\s+|(?<=[，；：、])",
        r"\s+",
    )
)
_ENDS = tuple(".!?…:;,。！？；：，।؟۔،")
#: The replacement of each of them, in this order.
_INSTEAD = (
    (_ADDRESS, " "),
    (_PICTOGRAPHS, " "),
    (_SILENT, ""),
    (_TIMES, " × "),
    (_UNSAID, " "),
    (_SPACES, " "),
    (_LINES, "\n"),
)


def spoken(markdown: str, *, code: str) -> str:
    """Return *markdown* as plain words, a line for each paragraph, item and row; empty if nothing can be said.

    A link is its text, and an address without one is left out. *code* stands for each block of code. Spoilers, and
    sections with reasoning, are hidden as in :func:`to_plain`.
    """
    plain = to_plain(markdown)
    if len(plain) > MAX_MARKDOWN:
        return _tidy(plain)
    reader = _Reader(code)
    reader.feed(to_html(plain))
    reader.close()
    return _tidy("".join(reader.pieces))


def _tidy(text: str) -> str:
    for pattern, instead in _INSTEAD:
        text = pattern.sub(instead, text)
    lines = text.strip().split("\n")
    said = (_BEFORE_SIGN.sub("", line).strip(" ,，、") for line in lines)
    # A line of signs alone says nothing.
    return "\n".join(line for line in said if any(each.isalnum() for each in line))


def speech_pieces(text: str, limit: int) -> list[str]:
    """Cut the words *text* into pieces of at most *limit* characters, between lines or sentences where possible."""
    pieces: list[str] = []
    rest = text.strip()
    while len(rest) > limit:
        at = _cut(rest, limit)
        pieces.append(rest[:at].strip())
        rest = rest[at:].strip()
    return [each for each in (*pieces, rest) if each]


def _cut(text: str, limit: int) -> int:
    """Return the position up to which the next piece of *text* goes, in the second half of the limit."""
    for pattern in _CUTS:
        ends = [found.end() for found in pattern.finditer(text, limit // 2, limit + 1) if found.start() <= limit]
        if ends:
            return ends[-1]
    return limit


class _Reader(HTMLParser):
    """Collects the words of sanitised HTML."""

    def __init__(self, code: str) -> None:
        super().__init__()
        self._code = code
        self.pieces: list[str] = []
        #: The depth of blocks of code, and the cells of the row so far.
        self._verbatim = self._cells = 0
        #: The lists that are open: the number of the last item; None for a list without numbers.
        self._lists: list[int | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin an element."""
        if tag == "pre":
            self._end()
            self._verbatim += 1
        elif tag in {"td", "th"}:
            self.pieces += [", "] if self._cells else []
            self._cells += 1
        elif tag == "br":
            self.pieces.append("\n")
        elif tag == "img":
            self.pieces.append(dict(attrs).get("alt") or "")
        elif tag in _SENTENCES:
            self._cells = 0
            self._end()
            self._list(tag, dict(attrs).get("start"))

    def handle_endtag(self, tag: str) -> None:
        """End an element."""
        if tag == "pre":
            self._verbatim -= 1
            self.pieces += [self._code, "\n"]
        elif tag in _SENTENCES:
            if tag in {"ol", "ul"} and self._lists:
                self._lists.pop()
            self._end()

    def handle_data(self, data: str) -> None:
        """Add words. Line breaks between elements, and within a paragraph, are spaces."""
        if not self._verbatim:
            self.pieces.append(data.replace("\n", " "))

    def _list(self, tag: str, start: str | None) -> None:
        """Begin a list, or number an item of one."""
        if tag in {"ol", "ul"}:
            self._lists.append(None if tag == "ul" else int(start or 1) - 1)
        elif tag == "li" and self._lists and (last := self._lists[-1]) is not None:
            self._lists[-1] = last + 1
            self.pieces.append(f"{last + 1}. ")

    def _end(self) -> None:
        """End the sentence, so that the voice pauses."""
        said = "".join(self.pieces[-20:]).rstrip()
        if said and not said.endswith((*_ENDS, "\n")):
            self.pieces.append(".")
        self.pieces.append("\n")

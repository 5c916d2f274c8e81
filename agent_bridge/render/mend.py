"""The end of a text that is still growing, shown as what it is going to be."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it.token import Token

#: A last line that is a mark without words yet, and would be taken for something else: "text\n-" is a heading.
_MARK = re.compile(
    r"[ \t>]*(?:[-+*=]{1,2}|#{1,6}|\d{1,3}[.)]|[-+*]?[ \t]*\[[ xX]?\]?|[-+*]|`{1,2}|~{1,2}|\$|\\\[?|<[/a-z]*)?[ \t]*",
    re.IGNORECASE,
)
_DELIMITER = re.compile(r"[ \t]*\|?[ \t]*(?::?-*:?[ \t]*\|?[ \t]*)*")
_CELL_END = re.compile(r"(?<!\\)\|")
_VERBATIM = {"fence", "code_block", "maths_block"}
_HALF_FENCE = re.compile(r"\n[ \t>]*(?:`{1,2}|~{1,2})$")


def mend(markdown: str, tokens: list[Token]) -> str:
    """Return *markdown*, whose blocks are *tokens*, with a last line that makes sense already.

    Marks without words are left out, and a table is one from its first bar.
    """
    if not tokens or markdown.endswith("\n"):
        return markdown
    if tokens[-1].type in _VERBATIM:
        return _HALF_FENCE.sub("", markdown)
    before, _, last = markdown.rpartition("\n")
    paragraph = len(tokens) > 1 and tokens[-1].type == "paragraph_close"
    if (
        paragraph
        and (tokens[-2].content.startswith("|") or "|" in tokens[-2].content)
        and (table := _table(before, last))
    ):
        return table
    return before if _MARK.fullmatch(last) and last.strip() else markdown


def _table(before: str, last: str) -> str | None:
    """Return the text with the table complete that its last lines begin, None if they begin none."""
    head = before.rpartition("\n")[2].strip()
    if not head and last.startswith("|") and not last.startswith("||"):
        return f"{before}\n{last}\n{_delimiter(last)}"
    if (
        head.startswith("|")
        and _DELIMITER.fullmatch(last)
        and not before.rpartition("\n")[0].rpartition("\n")[2].strip()
    ):
        return f"{before}\n{_delimiter(head)}"
    return None


def _delimiter(head: str) -> str:
    cells = _CELL_END.split(head.strip().removeprefix("|").removesuffix("|"))
    return "|" + "---|" * len(cells)


#: What may be open at the end of a paragraph.
_PIECE = re.compile(
    r"(?P<skip>\\[^(\[]|!?\[\^?[^\[\]\n]*\]\([^()\s]*\)|<[a-z][a-z0-9+.-]*:[^\s<>]*>|https?://[^\s<>*]*)"
    r"|(?P<code>`+)"
    r"|(?P<maths>\$\$|\\\(|\\\[)"
    r"|(?P<both>\*\*|__|~~|\|\||\*|_)"
    r"|<(?P<end>/?)(?P<tag>sub|sup|u|kbd)>"
    r"|(?P<link>!?\[(?![^\]\n]*[()][^\]\n]*$)(?P<label>[^\[\]\n]{0,200})(?:$|\]\([^()\s]*(?:\s+\"[^\"\n]*)?$))",
    re.IGNORECASE,
)
_MATHS_END = {"$$": "$$", "\\(": "\\)", "\\[": "\\]"}
#: Marks at the very end that say nothing yet.
_DANGLING = re.compile(r"(?:\s+(?:\*{1,3}|_{1,3}|~{1,2}|`{1,2}|\|{1,2}|\${1,2}|!?\[|!)|<[/a-z]*|\\)$", re.IGNORECASE)


def mend_inline(text: str) -> str:
    """Return the Markdown of a paragraph with everything closed that is open at its end."""
    opened: list[str] = []
    at = 0
    while found := _PIECE.search(text, at):
        at = found.end()
        if found["link"] is not None:
            text = text[: found.start()] + found["label"]
            at = found.start()
        elif opener := found["code"] or found["maths"]:
            end = _MATHS_END.get(opener, opener)
            closing = _closing(text, at, opener, end)
            if closing < 0:
                return _close(_closed_verbatim(text, found, end), opened)
            at = closing
        elif found["tag"]:
            _toggle_tag(opened, found)
        elif mark := found["both"]:
            _toggle(opened, mark, text, found)
    return _close(_DANGLING.sub("", text), opened)


def _closing(text: str, at: int, opener: str, end: str) -> int:
    """Return the position behind the *end* of what *opener* began before *at*, -1 if there is none."""
    if opener[0] != "`":
        found = text.find(end, at)
        return found + len(end) if found >= 0 else -1
    run = re.compile(rf"(?<!`){end}(?!`)").search(text, at)
    return run.end() if run else -1


def _closed_verbatim(text: str, found: re.Match[str], end: str) -> str:
    inside = text[found.end() :].rstrip().rstrip(end[0] if end[0] != "\\" else "\\")
    return text[: found.start()].rstrip() if not inside.strip() else text[: found.end()] + inside + end


def _toggle(opened: list[str], mark: str, text: str, found: re.Match[str]) -> None:
    before = text[found.start() - 1] if found.start() else " "
    after = text[found.end()] if found.end() < len(text) else " "
    if mark in opened and not before.isspace():
        del opened[opened.index(mark) :]
    elif not before.isalnum() and not after.isspace():
        opened.append(mark)


def _toggle_tag(opened: list[str], found: re.Match[str]) -> None:
    end = f"</{found['tag'].lower()}>"
    if not found["end"]:
        opened.append(end)
    elif end in opened:
        del opened[opened.index(end) :]


def _close(text: str, opened: list[str]) -> str:
    if not opened:
        return text
    text = text.rstrip()
    closing = "".join(reversed(opened))
    # Half of an end is there already.
    half = closing[0]
    if half in "*_~|" and text.endswith(half) and not text.endswith(half * 2) and opened[-1] == half * 2:
        text = text[:-1].rstrip()
    return text + closing

r"""LaTeX: ``$…$``, ``$$…$$``, ``\(…\)``, ``\[…\]``, ``\begin{align}…`` (Matrix spec, "Mathematical messages")."""

from __future__ import annotations

import re
from html import escape

from agent_bridge.render.syntax.parser import is_in_row, start_of_line, start_of_text
from agent_bridge.render.syntax.standins import BLOCK, BLOCK_END, MATHS, MATHS_END, hide

#: Characters and lines of a formula at most.
_LONGEST, _MOST_LINES = 4_000, 100
#: A line break inside a formula: the next line is not blank and does not begin another block.
_BREAK = rf"\n(?![ \t>]*(?:\n|$|[-+*#][ \t]|\d{{1,9}}[.)][ \t]|```|~~~|{re.escape(BLOCK)}))"
#: A formula within a paragraph. No ASCII letter or digit stands beside ``$``; other scripts write no spaces there.
_INLINE = re.compile(
    r"[\\$](?:"
    rf"(?<=\$)\$(?P<double>(?:\\[^\n]|[^$\\`\n]|{_BREAK}){{1,2000}})\$\$(?!\$)"
    rf"|(?<![A-Za-z0-9_$/?&]\$)(?<=\$)(?![\s$])(?P<single>(?:\\[^\n]|[^$\\`\n]|{_BREAK}){{1,2000}})(?<!\s)\$(?![A-Za-z0-9_$])"
    rf"|(?<=\\)\((?P<round>(?:\\[^\n()]|[^\\`\n]|{_BREAK}){{1,2000}})\\\)"
    rf"|(?<=\\)\[(?P<square>(?:\\[^\n\[\]]|[^\\`\n]|{_BREAK}){{1,2000}})\\\]"
    r"|(?<=\\)[^\n])"
)
#: Two amounts of money and the words between them: "$5, and 10$".
_PRICE = re.compile(r"\d[\d.,]*(?:[kKmMbB]\b)?(?:[^\w\s]*\s|[\u2e80-\uffef])[^\\^_={}<>+*/]*")
#: LaTeX, as opposed to square brackets that are escaped so that they are no link.
_LATEX = re.compile(r"(?<!\\)[=^_]|(?<!\\)(?:\\\\)*\\[A-Za-z]")
_BEGIN = re.compile(
    r"\$\$|\\\[|\\begin\{(?P<name>(?:align|alignat|equation|flalign|gather|multline|eqnarray|[bBpvV]?matrix|cases)\*?)\}"
)
_FENCE = re.compile(r"[ \t>]*(?:```|~~~)")
_QUOTED = re.compile(r"[ \t>]*")
_ENDS = {"$$": "$$", "\\[": "\\]"}
_SIGNS = re.compile(r"\$\$|\$|\\[()\[\]]")


def protect(text: str, *, live: bool = False) -> str:
    """Return *text* with marks around its formulas and stand-ins in them.

    With *live*, *text* still grows: a formula on lines of its own that has no end yet extends to the end of *text*.
    """
    if "$" not in text and "\\" not in text:
        return text
    return _INLINE.sub(_hidden, _blocks(text, live=live))


def html(written: str, tag: str) -> str:
    """Return the HTML of a formula, *written* with its signs, as an element *tag*.

    A client that does not typeset formulas shows the code: a ``div`` has it as a paragraph, with a gap to the next one.
    """
    tex = escape(_latex(written))
    code = f"<p><code>{tex}</code></p>" if tag == "div" else f"<code>{tex}</code>"
    return f'<{tag} data-mx-maths="{tex}">{code}</{tag}>'


def _latex(written: str) -> str:
    written = written.strip()
    if not (sign := _SIGNS.match(written)):
        return written
    inside = written[sign.end() :].rstrip()
    end = {"\\(": "\\)", "\\[": "\\]"}.get(sign[0], sign[0])
    return inside.removesuffix(end).strip()


def is_formula(written: str) -> bool:
    """Tell whether *written*, the lines of a block, is a formula."""
    return _BEGIN.match(written.lstrip()) is not None


def _hidden(found: re.Match[str]) -> str:
    group = found.lastgroup
    if group is None:
        return found[0]
    tex = found[group].strip()
    if not tex or (group == "single" and _PRICE.fullmatch(tex)) or (group == "square" and not _LATEX.search(tex)):
        return found[0]
    hidden = _hide_lines(found[0])
    if "\\|" in found[0] and is_in_row(found.string, found.start()):
        # In a row, the parser removes a backslash before a bar.
        hidden = hidden.replace(hide("\\|"), "\\|")
    return f"{MATHS}{hidden}{MATHS_END}"


def _hide_lines(text: str) -> str:
    """Return *text* hidden, except for the marks of block quotes at the beginning of its lines."""
    first, *others = text.split("\n")
    hidden = [hide(first)]
    for line in others:
        quoted = _QUOTED.match(line)
        at = quoted.end() if quoted else 0
        hidden.append(line[:at] + hide(line[at:]))
    return "\n".join(hidden)


def _blocks(text: str, *, live: bool) -> str:
    """Return *text* with each formula on lines of its own as a hidden block."""
    pieces: list[str] = []
    done = at = 0
    while begin := _BEGIN.search(text, at):
        at = begin.end()
        line = start_of_line(text, begin.start())
        if start_of_text(text, line) != begin.start():
            continue
        end = _end_of_block(text, begin, text[line : begin.start()], live=live)
        if end is not None:
            pieces += [text[done : begin.start()], BLOCK, _hide_lines(text[begin.start() : end]), BLOCK_END]
            done = at = end
    return "".join([*pieces, text[done:]])


def _end_of_block(text: str, begin: re.Match[str], prefix: str, *, live: bool) -> int | None:
    """Return the end of the last line of the formula, or None if it does not consist of whole lines."""
    sign = f"\\end{{{begin['name']}}}" if begin["name"] else _ENDS[begin[0]]
    limit = begin.start() + _LONGEST
    if sign != begin[0] and (again := text.find(begin[0], begin.end(), limit)) >= 0:
        # A formula ends before the next one begins.
        limit = again
    at = text.find(sign, begin.end(), limit)
    if at < 0:
        end = len(text) if live and len(text) <= limit else None
    else:
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        if not begin["name"] and text[at + len(sign) : end].strip():
            return None
    if end is None or text.count("\n", begin.start(), end) > _MOST_LINES:
        return None
    inside = text[begin.end() : end if at < 0 else at]
    if not inside.strip() or (begin[0] == "\\[" and at >= 0 and not _LATEX.search(inside)):
        return None
    lines = text[begin.end() : end]
    return end if _are_lines_of_block(lines, prefix, sign, closed=at >= 0) else None


def _are_lines_of_block(text: str, prefix: str, end: str, *, closed: bool) -> bool:
    """Tell whether *text*, the rest of a formula that began behind *prefix*, is inside one block."""
    first, *lines = text.split("\n")
    quotes = prefix.count(">")
    blank = False
    for line in lines:
        quoted = _QUOTED.match(line)
        mark = quoted[0] if quoted else ""
        if len(mark) == len(line):
            blank = True
        elif _FENCE.match(line) or mark.count(">") < quotes or (not quotes and len(mark) < len(prefix)):
            return False
    # A formula with a blank line has its signs on lines of their own; otherwise they could be two amounts of money.
    alone = not first.strip() and (not closed or lines[-1].strip(" \t>") == end)
    return not blank or alone or end.startswith("\\end")

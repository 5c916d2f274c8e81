r"""LaTeX: ``$…$``, ``$$…$$``, ``\(…\)``, ``\[…\]``, ``\begin{align}…`` (Matrix spec, "Mathematical messages")."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from markdown_it.common.utils import escapeHtml

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markdown_it import MarkdownIt
    from markdown_it.renderer import RendererHTML
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

#: Characters of a formula at most: what looks for its end in vain gives up here.
_LONGEST = 4_000
#: Lines likewise.
_MOST_LINES = 100
_INLINE = re.compile(
    r"\$\$(?P<double>(?:\\.|[^$\\`]){1,2000})\$\$(?!\$)"
    r"|(?<![\w$])\$(?![\s$])(?P<single>(?:\\.|[^$\\`]){1,2000})(?<!\s)\$(?![\w$])"
    r"|\\\((?P<round>(?:(?!\\[()]).){1,2000}?)\\\)"
    r"|\\\[(?P<square>(?:(?!\\[\[\]]).){1,2000}?)\\\]",
    re.DOTALL,
)
#: An amount of money, then words up to the next one: "$5, and 10$".
_PRICE = re.compile(r"\d[\d.,]*(?:[kKmMbB]\b)?\W*\s[^\\^_={}<>+*/]*")
#: What tells a formula from brackets that Markdown's own escapes keep from being a link.
_LATEX = re.compile(r"(?<!\\)[=^_]|(?<!\\)(?:\\\\)*\\[A-Za-z]")
_BEGIN = re.compile(
    r"\\begin\{(?P<name>(?:align|alignat|equation|flalign|gather|multline|eqnarray|[bBpvV]?matrix|cases)\*?)\}"
)
_ENDS = {"$$": "$$", "\\[": "\\]"}


def maths(parser: MarkdownIt) -> None:
    """Teach *parser* LaTeX. With ``live`` in the environment a block that has no end yet is one all the same."""
    parser.inline.ruler.before("escape", "maths", _inline)
    parser.block.ruler.before("fence", "maths_block", _block, {"alt": ["paragraph", "reference", "blockquote", "list"]})
    parser.add_render_rule("maths", _render)
    parser.add_render_rule("maths_block", _render)


def _render(_self: RendererHTML, tokens: Sequence[Token], at: int, _options: Any, _env: Any) -> str:
    tag, tex = tokens[at].tag, escapeHtml(tokens[at].content)
    return f'<{tag} data-mx-maths="{tex}"><code>{tex}</code></{tag}>' + ("\n" if tag == "div" else "")


def _inline(state: StateInline, silent: bool) -> bool:  # noqa: FBT001
    if state.src[state.pos] not in "$\\":
        return False
    found = _INLINE.match(state.src, state.pos, state.posMax)
    if found is None:
        return False
    tex = found[found.lastgroup or 0].strip()
    if not tex or (found["single"] and _PRICE.fullmatch(tex)) or (found["square"] and not _LATEX.search(tex)):
        return False
    if not silent:
        state.push("maths", "span", 0).content = tex
    state.pos = found.end()
    return True


def _block(state: StateBlock, first: int, beyond: int, silent: bool) -> bool:  # noqa: FBT001
    if state.is_code_block(first):
        return False
    start = state.bMarks[first] + state.tShift[first]
    mark = state.src[start : start + 2]
    begin = _BEGIN.match(state.src, start) if mark == "\\b" else None
    if begin is None and mark not in _ENDS:
        return False
    end = f"\\end{{{begin['name']}}}" if begin else _ENDS[mark]
    last = _last_line(state, first, beyond, state.src.find(end, start + 2, start + _LONGEST))
    if last is None:
        return False
    tex = state.getLines(first, last + 1, state.sCount[first], keepLastLF=False).strip()
    if begin is None:
        tex = tex[2:].removesuffix(end).strip()
    if not _is_block(tex, mark, end if begin is None else None):
        return False
    if not silent:
        token = state.push("maths_block", "div", 0)
        token.content, token.map, token.block = tex, [first, last + 1], True
        state.line = last + 1
    return True


def _is_block(tex: str, mark: str, end: str | None) -> bool:
    # Another end inside: the formula is part of a sentence, which the inline rule reads.
    return (end is None or end not in tex) and (mark != "\\[" or _LATEX.search(tex) is not None)


def _last_line(state: StateBlock, first: int, beyond: int, at: int) -> int | None:
    """Return the line that the end *at* this position closes, None when the block does not end with a line."""
    for line in range(first, min(beyond, first + _MOST_LINES)):
        if state.isEmpty(line) or state.sCount[line] < state.blkIndent:
            return None
        if at != -1 and at < state.eMarks[line]:
            ends = state.src[at : state.eMarks[line]].strip() in {"$$", "\\]"} or state.src.startswith("\\end", at)
            return line if ends else None
        if at == -1 and not state.env.get("live"):
            return None
    return beyond - 1 if at == -1 and beyond == state.lineMax <= first + _MOST_LINES else None

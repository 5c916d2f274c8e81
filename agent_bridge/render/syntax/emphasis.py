"""Emphasis beside letters, and no emphasis in arithmetic and names.

In CommonMark, the characters on both sides of a run of ``*`` or ``~`` decide whether it opens or closes emphasis
("Emphasis and strong emphasis"). These rules fail for scripts without spaces, for arithmetic and for names in programs:

=============================  ====================================================================================
text                           rule
=============================  ====================================================================================
``**Note:**text``              A run between punctuation and a letter closes an open run of its kind.
``说**「重点」**内容``         A run between a letter and a bracket or quote opens, if one of both is not ASCII.
``2*3*4``, ``x**n``, ``a*(b``  A run between two operands is text, unless it closes an open run. Operands are digits,
                               variables of one letter, other words beside a digit, and brackets and quotes with text.
``a**b**c``, ``e**X**tra``     A pair of ``**`` around a word is arithmetic if both the word and the text behind it are
                               one letter.
``__init__``                   A name in a program keeps its underscores. Any other word is bold.
``~5 minutes``                 A single tilde is text.
=============================  ====================================================================================
"""

from __future__ import annotations

import re
import types
import unicodedata
from functools import lru_cache

from agent_bridge.render.syntax.standins import (
    ALL,
    EDGE,
    HIDDEN,
    LESS,
    MATHS,
    MATHS_END,
    REASON,
    SPOILER,
    SPOILER_END,
    hide,
)

_RUN = re.compile(r"[\\*~](?:(?<=\\).|(?<=\*)\*{1,200}|(?<=~)~{1,200})?", re.DOTALL)
#: A run with text on both sides, and a single tilde. Without either, the rules of CommonMark suffice.
_BESIDE_TEXT = re.compile(r"[*~](?<=[^\s*~\\].)[*~]*(?![\s*~,.;:!?)]|\Z)|~(?<!~.)(?!~)")
#: Between two runs in different blocks.
_NEW_BLOCK = re.compile(r"\n[ \t>]*(?:\n|[-+*#|][ \t]|\d{1,9}[.)][ \t])")
#: Unicode categories of opening brackets and quotes; ASCII signs that can stand at the beginning of a phrase.
_OPENING, _QUOTES = {"Ps", "Pi"}, "\"'#@"
#: Signs at the end of an operand.
_OPERAND_ENDS = "\"'`|%!}°"
_BLANK, _SIGN, _LETTER = range(3)
#: The parser takes noncharacters for letters.
_LETTERS = frozenset(ALL) - {LESS, SPOILER, SPOILER_END, REASON, EDGE}

_HIDDEN_BEFORE = re.compile(f"[{HIDDEN}{MATHS_END}](?=_)")
_HIDDEN_BEHIND = re.compile(f"_(?=[{HIDDEN}{MATHS}])")

_DUNDER = re.compile(r"(?<![A-Za-z0-9_\\])__(?P<name>[A-Za-z][A-Za-z0-9_]*?)__(?![A-Za-z0-9_])")
#: Text directly behind a name in a program.
_BEHIND_NAME = re.compile(r"\.\w|[(=]| = ")
#: The rest of a word in bold behind the beginning of a pair.
_PAIR = re.compile(r"(?P<word>[^\W\d_]+)\*\*(?!\*)(?P<behind>\w*)")
_KINDS = (
    type, int, float, str, list, dict, BaseException, memoryview,
    types.FunctionType, types.ModuleType, types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType,
)  # fmt: skip
_OF_FILES = "all author builtins cached date dir dirname file filename func function line main path proto version"
_NAMES = {name[2:-2] for kind in _KINDS for name in dir(kind) if name.startswith("__")} | set(_OF_FILES.split())


def protect(text: str) -> str:
    """Return *text* with stand-ins for signs that are no emphasis, and with an edge where emphasis could not end."""
    if "__" in text:
        text = _DUNDER.sub(lambda found: hide(found[0]) if _is_name(found) else found[0], text)
    if _BESIDE_TEXT.search(text):
        text = _RUN.sub(_Runs(text).protected, text)
    if "_" in text and not text.isascii():
        # An underscore opens and closes beside punctuation, which the stand-ins were.
        text = _HIDDEN_BEFORE.sub(rf"\g<0>{EDGE}", _HIDDEN_BEHIND.sub(rf"\g<0>{EDGE}", text))
    return text


def may_open(text: str, start: int, end: int) -> bool:
    """Tell whether the run from *start* to *end* can open emphasis; a character that is no blank stands behind it."""
    run, before, behind = text[start:end], text[start - 1] if start else " ", text[end]
    if run[0] == "*" and _is_arithmetic(text, start, end):
        return False
    return not before.isalnum() or (run[0] in "*~" and _opens_beside_letter(before, behind))


class _Runs:
    """The runs of *text*, from first to last."""

    def __init__(self, text: str) -> None:
        self._text = text
        #: Open runs, and the end of the last run.
        self._open: set[str] = set()
        self._last = 0

    def protected(self, found: re.Match[str]) -> str:
        """Return the text for the parser in place of the next run."""
        run = found[0]
        if run[0] == "\\":
            return run
        if run == "~":
            return hide(run)
        text, start, end = self._text, found.start(), found.end()
        if self._open and _NEW_BLOCK.search(text, self._last, start):
            self._open.clear()
        self._last = end
        return self._between(run, start, end)

    def _between(self, run: str, start: int, end: int) -> str:
        text = self._text
        before, behind = text[start - 1] if start else "\n", text[end] if end < len(text) else "\n"
        left, right = _kind(before), _kind(behind)
        is_behind_text = left == _LETTER or (left == _SIGN and unicodedata.category(before) not in _OPENING)
        if is_behind_text and self._closes(run):
            return run + EDGE if left == _SIGN and right == _LETTER else run
        if right == _BLANK:
            return run
        if run[0] == "*" and _is_arithmetic(text, start, end):
            return hide(run)
        beside_letter = left == _LETTER and right == _SIGN
        # Behind a closing bracket, CommonMark alone decides.
        if before in ")]" or (beside_letter and not _opens_beside_letter(before, behind)):
            return run
        self._opens(run)
        return EDGE + run if beside_letter else run

    def _opens(self, run: str) -> None:
        # Three signs can be closed by one and two.
        self._open |= {run[:1], run[:2], run} if len(run) > 2 else {run}  # noqa: PLR2004

    def _closes(self, run: str) -> bool:
        """Remove the open run that *run* closes. Return False if there is none."""
        if run in self._open:
            self._open.discard(run)
            return True
        if len(run) > 2 and (of_its_kind := {each for each in self._open if each[0] == run[0]}):  # noqa: PLR2004
            self._open -= of_its_kind
            return True
        return False


@lru_cache(1024)
def _kind(sign: str) -> int:
    """Return the kind of a character beside a run, as the parser sees it."""
    if sign.isalnum() or sign in _LETTERS:
        return _LETTER
    if sign.isspace():
        return _BLANK
    return _SIGN if unicodedata.category(sign)[0] in "PS" else _LETTER


def _opens_beside_letter(before: str, behind: str) -> bool:
    if (before + behind).isascii() or _kind(behind) != _SIGN:
        return False
    category = unicodedata.category(behind)
    return category in _OPENING or category[0] == "S" or behind in _QUOTES


def _is_arithmetic(text: str, start: int, end: int) -> bool:
    """Tell whether the run from *start* to *end* is a sign between two operands."""
    if not start or end == len(text) or not _may_end_operand(text[start - 1]) or _is_bold_pair(text, start, end):
        return False
    before, behind = text[start - 1], text[end]
    if behind == "(":
        return _is_operand(before) or before in ")]"
    if _is_operand(before) and _is_operand(behind):
        if before.isdigit() or behind.isdigit() or _is_variable(text, start - 1):
            return True
        further = _RUN.search(text, end)
        return further is not None and _has_digit_beside(text, further)
    if _is_variable(text, start - 1):
        return unicodedata.category(behind) == "Sm"
    return _is_behind_bracket(text, start, end)


def _is_bold_pair(text: str, start: int, end: int) -> bool:
    """Tell whether the run is the first of a pair of ``**`` around a word that is no variable between operands."""
    pair = _PAIR.match(text, end) if text[start:end] == "**" else None
    if pair is None or text[start - 1].isdigit():
        return False
    behind = pair["behind"]
    return len(pair["word"]) > 1 or not (len(behind) == 1 or behind[:1].isdigit())


def _is_behind_bracket(text: str, start: int, end: int) -> bool:
    """Tell whether the run is a sign between an operand in quotes or bars and a variable."""
    before = text[start - 1]
    # A quote behind a blank begins a phrase.
    ends_operand = before in _OPERAND_ENDS and text[max(start - 2, 0) : start - 1].strip() != ""
    if not ends_operand or not _is_variable(text, end):
        return False
    further = _RUN.search(text, end)
    return further is None or text[further.end() : further.end() + 1].isalnum()


def _may_end_operand(sign: str) -> bool:
    return sign in _OPERAND_ENDS or sign in ")]" or _is_operand(sign)


def _is_operand(sign: str) -> bool:
    """Tell whether *sign* is a digit, or a letter of a script with spaces between its words."""
    return sign.isdigit() or sign.lower() != sign.upper()


def _is_variable(text: str, at: int) -> bool:
    """Tell whether a digit, or a letter without further letters beside it, is at the place *at*."""
    if text[at].isdigit():
        return True
    return _is_operand(text[at]) and not (text[at - 1 : at].isalnum() or text[at + 1 : at + 2].isalnum())


def _has_digit_beside(text: str, run: re.Match[str]) -> bool:
    before, behind = text[run.start() - 1], text[run.end() : run.end() + 1]
    return _is_operand(before) and _is_operand(behind) and (before.isdigit() or behind.isdigit())


def _is_name(found: re.Match[str]) -> bool:
    """Tell whether a word between double underscores is a name in a program."""
    name, text = found["name"], found.string
    if name.lower() in _NAMES or "_" in name or not name.isalpha():
        return True
    return text[found.start() - 1 : found.start()] in {".", "@"} or _BEHIND_NAME.match(text, found.end()) is not None

"""Footnotes without anchors, which no client would follow: a raised number, and the notes as a list at the end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from markdown_it.token import Token
from mdit_py_plugins.footnote.index import footnote_def

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_core import StateCore
    from markdown_it.rules_inline import StateInline

_REFERENCE = re.compile(r"\[\^([^\]\s]{1,99})\]")


def footnotes(parser: MarkdownIt) -> None:
    """Teach *parser* footnotes: ``[^label]`` and, somewhere, ``[^label]: text``."""
    parser.block.ruler.before("reference", "footnote_def", footnote_def, {"alt": ["paragraph", "reference"]})
    parser.inline.ruler.before("link", "footnote", _reference)
    parser.core.ruler.before("inline", "footnotes", _take_out)
    parser.core.ruler.after("inline", "footnotes_at_the_end", _put_last)


def _reference(state: StateInline, silent: bool) -> bool:  # noqa: FBT001
    if not state.src.startswith("[^", state.pos):
        return False
    found = _REFERENCE.match(state.src, state.pos, state.posMax)
    if found is None or found[1] not in state.env.get("notes", {}):
        return False
    if not silent:
        numbers = state.env["numbers"]
        state.push("sup_open", "sup", 1)
        state.push("text", "", 0).content = str(numbers.setdefault(found[1], len(numbers) + 1))
        state.push("sup_close", "sup", -1)
    state.pos = found.end()
    return True


def _take_out(state: StateCore) -> None:
    """Move the notes from the text to the environment."""
    notes: dict[str, list[Token]] = {}
    text: list[Token] = []
    open_notes: list[list[Token]] = []
    for token in state.tokens:
        if token.type == "footnote_reference_open":
            open_notes.append(notes.setdefault(token.meta["label"], []))
        elif token.type == "footnote_reference_close":
            open_notes.pop()
        else:
            (open_notes[-1] if open_notes else text).append(token)
    if notes:
        state.tokens = text
        state.env["notes"], state.env["numbers"] = notes, {}


def _put_last(state: StateCore) -> None:
    """Append the notes that the text refers to, in the order in which it does."""
    numbers: dict[str, int] = state.env.get("numbers", {})
    if not numbers:
        return
    done: list[Token] = [Token("hr", "hr", 0, block=True), Token("ordered_list_open", "ol", 1, block=True)]
    labels = list(numbers)
    while labels:
        note = state.env["notes"][labels.pop(0)]
        known = len(numbers)
        for token in note:
            if token.type == "inline":
                token.children = state.md.inline.parse(token.content, state.md, state.env, [])
        labels.extend(list(numbers)[known:])
        done += [Token("list_item_open", "li", 1, block=True), *note, Token("list_item_close", "li", -1, block=True)]
    state.tokens += [*done, Token("ordered_list_close", "ol", -1, block=True)]

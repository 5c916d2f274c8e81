"""Reasoning inside the text of an answer, between marks such as ``<think>`` and ``</think>``.

llama.cpp and vLLM send it this way if they have no parser for the model's reasoning.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent_bridge.upstream.answer import ReasoningDelta, TextDelta, TextWithdrawn
from agent_bridge.upstream.openai.code_lines import CodeLines
from agent_bridge.upstream.openai.think_marks import (
    HARMONY_END,
    LONGEST,
    MARK,
    SIGNS,
    UNFINISHED,
    end_of,
    is_section,
    section_text,
    section_tool,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from agent_bridge.upstream.answer import ToolCall, ToolResult

    _Event = TextDelta | ReasoningDelta | TextWithdrawn | ToolCall | ToolResult

_PARAGRAPH = "\n\n"
_QUOTES = tuple("`'\"“«‘")
_SENTENCE_ENDS = tuple(".!?…:)。！？")
_CODE_SPAN = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")
_STRUCK = ("<s>", "</s>")
#: Characters of a section that is read as a whole. Messages show far less.
_LONGEST_SECTION = 100_000


class ThinkTagSplitter:
    """Splits the text of one answer into reasoning and answer. The text may be cut into pieces anywhere.

    A block of reasoning begins at the beginning of a line outside of code, and without its end all further text is
    reasoning. An end without a beginning makes all text before it reasoning: the template of the model wrote the
    beginning. Marks that should end the text are removed at its end. Blank reasoning is left out.

    In a code block, an end without a beginning is code, unless it begins a line and the text ends in a code block:
    reasoning may leave one open.

    The memory is bounded: of a section that has to be read as a whole, only the beginning is kept, and a text of more
    than *limit* characters is no reasoning any more.
    """

    def __init__(self, limit: int = 1_000_000) -> None:
        self._limit = limit
        #: The end of the text, held back because it may be the beginning of a mark.
        self._held = ""
        #: The mark that began the block, empty outside of blocks; and the pattern of the mark that ends it.
        self._block, self._end = "", HARMONY_END
        #: The text of a block that has to be read as a whole.
        self._section = ""
        #: The text of the answer, as long as it may be reasoning; its length; and whether there is any.
        self._answer: list[str] = []
        self._length, self._has_answer = 0, False
        #: The place in the answer of an end that is reasoning if the code block around it has no end.
        self._end_in_code: int | None = None
        self._code = CodeLines()
        #: Whether the answer has struck text.
        self._has_struck = False
        #: Whether a block has ended and no text of the answer followed.
        self._after_block = False
        #: Whether the answer is between marks of its own.
        self._wrapped = False
        #: Whether there was reasoning, and whether it has to go on in a new paragraph.
        self._thought, self._new_thought = False, True
        #: Whether the answer has the beginning of a block as a word.
        self._mentioned = False
        #: White space and marks that are removed if no text follows.
        self._waiting = ""

    def feed(self, text: str) -> Iterator[_Event]:
        """Yield the parts of the next piece whose kind is known."""
        text, self._held = self._held + text, ""
        yield from self._read(text, final=False)

    def close(self) -> Iterator[_Event]:
        """Yield the text that was held back."""
        text, self._held = self._held, ""
        yield from self._read(text, final=True)
        self._code.add("\n")
        if self._block:
            yield from self._think(section_text(self._section))
        if self._end_in_code is not None and self._code.in_block:
            yield from self._withdraw(self._end_in_code)
        elif not (self._has_answer or self._after_block) and self._waiting.isspace():
            yield TextDelta(self._waiting)

    def _read(self, text: str, *, final: bool) -> Iterator[_Event]:
        if not any(sign in text for sign in SIGNS):
            yield from self._plain(text)
            return
        start = 0
        while start < len(text):
            found = (self._end if self._block else MARK).search(text, start)
            if found is None or not (self._block or final or self._is_decided(found)):
                partial = None if final else UNFINISHED.search(text, max(start, len(text) - LONGEST))
                stop = min((each.start() for each in (partial, found) if each), default=len(text))
                yield from self._plain(text[start:stop])
                self._held = text[stop:]
                return
            yield from self._plain(text[start : found.start()])
            start = (yield from self._end_block(found)) if self._block else (yield from self._mark(found))

    def _plain(self, text: str) -> Iterator[_Event]:
        """Yield *text*, which has no marks."""
        if self._block:
            if is_section(self._block):
                self._section += text[: _LONGEST_SECTION - len(self._section)]
            else:
                yield from self._think(text)
        elif text.isspace() and (self._waiting or self._after_block or not self._has_answer):
            self._waiting += text[: self._limit - len(self._waiting)]
        elif text:
            text = self._gap() + text.lstrip() if self._after_block else self._waiting + text
            self._after_block, self._waiting = False, ""
            yield self._say(text)

    def _gap(self) -> str:
        """Return the line ends that make a paragraph of the text after a block."""
        if not self._has_answer:
            return ""
        end = "".join(self._answer[-2:])[-2:]
        return _PARAGRAPH[len(end) - len(end.rstrip("\n")) :]

    def _say(self, text: str) -> TextDelta:
        self._answer.append(text)
        self._length += len(text)
        if self._length > self._limit:
            # It is too long for reasoning, and the answer will be cut.
            self._answer, self._length = ["".join(self._answer[-2:])[-2:]], 0
            self._thought, self._end_in_code = True, None
        self._has_answer = self._new_thought = True
        self._has_struck |= _STRUCK[0] in self._code.line[-2:] + text
        self._code.add(text)
        return TextDelta(text)

    def _think(self, text: str) -> Iterator[_Event]:
        if self._new_thought:
            text = text.lstrip()
        if text:
            begins, self._new_thought = self._new_thought and self._thought, False
            self._thought = True
            yield ReasoningDelta(f"{_PARAGRAPH}{text}" if begins else text)

    def _mark(self, found: re.Match[str]) -> Generator[_Event, None, int]:
        """Yield the events of a mark, and return the position after it."""
        text = found.string
        if self._code.in_block:
            self._mentioned |= bool(found["block"])
            if found["stray"] and not (self._thought or self._mentioned or self._code.line.strip()):
                self._end_in_code = len(self._answer)
                yield self._say(self._waiting + found[0])
                self._waiting = ""
                return found.end()
        else:
            if found["harmony"] or self._begins(found):
                yield from self._begin_block(found)
                return found.end()
            if self._wraps(found):
                self._wrapped = bool(found["wrap"])
                self._waiting, self._after_block = "", True
                return found.end()
            self._mentioned |= bool(found["block"])
            if found["stray"] and not (self._thought or self._mentioned) and self._ends_reasoning(found):
                yield from self._withdraw()
                return found.end()
            if found["last"] and not (found["last"] == _STRUCK[1] and self._has_struck):
                self._waiting += found["last"]
                return found.end()
        yield from self._plain(text[found.start() : found.start() + 1])
        return found.start() + 1

    def _begins(self, found: re.Match[str]) -> bool:
        """Tell whether the mark begins a block of reasoning."""
        return bool(found["block"]) and (self._after_block or not self._code.line.strip())

    def _wraps(self, found: re.Match[str]) -> bool:
        """Tell whether the mark stands around the answer, and is no part of it."""
        if found["wrap"]:
            return (self._after_block or not self._has_answer) and not (found["late"] and not self._thought)
        return bool(found["unwrap"]) and self._wrapped and "`" not in _CODE_SPAN.sub("", self._code.line)

    def _begin_block(self, found: re.Match[str]) -> Iterator[_Event]:
        self._waiting, self._after_block, self._new_thought = "", True, True
        if found["block"]:
            self._block, self._end = found["block"], end_of(found["block"])
            yield from section_tool(self._block)
        elif found["channel"].lower() != "final":
            self._block, self._end = found["harmony"], HARMONY_END

    def _end_block(self, found: re.Match[str]) -> Generator[_Event, None, int]:
        if "tool_calls" not in self._block:
            yield from self._think(section_text(self._section))
        self._section = self._block = ""
        return found.end()

    def _withdraw(self, at: int | None = None) -> Iterator[_Event]:
        """Make all text so far reasoning; with *at*, only the text before the mark at this place of the answer."""
        pieces, self._answer = self._answer, []
        text = "".join(pieces[:at])
        self._code, self._waiting, self._after_block = CodeLines(), "", True
        self._length, self._has_answer, self._end_in_code = 0, False, None
        if text:
            yield TextWithdrawn()
            yield from self._think(text)
        self._thought = True
        if at is not None:
            yield from self._plain("".join(pieces[at + 1 :]))

    def _is_decided(self, found: re.Match[str]) -> bool:
        """Tell whether the text after the mark is enough to decide its meaning."""
        return not found["stray"] or self._code.in_block or found.end() < len(found.string)

    def _ends_reasoning(self, found: re.Match[str]) -> bool:
        """Tell whether a mark without a beginning ends reasoning. Otherwise it is a word of the answer."""
        line = self._code.line
        before = line.rstrip(" ")
        if before == line:
            return not before.endswith(_QUOTES)
        follows = found.string[found.end() : found.end() + 1]
        return not before or before.endswith(_SENTENCE_ENDS) or follows in {"", "\n"}

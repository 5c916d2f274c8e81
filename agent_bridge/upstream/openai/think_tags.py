"""Reasoning inside the text of an answer, between marks such as ``<think>`` and ``</think>``.

llama.cpp and vLLM send it this way if they have no parser for the model's reasoning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.upstream.answer import ReasoningDelta, TextDelta, TextWithdrawn
from agent_bridge.upstream.openai.code_lines import CodeLines
from agent_bridge.upstream.openai.think_marks import (
    HARMONY_END,
    MARK,
    UNFINISHED,
    end_of,
    is_section,
    section_text,
    section_tool,
)

if TYPE_CHECKING:
    import re
    from collections.abc import Generator, Iterator

    from agent_bridge.upstream.answer import ToolCall, ToolResult

    _Event = TextDelta | ReasoningDelta | TextWithdrawn | ToolCall | ToolResult

_PARAGRAPH = "\n\n"
_QUOTES = tuple("`'\"“«‘")
_SENTENCE_ENDS = tuple(".!?…:)。！？")
_STRUCK = ("<s>", "</s>")


class ThinkTagSplitter:
    """Splits the text of one answer into reasoning and answer. The text may be cut into pieces anywhere.

    A block of reasoning begins at the beginning of a line outside of code, and without its end all further text is
    reasoning. An end without a beginning makes all text before it reasoning: the template of the model wrote the
    beginning. Marks that should end the text are removed at its end. Blank reasoning is left out.
    """

    def __init__(self) -> None:
        #: The end of the text, held back because it may be the beginning of a mark.
        self._held = ""
        #: The mark that began the block, empty outside of blocks; and the pattern of the mark that ends it.
        self._block, self._end = "", HARMONY_END
        #: The text of a block that has to be read as a whole.
        self._section: list[str] = []
        self._answer: list[str] = []
        self._code = CodeLines()
        #: Whether the answer has struck text.
        self._has_struck = False
        #: Whether a block has ended and no text of the answer followed.
        self._after_block = False
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
        if self._block:
            yield from self._think(section_text("".join(self._section)))
        elif not (self._answer or self._after_block) and self._waiting.isspace():
            yield TextDelta(self._waiting)

    def _read(self, text: str, *, final: bool) -> Iterator[_Event]:
        start = 0
        while start < len(text):
            found = (self._end if self._block else MARK).search(text, start)
            # The text after an end without a beginning decides its meaning.
            undecided = found is not None and not (self._block or final) and found["stray"] and found.end() == len(text)
            if found is None or undecided:
                partial = None if final else UNFINISHED.search(text, start)
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
                self._section.append(text)
            else:
                yield from self._think(text)
        elif text.isspace() and (self._waiting or self._after_block or not self._answer):
            self._waiting += text
        elif text:
            text = self._gap() + text.lstrip() if self._after_block else self._waiting + text
            self._after_block, self._waiting = False, ""
            yield self._say(text)

    def _gap(self) -> str:
        """Return the line ends that make a paragraph of the text after a block."""
        if not self._answer:
            return ""
        end = "".join(self._answer[-2:])[-2:]
        return _PARAGRAPH[len(end) - len(end.rstrip("\n")) :]

    def _say(self, text: str) -> TextDelta:
        self._answer.append(text)
        self._new_thought = True
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
        if not self._code.in_block:
            if found["harmony"] or (found["block"] and (self._after_block or not self._code.line.strip())):
                yield from self._begin_block(found)
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

    def _begin_block(self, found: re.Match[str]) -> Iterator[_Event]:
        self._waiting, self._after_block, self._new_thought = "", True, True
        if found["block"]:
            self._block, self._end = found["block"], end_of(found["block"])
            yield from section_tool(self._block)
        elif found["channel"].lower() != "final":
            self._block, self._end = found["harmony"], HARMONY_END

    def _end_block(self, found: re.Match[str]) -> Generator[_Event, None, int]:
        if "tool_calls" not in self._block:
            yield from self._think(section_text("".join(self._section)))
        self._section.clear()
        self._block = ""
        return found.end()

    def _withdraw(self) -> Iterator[_Event]:
        """Make all text so far reasoning."""
        text = "".join(self._answer)
        self._answer.clear()
        self._code, self._waiting, self._after_block = CodeLines(), "", True
        if text:
            yield TextWithdrawn()
            yield from self._think(text)
        self._thought = True

    def _ends_reasoning(self, found: re.Match[str]) -> bool:
        """Tell whether a mark without a beginning ends reasoning. Otherwise it is a word of the answer."""
        line = self._code.line
        before = line.rstrip(" ")
        if before == line:
            return not before.endswith(_QUOTES)
        follows = found.string[found.end() : found.end() + 1]
        return not before or before.endswith(_SENTENCE_ENDS) or follows in {"", "\n"}

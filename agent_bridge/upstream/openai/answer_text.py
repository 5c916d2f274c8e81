"""The text of an answer: repetitions, reasoning and files inside it are separated from the words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent_bridge.upstream.answer import ReasoningDelta, TextDelta, TextWithdrawn
from agent_bridge.upstream.openai.inline_files import InlineFiles
from agent_bridge.upstream.openai.repeated_text import RepetitionFilter
from agent_bridge.upstream.openai.think_tags import ThinkTagSplitter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent_bridge.upstream.answer import AnswerEvent, FileDelta
    from agent_bridge.upstream.openai.dialect import Sources

#: A citation that only ChatGPT's own page can show: private-use characters around a reference.
_CITATION = re.compile("\ue200[^\ue200\ue201\n]{0,200}\ue201|[\ue200-\ue206]")
_OPEN_CITATION = re.compile("\ue200[^\ue200\ue201\n]{0,200}\\Z")
#: Sources that are shown.
_MAX_SOURCES = 50
#: Characters that are read at once: no search in them takes long.
_AT_ONCE = 16 * 1024


class AnswerText:
    """Passes the pieces of one answer on, with the texts in their final form."""

    def __init__(self) -> None:
        self._repetitions: dict[type, RepetitionFilter] = {
            TextDelta: RepetitionFilter(),
            ReasoningDelta: RepetitionFilter(),
        }
        self._splitter = ThinkTagSplitter()
        self._files = InlineFiles()
        self._citation = ""
        self._sources: dict[str, str] = {}
        #: Whether the text so far is not blank.
        self._has_text = False

    def add_sources(self, sources: Sources) -> None:
        """Add the *sources* of the answer, which are shown below its text."""
        for url, title in sources.links:
            if len(self._sources) < _MAX_SOURCES:
                self._sources[url] = self._sources.get(url) or title

    def feed(self, piece: AnswerEvent) -> Iterator[AnswerEvent]:
        """Yield the events that *piece* completes."""
        if isinstance(piece, TextDelta):
            for text in self._repetitions[TextDelta].feed(piece.text):
                yield from self._begin_again() if text is None else self._read(text)
        elif isinstance(piece, ReasoningDelta):
            for text in self._repetitions[ReasoningDelta].feed(piece.text):
                yield from map(ReasoningDelta, _cut("\n\n" if text is None else text))
        elif isinstance(piece, TextWithdrawn):
            self._repetitions[TextDelta] = RepetitionFilter()
            yield from self._begin_again()
        else:
            yield piece

    def close(self) -> Iterator[AnswerEvent]:
        """Yield the events that were held back, and the sources."""
        for text in self._repetitions[ReasoningDelta].close():
            yield from map(ReasoningDelta, _cut(text))
        for text in self._repetitions[TextDelta].close():
            yield from self._read(text)
        yield from self._split(self._splitter.close())
        yield from self._take_files(self._citation, final=True)
        yield from self._kept(self._files.close())
        if self._sources and self._has_text:
            sources, self._sources = self._sources, {}
            yield TextDelta("\n\n" + "\n".join(_line(*each) for each in enumerate(sources.items(), 1)))

    def _begin_again(self) -> Iterator[AnswerEvent]:
        """Withdraw the text: the server corrects it."""
        self._splitter = ThinkTagSplitter()
        self._forget()
        yield TextWithdrawn()

    def _forget(self) -> None:
        self._files, self._citation, self._has_text = InlineFiles(), "", False

    def _read(self, text: str) -> Iterator[AnswerEvent]:
        for part in _cut(text):
            yield from self._split(self._splitter.feed(part))

    def _split(self, events: Iterator[AnswerEvent]) -> Iterator[AnswerEvent]:
        for event in events:
            if isinstance(event, TextDelta):
                yield from self._take_files(self._citation + event.text)
            else:
                if isinstance(event, TextWithdrawn):
                    self._forget()
                yield event

    def _take_files(self, text: str, *, final: bool = False) -> Iterator[AnswerEvent]:
        self._citation = ""
        if not final and (open_citation := _OPEN_CITATION.search(text)):
            text, self._citation = text[: open_citation.start()], open_citation[0]
        yield from self._kept(self._files.feed(text if text.isascii() else _CITATION.sub("", text)))

    def _kept(self, events: Iterator[TextDelta | FileDelta]) -> Iterator[AnswerEvent]:
        for event in events:
            self._has_text |= isinstance(event, TextDelta) and not event.text.isspace()
            yield event


def _cut(text: str) -> Iterator[str]:
    return (text[at : at + _AT_ONCE] for at in range(0, len(text), _AT_ONCE))


def _line(number: int, source: tuple[str, str]) -> str:
    url, title = source
    title = " ".join(re.sub(r"[\[\]<>\\`*_]", " ", title).split())
    return f"{number}. [{title}](<{url}>)" if title else f"{number}. <{url}>"

"""The answer of an agent: the artifacts and the words of a task become events, each told once."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from agent_bridge.core.errors import AnswerTooLong, FileProblem
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.answer import ReasoningDelta, TextDelta, TextWithdrawn
from agent_bridge.upstream.transport.pieces import file_delta
from agent_bridge.upstream.transport.text import json_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from agent_bridge.upstream.a2a.records import Artifact, ArtifactUpdate, Part, Status
    from agent_bridge.upstream.answer import AnswerEvent, FileDelta

#: Characters of the texts of an answer, of all that a server sends as such, and of all that has to be read again
#: because an earlier piece changed.
_MAX_TEXT, _MAX_RECEIVED, _MAX_RETOLD = 1_000_000, 5_000_000, 100_000_000
#: Characters of words about the progress that are told; characters of all files in base64; artifacts, and their parts.
_MAX_PROGRESS, _MAX_FILES, _MAX_ARTIFACTS, _MAX_PARTS = 200_000, 64 * 1024 * 1024, 1_000, 1_000
_GAP = "\n\n"
_JSON, _BYTES = "application/json", "application/octet-stream"
#: The characters of base64 for URLs, and those of the standard.
_STANDARD = str.maketrans("-_", "+/")


@dataclass(slots=True)
class _File:
    """A part that is no text, with the pieces of its content in base64."""

    part: Part
    pieces: list[str]


@dataclass(slots=True)
class _Growing:
    """An artifact whose pieces arrive one after the other."""

    name: str
    texts: list[str] = field(default_factory=list)
    files: list[_File] = field(default_factory=list)
    has_text: bool = False
    #: Whether its text is that of all artifacts before it.
    repeats: bool = False

    def add(self, parts: Iterable[Part], *, appends: bool = False) -> str:
        """Add *parts*, and return their text. The pieces of a file of one name are one file if *appends*."""
        said: list[str] = []
        for part in parts:
            last = self.files[-1] if self.files else None
            if part.text is not None:
                said.append(part.text)
            elif appends and last and part.raw and last.part.raw and part.name and part.name == last.part.name:
                last.pieces.append(part.raw)
            elif len(self.files) < _MAX_PARTS:
                self.files.append(_File(part, [part.raw or ""]))
        text = "".join(said)
        self.texts.append(text)
        self.has_text = self.has_text or bool(text.strip())
        return text


class Told:
    """The answer so far. *upstream* is the name of its server.

    The text is that of all artifacts, in the order in which they began, and of the last words of the agent.
    """

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._artifacts: dict[str, _Growing] = {}
        #: The artifacts as the server showed them last, unless there was an update since.
        self._shown: tuple[Artifact, ...] | None = None
        self._words = ""
        self._word_files: list[_File] = []
        #: The text as it was told, in pieces.
        self._text: list[str] = []
        self._length = self._received = self._retold = self._progress = self._file_size = 0
        self._spoken: set[str] = set()
        #: Grows with each change.
        self.changes = 0

    @property
    def has_content(self) -> bool:
        """Whether there is text that is not blank, or a file."""
        has_files = bool(self._word_files) or any(each.files for each in self._artifacts.values())
        return has_files or bool("".join(self._text).strip())

    @property
    def artifact_ids(self) -> tuple[str, ...]:
        """The ids of the artifacts so far."""
        return tuple(self._artifacts)

    def replace(self, artifacts: Iterable[Artifact]) -> Iterator[AnswerEvent]:
        """Yield the changes up to the state with *artifacts* as a whole.

        Without any, nothing changes: some servers show a task without the artifacts that they have sent.

        Raises:
            AnswerTooLong: there is too much text.
        """
        shown = tuple(artifacts)[:_MAX_ARTIFACTS]
        if not shown or shown == self._shown:
            return
        found: dict[str, _Growing] = {}
        for number, each in enumerate(shown):
            # Two without an id are two.
            key = each.id if each.id not in found else f"{each.id} {number}"
            found[key] = _Growing(each.name)
            found[key].add(each.parts)
        self._artifacts, self._shown = found, shown
        yield from self._retell()

    def begin_again(self) -> Iterator[AnswerEvent]:
        """Yield the withdrawal of the answer so far."""
        self._artifacts, self._shown = {}, None
        yield from self._retell()

    def update(self, update: ArtifactUpdate) -> Iterator[AnswerEvent]:
        """Yield the text of one more piece of the answer.

        Raises:
            AnswerTooLong: there is too much text.
        """
        new = update.artifact
        known = self._artifacts.get(new.id)
        if known is None and len(self._artifacts) >= _MAX_ARTIFACTS:
            return
        self.changes += 1
        self._shown = None
        if known is not None and update.appends:
            goes_on = known.has_text and not known.repeats and next(reversed(self._artifacts)) == new.id
            text = known.add(new.parts, appends=True)
            self._count(len(text))
            if goes_on:
                yield from self._tell(text)
                return
        else:
            self._artifacts[new.id] = _Growing(new.name)
            self._count(len(self._artifacts[new.id].add(new.parts)))
        yield from self._retell()

    def progress(self, status: Status) -> Iterator[AnswerEvent]:
        """Yield the words of the agent about its work, as reasoning, once."""
        said = _said(status.parts)
        key = status.message_id or said
        if not said or self._progress > _MAX_PROGRESS or key in self._spoken:
            return
        self.changes += 1
        self._spoken.add(key)
        self._progress += len(said)
        yield ReasoningDelta(said + _GAP)

    def end(self, words: Iterable[Part]) -> Iterator[AnswerEvent]:
        """Yield the last *words* of the agent, unless the text has them, and the files.

        Raises:
            AnswerTooLong: there is too much text.
        """
        words = tuple(words)
        said = _said(words)
        self._words = "" if _blanks(said) in _blanks("".join(self._text)) else said
        self._count(len(self._words))
        self._word_files = [_File(each, [each.raw or ""]) for each in words if each.text is None]
        yield from self._retell()
        seen: set[str] = set()
        for artifact in self._artifacts.values():
            yield from self._files(artifact.files, artifact.name, seen)
        yield from self._files(self._word_files, "", seen)

    def _retell(self) -> Iterator[AnswerEvent]:
        """Yield what is missing of the text as it is now. It begins again if the text before has changed."""
        texts = self._texts()
        whole, told = _GAP.join([*texts, self._words] if self._words else texts), "".join(self._text)
        self._retold += len(whole)
        if self._retold > _MAX_RETOLD:
            raise self._too_long()
        if not whole.startswith(told):
            self.changes += 1
            self._text.clear()
            self._length, told = 0, ""
            yield TextWithdrawn()
        yield from self._tell(whole[len(told) :])

    def _texts(self) -> list[str]:
        """Return the texts of the artifacts. Some servers send the whole text once more, as an artifact of its own."""
        texts: list[str] = []
        for each in self._artifacts.values():
            text = "".join(each.texts)
            each.repeats = bool(texts) and _blanks(text, "") == _blanks("".join(texts), "")
            if each.has_text and not each.repeats:
                texts.append(text)
        return texts

    def _tell(self, text: str) -> Iterator[AnswerEvent]:
        if text:
            self.changes += 1
            self._length += len(text)
            if self._length > _MAX_TEXT:
                raise self._too_long()
            self._text.append(text)
            yield TextDelta(text)

    def _files(self, files: Iterable[_File], name: str, seen: set[str]) -> Iterator[FileDelta]:
        for file in files:
            part, title = file.part, file.part.name or name
            url = part.url or ""
            if part.data is not None:
                title = title if part.name else f"{name or 'data'}.json"
                url = f"data:{_JSON};base64,{base64.b64encode(json_text(part.data[0]).encode()).decode()}"
            elif part.raw is not None:
                url = f"data:{part.media_type or _BYTES};base64,{''.join(file.pieces).translate(_STANDARD)}"
            found = file_delta(url, title, part.media_type or None)
            if found is None or found.url in seen:
                continue
            seen.add(found.url)
            self._file_size += len(found.url)
            yield replace(found, url="", problem=FileProblem.TOO_LARGE) if self._file_size > _MAX_FILES else found

    def _count(self, characters: int) -> None:
        self._received += characters
        if self._received > _MAX_RECEIVED:
            raise self._too_long()

    def _too_long(self) -> AnswerTooLong:
        return AnswerTooLong(Text("answer_characters", upstream=self._upstream, limit=_MAX_TEXT))


def _said(parts: Iterable[Part]) -> str:
    """Return the text of a message."""
    return _GAP.join(each.text.strip() for each in parts if each.text and each.text.strip())


def _blanks(text: str, blank: str = " ") -> str:
    """Return *text* with *blank* in place of all white space, for comparisons."""
    return blank.join(text.split())

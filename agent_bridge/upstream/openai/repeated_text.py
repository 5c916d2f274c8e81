"""Text that a server sends again: some servers repeat the whole answer in each chunk, or once at its end."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Characters from which on two chunks that begin alike are a repetition, and not chance.
_ENOUGH = 16
#: Characters that the last of at least three chunks needs. Few different signs, or digits, may grow by chance, as in
#: ``1``, ``10``, ``100``: they need more characters in all chunks before it.
_ENOUGH_OF_THREE, _DIFFERENT, _ENOUGH_BEFORE = 8, 5, 20


class RepetitionFilter:
    """Removes the repetitions from the chunks of one text.

    A text is cumulative if each of its first chunks, three at least, begins with the one before it. A later chunk may
    correct the text: it begins like the text before. A chunk that equals all text before it is a repetition if it is
    the last one.

    The memory is bounded by the length of the longest chunks.
    """

    def __init__(self) -> None:
        #: Number, length and hash of the chunks so far.
        self._count = self._length = 0
        self._hash = blake2b()
        #: The chunks so far, while the text may be cumulative. Once it surely is, the last chunk.
        self._chain: list[str] | None = []
        self._cumulative = False
        #: Whether the last chunk of a cumulative text is all of the text.
        self._is_whole = False
        #: The last chunks, held back because they may be repetitions.
        self._held: list[str] = []

    def feed(self, chunk: str) -> Iterator[str | None]:
        """Yield the new text that *chunk* and the chunks held back contain; None before a text that begins again."""
        if not chunk:
            return
        if self._cumulative:
            yield from self._new_text(chunk)
            return
        if self._chain is not None and not self._may_be_cumulative(chunk):
            self._chain = None
        if self._chain is not None:
            yield from self._extend(chunk)
            return
        yield from self._take_held()
        if self._length == len(chunk) >= _ENOUGH and self._count > 1 and self._hash.digest() == _hash(chunk):
            self._held = [chunk]
        else:
            yield self._add(chunk)

    def close(self) -> Iterator[str]:
        """Yield the text that was held back and is no repetition."""
        held, self._held = self._held, []
        if not held or self._chain is None:
            return
        first = self._chain[0]
        yield held[-1].removeprefix(first) if len(first) >= _ENOUGH else "".join(held)

    def _may_be_cumulative(self, chunk: str) -> bool:
        return not self._chain or (chunk.startswith(self._chain[-1]) and not chunk.isspace())

    def _extend(self, chunk: str) -> Iterator[str]:
        chain = self._chain = [*(self._chain or []), chunk]
        if len(chain) == 1:
            if chunk.isspace():
                self._chain = []
            yield self._add(chunk)
        elif len(chain) == 2:  # noqa: PLR2004
            self._held = [chunk]
        elif not len(chain[0]) < len(chain[-2]) < len(chunk):
            self._chain = None
            yield from self._take_held()
            yield self._add(chunk)
        elif not _is_cumulative(chain):
            self._held.append(chunk)
        else:
            self._cumulative, self._held, self._chain = True, [], [chunk]
            self._is_whole = self._length == len(chain[0])
            yield chunk.removeprefix(chain[0])

    def _new_text(self, chunk: str) -> Iterator[str | None]:
        last, self._chain = (self._chain or [""])[0], [chunk]
        if last.startswith(chunk):
            # A late chunk, or the same one again.
            self._chain = [last]
        elif chunk.startswith(last):
            yield chunk.removeprefix(last)
        elif self._is_whole and chunk[: (same := max(_ENOUGH_OF_THREE, len(last) // 2))] == last[:same]:
            yield None
            yield chunk
        else:
            self._is_whole = False
            yield chunk

    def _take_held(self) -> Iterator[str]:
        held, self._held = self._held, []
        for chunk in held:
            yield self._add(chunk)

    def _add(self, text: str) -> str:
        self._count += 1
        self._length += len(text)
        self._hash.update(_encoded(text))
        return text


def _is_cumulative(chain: list[str]) -> bool:
    """Tell whether the last of at least three chunks, each of which begins with the one before, proves a repetition."""
    *before, last = chain
    varied = len(set(last)) >= _DIFFERENT and not last.isdecimal()
    return len(last) >= _ENOUGH_OF_THREE and (varied or sum(map(len, before)) >= _ENOUGH_BEFORE)


def _hash(text: str) -> bytes:
    return blake2b(_encoded(text)).digest()


def _encoded(text: str) -> bytes:
    # A text may end within a character. Two halves are then the same bytes as the whole.
    return text.encode("utf-16-le", "surrogatepass")

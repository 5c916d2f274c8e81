"""Text that a server sends again: some servers repeat the whole answer in each chunk, or once at its end."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Characters from which on two chunks that begin alike are a repetition, and not chance.
_ENOUGH = 16
#: Characters that the third of three chunks needs.
_ENOUGH_OF_THREE = 8


class RepetitionFilter:
    """Removes the repetitions from the chunks of one text.

    A text is cumulative if its second chunk begins with the first one, and the third with the second. A chunk that
    equals all text before it is a repetition if it is the last one.

    The memory is bounded by the length of the longest chunks.
    """

    def __init__(self) -> None:
        #: Number, length and hash of the chunks so far.
        self._count = self._length = 0
        self._hash = blake2b()
        #: The chunks so far, while the text may be cumulative. Once it surely is, the last chunk.
        self._chain: list[str] | None = []
        self._cumulative = False
        #: The last chunk, held back because it may be a repetition.
        self._held = ""

    def feed(self, chunk: str) -> Iterator[str]:
        """Yield the new text that *chunk* and the chunks held back contain."""
        if not chunk:
            return
        if self._cumulative:
            yield self._new_text(chunk)
            return
        if self._chain is not None and not self._may_be_cumulative(chunk):
            self._chain = None
        if self._chain is not None:
            yield from self._extend(chunk)
            return
        yield from self._take_held()
        if self._length == len(chunk) >= _ENOUGH and self._count > 1 and self._hash.digest() == _hash(chunk):
            self._held = chunk
        else:
            yield self._add(chunk)

    def close(self) -> Iterator[str]:
        """Yield the text that was held back and is no repetition."""
        held, self._held = self._held, ""
        if not held or self._chain is None:
            return
        first = self._chain[0]
        yield held.removeprefix(first) if len(first) >= _ENOUGH else held

    def _may_be_cumulative(self, chunk: str) -> bool:
        return not self._chain or (chunk.startswith(self._chain[-1]) and not chunk.isspace())

    def _extend(self, chunk: str) -> Iterator[str]:
        chain = self._chain = [*(self._chain or []), chunk]
        if len(chain) == 1:
            if chunk.isspace():
                self._chain = []
            yield self._add(chunk)
        elif len(chain) == 2:  # noqa: PLR2004
            self._held = chunk
        elif len(chunk) >= _ENOUGH_OF_THREE and len(chain[0]) < len(chain[1]) < len(chunk):
            self._cumulative, self._held, self._chain = True, "", [chunk]
            yield chunk.removeprefix(chain[0])
        else:
            self._chain = None
            yield from self._take_held()
            yield self._add(chunk)

    def _new_text(self, chunk: str) -> str:
        last, self._chain = (self._chain or [""])[0], [chunk]
        if last.startswith(chunk):
            # A late chunk, or the same one again.
            self._chain = [last]
            return ""
        return chunk.removeprefix(last)

    def _take_held(self) -> Iterator[str]:
        held, self._held = self._held, ""
        if held:
            yield self._add(held)

    def _add(self, text: str) -> str:
        self._count += 1
        self._length += len(text)
        self._hash.update(_encoded(text))
        return text


def _hash(text: str) -> bytes:
    return blake2b(_encoded(text)).digest()


def _encoded(text: str) -> bytes:
    # A text may end within a character. Two halves are then the same bytes as the whole.
    return text.encode("utf-16-le", "surrogatepass")

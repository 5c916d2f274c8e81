"""Draws words as a picture."""

from __future__ import annotations

import zlib
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEIGHT = 240
_WIDTH_PER_LETTER = 12
_MAX_WIDTH = 960
_PAPER = (250, 246, 238)


def stripes(words: Sequence[str]) -> bytes:
    """Return a PNG with a stripe per word; the length of a word is its width, and equal words have the same colour."""
    length = sum(map(len, words))
    width = min(max(length, 10) * _WIDTH_PER_LETTER, _MAX_WIDTH)
    image = Image.new("RGB", (width, _HEIGHT), _PAPER)
    begin = 0
    for word in words:
        end = begin + len(word)
        left, right = begin * width // max(length, 10), end * width // max(length, 10)
        image.paste(_colour(word), (left, 0, right, _HEIGHT))
        begin = end
    paper = BytesIO()
    image.save(paper, "PNG")
    return paper.getvalue()


def _colour(word: str) -> tuple[int, int, int]:
    red, green, blue, _ = zlib.crc32(word.lower().encode()).to_bytes(4)
    return red, green, blue

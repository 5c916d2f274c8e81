"""Generated pictures for agents without one: initials on a colour, or a pattern if the font lacks the letters."""

from __future__ import annotations

import colorsys
import hashlib
import io
import unicodedata
from itertools import product

from PIL import Image, ImageDraw, ImageFont

CONTENT_TYPE = "image/png"
#: Pixels on each side.
_SIDE = 256
_LETTERS = 2
#: Height of the letters, in pixels; of a single letter, more.
_TEXT, _ONE_LETTER = 112, 144
#: The pattern: cells on each side, and the margin in pixels.
_CELLS, _MARGIN = 5, 38
_SATURATION, _LIGHTNESS = 0.5, 0.42


def tile(name: str, seed: str) -> bytes:
    """Return a PNG of 256 by 256 pixels with the initials of *name*.

    The colour depends on *seed* alone. Pillow's own font has the letters and digits of ASCII; letters with accents lose
    these, and any other initial becomes a symmetrical pattern that depends on *seed* too. Takes some milliseconds.
    """
    digest = hashlib.sha256(seed.encode("utf-8", "surrogatepass")).digest()
    colour = colorsys.hls_to_rgb(digest[0] / 256, _LIGHTNESS, _SATURATION)
    image = Image.new("RGB", (_SIDE, _SIDE), tuple(round(255 * part) for part in colour))
    draw = ImageDraw.Draw(image)
    if letters := initials(name):
        font = ImageFont.load_default(_TEXT if len(letters) > 1 else _ONE_LETTER)
        draw.text((_SIDE / 2, _SIDE / 2), letters, fill="white", font=font, anchor="mm")
    else:
        _pattern(draw, digest[1:])
    target = io.BytesIO()
    image.save(target, "PNG", optimize=True)
    return target.getvalue()


def initials(name: str) -> str:
    """Return the first letters or digits of the first and the last word of *name*, in capitals; empty if not ASCII."""
    words = [letters for word in name.split() if (letters := [each for each in word if each.isalnum()])]
    if not words:
        return ""
    found = "".join(_plain(letters[0]) for letters in (words[:1] if len(words) == 1 else [words[0], words[-1]]))
    return found if len(found) == min(len(words), _LETTERS) else ""


def _plain(letter: str) -> str:
    """Return a letter as an ASCII capital without accents; empty if there is none."""
    base = unicodedata.normalize("NFKD", letter)[0].upper()
    return base if base.isascii() and base.isalnum() else ""


def _pattern(draw: ImageDraw.ImageDraw, digest: bytes) -> None:
    """Draw a pattern of squares that is the same on both sides."""
    cell = (_SIDE - 2 * _MARGIN) // _CELLS
    half = (_CELLS + 1) // 2
    for number, (row, column) in enumerate(product(range(_CELLS), range(half))):
        # The middle is always drawn, so the pattern is never empty.
        if digest[number] % 2 or (row, column) == (_CELLS // 2, half - 1):
            for place in {column, _CELLS - 1 - column}:
                left, top = _MARGIN + place * cell, _MARGIN + row * cell
                draw.rectangle((left, top, left + cell - 1, top + cell - 1), fill="white")

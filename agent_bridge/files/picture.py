"""Pictures: read whatever they claim to be, written anew without what nobody asked for.

What is here takes up to seconds of a processor: call it in a thread.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import blurhash as blurhash_library  # type: ignore[import-untyped]
from PIL import ExifTags, Image, UnidentifiedImageError

from agent_bridge.core.errors import FileProblem, FileRefused, TooLarge

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Formats that are read. Among those left out are some that Pillow hands to other programs.
_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")
#: What a decoder raises at bytes that were made to break it.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    LookupError,
    RuntimeError,
    MemoryError,
    EOFError,
    struct.error,
    zlib.error,
)
#: Pixels that are decoded, at most: a phone's camera has so many, and they take 200 MB.
MAX_PIXELS = 50_000_000
#: The longest side that models look at.
_MODEL_SIDE = 2048
_THUMBNAIL = (800, 600)
_HASHED = (32, 32)
_QUALITIES = (88, 75, 60)
_SHRINK = 0.75
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TURNED = frozenset({5, 6, 7, 8})
#: What begins a segment of a JPEG. Within a scan FF stands before 00 where it is data, before D0 to D7 at a restart.
_SEGMENT = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
_JPEG, _SCAN, _END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"
#: Each scan is a pass over all pixels, however few bytes it has. Progressive pictures have about ten.
_MAX_SCANS = 50
_MAX_SEGMENTS = 2000


@dataclass(frozen=True, slots=True)
class PictureInfo:
    """What clients want to know of a picture before they have it."""

    #: Pixels, as it is shown.
    width: int
    height: int
    content_type: str
    #: Bytes.
    size: int


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that was written anew: PNG or JPEG, upright, one frame, no metadata."""

    data: bytes
    content_type: str
    #: Pixels.
    width: int
    height: int


def info_of(data: bytes) -> PictureInfo:
    """Return what *data* is as a picture; all of it is decoded.

    Raises:
        FileRefused: it is none, or none that can be shown.
    """
    image, content_type = _load(data)
    return PictureInfo(image.width, image.height, content_type, len(data))


def for_model(data: bytes, *, max_bytes: int) -> Picture:
    """Return the picture as models take it: at most *max_bytes* and 2,048 pixels a side; of several frames, the first.

    Keeps PNG for what was drawn or has holes, as long as it fits.

    Raises:
        TooLarge: it cannot be made small enough; never from 1,000 bytes on.
        FileRefused: it is no picture that can be read.
    """
    image, content_type = _load(data, (_MODEL_SIDE, _MODEL_SIDE))
    for picture in _ever_smaller(image, lossless=content_type not in {"image/jpeg", "image/webp", "image/avif"}):
        if len(picture.data) <= max_bytes:
            return picture
    raise TooLarge(max_bytes)


def thumbnail(data: bytes) -> Picture:
    """Return the picture within 800 by 600 pixels, never enlarged.

    Raises:
        FileRefused: it is no picture that can be read.
    """
    image, _ = _load(data, _THUMBNAIL)
    return _png(image) if image.mode == "RGBA" else _jpeg(image, 80)


def blurhash(data: bytes) -> str:
    """Return the BlurHash of a picture, 4 by 3 components. Give it the thumbnail: all of *data* is decoded.

    Raises:
        FileRefused: it is no picture that can be read.
    """
    image, _ = _load(data, _HASHED)
    pixels, stride = _flat(image).tobytes(), 3 * image.width
    rows = [[pixels[at : at + 3] for at in range(row, row + stride, 3)] for row in range(0, len(pixels), stride)]
    return str(blurhash_library.encode(rows, components_x=4, components_y=3))


def _load(data: bytes, box: tuple[int, int] | None = None) -> tuple[Image.Image, str]:
    """Return the first frame, upright, as RGB or (where something shines through) RGBA, and its media type.

    With *box* it is shrunk to fit.
    """
    if data.startswith(_JPEG) and _is_tedious(data):
        raise FileRefused("the picture takes too much to be read", FileProblem.TOO_HARD)
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise _too_many_pixels()
            content_type = image.get_format_mimetype() or ""
            if box:
                # JPEG alone can be decoded small.
                image.draft("RGB", (2 * max(box), 2 * max(box)))
            image.load()
            # After loading: a TIFF has been turned by then, and says so.
            turn = image.getexif().get(ExifTags.Base.Orientation)
            plain = _in_colour(image)
            if box:
                plain.thumbnail(box[::-1] if turn in _TURNED else box, reducing_gap=2)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many_pixels() from None
    except UnidentifiedImageError:
        raise FileRefused("the picture is of a format that is not read", FileProblem.UNSUPPORTED) from None
    except _DAMAGE as error:
        raise FileRefused("the picture is damaged", FileProblem.UNREADABLE) from error
    upright = plain.transpose(_TURNS[turn]) if turn in _TURNS else plain
    return upright, content_type


def _is_tedious(jpeg: bytes) -> bool:
    """Tell whether a JPEG has more scans or segments than anybody needs."""
    at = len(_JPEG)
    scans = segments = 0
    while scans <= _MAX_SCANS and segments <= _MAX_SEGMENTS:
        segment = _SEGMENT.search(jpeg, at)
        if not segment or segment[0] == _END:
            return False
        at = segment.end() + max(2, int.from_bytes(jpeg[segment.end() : segment.end() + 2], "big"))
        scans += segment[0] == _SCAN
        segments += 1
    return True


def _in_colour(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        # Pillow would cut these off at 255.
        scale = 255 / 65535 if image.mode.startswith("I") else 255
        image = image.convert("F").point(lambda value: value * scale + 0).convert("L")
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _ever_smaller(image: Image.Image, *, lossless: bool) -> Iterator[Picture]:
    if lossless or image.mode == "RGBA":
        yield _png(image)
    image = _flat(image)
    for quality in _QUALITIES:
        yield _jpeg(image, quality)
    while max(image.size) > 1:
        image = image.resize((max(1, int(image.width * _SHRINK)), max(1, int(image.height * _SHRINK))))
        yield _jpeg(image, _QUALITIES[-1])


def _flat(image: Image.Image) -> Image.Image:
    """Return *image* on white."""
    if image.mode == "RGB":
        return image
    ground = Image.new("RGB", image.size, "white")
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def _png(image: Image.Image) -> Picture:
    return _written(image, "PNG")


def _jpeg(image: Image.Image, quality: int) -> Picture:
    return _written(image, "JPEG", quality=quality)


def _written(image: Image.Image, form: Literal["PNG", "JPEG"], **options: int) -> Picture:
    image.info = {}
    target = io.BytesIO()
    image.save(target, form, **options)
    return Picture(target.getvalue(), f"image/{form.lower()}", image.width, image.height)


def _too_many_pixels() -> FileRefused:
    return FileRefused(f"the picture has more than {MAX_PIXELS} pixels", FileProblem.TOO_MANY_PIXELS)

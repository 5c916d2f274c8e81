"""Decodes images by content, ignoring the declared type, and re-encodes them without metadata.

Each function can take seconds of CPU time and hundreds of megabytes: :mod:`agent_bridge.files.pictures` calls them in a
separate process.
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
from agent_bridge.files.results import Picture, PictureInfo, Preview

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Supported formats. Pillow reads some other formats with external programs.
_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")
#: Exceptions of decoders on damaged or malicious files.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    LookupError,
    RuntimeError,
    EOFError,
    struct.error,
    zlib.error,
)
#: Maximum number of decoded pixels: those of a phone camera. They take 200 MB of memory for each copy.
MAX_PIXELS = 50_000_000
#: The decoders of these formats hold four or five copies.
_MOST_PIXELS = {"WEBP": 16_000_000, "AVIF": 16_000_000}
#: Maximum side in pixels for models.
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
#: Formats whose frames are a film; those of a TIFF are pages.
_ANIMATED = frozenset({"image/gif", "image/png", "image/apng", "image/webp", "image/avif"})
#: Start of a segment of a JPEG. Within a scan, FF 00 is data and FF D0 to FF D7 are restart markers.
_SEGMENT = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
_JPEG, _SCAN, _END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"
#: Each scan is a pass over all pixels, even if it has few bytes. Progressive images have about ten scans.
_MAX_SCANS = 50
_MAX_SEGMENTS = 2000


@dataclass(frozen=True, slots=True)
class _Loaded:
    image: Image.Image
    #: Pixels, upright; of the original unless the picture was decoded at a reduced size.
    size: tuple[int, int]
    content_type: str
    animated: bool


def for_model(data: bytes, *, max_bytes: int) -> Picture:
    """Return the first frame of a picture for a model: at most *max_bytes*, and 2,048 pixels on each side.

    A lossless or transparent picture stays a PNG if it fits.

    Raises:
        TooLarge: the picture cannot be reduced to *max_bytes*; never for 1,000 bytes or more.
        FileRefused: *data* is not a picture that can be decoded.
    """
    found = _load(data, (_MODEL_SIDE, _MODEL_SIDE))
    lossless = found.content_type not in {"image/jpeg", "image/webp", "image/avif"}
    for picture in _ever_smaller(found.image, lossless=lossless):
        if len(picture.data) <= max_bytes:
            return picture
    raise TooLarge(max_bytes)


def preview(data: bytes) -> Preview:
    """Return the description and the thumbnail of a picture, after decoding all of *data* once.

    Raises:
        FileRefused: *data* is not a picture that can be decoded.
    """
    found = _load(data, _THUMBNAIL, whole=True)
    small = _png(found.image) if found.image.mode == "RGBA" else _jpeg(found.image, 80)
    info = PictureInfo(*found.size, found.content_type, len(data), found.animated)
    return Preview(info, small, _blurhash(found.image))


def _blurhash(image: Image.Image) -> str:
    tiny = image.copy()
    tiny.thumbnail(_HASHED, reducing_gap=2)
    pixels, stride = _flat(tiny).tobytes(), 3 * tiny.width
    rows = [[pixels[at : at + 3] for at in range(row, row + stride, 3)] for row in range(0, len(pixels), stride)]
    return str(blurhash_library.encode(rows, components_x=4, components_y=3))


def _load(data: bytes, box: tuple[int, int], *, whole: bool = False) -> _Loaded:
    """Return the first frame, upright, reduced to fit *box*, as RGB or, if it has transparency, RGBA.

    *whole*: all of *data* is decoded, and the size is that of the original.
    """
    if data.startswith(_JPEG) and _has_excessive_segments(data):
        raise FileRefused("decoding the picture takes too much time", FileProblem.TOO_HARD)
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            content_type = image.get_format_mimetype() or ""
            if image.width * image.height > _MOST_PIXELS.get(image.format or "", MAX_PIXELS):
                raise _too_many_pixels()
            if not whole:
                # Only JPEG can be decoded at a reduced size.
                image.draft("RGB", (2 * max(box), 2 * max(box)))
            image.load()
            # After load(), which turns a TIFF and updates its orientation.
            turn = image.getexif().get(ExifTags.Base.Orientation)
            turned = turn in _TURNED
            size = image.size[::-1] if turned else image.size
            animated = content_type in _ANIMATED and getattr(image, "n_frames", 1) > 1
            plain = _in_colour(image)
            plain.thumbnail(box[::-1] if turned else box, reducing_gap=2)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many_pixels() from None
    except UnidentifiedImageError:
        raise FileRefused("the format of the picture is not supported", FileProblem.UNSUPPORTED) from None
    except MemoryError:
        raise FileRefused("decoding the picture takes too much memory", FileProblem.TOO_HARD) from None
    except _DAMAGE as error:
        raise FileRefused("the picture is damaged", FileProblem.UNREADABLE) from error
    return _Loaded(plain.transpose(_TURNS[turn]) if turn in _TURNS else plain, size, content_type, animated)


def _has_excessive_segments(jpeg: bytes) -> bool:
    """Tell whether a JPEG has more scans or segments than the limits."""
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
        # Pillow would clip these values at 255.
        scale = 255 / 65535 if image.mode.startswith("I") else 255
        image = image.convert("F").point(lambda value: value * scale + 0).convert("L")
    mode = "RGBA" if image.has_transparency_data else "RGB"
    # convert() copies an image of the same mode.
    return image if image.mode == mode else image.convert(mode)


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
    """Return *image* on a white background."""
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

"""Pictures of every kind, and bytes that attack their readers."""

from __future__ import annotations

import io
import random
import struct
import time
import zlib
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageFile, features
from PIL.PngImagePlugin import PngInfo

from agent_bridge.core.errors import FileProblem, FileRefused, TooLarge
from agent_bridge.files import picture as module
from agent_bridge.files.picture import for_model, preview
from agent_bridge.files.results import Picture, PictureInfo

if TYPE_CHECKING:
    from collections.abc import Callable

#: Pillow warns of odd values in hostile files.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

LARGE = 1_500_000
RED, BLUE = (255, 0, 0), (0, 0, 255)
FORMS = ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "AVIF"]


@pytest.fixture(autouse=True)
def _as_in_the_bridge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Pillow refuse truncated files: Synapse, once a test has imported it, makes Pillow accept them."""
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", False)


def info_of(data: bytes) -> PictureInfo:
    return preview(data).info


def thumbnail(data: bytes) -> Picture:
    return preview(data).thumbnail


def blurhash(data: bytes) -> str:
    return preview(data).blurhash


def written(image: Image.Image, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def opened(picture: Picture) -> Image.Image:
    image = Image.open(io.BytesIO(picture.data))
    image.load()
    assert image.size == (picture.width, picture.height)
    assert image.get_format_mimetype() == picture.content_type
    return image


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    size = width * height * len(mode)
    return Image.frombytes(mode, (width, height), random.Random(1).randbytes(size))  # noqa: S311


def halves(width: int = 60, height: int = 40) -> Image.Image:
    """Red above, blue below."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(BLUE, (0, height // 2, width, height))
    return image


def like(seen: Any, wanted: tuple[int, int, int]) -> bool:
    return all(abs(one - other) < 40 for one, other in zip(seen, wanted, strict=True))


def png_that_says(width: int, height: int, data: bytes = b"") -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def test_every_format_can_be_tried() -> None:
    assert all(features.check(name) for name in ("jpg", "zlib", "webp", "libtiff", "avif"))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "LA", "I;16", "F"])
def test_formats_and_modes(form: str, mode: str) -> None:
    try:
        data = written(Image.new(mode, (40, 30)), form)
    except (OSError, ValueError):
        # Pillow cannot write such a file, so it is not sent either.
        assert form in {"PNG", "JPEG", "BMP", "GIF"}
        return
    opened(for_model(data, max_bytes=LARGE))
    opened(thumbnail(data))
    assert info_of(data) == PictureInfo(40, 30, f"image/{form.lower()}", len(data))
    assert len(blurhash(data)) == 28


@pytest.mark.parametrize(
    ("form", "image", "content_type"),
    [
        ("PNG", halves(), "image/png"),
        ("BMP", halves(), "image/png"),
        ("TIFF", halves(), "image/png"),
        ("GIF", halves(), "image/png"),
        ("JPEG", halves(), "image/jpeg"),
        ("WEBP", halves(), "image/jpeg"),
        ("WEBP", noise(9, 9, "RGBA"), "image/png"),
        ("AVIF", halves(), "image/jpeg"),
    ],
)
def test_what_models_get(form: str, image: Image.Image, content_type: str) -> None:
    assert for_model(written(image, form), max_bytes=LARGE).content_type == content_type


@pytest.mark.parametrize(
    ("orientation", "size", "corner", "opposite"),
    [(1, (60, 40), RED, BLUE), (2, (60, 40), RED, BLUE), (3, (60, 40), BLUE, RED), (4, (60, 40), BLUE, RED),
     (5, (40, 60), RED, BLUE), (6, (40, 60), BLUE, RED), (7, (40, 60), BLUE, RED), (8, (40, 60), RED, BLUE),
     (0, (60, 40), RED, BLUE), (99, (60, 40), RED, BLUE)],
)  # fmt: skip
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_pictures_are_upright(
    form: str, orientation: int, size: tuple[int, int], corner: tuple[int, int, int], opposite: tuple[int, int, int]
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    data = written(halves(), form, exif=exif)
    for make in (partial(for_model, max_bytes=LARGE), thumbnail):
        image = opened(make(data))
        assert image.size == size
        assert not image.getexif()
        # Left column below, for those that were turned: red is on the left or on the right.
        near, far = ((3, 3), (size[0] - 4, size[1] - 4)) if size == (60, 40) else ((3, 30), (36, 30))
        assert like(image.getpixel(near), corner)
        assert like(image.getpixel(far), opposite)
    info = info_of(data)
    assert (info.width, info.height) == size


def test_a_turned_thumbnail_fits() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    made = thumbnail(written(noise(3000, 300), "JPEG", exif=exif))
    assert (made.width, made.height) == (60, 600)


def test_metadata_is_dropped() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "SECRET"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[1] = "SECRET"
    notes = PngInfo()
    notes.add_text("Comment", "SECRET")
    for data in (
        written(halves(), "JPEG", exif=exif, comment=b"SECRET", icc_profile=b"SECRET" * 30),
        written(halves(), "PNG", exif=exif, pnginfo=notes, icc_profile=b"SECRET" * 30),
        written(halves(), "WEBP", exif=exif, xmp=b"SECRET"),
        written(halves(), "TIFF", exif=exif),
        written(halves().convert("RGBA"), "PNG", exif=exif, pnginfo=notes),
    ):
        for made in (for_model(data, max_bytes=LARGE), for_model(data, max_bytes=1000), thumbnail(data)):
            assert b"SECRET" not in made.data
            image = opened(made)
            assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_frames_the_first(form: str) -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in (RED, BLUE, BLUE)]
    data = written(frames[0], form, save_all=True, append_images=frames[1:])
    image = opened(for_model(data, max_bytes=LARGE)).convert("RGB")
    assert like(image.getpixel((10, 10)), RED)
    assert getattr(image, "n_frames", 1) == 1


@pytest.mark.parametrize(
    ("size", "shown", "small"),
    [
        ((2048, 2048), (2048, 2048), (600, 600)),
        ((2049, 100), (2048, 100), (800, 39)),
        ((100, 4096), (50, 2048), (15, 600)),
        ((800, 600), (800, 600), (800, 600)),
        ((801, 600), (801, 600), (800, 599)),
        ((1, 1), (1, 1), (1, 1)),
        ((20_000, 1), (2048, 1), (800, 1)),
    ],
)
@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_sizes(form: str, size: tuple[int, int], shown: tuple[int, int], small: tuple[int, int]) -> None:
    data = written(Image.new("RGB", size, RED), form)
    made, tiny = for_model(data, max_bytes=LARGE), thumbnail(data)
    assert (made.width, made.height) == shown
    assert (tiny.width, tiny.height) == small


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_bytes_are_bounded(form: str, mode: str) -> None:
    data = written(noise(600, 500, mode).convert("RGB" if form == "JPEG" else mode), form)
    last = len(data) * 2
    for bound in (LARGE, 200_000, 50_000, 10_000, 1_000):
        made = for_model(data, max_bytes=bound)
        opened(made)
        assert len(made.data) <= min(bound, last)
        last = len(made.data)


def test_the_bound_of_bytes_is_exact() -> None:
    data = written(noise(100, 100), "PNG")
    whole = for_model(data, max_bytes=LARGE)
    assert for_model(data, max_bytes=len(whole.data)) == whole
    assert for_model(data, max_bytes=len(whole.data) - 1).content_type == "image/jpeg"
    with pytest.raises(TooLarge):
        for_model(data, max_bytes=10)


def test_grey_of_many_shades_keeps_its_shades() -> None:
    image = Image.new("I;16", (2, 1))
    image.putpixel((0, 0), 32768)
    image.putpixel((1, 0), 65535)
    made = opened(for_model(written(image, "PNG"), max_bytes=LARGE))
    assert [made.getpixel((x, 0)) for x in (0, 1)] == [(127,) * 3, (255,) * 3]


def test_what_shines_through_becomes_white_when_it_must() -> None:
    image = noise(300, 300).convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 200, 200))
    made = for_model(written(image, "PNG"), max_bytes=50_000)
    assert made.content_type == "image/jpeg"
    assert like(opened(made).getpixel((20, 20)), (255, 255, 255))


def test_blurhash_tells_colours_apart_and_is_fast() -> None:
    red, blue = (written(Image.new("RGB", (800, 600), colour), "JPEG") for colour in (RED, BLUE))
    started = time.process_time()
    hashes = {blurhash(red), blurhash(blue), blurhash(red)}
    assert (time.process_time() - started) / 3 < 0.2
    assert len(hashes) == 2


#: Every function that is given hostile bytes.
READERS: list[Callable[[bytes], object]] = [partial(for_model, max_bytes=10_000), thumbnail]


def refused(data: bytes) -> set[FileProblem]:
    problems = set()
    for read in READERS:
        with pytest.raises(FileRefused) as caught:
            read(data)
        problems.add(caught.value.problem)
    return problems


@pytest.mark.parametrize(
    "data",
    [
        png_that_says(50_000, 50_000),
        png_that_says(module.MAX_PIXELS, 2),
        png_that_says(module.MAX_PIXELS + 1, 1),
        png_that_says(2**31 - 1, 2**31 - 1),
        png_that_says(10_000, 10_000),
        b"GIF89a\xff\xff\xff\xff\x80\x00\x00" + bytes(6) + b",\x00\x00\x00\x00\xff\xff\xff\xff\x00\x02\x02D\x01\x00;",
        b"BM" + struct.pack("<IIIIiiHHIIIIII", 70, 0, 54, 40, 2**30, 2**30, 1, 24, 0, 0, 1, 1, 0, 0) + bytes(16),
    ],
    ids=["png", "wide", "one too many", "endless", "100 million", "gif", "bmp"],
)
def test_bombs_are_not_lit(data: bytes) -> None:
    started = time.process_time()
    assert refused(data) == {FileProblem.TOO_MANY_PIXELS}
    assert time.process_time() - started < 2


def test_as_many_pixels_as_are_taken_may_be_missing() -> None:
    assert refused(png_that_says(module.MAX_PIXELS // 1000, 1000)) == {FileProblem.UNREADABLE}


def progressive(scans: int, comments: int = 0) -> bytes:
    """A JPEG with *scans* further copies of its last scan, which adds no detail."""
    data = written(noise(64, 64), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:2] + b"\xff\xfe\x00\x02" * comments + data[2:-2] + data[last:-2] * scans + data[-2:]


def test_scans_without_end_are_not_followed() -> None:
    assert progressive(0).count(b"\xff\xda") == 10
    thumbnail(progressive(40))
    thumbnail(progressive(40) + progressive(40))
    assert refused(progressive(41)) == {FileProblem.TOO_HARD}


def test_segments_without_end_are_not_followed() -> None:
    thumbnail(progressive(0, 1900))
    assert refused(progressive(0, 2001)) == {FileProblem.TOO_HARD}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"hello",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"P6 2 2 255 " + bytes(12),
        b"8BPS\x00\x01" + bytes(40),
        b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00heicmif1" + bytes(60),
        b"SIMPLE  =                    T",
        b"\x00\x00\x01\x00\x01\x00" + bytes(40),
    ],
    ids=["nothing", "a head", "text", "EPS", "SVG", "PPM", "PSD", "HEIC", "FITS", "ICO"],
)
def test_what_is_no_picture_that_is_read(data: bytes) -> None:
    assert refused(data) <= {FileProblem.UNSUPPORTED, FileProblem.UNREADABLE}


@pytest.mark.parametrize("form", FORMS)
def test_what_is_cut_short_is_damaged(form: str) -> None:
    data = written(noise(50, 50), form)
    for length in range(0, len(data) - len(data) // 8, max(1, len(data) // 60)):
        assert refused(data[:length]) <= {FileProblem.UNSUPPORTED, FileProblem.UNREADABLE}


@given(st.sampled_from(FORMS), st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), max_size=8))
def test_flipped_bytes(form: str, changes: list[tuple[float, bytes]]) -> None:
    data = bytearray(SAMPLES[form])
    for where, new in changes:
        at = int(where**2 * (len(data) - 1))
        data[at : at + len(new)] = new
    for read in READERS:
        try:
            made = read(bytes(data))
        except FileRefused:
            continue
        if isinstance(made, Picture):
            opened(made)


@given(
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"BM", b"II*\x00", b"MM\x00*"]),
    st.binary(),
)
def test_any_bytes(head: bytes, tail: bytes) -> None:
    for read in READERS:
        try:
            read(head + tail)
        except FileRefused:
            continue


def test_a_polyglot_leaves_its_other_half_behind() -> None:
    script = b"<script>alert(1)</script>%PDF-1.4"
    for form in ("PNG", "JPEG", "GIF"):
        made = for_model(written(halves(), form) + script, max_bytes=LARGE)
        assert b"script" not in made.data
        assert b"PDF" not in made.data


SAMPLES = {form: written(noise(24, 24), form, exif=b"Exif\x00\x00" + Image.Exif().tobytes()) for form in FORMS}


@pytest.mark.parametrize(("form", "animated"), [("GIF", True), ("WEBP", True), ("PNG", True), ("TIFF", False)])
def test_several_frames_are_animated_and_pages_are_not(form: str, animated: bool) -> None:  # noqa: FBT001
    frames = [Image.new("RGB", (20, 20), colour) for colour in (RED, BLUE)]
    assert preview(written(frames[0], form, save_all=True, append_images=frames[1:])).info.animated is animated
    assert preview(written(frames[0], form)).info.animated is False

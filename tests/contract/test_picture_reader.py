"""Pictures, read by a real process: good ones, and hostile ones that exhaust the process."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import pytest
from PIL import Image

from agent_bridge.core.errors import FileProblem, FileRefused, TooLarge
from agent_bridge.files.pictures import PictureReader
from agent_bridge.files.results import PictureInfo

PERSON = "@bob:x"
#: Options of Pillow that save time or bytes.
OPTIONS: dict[str, dict[str, Any]] = {
    "WEBP": {"lossless": True},
    "AVIF": {"speed": 10},
    "TIFF": {"compression": "tiff_lzw"},
}


def written(image: Image.Image, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def flat(width: int, height: int, form: str, mode: str = "RGB", **options: Any) -> bytes:
    """A picture of one colour: few bytes, many pixels."""
    return written(Image.new(mode, (width, height)), form, **options)


async def problem(data: bytes, reader: PictureReader | None = None) -> FileProblem:
    with pytest.raises(FileRefused) as caught:
        await (reader or PictureReader()).preview(data, holder=PERSON)
    return caught.value.problem


async def test_a_picture_for_a_model() -> None:
    picture = await PictureReader().for_model(flat(3000, 30, "PNG"), max_bytes=100_000, holder=PERSON)
    with Image.open(io.BytesIO(picture.data)) as image:
        assert image.size == (picture.width, picture.height) == (2048, 20)
        assert image.get_format_mimetype() == picture.content_type == "image/png"
    with pytest.raises(TooLarge) as caught:
        await PictureReader().for_model(flat(3000, 30, "PNG"), max_bytes=10, holder=PERSON)
    assert caught.value.limit == 10


async def test_a_preview() -> None:
    data = flat(1000, 600, "JPEG")
    shown = await PictureReader().preview(data, holder=PERSON)
    assert shown.info == PictureInfo(1000, 600, "image/jpeg", len(data))
    assert (shown.thumbnail.width, shown.thumbnail.height, shown.thumbnail.content_type) == (800, 480, "image/jpeg")
    assert len(shown.blurhash) == 28
    with Image.open(io.BytesIO(shown.thumbnail.data)) as image:
        assert image.size == (800, 480)


async def test_refusals() -> None:
    assert await problem(b"hello") is FileProblem.UNSUPPORTED
    assert await problem(b"") is FileProblem.UNSUPPORTED
    assert await problem(flat(50, 50, "PNG")[:60]) is FileProblem.UNREADABLE


@pytest.mark.parametrize(
    ("form", "size", "options"),
    [
        pytest.param("WEBP", (16383, 3050), {"lossless": True}, marks=pytest.mark.long),
        pytest.param("AVIF", (8000, 6000), {"speed": 10}, marks=pytest.mark.long),
        ("PNG", (50_000, 1001), {}),
    ],
)
async def test_too_many_pixels_for_the_decoder(form: str, size: tuple[int, int], options: dict[str, Any]) -> None:
    assert await problem(flat(*size, form, **options)) is FileProblem.TOO_MANY_PIXELS


@pytest.mark.parametrize(
    ("form", "size", "mode"),
    [
        pytest.param("WEBP", (4000, 4000), "RGB", marks=pytest.mark.long),
        pytest.param("WEBP", (4000, 4000), "RGBA", marks=pytest.mark.long),
        ("AVIF", (4000, 4000), "RGB"),
        pytest.param("PNG", (10_000, 5_000), "RGBA", marks=pytest.mark.long),
        pytest.param("PNG", (10_000, 5_000), "P", marks=pytest.mark.long),
        pytest.param("JPEG", (10_000, 5_000), "RGB", marks=pytest.mark.long),
        pytest.param("TIFF", (10_000, 5_000), "CMYK", marks=pytest.mark.long),
    ],
)
async def test_the_largest_pictures_fit_into_the_memory_of_the_process(
    form: str, size: tuple[int, int], mode: str
) -> None:
    data = flat(*size, form, mode, **OPTIONS.get(form, {}))
    assert (await PictureReader().preview(data, holder=PERSON)).info.width == size[0]
    await PictureReader().for_model(data, max_bytes=1_000_000, holder=PERSON)


async def test_a_limit_of_time() -> None:
    assert await problem(flat(2000, 2000, "PNG"), PictureReader(seconds=0.01)) is FileProblem.TOO_HARD


async def test_one_picture_of_a_person_at_a_time() -> None:
    reader = PictureReader(seconds=60)
    data = flat(6000, 5000, "PNG", "RGBA")
    done: list[str] = []

    async def read(person: str, name: str, data: bytes = data) -> None:
        await reader.preview(data, holder=person)
        done.append(name)

    await asyncio.gather(
        *(read("@busy:x", f"busy {number}") for number in range(3)), read("@other:x", "other", flat(9, 9, "PNG"))
    )
    assert done[0] == "other"

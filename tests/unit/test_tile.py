"""Generated pictures of agents."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from agent_bridge.files.tile import initials, tile


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        pytest.param("Ada", "A", id="one word"),
        pytest.param("edda the elder", "EE", id="several words"),
        pytest.param("(Élan) Ōta", "EO", id="accents and marks"),
        pytest.param("7 - zip", "7Z", id="digits, and a mark alone"),
        pytest.param("Борис", "", id="cyrillic"),
        pytest.param("Ada 中村", "", id="partly in another script"),
        pytest.param("🐈", "", id="emoji"),
        pytest.param("", "", id="empty"),
    ],
)
def test_initials(name: str, letters: str) -> None:
    assert initials(name) == letters


@pytest.mark.parametrize("name", ["Ada", "Edda Elder", "Борис", "中村", "مرحبا", "🐈", ""])
def test_a_tile_has_two_colours_and_something_on_it(name: str) -> None:
    image = Image.open(io.BytesIO(tile(name, "agent-1")))
    assert (image.size, image.format) == ((256, 256), "PNG")
    ground = image.getpixel((0, 0))
    colours = image.convert("RGB").getcolors(1 << 16) or []
    assert {ground, (255, 255, 255)} <= {colour for _, colour in colours}


def test_the_colour_belongs_to_the_agent_and_not_to_the_name() -> None:
    def ground(name: str, seed: str) -> object:
        return Image.open(io.BytesIO(tile(name, seed))).getpixel((0, 0))

    assert ground("Ada", "agent-1") == ground("Grace", "agent-1")
    assert len({ground("Ada", f"agent-{number}") for number in range(20)}) > 10
    assert tile("Ada", "agent-1") == tile("Ada", "agent-1")


def test_letters_that_the_font_lacks_become_different_patterns() -> None:
    assert len({tile("Борис", f"agent-{number}") for number in range(20)}) == 20

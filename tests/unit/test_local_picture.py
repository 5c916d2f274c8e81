"""Pictures in files: the address tells the content, and nothing but a file of a limited size is read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.errors import FileRefused, TooLarge
from agent_bridge.files.local_picture import address_of_file, read_address

if TYPE_CHECKING:
    from pathlib import Path


def test_an_address_changes_with_the_content(tmp_path: Path) -> None:
    file = tmp_path / "a: picture.png"
    file.write_bytes(b"red")
    before = address_of_file(file, 3)
    assert read_address(before, 3) == b"red"
    assert address_of_file(file, 3) == before
    file.write_bytes(b"tan")
    assert address_of_file(file, 3) != before


def test_other_addresses_are_none_of_a_file() -> None:
    assert read_address("https://example.org/ada.png", 3) is None
    assert read_address("upstream:123", 3) is None


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    large, pipe = tmp_path / "large.png", tmp_path / "pipe.png"
    large.write_bytes(b"four")
    os.mkfifo(pipe)
    with pytest.raises(TooLarge):
        address_of_file(large, 3)
    for path in (pipe, tmp_path, tmp_path / "none.png", tmp_path / "nul\0.png"):
        with pytest.raises(FileRefused):
            address_of_file(path, 3)

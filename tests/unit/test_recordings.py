"""Recordings become Ogg Opus with duration and waveform, in a process with limits; anything else is refused."""

from __future__ import annotations

import pytest

from agent_bridge.core.errors import FileProblem, FileRefused
from agent_bridge.files.audio import RecordingReader
from support.recordings import mp3_file, wave_file


@pytest.mark.parametrize("seconds", [0.05, 3.0])
async def test_a_recording_becomes_opus(seconds: float) -> None:
    pytest.importorskip("av")
    found = await RecordingReader().as_opus(wave_file(seconds), holder="ada")
    assert found.data.startswith(b"OggS")
    assert abs(found.duration - seconds * 1_000) <= 1
    assert 1 <= len(found.waveform) <= 100
    assert max(found.waveform) == 1_024
    # The tone grows.
    assert list(found.waveform) == sorted(found.waveform)
    again = await RecordingReader().as_opus(found.data, holder="ada")
    # Opus stays as it is.
    assert again.data == found.data
    assert abs(again.duration - found.duration) <= 1


async def test_the_format_of_the_waveform_itself_is_a_recording_like_others() -> None:
    pytest.importorskip("av")
    found = await RecordingReader().as_opus(wave_file(0.5, rate=8_000), holder="ada")
    assert (found.data[:4], found.duration) == (b"OggS", 500)


async def test_joined_files_are_one_recording_and_damage_is_left_out() -> None:
    pytest.importorskip("av")
    one = await RecordingReader().as_opus(mp3_file(1.0), holder="ada")
    three = await RecordingReader().as_opus(mp3_file(1.0) * 3, holder="ada")
    assert abs(three.duration - 3 * one.duration) < 300


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", FileProblem.UNSUPPORTED),
        (b"<html>", FileProblem.UNSUPPORTED),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", FileProblem.UNSUPPORTED),
        (b"OggS" + bytes(200), FileProblem.UNREADABLE),
        (wave_file(0.5)[:44], FileProblem.UNREADABLE),
    ],
    ids=["nothing", "text", "a playlist", "damaged", "no sound"],
)
async def test_anything_else_is_refused(data: bytes, problem: FileProblem) -> None:
    pytest.importorskip("av")
    with pytest.raises(FileRefused) as caught:
        await RecordingReader().as_opus(data, holder="ada")
    assert caught.value.problem is problem


async def test_a_recording_that_takes_too_long_is_refused() -> None:
    with pytest.raises(FileRefused) as caught:
        await RecordingReader(seconds=0.001).as_opus(wave_file(0.5), holder="ada")
    assert caught.value.problem is FileProblem.TOO_HARD

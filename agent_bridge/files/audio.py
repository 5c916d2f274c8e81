"""Reads recordings of speech, each in a separate process with limits."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

from agent_bridge.core.errors import FileProblem, FileRefused
from agent_bridge.files import audio_worker
from agent_bridge.files.reader import Places, run_reader
from agent_bridge.files.sniff import kind_of

#: Recordings that are read at the same time. Each takes up to 1 GB of address space, and 100 MB of memory.
_PLACES = 2
#: Seconds for one recording, and seconds of the longest one.
_SECONDS, _LONGEST = 30.0, 900
_PROGRAM = "audio_worker.py"
#: The demultiplexers of FFmpeg for the types of sound that servers return.
_CONTAINERS = {
    "audio/ogg": "ogg",
    "audio/opus": "ogg",
    "application/ogg": "ogg",
    "video/ogg": "ogg",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/mpeg": "mp3",
    "audio/flac": "flac",
    "audio/x-flac": "flac",
    "audio/aac": "aac",
    "audio/mp4": "mp4",
    "audio/m4a": "mp4",
    "video/mp4": "mp4",
    "audio/webm": "matroska",
    "video/webm": "matroska",
}


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording as Ogg Opus."""

    data: bytes
    #: Milliseconds.
    duration: int
    #: The loudness in the course of time: 1 to 100 values from 0 to 1,024 (MSC3246).
    waveform: tuple[int, ...]


class RecordingReader:
    """Reads recordings: a few at the same time, and one of each holder."""

    def __init__(self, seconds: float = _SECONDS) -> None:
        self._places = Places(_PLACES)
        self._seconds = seconds

    async def as_opus(self, data: bytes, *, holder: str) -> Recording:
        """Return a recording as Ogg Opus, with its duration and waveform. Its bytes decide about its format.

        Raises:
            FileRefused: *data* is no sound that can be read within the limits; or the extra ``voice`` is not installed.
        """
        kind = await asyncio.to_thread(kind_of, data)
        container = _CONTAINERS.get(kind.content_type)
        if container is None:
            raise FileRefused(f"recordings of the type {kind.content_type} are not supported", FileProblem.UNSUPPORTED)
        async with self._places.place(holder):
            try:
                code, out = await run_reader(_PROGRAM, container, str(_LONGEST), data=data, seconds=self._seconds)
            except TimeoutError:
                code, out = audio_worker.TOO_HARD, b""
        if code:
            raise _failure(code)
        head, _, body = out.partition(b"\n")
        found = json.loads(head)
        return Recording(body, found["duration"], tuple(found["waveform"]))


def _failure(code: int) -> FileRefused:
    if code == audio_worker.NOT_INSTALLED:
        return FileRefused("the bridge was installed without the extra `voice`", FileProblem.NOT_INSTALLED)
    if code in {audio_worker.TOO_HARD, audio_worker.TOO_LONG} or code < 0:
        return FileRefused("reading the recording takes too much time or memory", FileProblem.TOO_HARD)
    return FileRefused("the recording is damaged", FileProblem.UNREADABLE)

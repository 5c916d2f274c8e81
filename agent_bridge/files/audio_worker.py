"""A separate program that reads one untrusted recording: ``python -I audio_worker.py ogg 600``.

The recording, whose container is the first argument, is its standard input. Its output is a line of JSON, and the
recording as Ogg Opus: unchanged if it is that already.
"""

from __future__ import annotations

import io
import json
import sys
from array import array
from importlib import import_module
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any

from agent_bridge.files import sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Exit codes.
NOT_INSTALLED, TOO_HARD, UNREADABLE, TOO_LONG = 3, 4, 5, 6
#: Bytes of address space, most of them for the libraries; and seconds of CPU time.
_MEMORY, _CPU = 1024**3, 60
#: Samples a second, for the waveform and for Opus; and samples of a step of the waveform, which has 20 ms.
_RATE, _OPUS_RATE, _STEP = 8_000, 48_000, 160
#: Bits a second of speech.
_BITS = 32_000
#: The layouts of channels by the names that FFmpeg gives to files without one.
_LAYOUTS = {"1 channels": "mono", "2 channels": "stereo"}
#: Values of a waveform (MSC3246), and the largest one.
_VALUES, _LOUDEST = 100, 1_024


def _main(container: str, seconds: str) -> int:
    sandbox.bound(_MEMORY, _CPU)
    data = sys.stdin.buffer.read()
    try:
        av = import_module("av")
    except ImportError:
        return NOT_INSTALLED
    sandbox.deny()
    try:
        return _read(av, data, container, int(seconds))
    except MemoryError:
        return TOO_HARD
    except (av.error.FFmpegError, ValueError, IndexError):
        return UNREADABLE


def _read(av: Any, data: bytes, container: str, seconds: int) -> int:
    """Write the result, and return the exit code."""
    body = io.BytesIO()
    # The container is named, so that no other format is tried: some of them open further files.
    with av.open(io.BytesIO(data), format=container) as source:
        stream = source.streams.audio[0]
        context = stream.codec_context
        # A WAV file has a number of channels alone: a frame without a layout serves one resampler only.
        if layout := _LAYOUTS.get(context.layout.name):
            context.layout = layout
        is_opus = container == "ogg" and context.name in {"opus", "libopus"}
        small = av.AudioResampler(format="s16", layout="mono", rate=_RATE)
        encoder = None if is_opus else _Encoder(av, body)
        peaks, samples, rest = list[int](), 0, array("h")
        for frame in chain(_frames(av, source, stream), [None]):
            # None brings the end out of the resamplers.
            for each in small.resample(frame):
                rest.frombytes(bytes(each.planes[0])[: each.samples * 2])
                samples += each.samples
            if samples > seconds * _RATE:
                return TOO_LONG
            while len(rest) >= _STEP:
                peaks.append(_peak(rest[:_STEP]))
                del rest[:_STEP]
            if encoder is not None:
                encoder.add(frame)
        if encoder is not None:
            encoder.close()
    if rest:
        peaks.append(_peak(rest))
    if not samples:
        return UNREADABLE
    head = {"duration": round(samples * 1_000 / _RATE), "waveform": _waveform(peaks)}
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + (data if is_opus else body.getvalue()))
    sys.stdout.buffer.flush()
    return 0


def _frames(av: Any, source: Any, stream: Any) -> Iterator[Any]:
    """Yield the frames of *stream*. Damaged packets are left out, as players do: servers join MP3 files with headers.

    Raises:
        ValueError: most packets are damaged.
    """
    read = damaged = 0
    for packet in source.demux(stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            damaged += 1
        else:
            read += 1
            yield from frames
    if damaged > read:
        raise ValueError("most packets are damaged")


class _Encoder:
    """Writes frames as Ogg Opus into *body*."""

    def __init__(self, av: Any, body: io.BytesIO) -> None:
        self._out = av.open(body, "w", format="ogg")
        self._stream = self._out.add_stream("libopus", rate=_OPUS_RATE)
        self._stream.layout, self._stream.bit_rate = "mono", _BITS
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=_OPUS_RATE)

    def add(self, frame: Any) -> None:
        for each in self._resampler.resample(frame):
            self._out.mux(self._stream.encode(each))

    def close(self) -> None:
        self._out.mux(self._stream.encode(None))
        self._out.close()


def _peak(samples: array[int]) -> int:
    return max(*samples, -min(samples))


def _waveform(peaks: list[int]) -> list[int]:
    """Return the loudness in the course of time: at most 100 values, the largest of which is 1,024."""
    number = min(_VALUES, len(peaks))
    ends = [len(peaks) * at // number for at in range(number + 1)]
    found = [max(peaks[first:last]) for first, last in pairwise(ends)]
    loudest = max(found) or 1
    return [each * _LOUDEST // loudest for each in found]


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))

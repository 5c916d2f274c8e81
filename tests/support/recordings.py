"""Recordings that tests make."""

from __future__ import annotations

import io
import math
import struct
import wave

_RATE = 16_000


def wave_file(seconds: float, rate: int = _RATE) -> bytes:
    """Return a tone of so many seconds, which grows, as a WAV file with *rate* samples a second."""
    number = int(rate * seconds)
    values = (int(30_000 * math.sin(at / 6) * at / number) for at in range(number))
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, rate, number, "NONE", ""))
        out.writeframes(b"".join(struct.pack("<h", value) for value in values))
    return file.getvalue()


def mp3_file(seconds: float) -> bytes:
    """Return the tone as an MP3 file with an ID3 header."""
    import av  # an extra

    file = io.BytesIO()
    with av.open(io.BytesIO(wave_file(seconds)), "r") as source, av.open(file, "w", format="mp3") as out:
        stream = out.add_stream("libmp3lame", rate=_RATE)
        assert isinstance(stream, av.AudioStream)
        for frame in source.decode(audio=0):
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return file.getvalue()

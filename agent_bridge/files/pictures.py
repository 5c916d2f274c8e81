"""Decodes pictures, each in a separate process with limits."""

from __future__ import annotations

import json
from typing import Any

from agent_bridge.core.errors import FileProblem, FileRefused, TooLarge
from agent_bridge.files.reader import Places, run_reader
from agent_bridge.files.results import Picture, PictureInfo, Preview

#: Pictures that are decoded at the same time. Each takes up to 640 MB of memory.
_PLACES = 2
#: Seconds for one picture, in a process that starts within 0.2 s.
_SECONDS = 10.0
_PROGRAM = "picture_worker.py"


class PictureReader:
    """Decodes pictures: a few at the same time, and one of each holder."""

    def __init__(self, seconds: float = _SECONDS) -> None:
        self._places = Places(_PLACES)
        self._seconds = seconds

    async def for_model(self, data: bytes, *, max_bytes: int, holder: str) -> Picture:
        """Return the first frame of a picture for a model: at most *max_bytes*, and 2,048 pixels on each side.

        Raises:
            TooLarge: the picture cannot be reduced to *max_bytes*; never for 1,000 bytes or more.
            FileRefused: *data* is not a picture that can be decoded within the limits.
        """
        head, body = await self._read(data, holder, "model", str(max_bytes))
        return Picture(**head["picture"] | {"data": body})

    async def preview(self, data: bytes, *, holder: str) -> Preview:
        """Return the description and the thumbnail of a picture.

        Raises:
            FileRefused: *data* is not a picture that can be decoded within the limits.
        """
        head, body = await self._read(data, holder, "preview")
        thumbnail = Picture(**head["thumbnail"] | {"data": body})
        return Preview(PictureInfo(**head["info"]), thumbnail, head["blurhash"])

    async def _read(self, data: bytes, holder: str, *task: str) -> tuple[dict[str, Any], bytes]:
        async with self._places.place(holder):
            try:
                code, out = await run_reader(_PROGRAM, *task, data=data, seconds=self._seconds)
            except TimeoutError:
                code, out = 1, b""
        if code:
            # A decoder reached a limit or crashed.
            raise FileRefused("decoding the picture takes too much time or memory", FileProblem.TOO_HARD)
        head, _, body = out.partition(b"\n")
        found: dict[str, Any] = json.loads(head)
        if "limit" in found:
            raise TooLarge(found["limit"])
        if "problem" in found:
            raise FileRefused(found["message"], FileProblem(found["problem"]))
        return found, body

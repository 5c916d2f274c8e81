"""A separate program that decodes one untrusted picture: ``python -I picture_worker.py model 1500000`` or ``preview``.

The picture is its standard input. Its output is a line of JSON, and the bytes of the picture that the line describes.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from PIL import Image

from agent_bridge.core.errors import FileRefused, TooLarge
from agent_bridge.files import sandbox
from agent_bridge.files.picture import for_model, preview

#: Bytes of address space. The modules take a quarter of it, and 50 million pixels with transparency a third.
_MEMORY = 640 * 1024**2
#: Seconds of CPU time.
_CPU = 20
#: Exit code: it takes too much memory.
_TOO_HARD = 4


def _main(task: str, *arguments: str) -> int:
    # Pillow would import its decoders when it needs the first one.
    Image.init()
    sandbox.bound(_MEMORY, _CPU)
    data = sys.stdin.buffer.read()
    sandbox.deny()
    head: dict[str, Any]
    body = b""
    try:
        if task == "preview":
            shown = preview(data)
            small, body = shown.thumbnail, shown.thumbnail.data
            head = {"info": asdict(shown.info), "thumbnail": asdict(small) | {"data": ""}, "blurhash": shown.blurhash}
        else:
            picture = for_model(data, max_bytes=int(arguments[0]))
            head, body = {"picture": asdict(picture) | {"data": ""}}, picture.data
    except TooLarge as error:
        head = {"limit": error.limit}
    except FileRefused as error:
        head = {"problem": error.problem, "message": str(error)}
    except MemoryError:
        return _TOO_HARD
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + body)
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))

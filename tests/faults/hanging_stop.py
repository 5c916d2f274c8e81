"""``python -m faults.hanging_stop``: a program like the bridge whose stop blocks the event loop."""

from __future__ import annotations

import asyncio
import json
import sys
import time

from agent_bridge.cli import serving

#: Seconds for which the stop blocks, and the limit of the stop.
_BLOCKED, _LIMIT = 60.0, 1.0


async def _work() -> None:
    sys.stderr.write(json.dumps({"event": "listening"}) + "\n")
    sys.stderr.flush()
    try:
        await asyncio.Event().wait()
    finally:
        time.sleep(_BLOCKED)  # noqa: ASYNC251  # the fault


if __name__ == "__main__":
    serving.serve(_work(), _LIMIT)

"""``python -m benchmarks.postgres FOLDER``: the embedded PostgreSQL, which ends with this process."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

from agent_bridge.store.postgres.embedded import start_postgres


async def _run(folder: Path) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    server = start_postgres(folder)
    try:
        pid = server.postmaster and server.postmaster.pid
        listening = {"event": "listening", "url": server.uri, "pid": pid, "log": str(server.log)}
        print(json.dumps(listening), file=sys.stderr, flush=True)
        await stopped.wait()
    finally:
        server.close()


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1])))

"""The baseline for reading answers: plain aiohttp that only parses each line of JSON.

``python -m benchmarks.reader URL QUESTION …`` asks all questions at once and logs the CPU seconds until the last answer
was read.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import aiohttp

_DATA, _END = b"data: ", b"[DONE]"


async def read(http: aiohttp.ClientSession, url: str, question: str) -> str:
    """Ask *question* and return the answer."""
    body = {"model": "agent-1", "stream": True, "messages": [{"role": "user", "content": question}]}
    pieces: list[str] = []
    async with http.post(f"{url}/chat/completions", json=body) as response:
        async for line in response.content:
            data = line.removeprefix(_DATA).strip()
            if data and data != _END:
                pieces.append(json.loads(data)["choices"][0]["delta"].get("content", ""))
    return "".join(pieces)


async def _main(url: str, questions: list[str]) -> None:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as http:
        before = time.process_time()
        answers = await asyncio.gather(*(read(http, url, question) for question in questions))
        seconds = time.process_time() - before
    characters = sum(len(answer) for answer in answers)
    print(json.dumps({"event": "read", "seconds": seconds, "characters": characters}), file=sys.stderr, flush=True)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2:]))

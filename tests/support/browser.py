"""A real browser, headless, driven by the DevTools protocol: Debian's chromium, or the one of CHROMIUM."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import shutil
import tempfile
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from support.conditions import DEADLINE, eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}
_SHIFT = 8


def executable() -> str | None:
    """Return the path of the browser; None if there is none."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


class Page:
    """A tab. Everything that the page reports as a violation or an error is in :attr:`complaints`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.complaints: list[str] = []
        self._loaded = asyncio.Event()

    async def listen(self) -> None:
        """Read the messages of the browser until it ends."""
        async for message in self._socket:
            found = json.loads(message.data)
            if "id" in found:
                self._answers.pop(found["id"]).set_result(found)
            elif found["method"] == "Page.loadEventFired":
                self._loaded.set()
            elif found["method"] == "Log.entryAdded" and found["params"]["entry"]["level"] in {"error", "warning"}:
                self.complaints.append(json.dumps(found["params"]["entry"]))
            elif found["method"] == "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(found["params"]))

    async def call(self, method: str, **values: Any) -> dict[str, Any]:
        """Call *method* of the protocol; return its result."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": values})
        async with asyncio.timeout(DEADLINE):
            found = await answer
        assert "error" not in found, (method, found["error"])
        result: dict[str, Any] = found["result"]
        return result

    async def open(self, url: str) -> None:
        """Open *url*, and wait until it is loaded."""
        self._loaded.clear()
        await self.call("Page.navigate", url=url)
        await self.loaded()

    async def loaded(self) -> None:
        """Wait until a page that has begun to load is loaded."""
        async with asyncio.timeout(DEADLINE):
            await self._loaded.wait()
        self._loaded.clear()

    async def run(self, script: str) -> Any:
        """Return the value of the expression *script* in the page."""
        found = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def sees(self, text: str) -> None:
        """Wait until the page shows *text*."""

        async def shown() -> bool:
            return text in str(await self.run("document.body.innerText"))

        await eventually(shown, f"the page shows {text!r}")

    async def until(self, script: str) -> None:
        """Wait until the expression *script* is true."""

        async def is_true() -> bool:
            with suppress(AssertionError):
                return bool(await self.run(script))
            return False

        await eventually(is_true, script)

    async def press(self, key: str, *, shift: bool = False) -> None:
        """Press and release a key of the keyboard."""
        values = {"key": key, "code": key, "windowsVirtualKeyCode": _KEYS[key], "modifiers": _SHIFT if shift else 0}
        text = {"text": "\r"} if key == "Enter" else {}
        await self.call("Input.dispatchKeyEvent", type="keyDown", **values, **text)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **values)

    async def be(self, *, width: int = 1280, height: int = 900, dark: bool = False, scale: float = 1) -> None:
        """Set the size of the screen, and the colours that the person prefers."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=scale, mobile=width < 600,
        )  # fmt: skip
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        await self.call("Emulation.setEmulatedMedia", features=features)

    async def picture(self, file: Path, *, whole: bool = False) -> None:
        """Write a picture of the page; *whole*: also of the parts outside of the screen."""
        found = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        await asyncio.to_thread(file.write_bytes, base64.b64decode(found["data"]))


@asynccontextmanager
async def chromium() -> AsyncIterator[Page]:
    """Start the browser with an empty profile, and give its first tab."""
    program = executable()
    assert program is not None, "there is no browser: apt-get install chromium"
    with tempfile.TemporaryDirectory(prefix="ab-browser-", ignore_cleanup_errors=True) as folder:
        options = [
            "--headless=new",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-sync",
        ]
        options += ["--no-sandbox"] if os.geteuid() == 0 else []
        process = await asyncio.create_subprocess_exec(
            program, *options, "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            port = Path(folder) / "DevToolsActivePort"
            await eventually(
                _is(lambda: port.exists() and len(port.read_text().splitlines()) > 1), "the browser runs", within=60
            )
            address = f"http://127.0.0.1:{port.read_text().splitlines()[0]}"
            async with aiohttp.ClientSession() as session, session.get(f"{address}/json/list") as response:
                tab = next(each for each in await response.json() if each["type"] == "page")
                async with session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                    page = Page(socket)
                    listening = asyncio.create_task(page.listen())
                    for domain in ("Page", "Runtime", "Log"):
                        await page.call(f"{domain}.enable")
                    yield page
                    listening.cancel()
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


def _is(condition: Any) -> Any:
    async def check() -> bool:
        return bool(condition())

    return check

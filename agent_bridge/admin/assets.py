"""The files of the page: scripts, style and icon, with names that change with their content."""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import Final

from aiohttp import web

from agent_bridge.admin.security import HEADERS
from agent_bridge.core.admin import PATH

_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
#: The vendored files (static/VENDORED.md), and those of the page.
NAMES: Final = ("admin.css", "admin.js", "htmx.min.js", "icon.svg", "plots.js", "uPlot.iife.min.js", "uPlot.min.css")
_CACHE = {"Cache-Control": "public, max-age=31536000, immutable"}
_DIGITS = 12


class Assets:
    """The files, in memory. A request names one of them: no path leads to another file."""

    def __init__(self) -> None:
        folder = resources.files("agent_bridge.admin") / "static"
        self._files = {name: (folder / name).read_bytes() for name in NAMES}
        digests = {name: hashlib.sha256(body).hexdigest()[:_DIGITS] for name, body in self._files.items()}
        self._addresses = {name: f"{PATH}/static/{digests[name]}/{name}" for name in NAMES}

    def address(self, name: str) -> str:
        """Return the path of the file *name*, which names its content."""
        return self._addresses[name]

    async def serve(self, request: web.Request) -> web.Response:
        """Return the response to a request for a file. Everybody may have them: they are the same everywhere."""
        name = request.match_info["name"]
        if self._addresses.get(name) != request.path:
            return web.Response(status=404, text="not found", headers=HEADERS)
        suffix = name[name.rindex(".") :]
        return web.Response(
            body=self._files[name], content_type=_TYPES[suffix], charset="utf-8", headers=HEADERS | _CACHE
        )

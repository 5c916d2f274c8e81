"""The first paint of the admin page, in a real browser."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from agent_bridge.store.postgres.database import Database
from agent_bridge.store.postgres.migrate import migrate
from agent_bridge.store.rollups import RollupStore
from benchmarks.figure import Aim, Figure, median
from support.admin_page import link_of, served
from support.admin_rows import fill, wait
from support.browser import chromium

if TYPE_CHECKING:
    from benchmarks.ground import Ground
    from support.browser import Page

_AGENTS, _TURNS, _OPEN = 1000, 100_000, 500
_ROUNDS = 7
_PAGES = {
    "overview": "", "agents": "/agents", "lanes": "/lanes", "failures": "/failures", "trace": "/trace?message=$many7",
    "usage of a day": "/usage", "usage of a month": "/usage?period=month&by=user", "plots": "/plots",
    "activity": "/activity", "operations": "/operations", "configuration": "/configuration", "log": "/log",
}  # fmt: skip
_PAINT = "performance.getEntriesByName('first-contentful-paint').map((each) => each.startTime)[0] ?? null"
_RESPONSE = "performance.getEntriesByType('navigation')[0].responseEnd"


async def admin_page(ground: Ground) -> list[Figure]:
    """Measure ``admin_first_paint_s``."""
    uri = ground.database("admin")
    await asyncio.to_thread(migrate, uri)
    async with Database(uri) as database:
        await fill(database, agents=_AGENTS, turns=_TURNS)
        await wait(database, turns=_OPEN)
        begin = time.monotonic()
        await RollupStore(database).write()
        whole_week, begin = time.monotonic() - begin, time.monotonic()
        await RollupStore(database).write()
        minute = time.monotonic() - begin
        async with served(uri) as url, chromium() as page:
            await page.be()
            await page.open(f"{url}/admin{await link_of(database, '@admin:test.local')}")
            await page.until("document.activeElement.matches('button')")
            await page.press("Enter")
            await page.until("location.pathname === '/admin'")
            await page.call("Network.enable")
            # As at the first visit.
            await page.call("Network.setCacheDisabled", cacheDisabled=True)
            painted, responded = await _measure(page, f"{url}/admin")
    slowest = max(painted, key=lambda name: median(painted[name]))
    return [
        Figure(
            "admin_first_paint_s",
            median(painted[slowest]),
            f"First contentful paint of the slowest page ({slowest}), from the beginning of the navigation, in "
            f"chromium over loopback, {_ROUNDS} times without its cache. The database has {_AGENTS} agents, {_TURNS} "
            f"turns of a week with their tokens, and {_OPEN} open ones.",
            Aim(0.5),
            painted[slowest],
            {
                **{f"{name}, s": median(times) for name, times in painted.items()},
                **{f"{name}, response, s": median(times) for name, times in responded.items()},
                "sums of the whole week, s": whole_week,
                "sums of a minute, s": minute,
            },
        )
    ]


async def _measure(page: Page, url: str) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Return the seconds to the first paint of each page, and to the end of its response."""
    painted: dict[str, list[float]] = {name: [] for name in _PAGES}
    responded: dict[str, list[float]] = {name: [] for name in _PAGES}
    for _ in range(_ROUNDS):
        for name, path in _PAGES.items():
            await page.open(url + path)
            await page.until(f"({_PAINT}) !== null")
            painted[name].append(await page.run(_PAINT) / 1000)
            responded[name].append(await page.run(_RESPONSE) / 1000)
    if page.complaints:
        raise RuntimeError(f"the browser complains: {page.complaints}")
    return painted, responded

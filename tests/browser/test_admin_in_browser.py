"""The admin page in a real browser: keyboard, phone, dark mode, live updates, and the policy that it may not violate.

``make test-browser`` runs these tests; they need chromium.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from agent_bridge.store.rollups import RollupStore
from support.admin_page import link_of
from support.admin_rows import fill
from support.browser import Page, chromium
from support.conditions import eventually
from support.harness import DOMAIN, SHARED
from support.scripted_upstream import ScriptedUpstream, says

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.harness import BridgeHarness, Running
    from support.postgres import Server

pytestmark = pytest.mark.browser

ADMIN = f"@admin:{DOMAIN}"
PAGES = (
    "", "/agents", "/lanes", "/failures", "/trace?message=$many7", "/usage?period=month", "/plots", "/plots?span=day",
    "/activity", "/operations", "/configuration", "/log",
)  # fmt: skip
HOSTILE = '<img src=x onerror="document.title=1">\u202e' + "L" * 400
#: Pixels of the narrowest screen, and the number that the page is wider.
NARROW = 320
WIDER = "document.documentElement.scrollWidth - innerWidth"


@dataclass(frozen=True)
class Opened:
    """A browser in which an administrator has signed in."""

    running: Running
    upstream: ScriptedUpstream
    page: Page
    url: str


@pytest.fixture(scope="module")
async def page() -> AsyncIterator[Page]:
    async with chromium() as page:
        yield page


@pytest.fixture(scope="module", params=["en", "ru"])
async def opened(
    harness: BridgeHarness, postgres: Server, page: Page, request: pytest.FixtureRequest
) -> AsyncIterator[Opened]:
    async with ScriptedUpstream("Ada") as upstream:
        with postgres.migrated() as url:
            config = harness.config(
                url,
                [{"name": "scripted", "url": upstream.url}],
                service=SHARED,
                admin={"enabled": True},
                language=request.param,
                permissions={DOMAIN: "member", ADMIN: "admin"},
            )
            async with harness.bridge(config) as running:
                await fill(running.database, agents=60, turns=3000)
                await running.database.execute("UPDATE agent SET name = %s WHERE ghost = 'many_3'", (HOSTILE,))
                await running.database.execute(
                    "UPDATE turn SET error = %s WHERE state = 'failed' AND id %% 3 = 0", (HOSTILE,)
                )
                await RollupStore(running.database).write()
                await page.be()
                await page.open(f"{config.appservice.url}/admin{await link_of(running.database, ADMIN)}")
                # The button has the focus.
                await page.until("document.activeElement.matches('button')")
                await page.press("Enter")
                await page.until("location.pathname === '/admin' && document.readyState === 'complete'")
                page.complaints.clear()
                yield Opened(running, upstream, page, f"{config.appservice.url}/admin")


@pytest.fixture(autouse=True)
async def _no_complaints(page: Page) -> AsyncIterator[None]:
    page.complaints.clear()
    yield
    assert page.complaints == []


async def test_all_pages_on_all_screens(opened: Opened) -> None:
    """No page violates its policy, scrolls sideways on a phone, or has two colours that are too alike."""
    page = opened.page
    for path in PAGES:
        for dark in (False, True):
            for width in (NARROW, 1280):
                await page.be(width=width, dark=dark)
                await page.open(opened.url + path)
                assert await page.run(WIDER) <= 0, (path, width)
                assert await page.run("document.title") != "1"
                contrast = await page.run(CONTRAST)
                assert contrast == [], (path, dark, contrast)
    await page.be()


async def test_dark_mode_has_dark_colours(opened: Opened) -> None:
    page = opened.page
    colours = []
    for dark in (False, True):
        await page.be(dark=dark)
        await page.open(opened.url)
        colours.append(await page.run("getComputedStyle(document.body).backgroundColor"))
    assert colours == ["rgb(255, 255, 255)", "rgb(20, 23, 28)"]
    await page.be()


async def test_tables_have_heads_and_pages_have_landmarks(opened: Opened) -> None:
    page = opened.page
    for path in PAGES:
        await page.open(opened.url + path)
        assert await page.run("document.querySelectorAll('main, h1').length") == 2
        assert await page.run("document.querySelectorAll('nav a[aria-current=page]').length") == 1
        bad = "[...document.querySelectorAll('main table:not(.u-legend)')].filter(t => !t.querySelector(HEAD)).length"
        bad = bad.replace("HEAD", "'thead th[scope=col]'")
        assert await page.run(bad) == 0, path
        assert await page.run(
            "[...document.querySelectorAll('input:not([type=hidden]), select')].every(e => e.labels.length)"
        ), path
        assert await page.run("[...document.querySelectorAll('button, a')].every(e => e.textContent.trim())"), path


async def test_a_failure_is_retried_by_the_keyboard(opened: Opened, harness: BridgeHarness) -> None:
    page, upstream = opened.page, opened.upstream
    async with harness.person() as person:
        upstream.scripts.append(says(401))
        talk = await opened.running.join(person, upstream.names[0])
        event = await talk.say("Hello")

        async def failed() -> str | None:
            query = "SELECT key FROM turn WHERE event_id = %s AND state = 'failed'"
            row = await opened.running.database.row(query, (event,))
            return None if row is None else row["key"]

        key = await eventually(failed, "the message has failed")
        await page.open(f"{opened.url}/failures")
        # The first stop leads to the content, so that the menu can be left out.
        await page.press("Tab")
        assert await page.run("document.activeElement.className") == "skip"
        assert await page.run("document.activeElement.getBoundingClientRect().left >= 0")
        await page.press("Enter")
        for _ in range(10):
            await page.press("Tab")
            if await page.run(f"document.activeElement.closest('form')?.action.includes('{key}/retry') ?? false"):
                break
        assert await page.run("document.activeElement.matches('button:focus-visible')")
        assert await page.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        await page.press("Enter")
        await page.until("document.querySelector('#notice p') !== null")
        # It took no other page, and the focus stays at the message.
        assert await page.run("location.pathname + location.search") == "/admin/failures"
        await page.until(f"document.activeElement.textContent === '{key}'")
        await talk.wait_for_answers(1)


async def test_changes_appear_by_themselves(opened: Opened, harness: BridgeHarness) -> None:
    page = opened.page
    await page.open(f"{opened.url}/activity")
    await page.until("!document.getElementById('live').hidden")
    async with harness.person() as person:
        talk = await opened.running.join(person, opened.upstream.names[0])
        await talk.say("words that nobody else reads")
        await talk.wait_for_answers(1)
        name = opened.upstream.names[0]
        await page.until(
            f"[...document.querySelectorAll('#moments tbody tr.fresh bdi')].some(e => e.textContent === '{name}')"
        )
        assert "words that" not in await page.run("document.body.innerText")
        ids = await page.run("[...document.querySelectorAll('#moments tbody tr')].map(e => e.dataset.id)")
        assert len(ids) == len(set(ids))


async def test_a_silent_stream_is_not_called_live(opened: Opened) -> None:
    page = opened.page
    await page.open(f"{opened.url}/activity")
    await page.until("!document.getElementById('live').hidden")
    await page.run("""
        window.told = [];
        new MutationObserver(() => told.push(lost.hidden)).observe(lost, { attributes: true });
        const now = Date.now;
        Date.now = () => now() + 60000;
    """)
    # The page says so, connects again, and is live again.
    await page.until("told.includes(false) && !live.hidden && lost.hidden")


async def test_a_page_outlives_a_database_that_is_away(opened: Opened) -> None:
    """A part that is read again stays, and is read again when that is possible."""
    page, database = opened.page, opened.running.database
    await page.open(f"{opened.url}/operations")
    await database.execute("ALTER TABLE operation RENAME TO away")
    try:
        await page.until("!document.getElementById('stale').hidden")
        assert await page.run("document.getElementById('operations').childElementCount") > 0
    finally:
        await database.execute("ALTER TABLE away RENAME TO operation")
    await page.until("document.getElementById('stale').hidden")
    # The browser tells of the responses.
    page.complaints.clear()


async def test_causes_of_failed_work_have_the_language_of_the_page(opened: Opened) -> None:
    """The homeserver does not know the users of the agents that were written into the database."""
    page = opened.page
    cause = "document.querySelector('#operations .cause')?.textContent ?? ''"
    await page.open(f"{opened.url}/operations")
    await page.until(f"({cause}).includes(': ')")
    assert await page.run(f"/[\\u0430-\\u044f]/.test({cause}) === (document.documentElement.lang === 'ru')")


async def test_plots_are_drawn(opened: Opened) -> None:
    page = opened.page
    await page.open(f"{opened.url}/plots")
    await page.until("document.querySelectorAll('.plot canvas').length === 4")
    # Something other than the background is painted.
    painted = """[...document.querySelectorAll('.plot canvas')].every(c =>
        new Set(new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)).size > 3)"""
    await page.until(painted)
    # On a phone a legend has two lines: none is cut off, also after the screen is turned.
    legends = """[...document.querySelectorAll('.plot')].every(p => p.clientHeight < 320
        && p.querySelector('.u-legend').getBoundingClientRect().bottom <= p.getBoundingClientRect().bottom
        && p.parentElement.getBoundingClientRect().bottom >= p.getBoundingClientRect().bottom)"""
    for width in (NARROW, 568, NARROW):
        await page.be(width=width)
        await page.until(legends)
        assert await page.run(WIDER) <= 0
    await page.be()


async def test_pages_can_be_read_without_scripts(opened: Opened) -> None:
    page = opened.page
    await page.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        for path, selector in (
            ("/agents", "tbody tr"),
            ("/failures", "form button"),
            ("/plots", "tbody tr"),
            ("/activity", "tbody tr"),
        ):
            await page.open(opened.url + path)
            tree = await page.call("DOM.getDocument")
            found = await page.call("DOM.querySelector", nodeId=tree["root"]["nodeId"], selector=f"main {selector}")
            assert found["nodeId"] > 0, path
    finally:
        await page.call("Emulation.setScriptExecutionDisabled", value=False)


async def test_signing_out_by_the_keyboard(opened: Opened) -> None:
    """The last test of the file."""
    page = opened.page
    await page.open(opened.url)
    await page.run("document.querySelector('.person button').focus()")
    await page.press("Enter")
    await page.until("location.pathname === '/admin/login'")
    await page.open(f"{opened.url}/agents")
    assert re.fullmatch(r".*/admin/login", await page.run("location.href"))


#: Pairs of colours of text with a contrast below 4.5 (WCAG 2.2, 1.4.3).
CONTRAST = """(() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const back = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = parse(getComputedStyle(each).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const found = new Set();
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility()) continue;
    const pair = [light(parse(getComputedStyle(element).color)), light(back(element))].sort((a, b) => b - a);
    if ((pair[0] + 0.05) / (pair[1] + 0.05) < 4.5) found.add(element.tagName + '.' + element.className);
  }
  return [...found];
})()"""

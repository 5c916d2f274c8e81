"""The admin page with a real bridge: people sign in, read all pages, and have messages answered again."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp
import pytest

from agent_bridge.bridge.delivery.admin_links import AdminLinks
from agent_bridge.config.admin import AdminConfig
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.store.admin_sessions import AdminSessions
from support.admin_page import browser, link_of, visitor
from support.bot_rooms import bot_chat
from support.conditions import eventually
from support.harness import DOMAIN, PREFIX, SHARED
from support.scripted_upstream import ScriptedUpstream, says, waits_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.config.model import Config
    from support.harness import BridgeHarness, Running
    from support.person import Person
    from support.postgres import Server

ADMIN, OWNER = f"@admin:{DOMAIN}", f"@boss:{DOMAIN}"
PAGES = (
    "", "/agents", "/lanes", "/failures", "/trace", "/usage", "/plots", "/activity", "/operations",
    "/configuration", "/log",
)  # fmt: skip
HOSTILE = """<img src=x onerror=alert(1)>"'</script><script>alert(2)</script>&lt;b&gt;\u202edlrow\u2066 {{ 7*7 }}"""


@dataclass(frozen=True)
class Scene:
    """A bridge with the page."""

    harness: BridgeHarness
    running: Running
    upstream: ScriptedUpstream
    config: Config

    @property
    def url(self) -> str:
        return self.config.appservice.url

    def visitor(self, user: str = ADMIN) -> Any:
        return visitor(self.url, self.running.database, user)

    async def rows(self, query: Any, **values: object) -> list[Any]:
        return await self.running.database.rows(query, values)

    async def failed(self, person: Person) -> tuple[str, Any]:
        """Have a message of *person* fail; return the public name of its turn, and the talk."""
        self.upstream.scripts.append(says(401))
        talk = await self.running.join(person, self.upstream.names[0])
        event = await talk.say("Hello")

        async def key() -> str | None:
            rows = await self.rows("SELECT key FROM turn WHERE event_id = %(event)s AND state = 'failed'", event=event)
            return rows[0]["key"] if rows else None

        return await eventually(key, "the message has failed"), talk


@pytest.fixture(scope="module")
async def scene(harness: BridgeHarness, postgres: Server) -> AsyncIterator[Scene]:
    async with ScriptedUpstream("Ada", "Bea") as upstream:
        with postgres.migrated() as url:
            config = harness.config(
                url,
                [{"name": "scripted", "url": upstream.url, "api_key": "key-of-upstream"}],
                service=SHARED,
                admin={"enabled": True, "openid": True},
                api={"trusted_proxies": ["127.0.0.1"]},
                permissions={DOMAIN: "member", ADMIN: "admin", OWNER: "owner"},
            )
            async with harness.bridge(config) as running:
                yield Scene(harness, running, upstream, config)


async def test_every_page_is_shown(scene: Scene) -> None:
    async with scene.visitor() as admin:
        for path in PAGES:
            answer = await admin.get(path)
            assert answer.status == 200, (path, answer.text)
            assert f'href="/admin{path}" aria-current="page"' in answer.html
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            assert answer.headers["Cache-Control"] == "no-store"
            # The policy permits none of these.
            assert re.search(r"<script(?![^>]* src=)|<style| style=|\son\w+=|javascript:", answer.html) is None
        assert "key-of-upstream" not in (await admin.get("/configuration")).html
        assert "Ada" in (await admin.get("/agents")).text
        assert (await admin.get("/plots/points?span=day")).status == 200
        assert (await admin.get("/")).headers["Location"] == "/admin"


async def test_the_bot_sends_a_link_that_counts_once(scene: Scene) -> None:
    async with scene.harness.person("admin") as admin:
        chat = await bot_chat(scene.running, admin)
        link = await chat.ask(f"{PREFIX} admin")
        answer = await chat.answer(len(chat.said()) - 1) if "/admin/login/" not in link.body else link
        path = re.search(r"/admin(/login/\S+)", answer.body)
        assert path is not None, answer.body
        async with browser(scene.url) as first, browser(scene.url) as second:
            # Previews of the link, by servers and clients, do not use it up.
            for _ in range(3):
                assert (await second.get(path[1])).status == 200
            assert (await first.post(path[1])).headers["Location"] == "/admin"
            assert "Sign out" in (await first.get()).text
            again = await second.post(path[1])
            assert (again.status, again.cookies) == (403, {})
            assert (await second.get()).headers["Location"] == "/admin/login"
        (row,) = await scene.rows("SELECT count(*) AS n FROM admin_link WHERE user_id = %(user)s", user=ADMIN)
        assert row["n"] == 0


async def test_the_secrets_are_not_in_the_database(scene: Scene) -> None:
    async with browser(scene.url) as opened:
        path = await link_of(scene.running.database, ADMIN)
        answer = await opened.post(path)
        (cookie,) = answer.cookies.values()
        for secret in (cookie.value, path.removeprefix("/login/")):
            found = await scene.rows(
                "SELECT t::text FROM admin_session AS t UNION ALL SELECT t::text FROM admin_link AS t"
                " UNION ALL SELECT t::text FROM admin_action AS t"
            )
            assert [row for row in found if secret in row["t"]] == []
            assert found
        assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/admin")


async def test_a_new_link_takes_the_place_of_the_one_before(scene: Scene) -> None:
    old, new = [await link_of(scene.running.database, ADMIN) for _ in range(2)]
    async with browser(scene.url) as opened:
        assert (await opened.post(old)).status == 403
        assert (await opened.post(new)).status == 303


async def test_a_link_ends_after_five_minutes(scene: Scene) -> None:
    path = await link_of(scene.running.database, ADMIN)
    (row,) = await scene.rows("SELECT extract(epoch FROM expires_at - now())::float AS left FROM admin_link")
    assert 290 < row["left"] <= 300
    await scene.running.database.execute("UPDATE admin_link SET expires_at = now()")
    async with browser(scene.url) as opened:
        assert (await opened.post(path)).status == 403


async def test_the_command_is_for_admins_in_a_chat_with_the_bot(scene: Scene) -> None:
    async with scene.harness.person() as person:
        chat = await bot_chat(scene.running, person)
        assert "admin" in (await chat.ask(f"{PREFIX} admin")).body
        assert await scene.rows("SELECT 1 FROM admin_link WHERE user_id = %(user)s", user=person.user_id) == []
    async with scene.harness.person("boss") as boss:
        talk = await scene.running.join(boss, scene.upstream.names[1])
        assert "no chat with me" in await talk.command("admin")


async def test_a_link_is_not_told_to_people_who_came_while_the_bridge_was_away(scene: Scene) -> None:
    database = scene.running.database
    links = AdminLinks(scene.running.homeserver, AdminSessions(database), ENGLISH, key="key", url=scene.url)
    async with scene.harness.person("admin") as admin, scene.harness.person() as other:
        chat = await bot_chat(scene.running, admin)
        async with database.transaction() as connection:
            link = await links.add(connection, admin.user_id, "nonce")
        await admin.invite(chat.room_id, other.user_id)
        for again in (True, False):
            assert not await links.tell(link, admin.user_id, chat.room_id, "key", again=again, since="")
        ((newest,), _) = await scene.running.homeserver.messages(chat.room_id, limit=1)
        assert newest["type"] == "m.room.member"


@pytest.mark.parametrize("role", ["member", "none"])
async def test_a_person_without_the_role_does_not_enter(scene: Scene, role: str) -> None:
    user = f"@{role}:{DOMAIN}" if role == "member" else "@admin:elsewhere.example"
    async with browser(scene.url) as opened:
        answer = await opened.post(await link_of(scene.running.database, user))
        assert (answer.status, answer.cookies) == (403, {})
        assert (await opened.get("/agents")).headers["Location"] == "/admin/login"


async def test_the_session_ends_with_the_role(scene: Scene) -> None:
    """It also does not come back when the role does."""
    async with scene.harness.person("boss") as boss, scene.harness.person() as other:
        chat = await bot_chat(scene.running, boss)
        await chat.ask(f"{PREFIX} role {other.user_id} admin")
        await eventually(_async(lambda: _may_enter(scene, other.user_id)), "the role counts")
        async with scene.visitor(other.user_id) as opened:
            assert (await opened.get()).status == 200
            async with streaming(scene, opened) as events:
                await anext(events)
                await chat.ask(f"{PREFIX} role {other.user_id} member")

                async def has_ended() -> bool:
                    return (
                        await scene.rows("SELECT 1 FROM admin_session WHERE user_id = %(user)s", user=other.user_id)
                        == []
                    )

                await eventually(has_ended, "the session is gone")
                async with asyncio.timeout(10):
                    async for _ in events:
                        pass
            await chat.ask(f"{PREFIX} role {other.user_id} admin")
            await eventually(_async(lambda: _may_enter(scene, other.user_id)), "the role counts again")
            assert (await opened.get()).headers["Location"] == "/admin/login"


async def test_a_person_signs_out(scene: Scene) -> None:
    async with scene.visitor() as admin:
        cookie = admin.cookie
        assert (await admin.send("", "/logout")).headers["Location"] == "/admin/login"
        # Also a copy of the cookie does not count any more.
        assert (await admin.get("", Cookie=cookie)).status == 303


async def test_a_message_is_queued_again(scene: Scene) -> None:
    async with scene.harness.person() as person, scene.visitor() as admin:
        key, talk = await scene.failed(person)
        shown = await admin.get("/failures")
        assert key in shown.html
        answer = await admin.send("/failures", f"/messages/{key}/retry", page="failures")
        assert answer.headers["Location"] == "/admin/failures?notice=retried"
        assert "queued again" in (await admin.get("/failures?notice=retried")).text
        await talk.wait_for_answers(1)
        # A second click, late or of another browser, does not ask the agent once more.
        asked = len(scene.upstream.asked)
        answer = await admin.send("", f"/messages/{key}/retry", page="failures")
        assert answer.headers["Location"] == "/admin/failures?notice=not_retried"
        await talk.wait_until_idle()
        assert len(scene.upstream.asked) == asked
        entries = (await admin.get("/log")).text
        assert f"{ADMIN} retried a message {key}" in entries
        assert "step" not in entries


async def test_a_waiting_message_is_dropped(scene: Scene) -> None:
    gate = asyncio.Event()
    async with scene.harness.person() as person, scene.visitor() as admin:
        scene.upstream.scripts.append(waits_for(gate, "late"))
        talk = await scene.running.join(person, scene.upstream.names[0])
        event = await talk.say("Hello")

        async def key() -> str | None:
            rows = await scene.rows(
                "SELECT key FROM turn WHERE event_id = %(event)s AND state = 'running'", event=event
            )
            return rows[0]["key"] if rows else None

        name = await eventually(key, "the agent is asked")
        lanes = await admin.get("/lanes")
        assert name in lanes.html
        answer = await admin.post(f"/messages/{name}/drop", {"form": lanes.form_token}, HX_Request="true")
        assert (answer.status, answer.text.count("dropped")) == (200, 2)
        await talk.wait_until_idle()
        gate.set()
        (row,) = await scene.rows("SELECT state, steps FROM turn WHERE key = %(key)s", key=name)
        assert (row["state"], "dropped" in {each["what"] for each in row["steps"]}) == ("failed", True)


async def test_other_sites_can_change_nothing(scene: Scene) -> None:
    async with scene.harness.person() as person, scene.visitor() as admin:
        key, _ = await scene.failed(person)
        token = (await admin.get("/failures")).form_token
        path = f"/messages/{key}/retry"
        for refused in (
            await admin.post(path, {"form": token}, origin="https://evil.example"),
            await admin.post(path, {"form": token}, origin="null"),
            await admin.post(path, {"form": token}, origin=None),
            await admin.post(path, {"form": "another"}),
            await admin.post(path, {}),
            await admin.post("/logout", {}),
            await admin.post(await link_of(scene.running.database, ADMIN), origin="https://evil.example"),
        ):
            assert refused.status == 403, refused.text
        async with scene.visitor(OWNER) as other:
            # The token of another session.
            assert (await other.post(path, {"form": token})).status == 403
        assert (await admin.get(path)).status == 404
        rows = await scene.rows("SELECT state FROM turn WHERE key = %(key)s", key=key)
        assert rows[0]["state"] == "failed"
        assert (await admin.get()).status == 200


async def test_hostile_names_and_causes_stay_text(scene: Scene) -> None:
    database = scene.running.database
    async with scene.harness.person() as person, scene.visitor() as admin:
        key, _ = await scene.failed(person)
        await database.execute("UPDATE turn SET error = %s, steps = steps || %s::jsonb WHERE key = %s", (
            HOSTILE, json.dumps([{"at": "2026-01-01T00:00:00+00:00", "what": HOSTILE, "error": HOSTILE}]), key,
        ))  # fmt: skip
        await database.execute(
            "INSERT INTO operation (kind, key, params, requested_by, note, error, state, finished_at)"
            " VALUES (%(text)s, 'hostile', '{}', %(text)s, %(text)s, %(text)s, 'failed', now())",
            {"text": HOSTILE},
        )
        await database.execute(
            "INSERT INTO agent (upstream, agent_id, model, name, ghost, displayname, state)"
            " VALUES (%s, 'h', 'h', %s, %s, 'h', 'retired')", (HOSTILE, HOSTILE + "x" * 5000, HOSTILE),
        )  # fmt: skip
        for path in (
            "/agents", "/failures", "/operations", "/activity", "", "/usage", f"/trace?message={key}",
            f"/trace?message={quote(HOSTILE)}", f"/agents?begins={quote(HOSTILE)}&after={quote(HOSTILE)}%7C5",
        ):  # fmt: skip
            answer = await admin.get(path)
            assert answer.status == 200, (path, answer.text)
            assert "<img" not in answer.html, path
            assert "<script>alert" not in answer.html, path
            assert "\u202e" not in answer.html, path
            assert "\u2066" not in answer.html, path
            assert "x" * 1000 not in answer.html, path
            assert len(answer.html) < 300_000
        await database.execute("DELETE FROM operation WHERE key = 'hostile'")
        await database.execute("DELETE FROM agent WHERE agent_id = 'h'")


async def test_there_are_no_other_paths(scene: Scene) -> None:
    async with scene.visitor() as admin:
        for path in (
        "/static/x/../../../../etc/passwd", "/static/..%2f..%2fpages.py/x", "/static/000000000000/admin.css",
        "/static/x/__init__.py", "/nothing", "/failures/x", "/messages/0/retry", "/login/a/b", "/%00", "/agents%2f..",
        ):  # fmt: skip
            answer = await admin.get(path)
            assert answer.status == 404, path
            assert "import" not in answer.html
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"], path


async def test_odd_queries_are_no_failures(scene: Scene) -> None:
    async with scene.visitor() as admin:
        for query in (
        "/agents?after=x%7C99999999999999999999", "/agents?after=%00%7C1", "/agents?after=%7C",
        "/agents?state=none&upstream=none",
        "/lanes?from=-1", "/lanes?from=99999999999999999999999", "/failures?before=x%7C1",
        "/failures?before=9999-12-31%7C1",
        "/failures?before=0001-01-01%7C1", "/failures?notice=<b>", "/log?before=abc", "/log?before=1",
        "/usage?period=x&by=y",
        "/plots?span=year", "/plots/points?span=", "/trace?message=%00", "/trace?message=" + "a" * 3000,
        "/trace?message=https://matrix.to/%23/!no:such.room/$event",
        ):  # fmt: skip
            assert (await admin.get(query)).status == 200, query


async def test_strangers_learn_nothing(scene: Scene) -> None:
    async with scene.visitor() as admin, browser(scene.url) as stranger:
        name = admin.cookie.partition("=")[0]
        for path in (*PAGES, "/plots/points"):
            answer = await stranger.get(path)
            assert (answer.status, answer.headers["Location"], answer.html) == (303, "/admin/login", "")
        assert (await stranger.get("/events")).status == 403
        part = await stranger.get("/operations", HX_Request="true")
        assert (part.status, part.headers["HX-Redirect"]) == (403, "/admin/login")
        assert ADMIN not in (await stranger.get("/login")).html
        for cookie in ("x", "x" * 5000, "%00", 'a"b'):
            assert (await stranger.get("", Cookie=f"{name}={cookie}")).status == 303


async def test_the_addresses_of_redirections_are_fixed(scene: Scene) -> None:
    async with browser(scene.url) as opened:
        path = await link_of(scene.running.database, ADMIN)
        answer = await opened.post(
            f"{path}?next=//evil.example", {"next": "https://evil.example", "page": "//evil.example"}
        )
        assert answer.headers["Location"] == "/admin"
        answer = await opened.send("", "/messages/" + "0" * 16 + "/retry", page="//evil.example/x")
        assert answer.headers["Location"] == "/admin/failures?notice=not_retried"


async def test_a_session_that_the_visitor_brings_is_not_used(scene: Scene) -> None:
    async with scene.visitor() as admin, browser(scene.url) as opened:
        path = await link_of(scene.running.database, ADMIN)
        name = admin.cookie.partition("=")[0]
        answer = await opened.post(path, Cookie=f"{name}=chosen-by-another-person")
        (cookie,) = answer.cookies.values()
        assert cookie.value != "chosen-by-another-person"


async def test_a_person_signs_in_by_openid(scene: Scene) -> None:
    async with scene.harness.person("admin") as admin, scene.harness.person() as member:
        async with browser(scene.url) as opened:
            token = await openid_token(admin)
            assert (await opened.post("/login/openid", {"token": json.dumps(token)})).headers["Location"] == "/admin"
            assert ADMIN in (await opened.get("/log")).text
            as_json = json.dumps(await openid_token(admin)).encode()
            answer = await opened.post("/login/openid", body=as_json, Content_Type="application/json")
            assert answer.status == 303
        async with browser(scene.url) as opened:
            # One that another homeserver would have to confirm.
            foreign = await openid_token(admin) | {"matrix_server_name": "elsewhere.example"}
            assert (await opened.post("/login/openid", {"token": json.dumps(foreign)})).status == 403
            assert (await opened.post("/login/openid", {"token": json.dumps(await openid_token(member))})).status == 403
            assert (await opened.get()).status == 303


def test_openid_has_to_be_asked_for() -> None:
    """Its tokens have no audience: a widget that got one for another purpose could sign in with it."""
    assert not AdminConfig().openid


async def test_other_tokens_of_openid_do_not_count(scene: Scene) -> None:
    async with browser(scene.url) as opened:
        for token in (
        "", "{}", "[]", "null", '{"access_token": 1, "matrix_server_name": "test.local"}', "[" * 5000,
        '{"access_token": "wrong", "matrix_server_name": "test.local"}',
        '{"access_token": "x", "matrix_server_name": "127.0.0.1:1"}',
        ):  # fmt: skip
            answer = await opened.post("/login/openid", {"token": token})
            assert (answer.status, answer.cookies) == (403, {}), (token[:50], answer.text)


async def test_changes_are_seen_live(scene: Scene) -> None:
    async with scene.harness.person() as person, scene.visitor() as admin, streaming(scene, admin) as events:
        assert await anext(events) == ("here", {})
        talk = await scene.running.join(person, scene.upstream.names[0])
        await talk.say("secret words")
        states = []
        async with asyncio.timeout(20):
            async for name, event in events:
                if name == "here":
                    continue
                assert name == "turn"
                assert "secret" not in json.dumps(event)
                states.append(event["state"])
                if event["state"] == "done":
                    break
        assert states[-1] == "done"
        assert "queued" in states
        assert event["agent"] == scene.upstream.names[0]
        assert event["room"] == "home"


async def test_nobody_who_looks_costs_nothing(scene: Scene) -> None:
    """The task that reads ends with the last stream."""
    async with scene.visitor() as admin:
        async with streaming(scene, admin) as events:
            await anext(events)
        tasks = [each for each in asyncio.all_tasks() if "_follow" in repr(each.get_coro())]

        async def ended() -> bool:
            return all(each.done() for each in tasks)

        assert tasks
        await eventually(ended, "the task has ended")


async def test_a_person_has_few_streams(scene: Scene) -> None:
    async with scene.visitor() as admin:
        streams = [streaming(scene, admin) for _ in range(8)]
        opened = [await each.__aenter__() for each in streams]
        for each in opened:
            await anext(each)
        async with admin.session.get(f"{scene.url}/admin/events") as answer:
            assert (answer.status, int(answer.headers.get("Retry-After", 0)) > 0) == (429, True)
        # The pages work beside them.
        assert (await admin.get("/agents")).status == 200
        for stream in streams:
            await stream.__aexit__(None, None, None)


async def test_the_sums_of_the_plots_follow(scene: Scene) -> None:
    from agent_bridge.store.rollups import RollupStore

    async with scene.harness.person() as person, scene.visitor() as admin:
        await scene.failed(person)
        talk = await scene.running.join(person, scene.upstream.names[0])
        await talk.say("Hello")
        await talk.wait_for_answers(2)
        assert await RollupStore(scene.running.database).write()
        (row,) = await scene.rows(
            "SELECT sum(done) AS done, sum(failed) AS failed, sum(input_tokens) AS tokens FROM rollup"
        )
        assert row["done"] >= 1
        assert row["failed"] >= 1
        assert row["tokens"] > 0
        assert "Answered" in (await admin.get("/plots")).text


async def test_a_person_signs_in_a_few_times_a_minute(scene: Scene) -> None:
    """The last test of its kind: the limit belongs to the address."""
    async with browser(scene.url) as opened:
        statuses = [(await opened.post(f"/login/wrong{number}")).status for number in range(15)]
        assert statuses[-1] == 429
        # Those who are in are not concerned, nor are pages, nor is a person with a link, who has the same address.
        assert (await opened.get("/login")).status == 200
        assert (await opened.post(await link_of(scene.running.database, ADMIN))).status == 303


@asynccontextmanager
async def streaming(scene: Scene, opened: Any) -> AsyncIterator[AsyncIterator[tuple[str, Any]]]:
    """Open the stream of events in a browser."""
    async with opened.session.get(f"{scene.url}/admin/events", timeout=aiohttp.ClientTimeout(total=60)) as response:
        assert response.status == 200, await response.text()

        async def events() -> AsyncIterator[tuple[str, Any]]:
            name = ""
            async for line in response.content:
                text = line.decode().rstrip("\n")
                if text.startswith("event: "):
                    name = text.removeprefix("event: ")
                elif text.startswith("data: "):
                    yield name, json.loads(text.removeprefix("data: "))

        yield events()


async def openid_token(person: Person) -> Any:
    """Have the homeserver make a token for *person*."""
    return await person.ask("POST", f"/user/{quote(person.user_id)}/openid/request_token", {})


def _may_enter(scene: Scene, user: str) -> bool:
    visitors: Any = scene.running.bridge.admin_work["visitors"]
    return bool(visitors.__self__.may_enter(user))


def _async(condition: Any) -> Any:
    async def check() -> bool:
        return bool(condition())

    return check

"""``agent-bridge doctor``: everything the bridge needs, one line a check, and what to do where one fails."""

from __future__ import annotations

import asyncio
import stat
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from agent_bridge.config.registration import registration
from agent_bridge.core.errors import (
    HomeserverError,
    HomeserverRefused,
    SchemaTooOld,
    StoreError,
    UpstreamError,
)
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.matrix.appservice import AppServiceEndpoint
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.store import migrate
from agent_bridge.upstream.base import UNCHANGED, describe
from agent_bridge.upstream.registry import make_upstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from agent_bridge.config.model import Config, UpstreamConfig
    from agent_bridge.matrix.events import RoomEvent

    DatabaseUri = Callable[[Config], AbstractAsyncContextManager[str]]

_NOT_FOUND = 404
#: A name in the bridge's name space that no agent gets: in theirs a "-" has become "_".
_PROBE = "doctor-probe"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    check: str
    ok: bool
    text: str
    #: What to do about it; empty when all is well.
    remedy: str = ""

    def __str__(self) -> str:
        """One line, as the operator reads it."""
        line = f"{'ok  ' if self.ok else 'FAIL'}  {self.check}: {self.text}"
        return f"{line} → {self.remedy}" if self.remedy else line


class _Closed:
    """The doctor's own door takes nothing: what the homeserver brings, it will bring again."""

    async def take(self, _transaction_id: str, _events: Sequence[RoomEvent]) -> None:
        raise StoreError("only the doctor is in")

    async def add_dead_letter(self, _transaction_id: str, _reason: str, _body: str) -> None:
        raise StoreError("only the doctor is in")

    async def request_backfill(self, _sign: str) -> None:
        raise StoreError("only the doctor is in")

    async def schedule_backfill(self) -> None:
        raise StoreError("only the doctor is in")


class Doctor:
    """Examines one configuration. Every check returns its finding and raises nothing."""

    def __init__(self, config: Config, file: Path, registration_file: Path, database_uri: DatabaseUri) -> None:
        self._config = config
        self._file = file
        self._registration_file = registration_file
        self._database_uri = database_uri

    async def findings(self) -> AsyncIterator[Finding]:
        """Yield the findings, each as soon as it is there."""
        yield self._configuration()
        yield await self._database()
        async with homeserver_session() as session:
            token = self._config.appservice.as_token.get_secret_value()
            homeserver = Homeserver(self._config.homeserver.address, token, self._config.namespace, session)
            reachable = await self._homeserver(homeserver)
            yield reachable
            if reachable.ok:
                yield await self._as_token(homeserver)
                yield await self._namespaces(homeserver)
            yield await asyncio.to_thread(self._registration)
            if reachable.ok:
                yield await self._ping(homeserver)
        async with aiohttp.ClientSession() as session:
            for each in self._config.upstreams:
                yield await self._upstream(each, session)

    def _configuration(self) -> Finding:
        if self._file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            remedy = f"it holds tokens: chmod 600 {self._file}"
            return Finding("configuration", False, f"{self._file} can be read by others", remedy)
        return Finding("configuration", True, str(self._file))

    async def _database(self) -> Finding:
        kind = "embedded PostgreSQL" if self._config.database.embedded else "PostgreSQL"
        try:
            async with self._database_uri(self._config) as uri:
                await asyncio.to_thread(migrate.check, uri)
        except SchemaTooOld as error:
            if self._config.database.migrate:
                return Finding("database", True, f"{kind} answers; its schema is brought up to date at the next start")
            return Finding("database", False, str(error), "agent-bridge migrate")
        except StoreError as error:
            return Finding("database", False, str(error), "look at database.url, and whether PostgreSQL runs")
        return Finding("database", True, f"{kind} answers, its schema is up to date")

    async def _homeserver(self, homeserver: Homeserver) -> Finding:
        address = self._config.homeserver.address
        try:
            await homeserver.versions()
        except HomeserverError as error:
            # A homeserver that does not know the token is there: the next check tells.
            if error.errcode != "M_UNKNOWN_TOKEN":
                remedy = "look at homeserver.address; does Synapse run?"
                return Finding("homeserver", False, f"{address}: {error}", remedy)
        return Finding("homeserver", True, f"{address} answers")

    async def _as_token(self, homeserver: Homeserver) -> Finding:
        bot = self._config.namespace.bot
        listed = "list registration.yaml under app_service_config_files in homeserver.yaml and restart Synapse"
        try:
            user_id = await homeserver.whoami()
        except HomeserverError as error:
            return Finding("as_token", False, str(error), listed)
        if user_id != bot:
            remedy = "homeserver.domain must be Synapse's server_name, and bot_username the sender_localpart"
            return Finding("as_token", False, f"accepted, but as {user_id} and not as {bot}", remedy)
        return Finding("as_token", True, f"accepted as {bot}")

    async def _namespaces(self, homeserver: Homeserver) -> Finding:
        names = self._config.namespace
        remedy = "agent-bridge registration --force makes registration.yaml anew; then restart Synapse"
        ghost, alias = names.user_id(names.username_prefix + _PROBE), names.alias(names.username_prefix + _PROBE)
        try:
            await homeserver.whoami(ghost)
        except HomeserverError as error:
            if "has not registered" not in str(error):
                return Finding("namespaces", False, f"ghosts such as {ghost} are not the bridge's ({error})", remedy)
        try:
            await homeserver.remove_alias(alias)
        except HomeserverRefused as error:
            if error.status != _NOT_FOUND:
                return Finding("namespaces", False, f"aliases such as {alias} are not the bridge's ({error})", remedy)
        except HomeserverError as error:
            return Finding("namespaces", False, str(error))
        return Finding("namespaces", True, f"{names.user_regex} and its aliases are the bridge's")

    def _registration(self) -> Finding:
        file, remedy = self._registration_file, "agent-bridge registration --force; then restart Synapse"
        check = "rate limiting"
        try:
            found = YAML(typ="safe").load(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, YAMLError) as error:
            reason = getattr(error, "strerror", None) or "is no YAML"
            return Finding(check, False, f"{file}: {reason}", "name the file that Synapse reads with --registration")
        if not isinstance(found, dict) or found.get("rate_limited", True) is not False:
            return Finding(check, False, f"{file} does not say rate_limited: false", remedy)
        wanted = registration(self._config)
        stale = [key for key in wanted if found.get(key) != wanted[key]]
        if stale:
            return Finding(check, False, f"off, but {file} is not of this configuration ({', '.join(stale)})", remedy)
        return Finding(check, True, f"off in {file}, which is of this configuration")

    async def _ping(self, homeserver: Homeserver) -> Finding:
        service = self._config.appservice
        check = "homeserver → bridge"
        async with self._somebody_at_home() as host:
            try:
                milliseconds = await homeserver.ping(service.id)
            except HomeserverError as error:
                remedy = (
                    f"Synapse must reach appservice.address, {service.url}, and know the same hs_token"
                    " (restart it after a new registration)"
                )
                return Finding(check, False, f"{error}", remedy)
        return Finding(check, True, f"reached {host} in {milliseconds or 0:.0f} ms")

    @asynccontextmanager
    async def _somebody_at_home(self) -> AsyncIterator[str]:
        """See that somebody answers at the bridge's port: the bridge, if it runs, else the doctor."""
        app = web.Application()
        AppServiceEndpoint(self._config.appservice.hs_token.get_secret_value(), _Closed()).add_routes(app)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            try:
                await web.TCPSite(runner, self._config.appservice.hostname, self._config.appservice.port).start()
            except OSError:
                yield "the running bridge"
            else:
                yield "this command in the bridge's place"
        finally:
            await runner.cleanup()

    async def _upstream(self, config: UpstreamConfig, session: aiohttp.ClientSession) -> Finding:
        check = f"upstream {config.name}"
        try:
            async with aclosing(make_upstream(config, session)) as upstream:
                agents = await upstream.agents()
        except UpstreamError as error:
            return Finding(
                check, False, f"{config.url}: {error.says(ENGLISH)}", "look at its url and api_key; does it run?"
            )
        count = 0 if agents is UNCHANGED else len(agents)
        text = ", ".join([f"{config.url} answers", ENGLISH.count(count, ENGLISH.agent), *describe(upstream.can)])
        return Finding(check, True, text)

"""``agent-bridge doctor``: checks everything that the bridge needs, and names the remedy where a check fails."""

from __future__ import annotations

import asyncio
import errno
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web

from agent_bridge.cli.agent_checks import compare_agents
from agent_bridge.cli.encryption_check import Arrivals, look_at_keys, look_at_streams
from agent_bridge.cli.file_checks import is_exposed, read_registration, stale_keys
from agent_bridge.cli.init import LETTA
from agent_bridge.cli.metrics_check import look_at_metrics
from agent_bridge.cli.probe import examine_upstream, is_app_server, without_credentials
from agent_bridge.cli.rejecting_intake import RejectingIntake
from agent_bridge.cli.remedies import remedy_for
from agent_bridge.cli.room_checks import compare_rooms
from agent_bridge.core.errors import (
    ConfigError,
    DatabaseUnsuitable,
    HomeserverError,
    HomeserverRefused,
    RegistrationRejected,
    SchemaTooNew,
    SchemaTooOld,
    StoreError,
    UpstreamError,
)
from agent_bridge.core.roles import Role, Roles
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.matrix.admin import is_server_administrator
from agent_bridge.matrix.appservice import AppServiceEndpoint
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.server_facts import auth_service, software
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.store.postgres import migrate
from agent_bridge.store.postgres.embedded import database_uri
from agent_bridge.upstream.base import UNCHANGED
from agent_bridge.upstream.capabilities import describe
from agent_bridge.upstream.conversation_store import MemoryConversations
from agent_bridge.upstream.registry import make_upstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from agent_bridge.config.model import Config
    from agent_bridge.config.upstreams import UpstreamConfig


_NOT_FOUND = 404
_ACCEPTED = (
    "auto_accept_invites: {enabled: true, only_from_local_users: true} in homeserver.yaml has Synapse accept them for "
    "all local users"
)
#: The process that listens, if it is this one.
_IN_PLACE = "this command in the bridge's place"
#: A localpart, behind the prefix, that no ghost can have: the bridge replaces "-" by "_".
_PROBE = "doctor-probe"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    #: Name of the check.
    check: str
    ok: bool
    text: str
    #: How to repair it; empty where nothing has to be repaired or no remedy is known.
    remedy: str = ""
    #: Whether the check did not run, because an earlier one failed.
    skipped: bool = False

    def __str__(self) -> str:
        """One line for the operator."""
        mark = "--  " if self.skipped else "ok  " if self.ok else "FAIL"
        # The error of another program can have several lines.
        line = f"{mark}  {self.check}: {'; '.join(self.text.splitlines())}"
        return f"{line} → {self.remedy}" if self.remedy else line


class Doctor:
    """Checks one configuration. Each check returns a finding; expected failures are findings, not exceptions."""

    def __init__(self, config: Config, file: Path, registration_file: Path) -> None:
        self._config = config
        self._file = file
        self._registration_file = registration_file
        #: The issuer of the service that has the accounts of the homeserver; None: there is none, or it is not known.
        self._auth_service: str | None = None

    async def findings(self) -> AsyncIterator[Finding]:
        """Yield each finding as soon as its check ends.

        The checks that need the homeserver are left out when it cannot be reached.
        """
        yield self._configuration()
        database, has_schema = await self._database()
        yield database
        async with homeserver_session() as session:
            token = self._config.appservice.as_token.get_secret_value()
            homeserver = Homeserver(self._config.homeserver.address, token, self._config.namespace, session)
            # It reads no messages, and judges rooms as the bridge does.
            homeserver.has_keys = self._config.encryption.allow
            homeserver.requires_encryption = self._config.encryption.require
            reachable = await self._homeserver(homeserver)
            yield reachable
            if reachable.ok:
                if (authentication := await self._authentication(homeserver)) is not None:
                    yield authentication
                token_accepted = await self._as_token(homeserver)
                yield token_accepted
                yield await self._namespaces(homeserver) if token_accepted.ok else _skipped("namespaces")
                yield await self._people(homeserver) if token_accepted.ok else _skipped("people")
                yield await self._invitations(homeserver) if token_accepted.ok else _skipped("invitations")
                if has_schema:
                    yield await self._rooms(homeserver) if token_accepted.ok else _skipped("rooms")
            yield await asyncio.to_thread(self._registration)
            if reachable.ok:
                yield await self._ping(homeserver) if token_accepted.ok else _skipped("homeserver → bridge")
                if self._config.encryption.allow or self._config.answers.event_streams:
                    yield await self._devices(homeserver) if token_accepted.ok else _skipped("devices")
        async with aiohttp.ClientSession() as session:
            if self._config.metrics.enabled:
                yield await self._metrics(session)
            for each in self._config.upstreams:
                async for finding in self._upstream(each, session):
                    yield finding
            if self._config.agents or self._config.agents_file is not None:
                yield await self._agents(session)

    def _configuration(self) -> Finding:
        """Check that only its owner can read the configuration."""
        if is_exposed(self._file):
            remedy = f"it holds tokens: chmod 600 {self._file}"
            return Finding("configuration", False, f"{self._file} can be read by other users", remedy)
        return Finding("configuration", True, str(self._file))

    async def _database(self) -> tuple[Finding, bool]:
        """Check that the database answers; tell whether it has the schema of this program."""
        kind = "embedded PostgreSQL" if self._config.database.embedded else "PostgreSQL"
        try:
            async with database_uri(self._config.database) as uri:
                await asyncio.to_thread(migrate.check, uri)
        except SchemaTooOld as error:
            if self._config.database.migrate:
                return Finding("database", True, f"{kind} answers; the next start brings its schema up to date"), False
            return Finding("database", False, str(error).partition(": run ")[0], "agent-bridge migrate"), False
        except (SchemaTooNew, DatabaseUnsuitable) as error:
            problem, _, remedy = str(error).partition(": ")
            return Finding("database", False, problem, remedy), False
        except StoreError as error:
            embedded = self._config.database.embedded
            remedy = "check database.data_dir" if embedded else "check database.url, and that PostgreSQL runs"
            return Finding("database", False, str(error), remedy), False
        return Finding("database", True, f"{kind} answers, its schema is up to date"), True

    async def _homeserver(self, homeserver: Homeserver) -> Finding:
        """Check that the homeserver answers."""
        address = without_credentials(self._config.homeserver.address)
        outage = await homeserver.outage()
        # A homeserver that rejects the token is reachable; the next check reports the token.
        if outage is not None and not isinstance(outage, RegistrationRejected):
            remedy = "check homeserver.address, and that Synapse runs"
            return Finding("homeserver", False, f"{address}: {outage}", remedy)
        return Finding("homeserver", True, ", ".join(filter(None, (f"{address} answers", await software(homeserver)))))

    async def _authentication(self, homeserver: Homeserver) -> Finding | None:
        """Tell how a homeserver differs whose accounts belong to an authentication service; None without one."""
        check = "authentication"
        try:
            self._auth_service = await auth_service(homeserver)
        except HomeserverError as error:
            remedy = "check that the authentication service of the homeserver runs: without it, nobody can sign in"
            return Finding(check, False, str(error), remedy)
        if self._auth_service is None:
            return None
        text = (
            f"the accounts belong to {self._auth_service}: the bridge works, but its bot cannot be a server "
            "administrator, and uninstall cannot deactivate ghosts (docs/deployment.md)"
        )
        return Finding(check, True, text)

    async def _as_token(self, homeserver: Homeserver) -> Finding:
        """Check that the homeserver accepts the token, as the bot's."""
        bot = self._config.namespace.bot
        remedy = "list registration.yaml under app_service_config_files in homeserver.yaml and restart Synapse"
        try:
            server_name, domain = await homeserver.server_name(), self._config.homeserver.domain
            if server_name != domain:
                text = f"homeserver.domain is {domain}, and the homeserver calls itself {server_name}"
                remedy = f"set homeserver.domain to {server_name}; then agent-bridge registration --force"
                return Finding("as_token", False, text, f"{remedy}, and restart Synapse")
            user_id = await homeserver.whoami()
        except HomeserverError as error:
            return Finding("as_token", False, str(error), remedy)
        if user_id != bot:
            remedy = "homeserver.domain must be Synapse's server_name, and bot_username the sender_localpart"
            return Finding("as_token", False, f"accepted, but as {user_id} and not as {bot}", remedy)
        return Finding("as_token", True, f"accepted as {bot}")

    async def _namespaces(self, homeserver: Homeserver) -> Finding:
        """Check that the registration gives the ghosts and their aliases to the bridge."""
        names = self._config.namespace
        remedy = "write registration.yaml again with agent-bridge registration --force; then restart Synapse"
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

    async def _rooms(self, homeserver: Homeserver) -> Finding:
        """Check that ghosts and bot can talk in the rooms of agents, and that strangers cannot enter."""
        try:
            count, problems = await compare_rooms(self._config, homeserver)
        except (HomeserverError, StoreError) as error:
            return Finding("rooms", False, str(error))
        if problems:
            return Finding("rooms", False, "; ".join(problems))
        return Finding("rooms", True, f"{count} compared with the homeserver")

    async def _people(self, homeserver: Homeserver) -> Finding:
        """Check that the people of this homeserver in the configuration have accounts."""
        config, domain = self._config, self._config.homeserver.domain
        named = {*config.rooms.invite, *(key for key in config.permissions if key.startswith("@") and "*" not in key)}
        local = sorted(each for each in named if each.partition(":")[2] == domain)
        try:
            missing = [each for each in local if not await homeserver.has_user(each)]
        except HomeserverError as error:
            return Finding("people", False, str(error))
        if missing:
            remedy = "correct rooms.invite and permissions, or register them"
            return Finding("people", False, f"the homeserver has no account {', '.join(missing)}", remedy)
        text = f"the users of {domain} in rooms.invite and permissions exist ({len(local)})"
        roles = Roles.fixed(config.permissions, config.namespace)
        if idle := [user for user in config.rooms.invite if roles.of(user) is Role.NONE]:
            text += f"; permissions gives no role to {', '.join(idle)}: without one, nobody is invited"
        return Finding("people", True, text)

    async def _invitations(self, homeserver: Homeserver) -> Finding:
        """Check that the bot has the rights by which people join rooms at once; or tell how they can do without."""
        check, bot = "invitations", self._config.namespace.bot
        if not self._config.homeserver.admin:
            other = ", or homeserver.admin: true the bridge" if self._auth_service is None else ""
            return Finding(check, True, f"people accept them by hand; {_ACCEPTED}{other}")
        try:
            is_administrator = await is_server_administrator(homeserver)
        except HomeserverError as error:
            return Finding(check, False, str(error))
        if is_administrator:
            return Finding(check, True, f"local people join rooms at once: {bot} is a server administrator")
        if self._auth_service is not None:
            text = "homeserver.admin is true, which has no effect: the accounts belong to an authentication service"
            return Finding(check, False, text, f"set homeserver.admin: false; {_ACCEPTED}")
        remedy = (
            f'make it one: PUT /_synapse/admin/v1/users/{bot}/admin with {{"admin": true}} and the token of a server '
            "administrator; or set homeserver.admin: false"
        )
        return Finding(check, False, f"homeserver.admin is true, and {bot} is no server administrator", remedy)

    def _registration(self) -> Finding:
        """Check that the registration belongs to the configuration and switches rate limiting off."""
        file, remedy = self._registration_file, "agent-bridge registration --force; then restart Synapse"
        check, other_file = "rate limiting", "name the file that Synapse reads with --registration"
        try:
            found = read_registration(file)
        except OSError as error:
            return Finding(check, False, f"{file}: {error.strerror}", other_file)
        except ConfigError as error:
            return Finding(check, False, str(error), other_file)
        if not isinstance(found, dict) or found.get("rate_limited", True) is not False:
            return Finding(check, False, f"{file} does not say rate_limited: false", remedy)
        if stale := stale_keys(found, self._config):
            return Finding(check, False, f"off, but {file} differs from the configuration ({', '.join(stale)})", remedy)
        return Finding(check, True, f"off in {file}, which matches the configuration; Synapse's copy must be the same")

    async def _ping(self, homeserver: Homeserver) -> Finding:
        """Check that the homeserver reaches the bridge."""
        service = self._config.appservice
        check = "homeserver → bridge"
        try:
            async with self._endpoint() as process:
                milliseconds = await homeserver.ping(service.id)
        except HomeserverError as error:
            remedy = (
                f"Synapse must reach appservice.address, {service.url}, and know the same hs_token"
                " (restart it after a new registration); no other program may use the port"
            )
            return Finding(check, False, f"{error}", remedy)
        except OSError as error:
            text = f"cannot listen on {service.hostname}:{service.port}: {error.strerror or error}"
            return Finding(check, False, text, "correct appservice.hostname and appservice.port")
        return Finding(check, True, f"reached {process} in {milliseconds or 0:.0f} ms")

    async def _devices(self, homeserver: Homeserver) -> Finding:
        """Check that the bridge can have devices, with keys if it needs them, and that those of the bot are in order.

        What event streams need is a part of what encryption needs.
        """
        look: Callable[[Arrivals | None], Awaitable[tuple[str, str]]]
        if self._config.encryption.allow:
            check, look = "encryption", partial(look_at_keys, self._config, homeserver)
        else:
            check, look = "event streams", partial(look_at_streams, homeserver)
        arrivals = Arrivals()
        try:
            async with self._endpoint(arrivals) as process:
                # A homeserver that could not reach the bridge tries it again now.
                await homeserver.ping(self._config.appservice.id)
                remedy, text = await look(arrivals if process == _IN_PLACE else None)
        except (HomeserverError, StoreError) as error:
            return Finding(check, False, str(error))
        except OSError as error:
            return Finding(check, False, f"cannot listen: {error.strerror or error}")
        return Finding(check, not remedy, text, remedy)

    @asynccontextmanager
    async def _endpoint(self, arrivals: Arrivals | None = None) -> AsyncIterator[str]:
        """Listen on the bridge's port, unless the running bridge does; give the name of the process that listens.

        Raises:
            OSError: the address is not one of this machine.
        """
        app = web.Application()
        hs_token = self._config.appservice.hs_token.get_secret_value()
        take = None if arrivals is None else arrivals.take
        AppServiceEndpoint(hs_token, RejectingIntake(arrivals), key_news=take).add_routes(app)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            try:
                await web.TCPSite(runner, self._config.appservice.hostname, self._config.appservice.port).start()
            except UnicodeError as error:
                # A name that is none, such as one with an empty part, fails before it is looked up.
                raise OSError(str(error)) from error
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                yield "the bridge, or another program, on the same port"
            else:
                yield _IN_PLACE
        finally:
            await runner.cleanup()

    async def _metrics(self, session: aiohttp.ClientSession) -> Finding:
        """Check that the metrics can be scraped, if the bridge runs."""
        fault, text = await look_at_metrics(self._config, session)
        return Finding("metrics", not fault, text, fault)

    async def _upstream(self, config: UpstreamConfig, session: aiohttp.ClientSession) -> AsyncIterator[Finding]:
        """Check that an upstream lists its agents; tell of a kind that offers more."""
        check, address = f"upstream {config.name}", without_credentials(config.url)
        try:
            async with aclosing(make_upstream(config, session, MemoryConversations())) as upstream:
                agents = await upstream.agents()
        except UpstreamError as error:
            yield Finding(check, False, f"{address}: {error.says(ENGLISH)}", await remedy_for(error, config))
            return
        if config.speech_model is not None and find_spec("av") is None:
            text = "speech_model is set, and the bridge is installed without the extra voice: no answer is read aloud"
            yield Finding(check, False, text, "pip install '.[voice]'")
        found = await examine_upstream(config, session) if config.kind == "openai" else None
        is_letta = found is not None and found.is_letta
        if is_letta and (missing := missing_for_letta(config)):
            text = f"{address} is Letta, which remembers its answers only with other settings of this upstream"
            yield Finding(check, False, text, f"set {', '.join(missing)}")
        else:
            count = ENGLISH.count(0 if agents is UNCHANGED else len(agents), ENGLISH.agent)
            names = describe(upstream.can)
            facts = [f"{address} answers", count, upstream.server, f"capabilities: {', '.join(names)}" if names else ""]
            yield Finding(check, True, ", ".join(filter(None, facts)))
        if is_letta and await is_app_server(config, session):
            command = f"agent-bridge plan {config.name} --kind letta"
            text = (
                "kind: letta gives agents ids that last, approvals of tools, and conversations that survive a restart"
            )
            yield Finding(check, True, text, f"{command} shows the change, and writes nothing")

    async def _agents(self, session: aiohttp.ClientSession) -> Finding:
        """Check that the agents of the configuration have models and pictures."""
        check, source = "agents", self._config.agents_file or self._file
        try:
            count, problems = await compare_agents(self._config, self._file, session)
        except ConfigError as error:
            remedy = "correct the file; a bridge that runs goes on with the last valid version"
            return Finding(check, False, "; ".join(str(error).splitlines()), remedy)
        if problems:
            return Finding(check, False, "; ".join(problems), f"correct {source}")
        return Finding(check, True, f"{count} in {source}")


def _skipped(check: str) -> Finding:
    return Finding(check, True, "not checked, because an earlier check failed", skipped=True)


def missing_for_letta(config: UpstreamConfig) -> list[str]:
    """Return the settings, as lines of the configuration, that *config* needs for Letta and does not have."""
    # At /responses, Letta ignores the header.
    needed = {key: value for key, value in LETTA.items() if config.api == "chat" or key != "idempotency_header"}
    return [f"{key}: {value}" for key, value in needed.items() if (getattr(config, key) or "").lower() != value.lower()]

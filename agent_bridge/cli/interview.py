"""The questions of ``agent-bridge init``: each answer is checked before the next question."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import typer
from pydantic import TypeAdapter, ValidationError

from agent_bridge.cli.init import InitAnswers
from agent_bridge.cli.probe import (
    FoundUpstream,
    find_server_name,
    find_upstream,
    is_on_this_machine,
    without_credentials,
)
from agent_bridge.config.kinds import KINDS, UpstreamKind, parse_kind
from agent_bridge.config.types import ENVIRONMENT, ServerName, ServerUrl, Url, UserId, server_of
from agent_bridge.config.upstreams import UpstreamConfig
from agent_bridge.core.errors import ConfigError, UpstreamUnreachable
from agent_bridge.i18n.english import ENGLISH

if TYPE_CHECKING:
    from collections.abc import Callable

#: The servers of the kinds that have one server only.
_NAMES = {"letta": "Letta's App Server", "letta_v1": "Letta's REST server", "a2a": "An A2A server"}


def interview(
    *,
    homeserver: str | None,
    domain: str | None,
    upstream: str | None,
    admin: str | None,
    api_key: str | None,
    plain_names: bool | None,
    kind: str | None,
    **settings: Any,
) -> tuple[InitAnswers, list[str]]:
    """Return the answers about a new bridge, and notes for the operator.

    Each of the first four that is None is asked for. If all four are given, no question is asked. Servers that answer
    are asked for their names and kinds; *settings* are the other fields of the answers.

    Raises:
        ConfigError: *domain* is not the name of the homeserver.
    """
    interactive = None in {homeserver, domain, upstream, admin}
    homeserver = homeserver or _ask("Homeserver URL", Url)
    server_name = asyncio.run(find_server_name(homeserver)) if homeserver.startswith("http") else None
    if domain is not None and server_name is not None and domain != server_name:
        raise ConfigError(f"homeserver.domain: {domain} is wrong: the homeserver calls itself {server_name}")
    domain = domain or _ask("Homeserver's server_name", ServerName, default=server_name)
    upstream = server_of(upstream or _ask("Upstream URL", ServerUrl))
    if interactive and api_key is None:
        text = "Upstream's API key (empty: none; env:NAME: from the environment)"
        api_key = typer.prompt(text, default="", show_default=False, hide_input=True)
    admin = admin or _ask("Your Matrix id", UserId)
    if interactive and plain_names is None:
        plain_names = typer.confirm("Show each agent by its plain name, without “Letta Agent”?", default=False)
    known_kind = None if kind is None else parse_kind(kind)
    found = _find_upstream(settings["upstream_name"], upstream, api_key, known_kind)
    if interactive and known_kind is None and found is not None and found.kind != "openai":
        found = _choose_kind(found, settings["upstream_name"], upstream, api_key)
    answers = InitAnswers(
        homeserver=homeserver,
        domain=domain,
        upstream=upstream if found is None else found.url,
        admin=admin,
        api_key=api_key or None,
        plain_names=bool(plain_names),
        upstream_kind=found.kind if found is not None else known_kind or "openai",
        is_letta=found is not None and found.is_letta,
        **settings,
    )
    return answers, _notes(homeserver, server_name, found, api_key)


def _notes(homeserver: str, server_name: str | None, found: FoundUpstream | None, api_key: str | None) -> list[str]:
    """Return the notes about the servers."""
    notes: list[str] = []
    if server_name is None:
        notes.append(
            f"{without_credentials(homeserver)} does not tell its server_name. agent-bridge doctor checks it later."
        )
    if found is not None:
        notes += [_described(found, api_key), *_remarks(found, api_key)]
    return notes


def _choose_kind(found: FoundUpstream, name: str, url: str, api_key: str | None) -> FoundUpstream | None:
    """Ask for the kind of the upstream that was *found*, and return the upstream as that kind."""
    chosen = parse_kind(_ask(f"Kind of the upstream ({KINDS})", UpstreamKind, default=found.kind))
    return found if chosen == found.kind else _find_upstream(name, url, api_key, chosen)


def _find_upstream(name: str, url: str, api_key: str | None, kind: UpstreamKind | None = None) -> FoundUpstream | None:
    """Return the upstream at *url*; None if the answers are not valid, which :func:`initialise` reports."""
    values = {"name": name, "url": url, "api_key": _key(api_key)}
    try:
        config = UpstreamConfig.model_validate(values)
    except ValidationError:
        return None
    return asyncio.run(find_upstream(config, kind))


def _described(found: FoundUpstream, api_key: str | None) -> str:
    """Return the note about the upstream. It contains no key."""
    url = without_credentials(found.url)
    kind = _NAMES.get(found.kind) or ("Letta" if found.is_letta else "the upstream")
    if isinstance(found.agents, int):
        return f"{kind} lists {ENGLISH.count(found.agents, ENGLISH.agent)} at {url}."
    later = "agent-bridge doctor checks it later."
    if isinstance(found.agents, UpstreamUnreachable):
        return f"No server answers at {url}: {found.agents.detail or found.agents.says(ENGLISH)}. {later}"
    if not found.agents.is_about_key:
        return f"No list of agents at {url}: {found.agents.says(ENGLISH)}. {later}"
    detail = f" ({found.agents.detail})" if found.agents.detail else ""
    place = "upstreams[0].api_key in config.yaml"
    if _key(api_key) is not None:
        return f"{kind} answers at {url} and refuses the API key{detail}: correct {place}. {later}"
    if api_key:
        name = api_key.removeprefix(ENVIRONMENT)
        return f"{kind} answers at {url} and needs an API key{detail}: {name} is not set here. {later}"
    return f"{kind} answers at {url} and needs an API key{detail}: set {place}. {later}"


def _remarks(found: FoundUpstream, api_key: str | None) -> list[str]:
    """Return notes about the kind of the upstream."""
    remarks: list[str] = []
    if found.obstacle is not None:
        remarks.append(
            f"config.yaml has kind: {found.kind}, because no other kind is possible: {found.obstacle.says(ENGLISH)}."
        )
    elif found.kind != "openai":
        remarks.append(f"config.yaml has kind: {found.kind}. agent-bridge init --kind openai uses its OpenAI API.")
    if found.kind == "letta" and isinstance(found.agents, int) and not api_key and not is_on_this_machine(found.url):
        remarks.append(
            "This App Server takes commands from other machines without a token. Start it with --ws-auth "
            "capability-token --ws-token-file FILE, and set upstreams[0].api_key in config.yaml."
        )
    return remarks


def _ask(question: str, kind: Any, *, default: str | None = None) -> str:
    answer: str = typer.prompt(question, default=default, value_proc=_checked(kind))
    return answer


def _checked(kind: Any) -> Callable[[str], str]:
    adapter: TypeAdapter[str] = TypeAdapter(kind)

    def check(answer: str) -> str:
        try:
            return adapter.validate_python(answer.strip())
        except ValidationError as error:
            # The question is asked again.
            raise typer.BadParameter(error.errors()[0]["msg"].removeprefix("Value error, ")) from None

    return check


def _key(api_key: str | None) -> str | None:
    if api_key and api_key.startswith(ENVIRONMENT):
        return os.environ.get(api_key.removeprefix(ENVIRONMENT))
    return api_key or None

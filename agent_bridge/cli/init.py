"""``agent-bridge init`` and ``registration``: write the files of a new bridge, config.yaml and registration.yaml."""

from __future__ import annotations

import os
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent_bridge.config.example import render
from agent_bridge.config.registration import registration, to_yaml
from agent_bridge.config.text import flow
from agent_bridge.config.validation import config_from
from agent_bridge.core.errors import ConfigError

if TYPE_CHECKING:
    from agent_bridge.config.model import Config

CONFIG = "config.yaml"
REGISTRATION = "registration.yaml"
#: Settings for Letta's App Server. It ignores earlier answers in a request, and remembers them by this header; and it
#: answers a repeated id without a second act.
LETTA = {"history": "server", "session_header": "X-Letta-Chat-Key", "idempotency_header": "Idempotency-Key"}
_PLAIN = {"displayname": "{name}", "room_name": "{name}", "room_topic": "Chat with {name}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class InitAnswers:
    """Answers of the operator about a new bridge."""

    #: URL of the homeserver's client-server API.
    homeserver: str
    #: The homeserver's ``server_name``.
    domain: str
    #: Base URL of the first upstream.
    upstream: str
    #: Matrix id of the person who administers the bridge.
    admin: str
    upstream_name: str = "letta"
    upstream_kind: str = "openai"
    #: Key of the upstream or ``env:NAME``, None when it needs none.
    api_key: str | None = None
    #: Whether the upstream is Letta. Its OpenAI API keeps the history of a conversation itself.
    is_letta: bool = False
    #: Whether agents and their rooms have the agents' plain names.
    plain_names: bool = False
    #: URL at which the homeserver reaches the bridge, None for localhost and the port.
    address: str | None = None
    #: Address and port on which the bridge listens.
    hostname: str = "127.0.0.1"
    port: int = 29340
    #: ``database.url``.
    database: str = "embedded"


def new_config(answers: InitAnswers) -> Config:
    """Return the configuration of a new bridge, with new random tokens.

    Raises:
        ConfigError: lists every invalid answer in its own line, by its key in config.yaml.
    """
    values: dict[str, Any] = {
        "homeserver": {"address": answers.homeserver, "domain": answers.domain},
        "appservice": {
            "address": answers.address,
            "hostname": answers.hostname,
            "port": answers.port,
            "as_token": secrets.token_urlsafe(48),
            "hs_token": secrets.token_urlsafe(48),
        },
        "database": {"url": answers.database},
        "upstreams": [
            {
                "name": answers.upstream_name,
                "kind": answers.upstream_kind,
                "url": answers.upstream,
                "api_key": answers.api_key,
                **(LETTA if answers.is_letta and answers.upstream_kind == "openai" else {}),
            }
        ],
        "templates": _PLAIN if answers.plain_names else {},
        "rooms": {"invite": [answers.admin]},
        "permissions": {"*": "none", answers.domain: "member", answers.admin: "admin"},
    }
    return config_from(values)


def initialise(answers: InitAnswers, folder: Path, *, force: bool = False) -> str:
    """Write config.yaml and registration.yaml into *folder*, which is created if it does not exist.

    Both hold secrets: only their owner can read them. Returns the next step of the operator, in words.

    Raises:
        ConfigError: an answer is invalid, a file exists and *force* is false, or the folder cannot be written.
            Unless writing itself failed, neither file was touched.
    """
    config = new_config(answers)
    paths = (folder / CONFIG, folder / REGISTRATION)
    if not force:
        _refuse_to_replace(*paths)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be created: {error.strerror}") from error
    _write_private(paths[0], render(config))
    return write_registration(config, paths[1], force=force)


def write_registration(config: Config, path: Path, *, force: bool = False) -> str:
    """Write the registration of *config* to *path*, readable only by its owner.

    Returns the next step of the operator, in words.

    Raises:
        ConfigError: the file exists and *force* is false, or it cannot be written.
    """
    if not force:
        _refuse_to_replace(path)
    _write_private(path, to_yaml(registration(config)))
    return registration_hint(path)


def registration_hint(path: Path) -> str:
    """Return the instruction to give the registration at *path* to the homeserver."""
    return (
        "List the registration in homeserver.yaml and restart Synapse:\n\n"
        "app_service_config_files:\n"
        f"  - {flow(path.absolute())}\n\n"
        "The file holds tokens, so only its owner can read it. Synapse must read it too:\n"
        "if Synapse runs as another user, give that user a copy and list the copy."
    )


def _refuse_to_replace(*paths: Path) -> None:
    existing = [path for path in paths if os.path.lexists(path)]
    if existing:
        raise ConfigError("\n".join(f"{path}: already exists; --force replaces it" for path in existing))


def _write_private(path: Path, text: str) -> None:
    """Write *text* to *path* atomically, into a file that only its owner can ever read."""
    try:
        if path.exists() and not path.is_file():
            # As root, a rename would replace even /dev/null.
            raise ConfigError(f"{path}: is not a regular file")
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".agent-bridge.") as folder:
            fresh = Path(folder, path.name)
            fresh.touch(mode=0o600)
            fresh.write_text(text, encoding="utf-8")
            fresh.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error

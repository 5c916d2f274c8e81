"""Types of values in config.yaml, with messages that say how to correct a value."""

from __future__ import annotations

import re
from collections.abc import Mapping  # noqa: TC003  # pydantic needs it at run time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo

from agent_bridge.core.ids import checked_user_id, is_server_name
from agent_bridge.core.imports import MOST_IMPORTED
from agent_bridge.core.roles import Role

_URL = re.compile(r"https?://[^\s/?#]+[^\s?#]*")
#: The kind of upstreams that are reached over a WebSocket; the path of it, and the schemes of the same server's URL.
_LETTA, _WEBSOCKET_PATH, _HTTP = "letta", "/ws", {"ws": "http", "wss": "https"}
_LOCALPART = re.compile(r"[a-z0-9._=/+-]+")
_BOT = re.compile(r"[a-z0-9._/-]+")
_UPSTREAM_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_PLACEHOLDERS = ("{name}", "{id}", "{upstream}")
_CARD_PATH = re.compile(r"/*[A-Za-z0-9._~%-][A-Za-z0-9._~%/-]{0,199}")
#: The beginning of a reference to a variable of the environment.
ENVIRONMENT = "env:"
#: The beginnings of a URL of PostgreSQL.
POSTGRESQL = ("postgresql://", "postgres://")
_ENV = re.compile(f"{ENVIRONMENT}(.*)", re.DOTALL)
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Origin:
    """The source of a configuration, from which ``env:NAME`` and relative paths are resolved.

    It is the validation context of pydantic. Without it, values stay as they are written.
    """

    #: Folder of the configuration file, absolute.
    folder: Path
    environ: Mapping[str, str]
    #: Names of the variables that were read.
    used: set[str] = field(default_factory=set)
    #: Names of the variables that are not set, whose references stay as they are written. None: they are faults.
    unset: set[str] | None = None


def _url(value: str) -> str:
    if "?" in value and _URL.fullmatch(value.partition("?")[0]):
        raise ValueError("must not contain a query (?…); an upstream has the key query for its parameters")
    if not _URL.fullmatch(value) or not _has_address(value):
        raise ValueError("must be an http:// or https:// URL, such as http://localhost:8008")
    return value.rstrip("/")


def is_web_address(url: str) -> bool:
    """Tell whether *url* is an ``http`` or ``https`` URL with a host, perhaps with a query."""
    return re.fullmatch(r"https?://[\x21-\x7e]+", url) is not None and _has_address(url)


def server_of(url: str) -> str:
    """Return the URL of the App Server whose WebSocket has the address *url*; any other URL as it is."""
    scheme, separator, rest = url.partition("://")
    http = _HTTP.get(scheme.lower(), scheme)
    # Letta prints its address without the path, and with it.
    return f"{http}{separator}{rest.rstrip('/').removesuffix(_WEBSOCKET_PATH)}"


def _server_url(value: str, info: ValidationInfo) -> str:
    kind = (info.data or {}).get("kind", _LETTA)
    if kind == _LETTA:
        return _url(server_of(value))
    if value.partition("://")[0].lower() in _HTTP:
        raise ValueError(
            "is the address of a WebSocket, which only kind: letta uses; set kind: letta, or write an http:// or "
            "https:// URL"
        )
    return _url(value)


def _card_place(value: str) -> str:
    if "://" in value:
        return _url(value)
    if not _CARD_PATH.fullmatch(value) or ".." in value.split("/"):
        raise ValueError("must be an http:// or https:// URL, or a path below url, such as agents/weather")
    return value.strip("/")


def _has_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        # A port above 65535, or a bracket without its pair.
        return False
    return bool(host)


def _server_name(value: str) -> str:
    if not is_server_name(value):
        raise ValueError("must be a server name, such as example.org")
    return value


def _localpart(value: str) -> str:
    if not _LOCALPART.fullmatch(value):
        raise ValueError("may contain only a-z, 0-9 and . _ = / + - (the Matrix grammar of user ids)")
    return value


def _bot(value: str) -> str:
    if not _BOT.fullmatch(value):
        # Synapse refuses a sender_localpart that percent-encoding would change.
        raise ValueError("may contain only a-z, 0-9 and . _ / -")
    return value


def _room_alias(value: str) -> str:
    localpart, _, domain = value[1:].partition(":")
    if not value.startswith("#") or not localpart or re.search(r"\s", localpart) or not is_server_name(domain):
        raise ValueError(f"{value!r} is not a room alias (#name:server)")
    return value


def _lobby(value: Any) -> Any:
    # Ids of newer rooms have no server.
    if isinstance(value, bool) or (isinstance(value, str) and re.fullmatch(r"!\S+", value)):
        return value
    try:
        return _room_alias(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError("must be true, false, a room alias (#name:server) or a room id (!…)") from None


def _permission_key(value: str) -> str:
    if value.startswith("@"):
        return checked_user_id(value)
    if value != "*" and not is_server_name(value):
        raise ValueError('must be a user id (@name:server), a server name, or "*"')
    return value


def _role(value: Any) -> Any:
    if isinstance(value, Role):
        return value
    roles = {role.name.lower(): role for role in Role}
    if not isinstance(value, str) or value not in roles:
        raise ValueError(f"must be one of {', '.join(roles)}")
    return roles[value]


def _upstream_name(value: str) -> str:
    if not _UPSTREAM_NAME.fullmatch(value):
        raise ValueError("may contain only a-z, 0-9, _ and -, and must begin with a letter or digit")
    return value


def _import_count(value: Any) -> Any:
    if value == "all":
        return MOST_IMPORTED
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_IMPORTED:
        raise ValueError(f"must be a whole number from 0 to {MOST_IMPORTED}, or all")
    return value


def _prefix(value: str) -> str:
    if not value or re.search(r"\s", value):
        raise ValueError("must be one word, such as !ab")
    return value


def _header(value: str) -> str:
    if not _HEADER.fullmatch(value):
        raise ValueError("must be the name of an HTTP header, such as X-Name")
    return value


def _template(value: str) -> str:
    rest = value
    for placeholder in _PLACEHOLDERS:
        rest = rest.replace(placeholder, "")
    if "{" in rest or "}" in rest:
        raise ValueError(f"may use braces only in the placeholders {', '.join(_PLACEHOLDERS)}")
    return value


def _gone_template(value: str) -> str:
    rest = value.replace("{room}", "")
    if "{" in rest or "}" in rest or rest == value:
        raise ValueError("must contain the placeholder {room}, and no other braces")
    return value


def _from_environment(value: Any, info: ValidationInfo) -> Any:
    if not isinstance(value, str):
        return value
    reference, origin = _ENV.fullmatch(value), info.context
    if reference is not None and not _ENV_NAME.fullmatch(reference[1]):
        raise ValueError("must have the name of an environment variable after env:")
    if not isinstance(origin, Origin):
        return value
    if value.startswith("<") and value.endswith(">"):
        raise ValueError("is the placeholder of the example; agent-bridge init writes a real value")
    if reference is None:
        return value
    if not origin.environ.get(reference[1]):
        if origin.unset is not None:
            origin.unset.add(reference[1])
            return value
        raise ValueError(f"the environment variable {reference[1]} is not set; set it, or write the value here")
    origin.used.add(reference[1])
    return origin.environ[reference[1]]


def stays_as_written(value: str, info: ValidationInfo) -> bool:
    """Tell whether *value* refers to a variable of the environment that is not read, or that may be unset."""
    is_strict = isinstance(info.context, Origin) and info.context.unset is None
    return value.startswith(ENVIRONMENT) and not is_strict


def refuse_ambiguous_password(url: str) -> None:
    """Raise a ValueError if libpq would take the end of the password for the host: its errors name the host."""
    if url.partition("://")[2].partition("/")[0].count("@") > 1:
        raise ValueError("has more than one @ before the host: write an @ of the password as %40")


def _one_line(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text or not text.isprintable():
        raise ValueError("must be one line of printable characters and must not be empty")
    if text != text.strip():
        # The value of a header has none, so that no comparison would ever succeed.
        raise ValueError("must not begin or end with a space")
    return value


def _in_folder(value: Path, info: ValidationInfo) -> Path:
    return info.context.folder / value if isinstance(info.context, Origin) else value


Url = Annotated[str, AfterValidator(_url)]
#: The URL of an upstream, whose kind is validated before; an App Server may be named by the address of its WebSocket.
ServerUrl = Annotated[str, AfterValidator(_server_url)]
#: The place of an agent card: a URL, or a path.
CardPlace = Annotated[str, Field(max_length=255), AfterValidator(_card_place)]
ServerName = Annotated[str, Field(max_length=200), AfterValidator(_server_name)]
# With a domain of 200 bytes, the 255 bytes of a user id still have room for a hash.
Localpart = Annotated[str, Field(max_length=32), AfterValidator(_localpart)]
BotLocalpart = Annotated[str, Field(max_length=32), AfterValidator(_bot)]
UserId = Annotated[str, AfterValidator(checked_user_id)]
RoomAlias = Annotated[str, AfterValidator(_room_alias)]
#: Whether there is a room, or the alias or id of an existing one.
RoomChoice = Annotated[bool | str, BeforeValidator(_lobby)]
#: Key of an entry of ``permissions``: a user id, a server name or ``*``.
PermissionKey = Annotated[str, AfterValidator(_permission_key)]
#: A role by its lower-case name.
RoleName = Annotated[Role, BeforeValidator(_role)]
UpstreamName = Annotated[str, AfterValidator(_upstream_name)]
#: A number of earlier messages; ``all`` is the largest one.
ImportCount = Annotated[int, BeforeValidator(_import_count), Field(ge=0, le=MOST_IMPORTED)]
CommandPrefix = Annotated[str, AfterValidator(_prefix)]
HeaderName = Annotated[str, AfterValidator(_header)]
#: Text with the placeholders ``{name}``, ``{id}`` and ``{upstream}``, and without other braces.
Template = Annotated[str, AfterValidator(_template)]
#: Text with the placeholder ``{room}``, and without other braces.
GoneTemplate = Annotated[str, AfterValidator(_gone_template)]
#: Never shown; ``env:NAME`` reads it from the environment.
Secret = Annotated[SecretStr, AfterValidator(_one_line), BeforeValidator(_from_environment)]
#: Text that contains a secret; ``env:NAME`` reads it from the environment.
SecretText = Annotated[str, BeforeValidator(_from_environment)]
#: A path; a relative path starts at the folder of the configuration file.
LocalPath = Annotated[Path, AfterValidator(_in_folder)]

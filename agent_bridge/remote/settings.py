"""The address of the bridge and the token of a program: from the environment, or from a file of its owner."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

URL, TOKEN, CHANNEL = "AGENT_BRIDGE_URL", "AGENT_BRIDGE_TOKEN", "AGENT_BRIDGE_CHANNEL"
_KEYS: Final = (URL, TOKEN, CHANNEL)
#: Bytes of the file.
_LONGEST: Final = 64 * 1024


class SettingsError(Exception):
    """A setting is missing or wrong. The message names it and the remedy, and has no value, which may be a secret."""


class RemoteSettings:
    """The settings of a program that uses the API."""

    # No dataclass: that would import ``inspect``, a fifth of the time that a hook needs.
    __slots__ = ("channel", "token", "url")

    def __init__(self, url: str, token: str, channel: str | None = None) -> None:
        #: URL of the bridge, without a slash at its end.
        self.url = url
        self.token = token
        #: Name or id of the channel for events; None: the first agent-log channel.
        self.channel = channel


def settings_file(environ: Mapping[str, str]) -> Path:
    """Return the path of the file with the settings."""
    home = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME") or "~").expanduser() / ".config")
    return Path(home) / "agent_bridge" / "remote.env"


def read_settings(environ: Mapping[str, str]) -> RemoteSettings | None:
    """Return the settings; None: none are given. The environment has priority over the file, key by key.

    Raises:
        SettingsError: the file cannot be read, others may read it, or a value is missing or wrong.
    """
    file = settings_file(environ)
    # A program that has all settings needs no file.
    found = {} if all(environ.get(key) for key in (URL, TOKEN)) else _of_file(file)
    found |= {key: value for key in _KEYS if (value := environ.get(key, "").strip())}
    if not (found.get(URL) or found.get(TOKEN)):
        return None
    for key in (URL, TOKEN):
        if not found.get(key):
            raise SettingsError(f"{key} is missing; set it in the environment or in {file}")
    return RemoteSettings(_url(found[URL]), _token(found[TOKEN]), found.get(CHANNEL) or None)


def _of_file(file: Path) -> dict[str, str]:
    """Return the settings in *file*: lines ``KEY=value``, and comments behind a ``#`` at the beginning of a line."""
    try:
        mode = file.stat().st_mode
        if not stat.S_ISREG(mode):
            raise SettingsError(f"{file} is no file")
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SettingsError(f"others may read {file}: chmod 600 {file}")
        with file.open("rb") as opened:
            text = opened.read(_LONGEST).decode("utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} cannot be read: {error}") from None
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.strip()
        if not words or words.startswith("#"):
            continue
        key, is_pair, value = words.partition("=")
        if not is_pair or key.strip() not in _KEYS:
            raise SettingsError(f"{file}:{number}: each line is one of {', '.join(f'{each}=…' for each in _KEYS)}")
        found[key.strip()] = value.strip().strip("\"'")
    return found


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        # As the client sends them: a name that DNS can have, and a path of visible ASCII characters.
        (parts.hostname or "").encode("idna")
        usable = usable and " " not in value and parts.path.isascii() and value.isprintable()
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError(f"{URL} is not the URL of a bridge, such as http://127.0.0.1:29340")
    if parts.username is not None or parts.query or parts.fragment:
        raise SettingsError(f"{URL} has a user name, a query or a fragment; remove it")
    return value.rstrip("/")


def _token(value: str) -> str:
    # A header field takes no other characters, and the fault must not be told with the value.
    if not (value.isascii() and value.isprintable() and " " not in value):
        raise SettingsError(f"{TOKEN} has characters that no token has")
    return value

"""The homeserver.yaml of a temporary Synapse."""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: Synapse's rate limits for people, by their keys in homeserver.yaml. The bridge is exempt: its registration has
#: ``rate_limited: false``.
_LIMITS = (
    "rc_message",
    "rc_registration",
    "rc_login.address",
    "rc_login.account",
    "rc_login.failed_attempts",
    "rc_joins.local",
    "rc_joins_per_room",
    "rc_invites.per_room",
    "rc_invites.per_user",
    "rc_invites.per_issuer",
    "rc_room_creation",
    "rc_user_directory",
    "rc_profile",
)
_UNLIMITED = {"per_second": 10_000, "burst_count": 10_000}


def settings(
    folder: Path,
    *,
    server_name: str,
    port: int,
    shared_secret: str,
    registrations: Sequence[Path],
    relaxed: bool,
) -> dict[str, Any]:
    """Return the settings of a Synapse with all its data in *folder*.

    It listens on 127.0.0.1 only and does not federate. *relaxed* lifts the rate limits for people.
    """
    return {
        "server_name": server_name,
        "public_baseurl": f"http://127.0.0.1:{port}/",
        "report_stats": False,
        "listeners": [
            {
                "port": port,
                "type": "http",
                "tls": False,
                "bind_addresses": ["127.0.0.1"],
                "resources": [{"names": ["client", "openid"]}],
            }
        ],
        "database": {"name": "sqlite3", "args": {"database": str(folder / "homeserver.db")}},
        "signing_key_path": str(folder / "signing.key"),
        "media_store_path": str(folder / "media"),
        "registration_shared_secret": shared_secret,
        "macaroon_secret_key": secrets.token_urlsafe(32),
        "form_secret": secrets.token_urlsafe(32),
        "bcrypt_rounds": 4,  # the minimum: a temporary password needs no slow hash
        "app_service_config_files": [str(path.absolute()) for path in registrations],
        "url_preview_enabled": False,
        "trusted_key_servers": [],
        "federation_domain_whitelist": [],
        "send_federation": False,
        "user_directory": {"search_all_users": True},
        # A picture gets a thumbnail when a client asks for it, instead of five when it is uploaded.
        "thumbnail_sizes": [],
        "dynamic_thumbnails": True,
        # Keys for application services that ask for them.
        "experimental_features": {
            "msc2409_to_device_messages_enabled": True,
            "msc3202_transaction_extensions": True,
        },
        **(_relaxed_limits() if relaxed else {}),
    }


def write(folder: Path, values: dict[str, Any]) -> Path:
    """Write *values* to homeserver.yaml in *folder* and return its path.

    It also creates a signing key, unless one exists. Only the owner can read the two files.
    """
    signing_key = folder / "signing.key"
    if not signing_key.exists():
        _private(signing_key)
        seed = base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
        signing_key.write_text(f"ed25519 a_{secrets.token_hex(2)} {seed}\n")
    path = folder / "homeserver.yaml"
    _private(path)
    YAML(typ="safe", pure=True).dump(values, path)
    return path


def _relaxed_limits() -> dict[str, Any]:
    limits: dict[str, Any] = {}
    for key in _LIMITS:
        section, _, part = key.partition(".")
        if part:
            limits.setdefault(section, {})[part] = dict(_UNLIMITED)
        else:
            limits[section] = dict(_UNLIMITED)
    return limits


def _private(path: Path) -> None:
    path.touch(mode=0o600)
    path.chmod(0o600)

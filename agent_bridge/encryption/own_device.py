"""The device of a user of the bridge as its tables have it, and the comparison with the homeserver, without changes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mautrix.crypto.account import OlmAccount
from mautrix.crypto.signature import verify_signature_json

from agent_bridge.encryption.olm import OlmAccountError
from agent_bridge.encryption.secret import Secrets
from agent_bridge.store.postgres.database import Database

if TYPE_CHECKING:
    from collections.abc import Mapping

_QUERY: Final = """
    SELECT d.device_id, d.is_signed, a.account FROM encryption.device d
    LEFT JOIN encryption.crypto_account a ON a.account_id = d.user_id WHERE d.user_id = %(user_id)s
"""


@dataclass(frozen=True, slots=True)
class OwnDevice:
    """A device."""

    device_id: str
    #: Whether the bridge has signed it.
    is_signed: bool
    #: By algorithm; empty: the secret does not open them.
    keys: Mapping[str, str]


async def own_device(uri: str, secret: str, user_id: str) -> OwnDevice | None:
    """Return the device of *user_id* in the database; None if it has none.

    Raises:
        StoreError: the database does not tell.
    """
    async with Database(uri) as database:
        # The bridge may not have run with encryption yet.
        there = await database.row("SELECT to_regclass('encryption.device') IS NOT NULL AS found")
        row = await database.row(_QUERY, {"user_id": user_id}) if there is not None and there["found"] else None
    if row is None:
        return None
    keys: Mapping[str, str] = {}
    if row["account"] is not None:
        with suppress(OlmAccountError):
            keys = OlmAccount.from_pickle(
                bytes(row["account"]), passphrase=Secrets.of(secret).pickle, shared=True
            ).identity_keys
    return OwnDevice(str(row["device_id"]), bool(row["is_signed"]), keys)


def same_keys(device: OwnDevice, shown: Mapping[str, Any]) -> bool:
    """Tell whether the homeserver shows the keys of *device* in *shown*, its ``DeviceKeys`` of the spec."""
    found = shown.get("keys", {})
    return bool(device.keys) and all(
        found.get(f"{name}:{device.device_id}") == key for name, key in device.keys.items()
    )


def is_cross_signed(shown: Mapping[str, Any], self_signing: Mapping[str, Any], user_id: str) -> bool:
    """Tell whether a user has signed the device of *shown* with the key *self_signing* (spec, "Cross-signing")."""
    keys = [*self_signing.get("keys", {}).values()]
    data: Any = dict(shown)
    return bool(keys) and "signatures" in data and verify_signature_json(data, user_id, keys[0], keys[0])  # type: ignore[arg-type]  # mautrix has types of its own

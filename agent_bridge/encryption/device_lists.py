"""The devices of other users, as their homeservers tell them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from mautrix.api import Method, Path
from mautrix.crypto.device_lists import DeviceListMachine
from mautrix.errors import DeviceValidationError
from mautrix.types import DeviceIdentity, DeviceKeys, SerializerError, TrustState, UserID

from agent_bridge.encryption.tables import DEVICE_LISTS, LOCK
from agent_bridge.matrix.events import clean

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from mautrix.types import JSON, DeviceID

    from agent_bridge.encryption.machine import ClaimedKeys
    from agent_bridge.encryption.operations import Operations

#: Milliseconds that the homeserver waits for other homeservers.
_PATIENCE = 5000
#: Users of one request, devices of one user that get keys, and characters of a key in base64.
_BATCH, _MOST, _KEY = 100, 500, 43
_ATTEMPTS = 5


class DeviceLists:
    """Keeps the lists of the users who are in rooms with users of the bridge.

    A changed list ends the use of the sessions that were shared with the list before.
    """

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    async def track(self, users: Iterable[str], as_user: str) -> None:
        """Fetch the lists of those *users* who have none yet; those of homeservers that are away stay unknown."""
        everybody = sorted(users)
        known = await self._operations.store("").filter_tracked_users([UserID(user) for user in everybody])
        await self._fetch([user for user in everybody if user not in known], as_user)

    async def update(self, users: Collection[str], as_user: str) -> None:
        """Fetch the lists of those *users* that are known, which may have changed."""
        known = await self._operations.store("").filter_tracked_users([UserID(user) for user in sorted(users)])
        await self._fetch([str(user) for user in known], as_user)

    async def update_all(self, as_user: str) -> None:
        """Fetch all known lists: the homeserver tells nobody of changes who is away."""
        rows = await self._operations.database.fetch("SELECT user_id FROM crypto_tracked_user ORDER BY user_id")
        await self._fetch([str(row["user_id"]) for row in rows], as_user)

    async def claim(self, devices: Collection[DeviceIdentity], as_user: str) -> ClaimedKeys:
        """Return a one-time key of each of *devices* that has one; each is for one session."""
        wanted: dict[str, dict[str, str]] = {}
        for device in devices:
            wanted.setdefault(device.user_id, {})[device.device_id] = "signed_curve25519"
        if not wanted:
            return {}
        content = {"timeout": _PATIENCE, "one_time_keys": wanted}
        answer = await self._operations.homeserver.request(Method.POST, Path.v3.keys.claim, content, as_user=as_user)
        found: ClaimedKeys = {}
        for user_id, there in _objects(answer.get("one_time_keys")):
            for device_id, keys in _objects(there):
                for _, key in _objects(keys):
                    found[user_id, device_id] = key
        return found

    async def _fetch(self, users: list[str], as_user: str) -> None:
        for begin in range(0, len(users), _BATCH):
            await self._fetch_some(users[begin : begin + _BATCH], as_user)

    async def _fetch_some(self, users: list[str], as_user: str) -> None:
        content = {"timeout": _PATIENCE, "device_keys": {user: [] for user in users}}
        homeserver, database = self._operations.homeserver, self._operations.database
        for _ in range(_ATTEMPTS):
            changes = await database.fetchval("SELECT device_changes FROM vault")
            answer = await homeserver.request(Method.POST, Path.v3.keys.query, content, as_user=as_user)
            lists = {user: there for user, there in _objects(answer.get("device_keys")) if user in users}
            if await self._store(lists, changes):
                return

    async def _store(self, lists: Mapping[str, dict[str, Any]], changes: int) -> bool:
        """Store lists; false: others have changed since *changes*, and these may be older."""
        async with self._operations.database.in_transaction() as connection:
            await connection.execute("SELECT pg_advisory_xact_lock($1, $2)", LOCK, DEVICE_LISTS)
            if await connection.fetchval("SELECT device_changes FROM vault") != changes:
                return False
            store, changed = self._operations.store(""), []
            for user_id, there in sorted(lists.items()):
                known = await store.get_devices(UserID(user_id))
                devices = await _valid(user_id, there, known or {})
                if known is None or _keys(devices) != _keys(known):
                    await store.put_devices(UserID(user_id), devices)
                    changed.append(user_id)
            if changed:
                await connection.execute("UPDATE vault SET device_changes = device_changes + 1")
                await connection.execute("DELETE FROM room_session WHERE members && $1", changed)
            return True


async def _valid(
    user_id: str, there: Mapping[str, Any], known: Mapping[DeviceID, DeviceIdentity]
) -> dict[DeviceID, DeviceIdentity]:
    """Return the devices of a user that have signed their keys, and have not changed them."""
    found: dict[DeviceID, DeviceIdentity] = {}
    for device_id, content in _objects(there):
        if len(found) == _MOST:
            break
        try:
            keys = DeviceKeys.deserialize(cast("JSON", content))
            device = await DeviceListMachine._validate_device(  # noqa: SLF001  # mautrix has no other name for it
                UserID(user_id), keys.device_id, keys, known.get(keys.device_id)
            )
        except (DeviceValidationError, SerializerError, ValueError, TypeError, KeyError, AttributeError):
            continue
        storable = clean(device_id) == device_id == device.device_id
        if storable and len(device.identity_key) == len(device.signing_key) == _KEY:
            device.name, device.trust = "", TrustState.UNVERIFIED
            found[device.device_id] = device
    return found


def _keys(devices: Mapping[DeviceID, DeviceIdentity]) -> dict[DeviceID, tuple[str, str]]:
    return {device_id: (device.identity_key, device.signing_key) for device_id, device in devices.items()}


def _objects(value: object) -> list[tuple[str, dict[str, Any]]]:
    """Return the entries of an object that are objects."""
    entries = value.items() if isinstance(value, dict) else ()
    return [(key, each) for key, each in entries if isinstance(each, dict)]

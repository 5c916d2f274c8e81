"""The client of one device for mautrix: requests of a user of the bridge, and messages that wait for their commit."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from mautrix.api import Method, Path
from mautrix.client import Client
from mautrix.types import DeviceID, UserID

if TYPE_CHECKING:
    from mautrix.api import PathBuilder
    from mautrix.types import EventType, ToDeviceEventContent
    from mautrix.util.logging import TraceLogger

    from agent_bridge.matrix.client import Homeserver

#: The names of the parameter with the device (MSC4326), after and before it was stable.
_DEVICE = ("device_id", "org.matrix.msc3202.device_id")
#: A filter of ``/sync`` that leaves only messages to the device.
_ONLY_MESSAGES = json.dumps(
    {"room": {"rooms": []}, "presence": {"types": []}, "account_data": {"types": []}}, separators=(",", ":")
)


class _Requests:
    """Makes the requests of mautrix through the bridge's own client, and raises its errors."""

    def __init__(self, homeserver: Homeserver, user_id: str, device_id: str) -> None:
        self.log: TraceLogger = logging.getLogger("mau.keys")  # type: ignore[assignment]  # mautrix makes it one
        self._homeserver = homeserver
        self._user_id = user_id
        self._device_id = device_id

    async def request(
        self,
        method: Method,
        path: PathBuilder,
        content: Any = None,
        _headers: Any = None,
        query_params: dict[str, Any] | None = None,
        **_: Any,
    ) -> Any:
        query = {name: str(value) for name, value in (query_params or {}).items()}
        query |= dict.fromkeys(_DEVICE, self._device_id)
        return await self._homeserver.request(method, path, content, as_user=self._user_id, query=query)


class DeviceClient(Client):
    """The client of the device *device_id* of *user_id*.

    Messages to devices are collected in :attr:`messages`, in their order: the state that encrypted them has to be
    committed before they are sent.
    """

    def __init__(self, homeserver: Homeserver, user_id: str, device_id: str) -> None:
        self._requests = _Requests(homeserver, user_id, device_id)
        super().__init__(
            mxid=UserID(user_id),
            device_id=DeviceID(device_id),
            api=self._requests,
        )
        self.messages: list[tuple[str, dict[str, Any]]] = []

    async def upload(self, content: dict[str, Any]) -> dict[str, Any]:
        """Upload keys of the device (``POST /_matrix/client/v3/keys/upload``); return the response."""
        answer: dict[str, Any] = await self._requests.request(Method.POST, Path.v3.keys.upload, content)
        return answer

    async def fetch(self, since: str | None) -> tuple[list[dict[str, Any]], str]:
        """Return messages to the device since a token, the first ones without it, and the token behind them.

        The homeserver deletes those before *since* (spec, ``/sync``).
        """
        query = {"filter": _ONLY_MESSAGES, "timeout": 0, "set_presence": "offline"}
        if since is not None:
            query["since"] = since
        answer = await self._requests.request(Method.GET, Path.v3.sync, query_params=query)
        found = answer.get("to_device")
        messages = found.get("events") if isinstance(found, dict) else None
        return list(messages) if isinstance(messages, list) else [], str(answer.get("next_batch"))

    async def send_to_device(
        self, event_type: EventType, messages: dict[UserID, dict[DeviceID, ToDeviceEventContent]]
    ) -> None:
        """Collect *messages*, by user and device."""
        contents = {
            str(user): {str(device): content.serialize() for device, content in devices.items()}
            for user, devices in messages.items()
        }
        self.messages.append((str(event_type), contents))

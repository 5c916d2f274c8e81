"""``agent-bridge doctor``: whether devices of the bridge can serve encrypted rooms and event streams."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agent_bridge.core.errors import HomeserverError, HomeserverRefused
from agent_bridge.core.keys import KeyNewsKind
from agent_bridge.matrix.key_news import key_news
from agent_bridge.store.postgres.embedded import database_uri

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agent_bridge.config.model import Config
    from agent_bridge.encryption.own_device import OwnDevice
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.matrix.requests import Json

#: Type of the message to the bot's own device.
_PROBE = "agent_bridge.probe"
#: Seconds in which the homeserver delivers it.
_PATIENCE = 10.0
_REGISTRATION = "agent-bridge registration --force; then restart Synapse"
_FLAGS = (
    "experimental_features: {msc3202_transaction_extensions: true, msc2409_to_device_messages_enabled: true} in "
    "homeserver.yaml; then restart Synapse"
)
_STREAM_FLAGS = (
    "experimental_features: {msc2409_to_device_messages_enabled: true} in homeserver.yaml; then restart Synapse"
)
_RENEW = (
    "stop the bridge, run DROP SCHEMA encryption CASCADE in its database, and start it: it makes other devices, signed "
    "with the same keys"
)


@dataclass(slots=True)
class Arrivals:
    """The messages to devices that arrive while the doctor listens in the place of the bridge."""

    seen: asyncio.Event = field(default_factory=asyncio.Event)
    #: Whether events came, which the bridge is to get: the homeserver sends nothing else before them.
    has_refused: bool = False

    async def take(self, raw: bytes, _lost_news: bool) -> None:  # noqa: FBT001  # the endpoint calls it
        """Look for the probe in a transaction."""
        if any(each.kind is KeyNewsKind.TO_DEVICE and each.content.get("type") == _PROBE for each in key_news(raw)):
            self.seen.set()


async def look_at_keys(config: Config, homeserver: Homeserver, arrivals: Arrivals | None) -> tuple[str, str]:
    """Return the remedy of the first fault (empty: there is none), and the state of encryption in words.

    *arrivals*: what the homeserver delivers; None: another process listens, perhaps the bridge itself.

    Raises:
        HomeserverError, StoreError: the check is not possible.
    """
    # It needs the packages of an extra.
    from agent_bridge.encryption.own_device import own_device

    bot, secret = homeserver.namespace.bot, config.encryption.secret or config.appservice.as_token
    async with database_uri(config.database) as uri:
        device = await own_device(uri, secret.get_secret_value(), bot)
    if device is not None and device.is_signed:
        remedy, text = await _compared(homeserver, device)
        if remedy:
            return remedy, text
        return await _served(homeserver, device.device_id, text, arrivals)
    text = f"{bot} gets its device in its first encrypted room"
    return await _probed(homeserver, lambda probe: _served(homeserver, probe, text, arrivals))


async def look_at_streams(homeserver: Homeserver, arrivals: Arrivals | None) -> tuple[str, str]:
    """Return the remedy of the first fault that keeps devices from subscribing (empty: none), and the state in words.

    *arrivals*: see :func:`look_at_keys`.

    Raises:
        HomeserverError: the check is not possible.
    """
    lack = "no device can subscribe: answers grow by edits"
    text = "agents get devices"
    return await _probed(
        homeserver, lambda probe: _delivered(homeserver, probe, text, arrivals, flags=_STREAM_FLAGS, lack=lack)
    )


async def _probed(homeserver: Homeserver, look: Callable[[str], Awaitable[tuple[str, str]]]) -> tuple[str, str]:
    """Return what *look* finds with a device of the bot that is made for it."""
    bot, probe = homeserver.namespace.bot, f"ABDOCTOR{secrets.token_hex(3).upper()}"
    try:
        await homeserver.make_device(bot, probe)
    except HomeserverRefused as error:
        return f"the registration needs io.element.msc4190: true: {_REGISTRATION}", f"{bot} gets no device ({error})"
    try:
        return await look(probe)
    finally:
        with suppress(HomeserverError):
            await homeserver.delete_device(bot, probe)


async def _served(homeserver: Homeserver, device_id: str, text: str, arrivals: Arrivals | None) -> tuple[str, str]:
    """Check that the homeserver takes keys of a device of the bot, and delivers what is sent to the device."""
    bot = homeserver.namespace.bot
    try:
        await homeserver.upload_keys(bot, device_id, {})
    except HomeserverRefused as error:
        remedy = f"the registration needs org.matrix.msc3202: true: {_REGISTRATION}"
        return remedy, f"the homeserver takes no keys of the device of {bot} ({error})"
    return await _delivered(homeserver, device_id, text, arrivals, flags=_FLAGS, lack="keys of messages never arrive")


async def _delivered(
    homeserver: Homeserver, device_id: str, text: str, arrivals: Arrivals | None, *, flags: str, lack: str
) -> tuple[str, str]:
    """Check that the homeserver delivers what is sent to a device of the bot."""
    bot = homeserver.namespace.bot
    if arrivals is None:
        return "", f"{text}; whether messages to devices arrive is checked while the bridge is stopped"
    message: Json = {bot: {device_id: {}}}
    await homeserver.send_to_devices(bot, _PROBE, secrets.token_hex(8), message)
    try:
        await asyncio.wait_for(arrivals.seen.wait(), _PATIENCE)
    except TimeoutError:
        if arrivals.has_refused:
            return "", f"{text}; not checked whether messages to devices arrive: events wait for the bridge"
        return flags, f"the homeserver delivers no messages to devices: {lack}"
    return "", f"{text}; messages to devices arrive"


async def _compared(homeserver: Homeserver, device: OwnDevice) -> tuple[str, str]:
    """Compare the keys of a device of the bot in the database with those that the homeserver shows to people."""
    from agent_bridge.encryption.own_device import is_cross_signed, same_keys

    bot = homeserver.namespace.bot
    if not device.keys:
        remedy = f"set encryption.secret (by default appservice.as_token) as it was; or {_RENEW}"
        return remedy, "the secret does not open the keys in the database"
    answer = await homeserver.query_keys(bot)
    shown: dict[str, Any] = answer.get("device_keys", {}).get(bot, {}).get(device.device_id, {})
    if not shown:
        return _RENEW, f"the homeserver does not know the device {device.device_id} of {bot}, or its keys"
    if not same_keys(device, shown):
        return _RENEW, f"the device {device.device_id} of {bot} has other keys than the database"
    if not is_cross_signed(shown, answer.get("self_signing_keys", {}).get(bot, {}), bot):
        return _RENEW, f"the device {device.device_id} of {bot} is not signed by its user: clients warn people"
    return "", f"{bot} has the device {device.device_id}, which is signed"

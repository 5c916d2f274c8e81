"""Requests about the users of the homeserver: accounts, profiles, presence and account data."""

from __future__ import annotations

import re

from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.lean_imports import in_place_of, without
from agent_bridge.matrix.requests import Json, Requester, field

with without("prometheus_client"), in_place_of("mautrix.types", IdentityKey=str, SessionID=str):
    from mautrix.api import Method, Path

#: Code of a thing that does not exist, or that the user may not see. Another refusal, such as ``M_UNRECOGNIZED`` of a
#: homeserver whose requests take a wrong route, does not tell that.
NOT_FOUND = "M_NOT_FOUND"
#: The ids of the devices that the bridge makes.
DEVICE = re.compile(r"AB[0-9A-F]{10}")
#: The field of the profile with the time zone (MSC4175), and its name before it was stable.
_TIME_ZONE = ("m.tz", "us.cloke.msc4175.tz")


class UserRequests(Requester):
    """The part of :class:`~agent_bridge.matrix.client.Homeserver` about users."""

    async def register(self, localpart: str) -> None:
        """Create the ghost or bot *localpart*, unless it exists."""
        content: Json = {"type": "m.login.application_service", "username": localpart, "inhibit_login": True}
        try:
            await self.request(Method.POST, Path.v3.register, content)
        except HomeserverRefused as error:
            if error.errcode != "M_USER_IN_USE":
                raise

    async def deactivate(self, user_id: str) -> None:
        """End the account of a ghost: it leaves its rooms, and its name can never be registered again.

        Raises:
            HomeserverRefused: the homeserver leaves accounts to another service, or the account was ended before.
        """
        await self.request(Method.POST, Path.v3.account.deactivate, {"erase": True}, as_user=user_id)

    async def make_device(self, user_id: str, device_id: str) -> None:
        """Give a ghost or the bot a device, unless it has it (MSC4190, in Synapse with ``io.element.msc4190``)."""
        await self.request(Method.PUT, Path.v3.devices[device_id], {"display_name": "agent_bridge"}, as_user=user_id)

    async def devices(self, user_id: str) -> list[str]:
        """Return the ids of the devices of a ghost or the bot that the bridge has made."""
        answer = await self.request(Method.GET, Path.v3.devices, as_user=user_id)
        ids = [str(each.get("device_id")) for each in field(answer, "devices", list) if isinstance(each, dict)]
        return [each for each in ids if DEVICE.fullmatch(each)]

    async def delete_device(self, user_id: str, device_id: str) -> None:
        """Delete a device of a ghost or the bot; no effect if it has none with this id (MSC4190)."""
        await self.request(Method.DELETE, Path.v3.devices[device_id], {}, as_user=user_id)

    async def upload_keys(self, user_id: str, device_id: str, content: Json) -> Json:
        """Upload keys of a device of a ghost or the bot (MSC4326); return the response."""
        query = dict.fromkeys(("device_id", "org.matrix.msc3202.device_id"), device_id)
        return await self.request(Method.POST, Path.v3.keys.upload, content, as_user=user_id, query=query)

    async def query_keys(self, user_id: str) -> Json:
        """Return the keys of a ghost or the bot as others see them (``POST /_matrix/client/v3/keys/query``)."""
        return await self.request(Method.POST, Path.v3.keys.query, {"device_keys": {user_id: []}}, as_user=user_id)

    async def send_to_devices(self, user_id: str, kind: str, txn_id: str, messages: Json) -> None:
        """Send *messages*, by user and device, as *user_id* (spec, "Send-to-Device messaging")."""
        await self.request(Method.PUT, Path.v3.sendToDevice[kind][txn_id], {"messages": messages}, as_user=user_id)

    async def has_user(self, user_id: str) -> bool:
        """Tell whether *user_id*, a user of this homeserver, has an account."""
        try:
            await self.request(Method.GET, Path.v3.profile[user_id].displayname)
        except HomeserverRefused as error:
            if error.errcode == NOT_FOUND:
                return False
            raise
        return True

    async def is_suspended(self, user_id: str) -> bool:
        """Tell whether the homeserver has suspended a ghost or the bot (Matrix spec, "Account suspension").

        A suspended user may not delete a field of its profile, even one that it does not have.
        """
        try:
            await self.request(Method.DELETE, Path.v3.profile[user_id]["agent_bridge.none"], as_user=user_id)
        except HomeserverRefused as error:
            return error.errcode == "M_USER_SUSPENDED"
        return False

    async def displayname(self, user_id: str) -> str | None:
        """Return the display name of a user of this homeserver; None when there is none."""
        try:
            profile = await self.request(Method.GET, Path.v3.profile[user_id].displayname)
        except HomeserverRefused as error:
            if error.errcode == NOT_FOUND:
                return None
            raise
        return profile.get("displayname")

    async def time_zone(self, user_id: str) -> str | None:
        """Return the time zone in the profile of a user (``m.tz``, MSC4175), as the user wrote it; None without one.

        Raises:
            HomeserverUnavailable: the homeserver does not tell; the server of another domain may not, either.
        """
        try:
            profile = await self.request(Method.GET, Path.v3.profile[user_id])
        except HomeserverRefused:
            return None
        zone = next((profile[name] for name in _TIME_ZONE if name in profile), None)
        return zone if isinstance(zone, str) else None

    async def set_displayname(self, user_id: str, displayname: str) -> None:
        """Set the display name of a ghost or the bot."""
        path = Path.v3.profile[user_id].displayname
        await self.request(Method.PUT, path, {"displayname": displayname}, as_user=user_id)

    async def avatar(self, user_id: str) -> str | None:
        """Return the avatar of a user of this homeserver; None when there is none."""
        try:
            profile = await self.request(Method.GET, Path.v3.profile[user_id].avatar_url)
        except HomeserverRefused as error:
            if error.errcode == NOT_FOUND:
                return None
            raise
        return profile.get("avatar_url") or None

    async def set_avatar(self, user_id: str, avatar: str) -> None:
        """Set the avatar of a ghost or the bot to an ``mxc://`` URL."""
        await self.request(Method.PUT, Path.v3.profile[user_id].avatar_url, {"avatar_url": avatar}, as_user=user_id)

    async def set_profile_field(self, user_id: str, field: str, value: object | None) -> None:
        """Set a field of the profile of a ghost (Matrix spec, "Profiles"); None deletes it, if there is one.

        Raises:
            HomeserverRefused: also by a homeserver without such fields.
        """
        path = Path.v3.profile[user_id][field]
        if value is None:
            await self.request(Method.DELETE, path, as_user=user_id)
        else:
            await self.request(Method.PUT, path, {field: value}, as_user=user_id)

    async def presence(self, user_id: str, state: str, message: str = "") -> None:
        """Set the presence of a ghost to ``online``, ``unavailable`` or ``offline``, with *message* unless it is empty.

        A homeserver with presence switched off accepts the request and shows nothing.
        """
        content = {"presence": state} | ({"status_msg": message} if message else {})
        await self.request(Method.PUT, Path.v3.presence[user_id].status, content, as_user=user_id)

    async def presence_of(self, user_id: str, as_user: str | None = None) -> Json:
        """Return the presence of a user who shares a room with *as_user* (default: the bot; spec, "Presence")."""
        return await self.request(Method.GET, Path.v3.presence[user_id].status, as_user=as_user)

    async def status_message(self, user_id: str) -> str | None:
        """Return the status message of a ghost; None if it has none."""
        answer = await self.request(Method.GET, Path.v3.presence[user_id].status, as_user=user_id)
        return answer.get("status_msg")

    async def account_data(self, user_id: str, kind: str) -> Json:
        """Return account data of a ghost; empty if it has none of that *kind*."""
        try:
            return await self.request(Method.GET, Path.v3.user[user_id].account_data[kind], as_user=user_id)
        except HomeserverRefused as error:
            if error.errcode == NOT_FOUND:
                return {}
            raise

    async def set_account_data(self, user_id: str, kind: str, content: Json) -> None:
        """Set account data of a ghost."""
        await self.request(Method.PUT, Path.v3.user[user_id].account_data[kind], content, as_user=user_id)

"""The media repository for a bridge with keys: it encrypts the files of encrypted rooms."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from agent_bridge.core.answers import MediaFile
from agent_bridge.encryption.attachments import opened, seal
from agent_bridge.matrix.media import Media

if TYPE_CHECKING:
    import aiohttp

    from agent_bridge.core.file_key import FileKey
    from agent_bridge.core.ids import Namespace
    from agent_bridge.encryption.vault import Vault

#: The media type of encrypted files: the homeserver learns neither the type nor the name of a file.
_SEALED = "application/octet-stream"


class EncryptedMedia(Media):
    """Its callers write and read files in the clear."""

    def __init__(
        self, address: str, as_token: str, namespace: Namespace, session: aiohttp.ClientSession, vault: Vault
    ) -> None:
        super().__init__(address, as_token, namespace, session)
        self._vault = vault

    async def read(self, url: str, key: FileKey | None, *, limit: int, as_user: str | None = None) -> bytes:
        """Return the file at an ``mxc://`` URL in the clear, see :meth:`Media.read`."""
        data = await self.download(url, limit=limit, as_user=as_user)
        # In a thread: a file may have many megabytes.
        return data if key is None else await asyncio.to_thread(opened, data, key)

    async def upload_for(self, room_id: str, data: bytes, content_type: str, filename: str, as_user: str) -> MediaFile:
        """Store a file for a room, encrypted if the room is, see :meth:`Media.upload_for`."""
        if not await self._vault.is_encrypted(room_id, as_user):
            return await super().upload_for(room_id, data, content_type, filename, as_user)
        sealed, key = await asyncio.to_thread(seal, data)
        url = await self.upload(sealed, _SEALED, "", as_user)
        return MediaFile(url, content_type, len(data), key=key)

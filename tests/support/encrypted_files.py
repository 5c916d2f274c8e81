"""Files as the client of an encrypted person sends and opens them, by matrix-nio."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from nio import MemoryDownloadResponse, UploadResponse
from nio.crypto.attachments import decrypt_attachment

from support.conditions import eventually

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.encrypted_person import EncryptedPerson


async def send_file(
    person: EncryptedPerson,
    room_id: str,
    data: bytes,
    content_type: str,
    name: str,
    *,
    voice: bool = False,
    **more: Any,
) -> str:
    """Send an encrypted file; *more* replaces fields of the ``EncryptedFile``. Return its event id.

    *voice*: it is a voice message (MSC3245).
    """
    answer, keys = await person.client.upload(
        lambda *_: io.BytesIO(data), "application/octet-stream", encrypt=True, filesize=len(data)
    )
    assert isinstance(answer, UploadResponse), answer
    assert keys is not None
    kind = {"image": "m.image", "audio": "m.audio"}.get(content_type.partition("/")[0], "m.file")
    return await person.say(
        room_id,
        name,
        msgtype=kind,
        file=keys | {"url": answer.content_uri} | more,
        info={"mimetype": content_type, "size": len(data)},
        **({"org.matrix.msc3245.voice": {}} if voice else {}),
    )


async def shown_files(person: EncryptedPerson, room_id: str, sender: str, count: int) -> list[dict[str, Any]]:
    """Wait until *sender* has sent *count* messages with files; return their contents."""

    async def found() -> list[dict[str, Any]] | None:
        events = person.read.get(room_id, [])
        contents = [each.source["content"] for each in events if each.sender == sender]
        files = [each for each in contents if "file" in each or "url" in each]
        return files if len(files) >= count else None

    return await eventually(found, f"{sender} has sent {count} files")


async def opened(person: EncryptedPerson, file: Mapping[str, Any]) -> bytes:
    """Return the content of the file that the ``EncryptedFile`` *file* opens."""
    data, content_type = await stored(person, file["url"])
    assert content_type == "application/octet-stream"
    content: bytes = decrypt_attachment(data, file["key"]["k"], file["hashes"]["sha256"], file["iv"])
    return content


async def stored(person: EncryptedPerson, url: str) -> tuple[bytes, str]:
    """Return the bytes at an ``mxc://`` URL as the homeserver has them, and their media type."""
    answer = await person.client.download(url)
    assert isinstance(answer, MemoryDownloadResponse), answer
    return answer.body, answer.content_type

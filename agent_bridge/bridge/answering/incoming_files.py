"""Attachments: what an agent gets of a file that a person sends, or why it gets none."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.core.errors import FileProblem, FileRefused, HomeserverRefused, TooLarge, UpstreamError
from agent_bridge.core.transcript import Image
from agent_bridge.files.documents import as_markdown
from agent_bridge.files.picture import for_model
from agent_bridge.files.sniff import Family, kind_of
from agent_bridge.files.text import as_text
from agent_bridge.render.content import escape, fenced

if TYPE_CHECKING:
    from agent_bridge.config.model import FilesConfig
    from agent_bridge.core.payloads import Attachment
    from agent_bridge.files.sniff import Kind
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.media import Media
    from agent_bridge.upstream.base import Upstream

#: Documents and pictures that are read at the same time: each may take much memory.
_READERS = 2


@dataclass(frozen=True, slots=True)
class FileContent:
    """A file as an agent gets it."""

    #: Text for the agent.
    text: str = ""
    images: tuple[Image, ...] = ()
    #: What the person is told, in a sentence: why it is not taken, or not whole.
    note: str = ""
    #: Whether it is somebody's earlier words, which no transcript keeps twice: they may be taken back.
    quoted: bool = False


class IncomingFiles:
    """Reads files."""

    def __init__(self, media: Media, limits: FilesConfig, texts: Texts) -> None:
        self._media = media
        self._limits = limits
        self._texts = texts
        self._characters = texts.count(limits.max_text_chars, texts.character)
        self._readers = asyncio.Semaphore(_READERS)

    async def take(self, attachment: Attachment, upstream: Upstream, *, agent: str, reader: str) -> FileContent:
        """Return what *agent* of *upstream* gets of *attachment*, fetched as the user *reader*.

        Raises:
            HomeserverUnavailable: it cannot be fetched now, and may be later.
        """
        name = escape(attachment.name) or attachment.kind.removeprefix("m.")
        try:
            data = await self._fetch(attachment, reader)
            kind = kind_of(data, attachment.content_type, attachment.name)
            return await self._read(data, kind, name, upstream, agent)
        except TooLarge as error:
            limit = self._texts.bytes(error.limit or self._limits.max_bytes)
            return FileContent(note=self._texts.too_large.format(name=name, limit=limit))
        except FileRefused as error:
            return FileContent(note=self._texts.not_read.format(name=name, cause=error.says(self._texts)))
        except (HomeserverRefused, UpstreamError) as error:
            return FileContent(note=self._texts.not_fetched.format(name=name, cause=error.says(self._texts)))

    async def _fetch(self, attachment: Attachment, reader: str) -> bytes:
        limit = self._limits.max_bytes
        if attachment.size is not None and attachment.size > limit:
            raise TooLarge(limit)
        if attachment.url is None:
            raise FileRefused("the file is encrypted", FileProblem.ENCRYPTED)
        return await self._media.download(attachment.url, limit=limit, as_user=reader)

    async def _read(self, data: bytes, kind: Kind, name: str, upstream: Upstream, agent: str) -> FileContent:
        if kind.family is Family.IMAGE:
            return (
                await self._image(data, name)
                if upstream.images
                else FileContent(note=self._texts.no_images.format(agent=agent))
            )
        if kind.family is Family.AUDIO:
            return (
                await self._heard(data, kind, name, upstream)
                if upstream.transcribes
                else FileContent(note=self._texts.no_voice)
            )
        if kind.family in {Family.TEXT, Family.DOCUMENT}:
            return await self._text(data, kind, name)
        return FileContent(note=self._texts.unreadable_kind.format(name=name, kind=kind.content_type))

    async def _image(self, data: bytes, name: str) -> FileContent:
        async with self._readers:
            picture = await asyncio.to_thread(for_model, data, max_bytes=self._limits.max_image_bytes)
        return FileContent(f"[{name}]", (Image(picture.data, picture.content_type),))

    async def _heard(self, data: bytes, kind: Kind, name: str, upstream: Upstream) -> FileContent:
        heard = await upstream.transcribe(data, name=name, content_type=kind.content_type)
        return FileContent(f"{self._texts.transcript}\n\n{heard}")

    async def _text(self, data: bytes, kind: Kind, name: str) -> FileContent:
        limit = self._limits.max_text_chars
        if kind.family is Family.TEXT:
            read = as_text(data, max_chars=limit)
        else:
            async with self._readers:
                read = await as_markdown(data, kind, max_chars=limit)
        note = self._texts.cut.format(name=name, characters=self._characters) if read.cut else ""
        return FileContent(f"{self._texts.attachment.format(name=name)}\n\n{fenced(read.text)}", note=note)

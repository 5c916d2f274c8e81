"""Files that people send: their contents as an agent gets them, or the reason why the agent gets none."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.core.errors import FileProblem, FileRefused, HomeserverRefused, TooLarge, UpstreamError
from agent_bridge.core.names import one_line
from agent_bridge.core.transcript import Image
from agent_bridge.files.documents import as_markdown
from agent_bridge.files.reader import Places
from agent_bridge.files.sniff import Family, kind_of
from agent_bridge.files.text import as_text
from agent_bridge.render.content import escape, fenced

if TYPE_CHECKING:
    from agent_bridge.config.conversations import FilesConfig
    from agent_bridge.core.payloads import Attachment
    from agent_bridge.files.pictures import PictureReader
    from agent_bridge.files.sniff import Kind
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.media import Media
    from agent_bridge.upstream.base import Upstream

#: Documents that are read at the same time. Each takes up to 1 GB of memory.
_DOCUMENTS = 2
#: The families of files that agents get in another form, if they get them.
_CONVERTED = frozenset({Family.TEXT, Family.DOCUMENT, Family.IMAGE})


@dataclass(frozen=True, slots=True)
class FileContent:
    """A piece of a question: a file, or text."""

    #: Text for the agent.
    text: str = ""
    images: tuple[Image, ...] = ()
    #: A sentence for the person without a full stop: why the file is not taken, or not whole. Empty: it is taken.
    note: str = ""
    #: Whether it quotes an earlier message. No transcript keeps quotations: their message may be redacted.
    quoted: bool = False


class IncomingFiles:
    """Downloads files and reads them, within *limits*."""

    def __init__(self, media: Media, pictures: PictureReader, limits: FilesConfig, texts: Texts) -> None:
        self._media = media
        self._pictures = pictures
        self._limits = limits
        self._texts = texts
        self._characters = texts.count(limits.max_text_chars, texts.character)
        self._documents = Places(_DOCUMENTS)

    async def read(
        self, attachment: Attachment, upstream: Upstream, *, agent: str, as_user: str, sender: str
    ) -> FileContent:
        """Return *attachment*, downloaded as the user *as_user*, as *agent* of *upstream* gets it.

        One file of each kind of a *sender* is read at a time.

        Raises:
            HomeserverUnavailable: it cannot be downloaded now; trying again may help.
        """
        name = one_line(attachment.name) or attachment.kind.removeprefix("m.")
        shown = escape(name)
        try:
            data = await self._download(attachment, as_user)
            # In threads: a file may have many megabytes.
            kind = await asyncio.to_thread(kind_of, data, attachment.content_type, attachment.name)
            if upstream.traits.files and kind.family not in _CONVERTED:
                return FileContent(f"[{name}]", (Image(data, kind.content_type, name),))
            return await self._content(data, kind, name, upstream, agent, sender)
        except TooLarge as error:
            limit = self._texts.bytes(error.limit or self._limits.max_bytes)
            return FileContent(note=self._texts.too_large.format(name=shown, limit=limit))
        except FileRefused as error:
            return FileContent(note=self._texts.not_read.format(name=shown, cause=error.says(self._texts)))
        except (HomeserverRefused, UpstreamError) as error:
            return FileContent(note=self._texts.not_fetched.format(name=shown, cause=error.says(self._texts)))

    async def _download(self, attachment: Attachment, as_user: str) -> bytes:
        limit = self._limits.max_bytes
        if attachment.size is not None and attachment.size > limit:
            raise TooLarge(limit)
        if attachment.url is None or (attachment.encrypted and attachment.key is None):
            raise FileRefused("the file is encrypted", FileProblem.ENCRYPTED)
        return await self._media.read(attachment.url, attachment.key, limit=limit, as_user=as_user)

    async def _content(
        self, data: bytes, kind: Kind, name: str, upstream: Upstream, agent: str, sender: str
    ) -> FileContent:
        match kind.family:
            case Family.IMAGE if upstream.traits.images:
                return await self._picture(data, name, sender)
            case Family.IMAGE:
                return FileContent(note=self._texts.no_images.format(agent=escape(agent)))
            case Family.AUDIO if upstream.can.transcribe is not None:
                words = await upstream.can.transcribe(data, name=name, content_type=kind.content_type)
                return FileContent(f"{self._texts.transcript}\n\n{words}")
            case Family.AUDIO:
                return FileContent(note=self._texts.no_voice)
            case Family.TEXT | Family.DOCUMENT:
                return await self._text(data, kind, name, sender)
            case _:
                return FileContent(note=self._texts.unreadable_kind.format(name=escape(name), kind=kind.content_type))

    async def _picture(self, data: bytes, name: str, sender: str) -> FileContent:
        picture = await self._pictures.for_model(data, max_bytes=self._limits.max_image_bytes, holder=sender)
        return FileContent(f"[{name}]", (Image(picture.data, picture.content_type),))

    async def _text(self, data: bytes, kind: Kind, name: str, sender: str) -> FileContent:
        limit = self._limits.max_text_chars
        if kind.family is Family.TEXT:
            read = await asyncio.to_thread(as_text, data, max_chars=limit)
        else:
            async with self._documents.place(sender):
                read = await as_markdown(data, kind, max_chars=limit)
        note = self._texts.cut.format(name=escape(name), characters=self._characters) if read.cut else ""
        return FileContent(f"{self._texts.attachment.format(name=name)}\n\n{fenced(read.text)}", note=note)

"""Enclosures: files that belong to an answer, put into the homeserver's store and made contents of events."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import FileProblem, FileRefused, HomeserverRefused, HomeserverUnavailable
from agent_bridge.files import data_urls
from agent_bridge.files.sniff import Family, kind_of
from agent_bridge.render.attachment import Media, file_message
from agent_bridge.upstream.download.fetch import Fetched

if TYPE_CHECKING:
    from collections.abc import Sequence

    from yarl import URL

    from agent_bridge.files.picture import Picture, PictureInfo
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix import media
    from agent_bridge.upstream.base import FileDelta
    from agent_bridge.upstream.download.fetch import Fetcher

_log = structlog.stdlib.get_logger(__name__)

#: Pictures that are looked at at the same time: each may take much memory.
_PAINTERS = 2
_MARKDOWN = "text/markdown"
_REST = "answer.md"
#: Seconds that an answer waits for all its files.
_PATIENCE = 60.0
#: Tries of one upload, half a minute in all.
_AGAIN, _TRIES = Backoff(first=1, cap=16), 5
_SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg", "image/gif": ".gif", "image/webp": ".webp"}


@dataclass(frozen=True, slots=True)
class _Looks:
    info: PictureInfo
    small: Picture
    blurhash: str


def _looks(data: bytes) -> _Looks:
    from agent_bridge.files import picture  # loads Pillow, for the first picture only

    small = picture.thumbnail(data)
    return _Looks(picture.info_of(data), small, picture.blurhash(small.data))


class Uploads:
    """Uploads files."""

    def __init__(self, store: media.Media, fetcher: Fetcher, texts: Texts, *, max_bytes: int) -> None:
        self._media = store
        self._fetcher = fetcher
        self._texts = texts
        self._max_bytes = max_bytes
        self._painters = asyncio.Semaphore(_PAINTERS)

    async def of(
        self, files: Sequence[FileDelta], *, own: URL, owner: str
    ) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
        """Return contents that show *files*, and sentences about those that cannot be shown.

        *own* is the URL of the upstream that gave them, *owner* the user who sends them.
        """
        contents, notes = [], []
        end = asyncio.get_running_loop().time() + _PATIENCE
        for number, file in enumerate(files, 1):
            name = file.name or str(number)
            try:
                async with asyncio.timeout_at(end):
                    fetched = await self._fetch(file, own)
                    name = file.name or fetched.name or name
                    contents.append(await self._content(fetched, name, owner))
            except TimeoutError:
                cause = self._texts.file_problems[FileProblem.UNREACHABLE]
                notes.append(self._texts.not_sent.format(name=name, cause=cause))
            except (FileRefused, HomeserverRefused, HomeserverUnavailable) as error:
                notes.append(self._texts.not_sent.format(name=name, cause=error.says(self._texts)))
        return contents, tuple(notes)

    async def rest(self, text: str, owner: str) -> dict[str, Any] | None:
        """Return the content that shows *text* as a Markdown file; None when the homeserver does not take it."""
        data = text.encode()
        try:
            url = await self._upload(data, _MARKDOWN, _REST, owner)
        except (FileRefused, HomeserverRefused, HomeserverUnavailable) as error:
            _log.warning("the rest of an answer is not sent as a file", error=str(error))
            return None
        return file_message(Media(url, _MARKDOWN, len(data)), _REST)

    async def _fetch(self, file: FileDelta, own: URL) -> Fetched:
        if file.url[:5].lower() != "data:":
            return await self._fetcher.fetch(file.url, limit=self._max_bytes, own=own)
        # Millions of characters take a while.
        content_type, data = await asyncio.to_thread(data_urls.parse, file.url, limit=self._max_bytes)
        return Fetched(data, content_type, "")

    async def _content(self, fetched: Fetched, name: str, owner: str) -> dict[str, Any]:
        kind = kind_of(fetched.data, fetched.claimed, fetched.name)
        if kind.family is Family.IMAGE:
            try:
                async with self._painters:
                    looks = await asyncio.to_thread(_looks, fetched.data)
            except FileRefused as error:
                # Somebody else's program may show what none here can read.
                _log.info("a picture is sent as a file", error=str(error))
            else:
                return await self._picture(fetched.data, looks, name, owner)
        url = await self._upload(fetched.data, kind.content_type, name, owner)
        return file_message(Media(url, kind.content_type, len(fetched.data)), name)

    async def _picture(self, data: bytes, looks: _Looks, name: str, owner: str) -> dict[str, Any]:
        info, small = looks.info, looks.small
        name = name if "." in name else name + _SUFFIXES.get(info.content_type, "")
        url = await self._upload(data, info.content_type, name, owner)
        small_url = await self._upload(small.data, small.content_type, name, owner)
        return file_message(
            Media(url, info.content_type, info.size, info.width, info.height),
            name,
            thumbnail=Media(small_url, small.content_type, len(small.data), small.width, small.height),
            blurhash=looks.blurhash,
        )

    async def _upload(self, data: bytes, content_type: str, name: str, owner: str) -> str:
        for tries in range(1, _TRIES + 1):
            try:
                return await self._media.upload(data, content_type, name, owner)
            except HomeserverUnavailable:
                if tries == _TRIES:
                    raise
                await asyncio.sleep(_AGAIN.delay(tries))
        raise FileRefused("no try left", FileProblem.UNREACHABLE)

"""Files of an answer: fetched from the agent, uploaded to the homeserver's media repository."""

from __future__ import annotations

import asyncio
import mimetypes
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from agent_bridge.core.answers import AnswerFile
from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import FileProblem, FileRefused, HomeserverRefused, HomeserverUnavailable
from agent_bridge.files import data_urls
from agent_bridge.files.sniff import Family, kind_of
from agent_bridge.render.attachment import shown_name
from agent_bridge.upstream.download.fetch import Fetched

if TYPE_CHECKING:
    from collections.abc import Sequence

    from yarl import URL

    from agent_bridge.config.conversations import FilesConfig
    from agent_bridge.core.answers import MediaFile
    from agent_bridge.files.pictures import PictureReader
    from agent_bridge.files.results import Preview
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.media import Media
    from agent_bridge.upstream.answer import FileDelta
    from agent_bridge.upstream.download.fetch import Fetcher

_log = structlog.stdlib.get_logger(__name__)

_MARKDOWN = "text/markdown"
_REST = "answer.md"
#: Seconds that an answer waits for all its files.
_PATIENCE = 60.0
#: Pauses between the tries of one upload, and their number: half a minute in all.
_BACKOFF, _TRIES = Backoff(first=1, cap=16), 5
_SUFFIX = re.compile(r"\.\w{1,8}$")


class Uploads:
    """Uploads the files of answers, each as the ghost that sends it (*as_user*) into a room."""

    def __init__(
        self, media: Media, fetcher: Fetcher, pictures: PictureReader, files: FilesConfig, texts: Texts
    ) -> None:
        self._media = media
        self._pictures = pictures
        self._fetcher = fetcher
        self._max_bytes = files.max_bytes
        self._texts = texts

    async def upload_all(
        self, files: Sequence[FileDelta], room_id: str, *, own: URL, as_user: str, title: str
    ) -> tuple[tuple[AnswerFile, ...], tuple[str, ...]]:
        """Return *files* uploaded, and a sentence about each file that could not be.

        *own* is the URL of the upstream that gave the files: links to its host may be followed. *title* is the name of
        a file that has none.
        """
        uploaded, notes = [], []
        end = asyncio.get_running_loop().time() + _PATIENCE
        for number, file in enumerate(files, 1):
            name = file.name or (title if number == 1 else f"{title} {number}")
            if file.problem is not None:
                notes.append(self._texts.not_sent.format(name=name, cause=self._texts.file_problems[file.problem]))
                continue
            try:
                async with asyncio.timeout_at(end):
                    fetched = await self._fetch(file, own)
                    name = file.name or fetched.name or name
                    uploaded.append(await self._upload_file(room_id, fetched, name, as_user))
            except TimeoutError:
                cause = self._texts.file_problems[FileProblem.UNREACHABLE]
                notes.append(self._texts.not_sent.format(name=name, cause=cause))
            except (FileRefused, HomeserverRefused, HomeserverUnavailable) as error:
                notes.append(self._texts.not_sent.format(name=name, cause=error.says(self._texts)))
        return tuple(uploaded), tuple(notes)

    async def upload_data(self, room_id: str, data: bytes, claimed: str, name: str, as_user: str) -> AnswerFile:
        """Return a file uploaded. Its bytes decide its type, and the *claimed* one as far as they do not.

        Raises:
            TooLarge: the homeserver takes no file of that size.
            HomeserverError: it is not uploaded.
        """
        return await self._upload_file(room_id, Fetched(data, claimed, name), name, as_user)

    async def upload_rest(self, room_id: str, text: str, *, as_user: str) -> AnswerFile | None:
        """Return the Markdown *text*, the rest of an answer, uploaded as a file; None if the homeserver refuses it."""
        try:
            media = await self._upload(room_id, text.encode(), _MARKDOWN, _REST, as_user)
        except (FileRefused, HomeserverRefused, HomeserverUnavailable) as error:
            _log.warning("the rest of an answer is not sent as a file", error=str(error))
            return None
        return AnswerFile(media, _REST)

    async def _fetch(self, file: FileDelta, own: URL) -> Fetched:
        if file.url[:5].lower() != "data:":
            return await self._fetcher.fetch(file.url, limit=self._max_bytes, own=own)
        # In a thread: a data URL may have millions of characters.
        content_type, data = await asyncio.to_thread(data_urls.parse, file.url, limit=self._max_bytes)
        return Fetched(data, content_type, "")

    async def _upload_file(self, room_id: str, fetched: Fetched, name: str, as_user: str) -> AnswerFile:
        kind = await asyncio.to_thread(kind_of, fetched.data, fetched.claimed, fetched.name)
        if kind.family is Family.IMAGE:
            try:
                preview = await self._pictures.preview(fetched.data, holder=as_user)
            except FileRefused as error:
                # A client may be able to show a picture that the bridge cannot decode.
                _log.info("a picture is sent as a file", error=str(error))
            else:
                return await self._upload_picture(room_id, fetched.data, preview, name, as_user)
        name = _with_suffix(name, kind.content_type)
        media = await self._upload(room_id, fetched.data, kind.content_type, name, as_user)
        return AnswerFile(media, shown_name(name))

    async def _upload_picture(self, room_id: str, data: bytes, preview: Preview, name: str, as_user: str) -> AnswerFile:
        info, small = preview.info, preview.thumbnail
        name = _with_suffix(name, info.content_type)
        media = await self._upload(room_id, data, info.content_type, name, as_user)
        thumbnail = await self._upload(room_id, small.data, small.content_type, name, as_user)
        return AnswerFile(
            replace(media, width=info.width, height=info.height, animated=info.animated),
            shown_name(name),
            thumbnail=replace(thumbnail, width=small.width, height=small.height),
            blurhash=preview.blurhash,
        )

    async def _upload(self, room_id: str, data: bytes, content_type: str, name: str, as_user: str) -> MediaFile:
        for tries in range(1, _TRIES):
            try:
                return await self._media.upload_for(room_id, data, content_type, name, as_user)
            except HomeserverUnavailable:
                await asyncio.sleep(_BACKOFF.delay(tries))
        return await self._media.upload_for(room_id, data, content_type, name, as_user)


def _with_suffix(name: str, content_type: str) -> str:
    """Return *name* with the suffix of its media type, unless it has any suffix."""
    return name if _SUFFIX.search(name) else name + (mimetypes.guess_extension(content_type) or "")

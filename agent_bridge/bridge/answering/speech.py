"""Speech: the committed answer is read aloud in voice messages, after its text is shown.

The pieces are made, uploaded, stored with the turn, and sent, one after the other. So a piece that is stored is not
made again, and an event that was sent is found again (:meth:`Outbox.act`). An answer whose speech fails keeps its text,
and the room is told why, once a day for each agent.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog

from agent_bridge.bridge.queue.offload import rendered
from agent_bridge.core.answers import Part, Speech, SpokenPiece
from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import FileProblem, FileRefused, HomeserverRefused, TooLarge, UpstreamError
from agent_bridge.core.ids import mark
from agent_bridge.core.rooms import SpeechMode
from agent_bridge.i18n.catalogue import cause
from agent_bridge.render.attachment import voice_message
from agent_bridge.render.content import escape, in_reply_to, in_thread, message
from agent_bridge.render.spoken import speech_pieces, spoken

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from agent_bridge.bridge.answering.cancellation import Cancellations
    from agent_bridge.bridge.answering.outcome import Outcome
    from agent_bridge.bridge.delivery.outbox import Outbox
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.turns import Turn
    from agent_bridge.files.audio import Recording, RecordingReader
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.media import Media
    from agent_bridge.store.turns import Turns
    from agent_bridge.upstream.base import Upstream
    from agent_bridge.upstream.capabilities import Speak

_log = structlog.stdlib.get_logger(__name__)

_OGG: Final = "audio/ogg"
_MESSAGE = "m.room.message"
#: Parts of an answer's voice: the voice messages, and the notice that it failed.
_PARTS: Final = 32
#: Voice messages of one answer at most.
_MOST = 8
#: Tries of one request, and seconds in which all pieces of an answer are made: the lane waits meanwhile.
_TRIES, _RETRY, _PATIENCE = 2, Backoff(first=1, cap=5), 180.0


class Speaker:
    """Reads answers aloud by the capability ``speak`` of their *upstreams*."""

    def __init__(
        self,
        turns: Turns,
        upstreams: Mapping[str, Upstream],
        media: Media,
        recordings: RecordingReader,
        cancellations: Cancellations,
        texts: Texts,
        *,
        patience: float = _PATIENCE,
    ) -> None:
        self._turns = turns
        self._upstreams = upstreams
        self._media = media
        self._recordings = recordings
        self._cancellations = cancellations
        self._texts = texts
        self._patience = patience

    def prepared(self, turn: Turn, agent: Agent, outcome: Outcome) -> Outcome:
        """Return the whole *outcome* of *turn*, which is to be read aloud if people want that and the server can."""
        mode = turn.speech or SpeechMode.ASKED
        is_wanted = mode is SpeechMode.ON or (mode is SpeechMode.ASKED and _asks_by_voice(turn))
        if not is_wanted or self._capability_of(agent) is None or not outcome.text.strip():
            return outcome
        return replace(outcome, extras=replace(outcome.extras, speech=Speech()))

    async def speak(self, turn: Turn, agent: Agent, outbox: Outbox, outcome: Outcome, event_id: str) -> None:
        """Read *outcome* aloud, in voice messages that refer to the message *event_id*, unless a person ends that.

        Raises:
            HomeserverUnavailable, StoreError: the next attempt goes on.
        """
        speech, speak = outcome.extras.speech, self._capability_of(agent)
        if speech is None or speak is None:
            return
        relation = in_reply_to(event_id) if turn.root is None else in_thread(turn.root, event_id)
        work = self._read(turn, agent, outbox, speak, outcome.text, speech, relation)
        ended_by = await self._cancellations.unless_stopped(turn, work)
        if ended_by is not None:
            _log.info("the speech of an answer ends", room=turn.room_id, agent=agent.name, reason=ended_by)

    def _capability_of(self, agent: Agent) -> Speak | None:
        upstream = self._upstreams.get(agent.upstream)
        return None if upstream is None else upstream.can.speak

    async def _read(
        self,
        turn: Turn,
        agent: Agent,
        outbox: Outbox,
        speak: Speak,
        text: str,
        speech: Speech,
        relation: Mapping[str, Any],
    ) -> None:
        """Send the pieces behind those of *speech*, and then the notice of the failure, if there is one."""
        parts = Part.SPEECH[turn.retries * _PARTS % len(Part.SPEECH) :][:_PARTS]
        ends = asyncio.get_running_loop().time() + self._patience
        name = f"{self._texts.speech.name}.ogg"
        try:
            for number, words in enumerate(await self._pieces(text, speak.longest)):
                if speech.failure:
                    break
                if number == len(speech.pieces):
                    async with asyncio.timeout_at(ends):
                        recording = await self._record(speak, words, outbox.user_id)
                    piece = await self._upload(turn.room_id, recording, name, outbox.user_id)
                    speech = replace(speech, pieces=(*speech.pieces, piece))
                    await self._turns.spoken(turn, speech)
                content = voice_message(speech.pieces[number], name) | dict(relation)
                if await outbox.act(parts[number], content, _MESSAGE) is None:
                    return
        except (UpstreamError, FileRefused, HomeserverRefused, TimeoutError) as error:
            _log.warning("an answer is not read aloud", room=turn.room_id, agent=agent.name, error=str(error))
            speech = replace(speech, failure=self._cause(error, agent))
            await self._turns.spoken(turn, speech)
        if speech.failure and await self._turns.claim_day(turn, f"speech:{turn.room_id}:{agent.id}"):
            notice = self._texts.speech.failed.format(cause=speech.failure)
            content = message(notice, mark=mark(turn.key, parts[-1]), notice=True) | dict(relation)
            with suppress(HomeserverRefused):
                await outbox.act(parts[-1], content, _MESSAGE)

    async def _pieces(self, text: str, longest: int) -> list[str]:
        """Return the words of the answer *text* in pieces of at most *longest* characters."""
        words = self._texts.speech
        pieces = speech_pieces(await rendered(len(text), spoken, text, code=words.code), longest)
        if len(pieces) <= _MOST:
            return pieces
        last = speech_pieces(pieces[_MOST - 1], longest - len(words.rest) - 1)[0]
        return [*pieces[: _MOST - 1], f"{last}\n{words.rest}"]

    async def _record(self, speak: Speak, words: str, holder: str) -> Recording:
        """Have *words* read aloud; return the recording.

        Raises:
            UpstreamError, FileRefused: there is none.
        """
        tried = 0
        while True:
            try:
                return await self._recordings.as_opus(await speak(words), holder=holder)
            except UpstreamError as error:
                tried += 1
                if not error.retryable or tried == _TRIES:
                    raise
                await asyncio.sleep(min(error.retry_after or _RETRY.delay(tried), _RETRY.cap))

    async def _upload(self, room_id: str, recording: Recording, name: str, as_user: str) -> SpokenPiece:
        media = await self._media.upload_for(room_id, recording.data, _OGG, name, as_user)
        return SpokenPiece(media, recording.duration, recording.waveform)

    def _cause(self, error: Exception, agent: Agent) -> str:
        """Return the cause of a failure for the people in the room, as the end of a sentence."""
        words = self._texts.speech
        if isinstance(error, UpstreamError):
            return cause(error.cause_in_room(self._texts, escape(agent.name)))
        if isinstance(error, TooLarge | HomeserverRefused):
            return cause(error.says(self._texts))
        if isinstance(error, FileRefused):
            return words.not_installed if error.problem is FileProblem.NOT_INSTALLED else words.unreadable
        return words.slow


def _asks_by_voice(turn: Turn) -> bool:
    return any(file.voice for question in turn.questions for file in question.files)

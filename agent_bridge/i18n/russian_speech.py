"""The texts about answers that are read aloud in Russian."""

from __future__ import annotations

from agent_bridge.i18n.speech_texts import SpeechTexts

RUSSIAN_SPEECH = SpeechTexts(
    code="Код пропущен.",
    rest="Остальное в тексте.",
    name="Голосовое сообщение",
    failed="Ответ не озвучен: {cause}.",
    not_installed="этот мост установлен без дополнения `voice`",
    unreadable="запись сервера агента не читается",
    slow="у сервера агента это занимает слишком много времени",
    modes={
        "asked": "Здесь озвучиваются ответы на голосовые сообщения.",
        "on": "Здесь озвучиваются все ответы.",
        "off": "Здесь ответы не озвучиваются.",
    },
    no_speech="Ни один сервер агентов здесь не озвучивает ответы: ни у одного нет `{key}`.",
)

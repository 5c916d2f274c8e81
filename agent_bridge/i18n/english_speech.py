"""The texts about answers that are read aloud in English."""

from __future__ import annotations

from agent_bridge.i18n.speech_texts import SpeechTexts

ENGLISH_SPEECH = SpeechTexts(
    code="Code omitted.",
    rest="The rest is in the text.",
    name="Voice message",
    failed="The answer is not read aloud: {cause}.",
    not_installed="this bridge was installed without the extra `voice`",
    unreadable="the recording of the agent's server cannot be read",
    slow="the agent's server takes too long for that",
    modes={
        "asked": "Answers to voice messages are read aloud here.",
        "on": "All answers are read aloud here.",
        "off": "No answers are read aloud here.",
    },
    no_speech="No server of agents reads answers aloud here: none has a `{key}`.",
)

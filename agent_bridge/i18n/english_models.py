"""The texts about programs that speak the OpenAI API, in English."""

from __future__ import annotations

from agent_bridge.i18n.model_texts import ModelTexts

ENGLISH_MODELS = ModelTexts(
    thread="💬 The program *{program}* of *{by}* talks to *{target}* in this thread.",
    thread_with_person=(
        "💬 The program *{program}* of *{by}* asks you in this thread. Your next message in the thread is the answer, "
        "and so is a reply to a question."
    ),
    asks="A program of *{by}* asks:",
    on=(
        "Programs may ask you now, in a chat with me or with their agents. Everybody with a token sees your user id in "
        "their list. `{prefix} reachable off` undoes it."
    ),
    off="Programs do not ask you any more. `{prefix} reachable on` undoes it.",
    is_on="Programs may ask you. `{prefix} reachable off` ends that.",
    is_off="Programs may not ask you. `{prefix} reachable on` lets them.",
)

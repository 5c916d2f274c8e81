"""Which entries of a list are models that answer messages, and no models for embeddings, speech or images."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Keys with the purpose of a model, and words that purposes of models that chat contain.
_PURPOSE_KEYS = ("mode", "type", "task", "model_type", "pipeline_tag")
_CHAT_WORDS = (
    "chat",
    "completion",
    "respons",
    "llm",
    "vlm",
    "text-generation",
    "text2text",
    "text-to-text",
    "text_generation",
    "language",
)
#: Words of purposes of models that do not chat. Any other purpose says nothing.
_OTHER_WORDS = (
    "embed",
    "rerank",
    "rank",
    "audio",
    "speech",
    "transcri",
    "tts",
    "stt",
    "asr",
    "image",
    "video",
    "moderation",
    "classif",
    "feature-extraction",
    "similarity",
    "search",
    "ocr",
)
#: Keys of ``capabilities`` that are false for a model that does not chat.
_CAPABILITIES = ("completion_chat", "supports_chat", "chat", "chat_completion")
#: Globs of ids that are surely no models that chat, in lower case.
_IDS = (
    "*embed*",
    "*rerank*",
    "*moderation*",
    "*whisper*",
    "tts-*",
    "*-tts",
    "*-tts-*",
    "*-transcribe*",
    "dall-e*",
    "gpt-image*",
    "chatgpt-image*",
    "stable-diffusion*",
    "sdxl*",
    "sora-*",
    "imagen-*",
    "veo-*",
    "bge-*",
    "text-similarity-*",
    "text-search-*",
)


def can_chat(entry: Mapping[str, Any]) -> bool:
    """Tell whether the *entry* of a list is a model that answers messages. An entry that does not say it is one."""
    places = [entry, *(entry[key] for key in ("model_info", "meta", "details") if isinstance(entry.get(key), dict))]
    for place in places:
        capabilities = place.get("capabilities")
        if any(
            keys.get(key) is False for keys in (place, capabilities) if isinstance(keys, dict) for key in _CAPABILITIES
        ):
            return False
        for key in _PURPOSE_KEYS:
            purpose = place.get(key)
            if isinstance(purpose, str) and _is_other(purpose.lower()):
                return False
    architecture = entry.get("architecture")
    outputs = architecture.get("output_modalities") if isinstance(architecture, dict) else None
    return not isinstance(outputs, list) or not outputs or "text" in outputs


def is_no_chat_id(model_id: str) -> bool:
    """Tell whether *model_id*, with or without the name of its publisher, belongs to a model that does not chat."""
    name = model_id.casefold()
    return any(fnmatchcase(text, glob) for text in (name, name.rpartition("/")[2]) for glob in _IDS)


def _is_other(purpose: str) -> bool:
    return not any(word in purpose for word in _CHAT_WORDS) and any(word in purpose for word in _OTHER_WORDS)

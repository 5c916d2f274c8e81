"""The texts about conversations with agents, in one language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextTexts:
    """The part of :class:`~agent_bridge.i18n.catalogue.Texts` about contexts, instructions and models."""

    #: Before a question to an agent whose server keeps the conversation.
    instructed: str
    uninstructed: str

    #: Answers to commands.
    begun: str
    #: By :class:`~agent_bridge.core.results.contexts.ContextRefusal`.
    refused: Mapping[str, str]
    #: The lines of ``context``.
    report_bridge: str
    report_server: str
    report_empty: str
    report_began: str
    report_model: str
    report_prompt: str
    report_instructions: str
    report_no_prompt: str
    #: Answers to ``instructions`` and ``model``.
    instructions_set: str
    instructions_off: str
    instructions_now: str
    instructions_none: str
    model_set: str
    models: str
    models_how: str
    #: Answers to ``save``, ``saves``, ``load`` and ``forget``.
    saved: str
    list_head: str
    list_head_renewed: str
    list_empty: str
    list_saved: str
    list_ended: str
    list_more: str
    list_how: str
    loaded: str
    loaded_ended: str
    forgotten: str
    #: Answers to ``import``, and the name of the user who shows the messages of people.
    imported_name: str
    importing: str
    import_progress: str
    imported: str
    imported_none: str
    imported_known: str
    import_failed: str

"""The texts about programs that speak the OpenAI API, in one language."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTexts:
    """The part of :class:`~agent_bridge.i18n.catalogue.Texts` about them."""

    #: The first event of the thread of a conversation with an agent, and of one with a person.
    thread: str
    thread_with_person: str
    #: Before a question that the bot says.
    asks: str
    #: Answers of the command ``reachable``.
    on: str
    off: str
    is_on: str
    is_off: str

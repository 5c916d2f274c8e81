"""The base of all errors, and the errors of the program itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent_bridge.i18n.catalogue import Texts


class BridgeError(Exception):
    """Base of all expected errors."""

    #: Whether a repeat of the same request may succeed.
    retryable: bool = False
    #: Seconds that the other side asked to wait before a repeat; None: it named no time.
    retry_after: float | None = None

    def says(self, _texts: Texts, /) -> str:
        """Return the cause for people, without secrets, in the language of the texts.

        It is the end of a sentence. Errors that only operators see, on a terminal, are English in every language.
        """
        return str(self)


class ConfigError(BridgeError):
    """The configuration is wrong. The message names file, line, key and remedy."""


class CannotListen(BridgeError):
    """The bridge cannot listen on its address."""


class WorkEnded(BridgeError):
    """A part of the process ended that must not end. The process ends too, so that its supervisor starts it again."""

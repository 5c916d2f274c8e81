"""The errors of upstreams, from the connection to the end of an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.errors.base import BridgeError
from agent_bridge.i18n.catalogue import Text
from agent_bridge.i18n.english import ENGLISH

if TYPE_CHECKING:
    from agent_bridge.i18n.catalogue import Texts

#: Causes about the settings of an upstream, which only operators understand.
_ABOUT_SETTINGS = frozenset(
    {
        "upstream_redirects",
        "upstream_key",
        "upstream_no_list",
        "upstream_unusable",
        "upstream_no_http",
        "upstream_encoding",
        "upstream_no_tls",
        "upstream_perhaps_http",
        "upstream_perhaps_https",
        "upstream_no_websocket",
        "upstream_origin",
        "upstream_upgrade",
        "letta_version",
        "letta_lacks",
        "upstream_web_page",
        "voice_no_path",
        "speech_no_path",
        "answer_no_completion",
        "answer_no_json",
        "list_no_card",
        "a2a_no_interface",
        "a2a_other_host",
        "a2a_no_result",
        "a2a_wrong_id",
        "a2a_version",
    }
)
#: Causes whose texts name the remedy for operators.
_WITH_REMEDY = frozenset({"upstream_upgrade", "letta_version", "letta_lacks"})


class UpstreamError(BridgeError):
    """A request to an upstream failed."""

    #: Whether the upstream is away or starts, so that a message may wait for minutes. Implies *retryable*.
    not_begun: bool = False
    #: Whether the same question may succeed with less history. The upstream did nothing.
    perhaps_too_long: bool = False
    #: HTTP status of the response that is the cause, and the beginning of its body; None without a response.
    status: int | None = None
    body: bytes = b""

    def __init__(self, text: Text, *, retry_after: float | None = None, detail: str | None = None) -> None:
        super().__init__(ENGLISH.render(text))
        self._text = text
        self.retry_after = retry_after
        #: The upstream's message, shortened; None without one.
        self.detail = detail

    def says(self, texts: Texts, /) -> str:
        """Return the cause, followed by the upstream's message, which is not translated."""
        cause = self.cause(texts)
        return f"{cause}: {self.detail}" if self.detail else cause

    def cause(self, texts: Texts, /) -> str:
        """Return the cause without the upstream's message."""
        return texts.render(self._text)

    @property
    def is_about_settings(self) -> bool:
        """Whether only operators understand the cause."""
        return self._text.name in _ABOUT_SETTINGS

    @property
    def names_remedy(self) -> bool:
        """Whether the cause contains the remedy for operators."""
        return self._text.name in _WITH_REMEDY

    @property
    def is_about_key(self) -> bool:
        """Whether the server needs an API key, or refuses the one of the request."""
        return self._text.name == "upstream_key"

    def cause_in_room(self, texts: Texts, agent: str, /) -> str:
        """Return the cause for the people in the room of *agent*: without names and settings that operators know."""
        name = "upstream_misfit" if self.is_about_settings else self._text.name
        values = dict(self._text.values)
        if "upstream" in values or name != self._text.name:
            values["upstream"] = texts.agents_server.format(agent=agent)
        return texts.render(Text(name, **values))

    def remedy(self, texts: Texts, /) -> str:
        """Return the remedy as a whole sentence."""
        return texts.for_admins(texts.look_at_server)


class UpstreamUnreachable(UpstreamError):
    """The upstream could not be reached, or closed the connection before the first byte of its response."""

    retryable = True
    not_begun = True

    def remedy(self, texts: Texts, /) -> str:
        """Return to try again."""
        return texts.try_again


class UpstreamBusy(UpstreamError):
    """The upstream asked for a later repeat (429, 503 or the like)."""

    retryable = True

    def remedy(self, texts: Texts, /) -> str:
        """Return to try again later."""
        return texts.try_later


class UpstreamFailed(UpstreamError):
    """The upstream failed before the first byte of its answer (5xx)."""

    retryable = True


class UpstreamRefused(UpstreamError):
    """The upstream refused the request (4xx)."""

    def remedy(self, texts: Texts, /) -> str:
        """Return to check the configuration."""
        return texts.for_admins(texts.look_at_config)


class ConversationTooLong(UpstreamRefused):
    """The conversation exceeds the context of the agent's model."""

    perhaps_too_long = True

    def remedy(self, texts: Texts, /) -> str:
        """Return to shorten the conversation."""
        return texts.shorten


class MessageTooLong(ConversationTooLong):
    """The message alone exceeds the context of the agent's model."""

    def remedy(self, texts: Texts, /) -> str:
        """Return to send a shorter message."""
        return texts.send_less


class QuestionRefused(UpstreamRefused):
    """The upstream does not answer a question of this content."""

    def remedy(self, texts: Texts, /) -> str:
        """Return to ask in other words."""
        return texts.say_otherwise


class UpstreamProtocolError(UpstreamError):
    """The upstream's response does not follow its API."""

    def remedy(self, texts: Texts, /) -> str:
        """Return to check the configuration."""
        return texts.for_admins(texts.look_at_config)


class AnswerInterrupted(UpstreamError):
    """The answer began and did not reach its end."""

    def remedy(self, texts: Texts, /) -> str:
        """Return to try again."""
        return texts.try_again


class AnswerFiltered(AnswerInterrupted):
    """A filter of the upstream stopped the answer."""

    def remedy(self, texts: Texts, /) -> str:
        """Return to ask in other words."""
        return texts.say_otherwise


class AnswerEmpty(UpstreamError):
    """The upstream ended its answer without any text or file."""

    def remedy(self, texts: Texts, /) -> str:
        """Return to try again."""
        return texts.try_again


class AnswerMissing(AnswerEmpty):
    """The upstream ended its answer without any sign of work, as some servers do if the conversation is too long."""

    perhaps_too_long = True


class AnswerTooLong(UpstreamError):
    """The answer exceeds the configured limit of characters or of time."""

    def remedy(self, texts: Texts, /) -> str:
        """Return to ask for a shorter answer."""
        return texts.ask_for_less


class AgentGone(UpstreamError):
    """The upstream does not have the agent, or no longer has it."""

    def remedy(self, texts: Texts, /) -> str:
        """Return to talk to another agent."""
        return texts.for_admins(texts.ask_another)


class AnswerAwaited(UpstreamError):
    """The agent connects itself, and has not replied yet. Its reply has the turn go on before *retry_after* seconds."""

    retryable = True


class AgentSilent(UpstreamError):
    """The agent connects itself, and has not replied in time."""

    def remedy(self, texts: Texts, /) -> str:
        """Return to try again."""
        return texts.try_again

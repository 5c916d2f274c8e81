"""Results of ``token`` and ``tokens``, and the secrets of tokens, as Markdown."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from agent_bridge.core.results.tokens import TokenEntry, TokenList, TokenMade, TokenNotMade, TokenRevoked
from agent_bridge.render.content import escape, fenced, shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent_bridge.i18n.catalogue import Texts

_USE = """AGENT_BRIDGE_URL={url}
AGENT_BRIDGE_TOKEN={token}
curl -H "Authorization: Bearer $AGENT_BRIDGE_TOKEN" "$AGENT_BRIDGE_URL/v1/me\""""


def token_renderers(texts: Texts, prefix: str) -> Mapping[type, Callable[[Any], str]]:
    """Return the functions that render results, by the types of the results; *prefix* starts a command in a room."""
    words = texts.tokens
    return {
        TokenMade: lambda result: words.made.format(
            number=result.number, name=escape(result.name), identity=escape(result.identity)
        ),
        TokenNotMade: lambda result: words.problems[result.problem].format(
            name=escape(shortened(result.name)), most=result.most, prefix=prefix
        ),
        TokenRevoked: lambda result: words.revoked.format(number=result.number, name=escape(result.name)),
        TokenList: partial(_list, texts, prefix),
    }


def secret_text(name: str, token: str, url: str, texts: Texts) -> str:
    """Return the message that tells a person a token."""
    return f"{texts.tokens.head.format(name=escape(name))}\n\n{fenced(_USE.format(url=url, token=token), 'sh')}"


def _list(texts: Texts, prefix: str, result: TokenList) -> str:
    words = texts.tokens
    if not result.tokens:
        return (words.none_of_all if result.is_of_all else words.none).format(prefix=prefix)
    lines = [_entry(texts, each) for each in result.tokens]
    foot = words.foot.format(prefix=prefix)
    if result.pages > 1:
        following = result.page % result.pages + 1
        page = words.page.format(page=result.page, pages=result.pages, prefix=prefix, following=following)
        foot = f"{page}\n\n{foot}"
    return "\n".join([words.list_head, "", *lines, "", foot])


def _entry(texts: Texts, entry: TokenEntry) -> str:
    words, now = texts.tokens, datetime.now(UTC)
    facts = [words.can.format(capabilities=", ".join(entry.capabilities))]
    if entry.rooms is not None:
        facts.append(words.limited.format(rooms=entry.rooms))
    facts.append(words.created.format(age=texts.duration((now - entry.created_at).total_seconds())))
    if entry.last_used_at is None:
        facts.append(words.unused)
    else:
        facts.append(words.used.format(age=texts.duration((now - entry.last_used_at).total_seconds())))
    if entry.expires_at is not None:
        facts.append(words.expires.format(time=texts.duration((entry.expires_at - now).total_seconds())))
    return f"- **{entry.number}** {escape(entry.name)}: *{escape(entry.identity)}* ({'; '.join(facts)})"

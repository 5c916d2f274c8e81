"""Results of ``trigger`` and ``triggers``, and the secrets of triggers, as Markdown."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from agent_bridge.core.results.triggers import TriggerEntry, TriggerList, TriggerMade, TriggerNotMade, TriggerRevoked
from agent_bridge.render.content import escape, fenced, in_backticks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent_bridge.i18n.catalogue import Texts

_CALLBACK = """curl -X POST -H 'Content-Type: text/plain' --data-binary 'The job is done.' \\
  '{url}'"""
_SIGNED = """URL={url}
KEY={key}
BODY='{{"text": "The job is done."}}'
TIME=$(date +%s)
SIGNATURE=$(printf '%s.%s' "$TIME" "$BODY" | openssl dgst -sha256 -hmac "$KEY" | sed 's/^.* //')
curl -X POST -H 'Content-Type: application/json' -H "X-Agent-Bridge-Timestamp: $TIME" \\
  -H "X-Agent-Bridge-Signature: sha256=$SIGNATURE" --data-binary "$BODY" "$URL\""""


def trigger_renderers(texts: Texts, prefix: str) -> Mapping[type, Callable[[Any], str]]:
    """Return the functions that render results, by the types of the results; *prefix* starts a command in a room."""
    words = texts.triggers
    return {
        TriggerMade: lambda result: words.made[result.kind].format(
            number=result.number, name=escape(result.name), agent=escape(result.agent)
        ),
        TriggerNotMade: lambda result: words.problems[result.problem].format(
            name=escape(result.name), most=result.most, prefix=prefix
        ),
        TriggerRevoked: lambda result: words.revoked.format(number=result.number, name=escape(result.name)),
        TriggerList: partial(_list, texts, prefix),
    }


def secret_text(name: str, url: str, key: str | None, seconds: float, texts: Texts) -> str:
    """Return the message that tells the owner of a trigger its secret; *key* None: the *url* is the secret."""
    words = texts.triggers
    if key is None:
        head = words.callback_head.format(name=escape(name), time=texts.duration(seconds))
        return f"{head}\n\n{fenced(_CALLBACK.format(url=url), 'sh')}"
    return f"{words.signed_head.format(name=escape(name))}\n\n{fenced(_SIGNED.format(url=url, key=key), 'sh')}"


def _list(texts: Texts, prefix: str, result: TriggerList) -> str:
    words = texts.triggers
    if not result.triggers:
        return (words.none_of_all if result.is_of_all else words.none).format(prefix=prefix)
    lines = [_entry(texts, each, is_of_all=result.is_of_all) for each in result.triggers]
    foot = words.foot.format(prefix=prefix)
    if result.pages > 1:
        following = result.page % result.pages + 1
        page = words.page.format(page=result.page, pages=result.pages, prefix=prefix, following=following)
        foot = f"{page}\n\n{foot}"
    return "\n".join([words.head, "", *lines, "", foot])


def _entry(texts: Texts, entry: TriggerEntry, *, is_of_all: bool) -> str:
    words, now = texts.triggers, datetime.now(UTC)
    facts = [
        words.kinds[entry.kind],
        words.created.format(age=texts.duration((now - entry.created_at).total_seconds())),
    ]
    if entry.last_used_at is not None:
        facts.append(words.used.format(age=texts.duration((now - entry.last_used_at).total_seconds())))
    if entry.expires_at is not None:
        facts.append(words.expires.format(time=texts.duration((entry.expires_at - now).total_seconds())))
    if is_of_all:
        facts.append(words.owner.format(owner=escape(entry.owner)))
    room = f"`{in_backticks(entry.room_id)}`"
    return f"- **{entry.number}** {escape(entry.name)}: *{escape(entry.agent)}*, {room} ({'; '.join(facts)})"

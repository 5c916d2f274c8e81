"""The status of an upstream as Markdown for administrators."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from agent_bridge.render.content import escape, in_backticks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.core.upstreams import Health
    from agent_bridge.i18n.catalogue import Texts

#: Names that a sentence lists. A list of thousands, with names of 200 characters, is larger than an event.
_NAMES = 10


def upstream_status(health: Health, texts: Texts, prefix: str) -> str:
    """Return the number of agents or the failure of an upstream, and which changes wait for which command.

    *prefix* starts a command in a room.
    """
    name, commands = escape(health.name), texts.commands
    if health.error is not None:
        return commands.status_failing.format(name=name, cause=escape(health.error or commands.not_asked_yet))
    sentences = [commands.status_upstream.format(name=name, agents=texts.count(health.agents, texts.agent))]
    if health.appeared:
        vanished = few([f"*{escape(each)}*" for each in health.vanished], texts)
        # Ids that are names say enough.
        pairs = zip_longest(health.appeared, health.appeared_names)
        appeared = few(
            [
                f"`{in_backticks(each)}`" + (f" ({escape(name)})" if name not in {each, None} else "")
                for each, name in pairs
                if each is not None
            ],
            texts,
        )
        sentences.append(commands.status_unclear.format(vanished=vanished, appeared=appeared, prefix=prefix))
    if health.doubted:
        sentences.append(commands.status_doubted.format(doubted=health.doubted, prefix=prefix))
    if health.waiting:
        sentences.append(commands.status_waiting.format(waiting=health.waiting, prefix=prefix))
    return ". ".join(sentences)


def few(names: Sequence[str], texts: Texts) -> str:
    """Return the first of *names*, and how many more there are."""
    more = [texts.repairs.plan_more.format(count=len(names) - _NAMES)] if len(names) > _NAMES else []
    return ", ".join([*names[:_NAMES], *more])


def upstream_facts(health: Health, texts: Texts) -> str:
    """Return the kind of an upstream, the software of its server and its capabilities; empty if they are not known."""
    if not health.kind:
        return ""
    facts = [f"`kind: {health.kind}`", escape(health.server)]
    if health.capabilities:
        names = ", ".join(f"`{name}`" for name in health.capabilities)
        facts.append(texts.commands.status_capabilities.format(names=names))
    return ", ".join(filter(None, facts))

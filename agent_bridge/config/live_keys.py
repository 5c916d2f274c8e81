"""The keys of the configuration that count without a restart, and the differences between two configurations.

A key is named by its path: ``permissions``, ``rooms.invite``, ``upstreams[letta].poll_interval``. Values are never
named, because they may be secrets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.config.model import Config
from agent_bridge.config.section import Section

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agent_bridge.config.upstreams import UpstreamConfig

#: The keys that a reload applies. All others need a restart. The parts of the bridge read them from the cell with the
#: configuration each time that they need them, and those that keep something made of them watch the cell.
LIVE_KEYS = frozenset(
    {
        # The leader also looks at these two without a reload.
        "agents",
        "agents_file",
        "budgets.chain_tokens",
        "budgets.chain_turns",
        "budgets.max_hops",
        "budgets.pair_per_minute",
        "chats.max_per_user",
        "ephemeral_after",
        "logging.level",
        "permissions",
        "prices.models",
        "quotas",
        "retention.transcript_days",
        "retention.turns_days",
        "retire.after_days",
        "retire.delete",
        "rooms.invite",
        "timezone",
    }
)


@dataclass(frozen=True, slots=True)
class ConfigChanges:
    """The paths of the keys that differ between two configurations, in the order of the file."""

    #: Those that count without a restart, and the others.
    live: tuple[str, ...]
    restart: tuple[str, ...]


def changes(running: Config, new: Config) -> ConfigChanges:
    """Return the keys in which *new* differs from *running*."""
    paths = list(_changed(running, new, ""))
    return ConfigChanges(
        tuple(path for path in paths if path in LIVE_KEYS), tuple(path for path in paths if path not in LIVE_KEYS)
    )


def with_live_keys(running: Config, new: Config) -> Config:
    """Return *running* with the values of *new* for the live keys."""
    values: dict[str, object] = {}
    for name in Config.model_fields:
        before, after = getattr(running, name), getattr(new, name)
        if name in LIVE_KEYS:
            values[name] = after
        elif isinstance(before, Section):
            inner = {key: getattr(after, key) for key in type(before).model_fields if f"{name}.{key}" in LIVE_KEYS}
            values[name] = before.model_copy(update=inner)
    return running.model_copy(update=values)


def _changed(before: Section, after: Section, place: str) -> Iterator[str]:
    """Yield the paths below *place* in which two sections of one type differ."""
    for name in type(before).model_fields:
        old, new, path = getattr(before, name), getattr(after, name), f"{place}{name}"
        if path == "upstreams":
            yield from _changed_upstreams(old, new)
        elif isinstance(old, Section):
            yield from _changed(old, new, f"{path}.")
        elif _differ(old, new):
            yield path


def _changed_upstreams(before: Sequence[UpstreamConfig], after: Sequence[UpstreamConfig]) -> Iterator[str]:
    old, new = ({each.name: each for each in upstreams} for upstreams in (before, after))
    if [name for name in old if name in new] != [name for name in new if name in old]:
        yield "upstreams"
    for name in {**old, **new}:
        path = f"upstreams[{name}]"
        if name in old and name in new:
            yield from _changed(old[name], new[name], f"{path}.")
        else:
            yield path


def _differ(old: object, new: object) -> bool:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        # Of patterns the first that matches counts.
        return list(old.items()) != list(new.items())
    return old != new

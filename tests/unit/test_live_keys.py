"""Which keys of the configuration count without a restart, and how changes are named: by paths, without values."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from agent_bridge.config.example import example
from agent_bridge.config.live_keys import LIVE_KEYS, ConfigChanges, changes, with_live_keys
from agent_bridge.config.model import Config
from agent_bridge.config.section import Section
from agent_bridge.config.upstreams import UpstreamConfig
from agent_bridge.core.roles import Role

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNNING = example()
CANARY = "CANARY-of-a-secret"


def _places() -> Iterator[tuple[str, ...]]:
    """Yield the place of every key: of the sections, and of an upstream."""
    for name, field in Config.model_fields.items():
        if name == "upstreams":
            yield from ((name, key) for key in UpstreamConfig.model_fields if key != "name")
        elif inspect.isclass(field.annotation) and issubclass(field.annotation, Section):
            yield from ((name, key) for key in field.annotation.model_fields)
        else:
            yield (name,)


PLACES = list(_places())


def _path(place: tuple[str, ...]) -> str:
    return f"upstreams[letta].{place[1]}" if place[0] == "upstreams" else ".".join(place)


def _with(place: tuple[str, ...], value: object) -> Config:
    """Return the example with another *value* at *place*, which is not validated."""
    if place[0] == "upstreams":
        upstream = RUNNING.upstreams[0].model_copy(update={place[1]: value})
        return RUNNING.model_copy(update={"upstreams": (upstream,)})
    if len(place) == 1:
        return RUNNING.model_copy(update={place[0]: value})
    section: Section = getattr(RUNNING, place[0])
    return RUNNING.model_copy(update={place[0]: section.model_copy(update={place[1]: value})})


def _at(config: Config, place: tuple[str, ...]) -> Any:
    if place[0] == "upstreams":
        return getattr(config.upstreams[0], place[1])
    found: Any = config
    for part in place:
        found = getattr(found, part)
    return found


def test_each_live_key_exists() -> None:
    assert {_path(place) for place in PLACES} >= LIVE_KEYS


def test_each_key_counts_at_once_or_after_a_restart() -> None:
    for place in PLACES:
        other = object()
        new, path = _with(place, other), _path(place)
        found, is_live = changes(RUNNING, new), path in LIVE_KEYS
        assert found == (ConfigChanges((path,), ()) if is_live else ConfigChanges((), (path,)))
        merged = with_live_keys(RUNNING, new)
        assert (_at(merged, place) is other) == is_live, path
        # What needs a restart is told again, and what counts is not.
        assert changes(merged, new) == ConfigChanges((), found.restart)


def test_no_value_is_named() -> None:
    for place in PLACES:
        for value in (CANARY, SecretStr(CANARY), {"key": CANARY}, (CANARY,)):
            other = _with(place, value)
            assert CANARY not in f"{changes(RUNNING, other)} {changes(other, RUNNING)}", place


def test_nothing_has_changed() -> None:
    assert changes(RUNNING, example()) == ConfigChanges((), ())


def test_the_order_of_permissions_is_a_change() -> None:
    patterns = {"@a*:x.org": Role.ADMIN, "@*:x.org": Role.NONE}
    turned = dict(reversed(patterns.items()))
    assert changes(_with(("permissions",), patterns), _with(("permissions",), turned)).live == ("permissions",)


def test_upstreams_are_compared_by_name() -> None:
    (letta,) = RUNNING.upstreams
    second = letta.model_copy(update={"name": "second"})
    both, turned = (RUNNING.model_copy(update={"upstreams": each}) for each in ((letta, second), (second, letta)))
    assert changes(RUNNING, both).restart == ("upstreams[second]",)
    assert changes(both, RUNNING).restart == ("upstreams[second]",)
    assert changes(both, turned).restart == ("upstreams",)
    changed = second.model_copy(update={"poll_interval": 9.0, "api_key": SecretStr(CANARY)})
    others = RUNNING.model_copy(update={"upstreams": (letta, changed)})
    assert changes(both, others).restart == ("upstreams[second].api_key", "upstreams[second].poll_interval")

"""The registration file, by which the homeserver knows the bridge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_bridge.config.text import flow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agent_bridge.config.model import Config

_HEAD = "# Registration of agent_bridge for the homeserver. agent-bridge registration generates it from config.yaml.\n"


def registration(config: Config) -> dict[str, Any]:
    """Return the registration of *config* as in the Matrix spec, "Application Service API: Registration".

    The namespaces are exclusive: the homeserver gives their names to no other user.
    """
    service, names = config.appservice, config.namespace
    needs_devices = config.encryption.allow or config.answers.event_streams
    # The name in the specification, and that of MSC2409, which Synapse reads.
    ephemeral = dict.fromkeys(("receive_ephemeral", "de.sorunome.msc2409.push_ephemeral"), True)
    return {
        "id": service.id,
        "url": service.url,
        "as_token": service.as_token.get_secret_value(),
        "hs_token": service.hs_token.get_secret_value(),
        "sender_localpart": service.bot_username,
        "rate_limited": False,
        "namespaces": {
            "users": _exclusive(names.user_regex, names.bot_regex),
            "aliases": _exclusive(names.alias_regex, names.space_alias_regex),
            "rooms": [],
        },
        **(ephemeral if config.api.typing or needs_devices else {}),
        # Devices of ghosts (MSC4190), and news about keys in transactions (MSC3202), as Synapse reads them.
        **({"io.element.msc4190": True} if needs_devices else {}),
        **({"org.matrix.msc3202": True} if config.encryption.allow else {}),
    }


def to_yaml(document: Mapping[str, Any]) -> str:
    """Return *document*, a registration, as the text of registration.yaml."""
    return _HEAD + "".join(f"{line}\n" for line in _lines(document, ""))


def _exclusive(*regexes: str) -> list[dict[str, Any]]:
    return [{"regex": regex, "exclusive": True} for regex in regexes]


def _lines(mapping: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, value in mapping.items():
        if isinstance(value, dict):
            yield f"{indent}{key}:"
            yield from _lines(value, indent + "  ")
        elif isinstance(value, list) and value:
            yield f"{indent}{key}:"
            yield from (f"{indent}  - {flow(item)}" for item in value)
        else:
            yield f"{indent}{key}: {flow(value)}"

"""The texts about tokens of programs, in one language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTexts:
    """The part of :class:`~agent_bridge.i18n.catalogue.Texts` about tokens of programs."""

    made: str
    #: By :class:`~agent_bridge.core.results.tokens.TokenProblem`.
    problems: Mapping[str, str]
    revoked: str
    #: Told to the owner alone.
    head: str
    #: The list.
    none: str
    none_of_all: str
    list_head: str
    foot: str
    page: str
    can: str
    limited: str
    created: str
    used: str
    unused: str
    expires: str

"""The tokens that answers take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Numbers of tokens, as an upstream counts them: of one report, or of several together."""

    input_tokens: int
    output_tokens: int
    #: Those of *input_tokens* that the model had in its cache; None: the upstream does not tell.
    cached_tokens: int | None = None

    def __add__(self, other: Usage) -> Usage:
        """Return the numbers of both together."""
        cached = [each for each in (self.cached_tokens, other.cached_tokens) if each is not None]
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            sum(cached) if cached else None,
        )

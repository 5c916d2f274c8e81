"""Sums of five minutes each, from which the plots of the admin page are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

#: Seconds of a sum, and days for which sums are kept.
STEP, DAYS = 300, 7
#: Upper bounds of the buckets of times, in seconds. One more bucket has the longer times.
BOUNDS: Final = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollup:
    """The sums of one length of time."""

    #: Its beginning.
    at: datetime
    #: Requests to agents that ended, by their ends.
    done: int = 0
    failed: int = 0
    stopped: int = 0
    #: Numbers of answers by the bucket of their time, from 0: to the first words, and to the whole answer.
    first_words: Mapping[int, int]
    whole_answer: Mapping[int, int]
    input_tokens: int = 0
    output_tokens: int = 0
    #: None: no price was known.
    cost: Decimal | None = None


def joined(at: datetime, parts: Sequence[Rollup]) -> Rollup:
    """Return the sums of *parts* together, which begin at *at*."""
    costs = [each.cost for each in parts if each.cost is not None]
    return Rollup(
        at=at,
        done=sum(each.done for each in parts),
        failed=sum(each.failed for each in parts),
        stopped=sum(each.stopped for each in parts),
        first_words=_added([each.first_words for each in parts]),
        whole_answer=_added([each.whole_answer for each in parts]),
        input_tokens=sum(each.input_tokens for each in parts),
        output_tokens=sum(each.output_tokens for each in parts),
        cost=sum(costs[1:], costs[0]) if costs else None,
    )


def percentile(buckets: Mapping[int, int], share: float) -> float | None:
    """Return the time below which *share* of the answers are, in seconds; None without answers.

    Within a bucket the times count as evenly distributed. Of those above the last bound the bound is returned.
    """
    total = sum(buckets.values())
    if not total:
        return None
    wanted, before = share * total, 0
    for bucket in sorted(buckets):
        count = buckets[bucket]
        if before + count >= wanted and count:
            if bucket >= len(BOUNDS):
                break
            low = BOUNDS[bucket - 1] if bucket else 0.0
            return low + (BOUNDS[bucket] - low) * (wanted - before) / count
        before += count
    return BOUNDS[-1]


def _added(parts: Sequence[Mapping[int, int]]) -> dict[int, int]:
    found: dict[int, int] = {}
    for part in parts:
        for bucket, count in part.items():
            found[bucket] = found.get(bucket, 0) + count
    return found

"""The observer that counts, in metrics of prometheus-client."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from agent_bridge.core.observer import Observer
from agent_bridge.metrics import catalogue as known
from agent_bridge.metrics.catalogue import METHODS, OTHER, Kind

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from agent_bridge.core.observer import Operation, RequestResult, TransactionResult
    from agent_bridge.core.turns import TurnKind
    from agent_bridge.core.usage import UsageEntry
    from agent_bridge.metrics.catalogue import Metric

#: Seconds of the longest time that a histogram takes. The time of a message is that of its sender's server, which may
#: name any time in the past.
_LONGEST = 86_400.0
_NOTHING: Mapping[str, Sequence[str]] = {}


class CountingObserver(Observer):
    """Counts in *registry*. *upstreams*: the names of the configuration; others count as ``other``."""

    measures = True

    def __init__(self, registry: CollectorRegistry, upstreams: Collection[str], currency: str) -> None:
        # A series with the time of its creation would stand beside each counter.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library lacks its type
        self.registry = registry
        self._upstreams = frozenset(upstreams)
        self._currency = currency
        configured = {"upstream": tuple(upstreams), "currency": (currency,)}
        self._turns = _counter(known.TURNS, registry)
        self._first_words = _histogram(known.FIRST_WORDS, registry)
        self._whole_answer = _histogram(known.WHOLE_ANSWER, registry)
        self._edits = _counter(known.EDITS, registry)
        self._transactions = _counter(known.TRANSACTIONS, registry)
        self._events = _counter(known.TRANSACTION_EVENTS, registry)
        self._transaction_seconds = _histogram(known.TRANSACTION_SECONDS, registry)
        self._homeserver_requests = _counter(known.HOMESERVER_REQUESTS, registry)
        self._homeserver_seconds = _histogram(known.HOMESERVER_SECONDS, registry)
        self._upstream_requests = _counter(known.UPSTREAM_REQUESTS, registry)
        self._tokens = _counter(known.TOKENS, registry, configured)
        self._cached_tokens = _counter(known.CACHED_TOKENS, registry)
        self._cost = _counter(known.COST, registry, configured)
        self._api_requests = _counter(known.API_REQUESTS, registry)
        self._api_seconds = _histogram(known.API_SECONDS, registry)

    def turn_ended(self, kind: TurnKind, outcome: str, times: int = 1) -> None:
        """See :class:`Observer`."""
        self._turns.labels(kind, outcome).inc(times)

    def answered(self, upstream: str, *, whole: float, first_words: float | None) -> None:
        """See :class:`Observer`."""
        name = self._known(upstream)
        self._whole_answer.labels(name).observe(_limited(whole))
        if first_words is not None:
            self._first_words.labels(name).observe(_limited(first_words))

    def edited(self, *, sent: bool) -> None:
        """See :class:`Observer`."""
        self._edits.labels("sent" if sent else "skipped").inc()

    def transaction(self, result: TransactionResult, events: int, seconds: float) -> None:
        """See :class:`Observer`."""
        self._transactions.labels(result).inc()
        self._events.inc(events)
        self._transaction_seconds.observe(seconds)

    def homeserver_request(self, method: str, result: RequestResult, seconds: float) -> None:
        """See :class:`Observer`."""
        name = _method(method)
        self._homeserver_requests.labels(name, result).inc()
        self._homeserver_seconds.labels(name).observe(seconds)

    def upstream_request(self, upstream: str, operation: Operation, result: RequestResult) -> None:
        """See :class:`Observer`."""
        self._upstream_requests.labels(self._known(upstream), operation, result).inc()

    def used(self, entry: UsageEntry) -> None:
        """See :class:`Observer`."""
        name, source = self._known(entry.upstream), "estimated" if entry.is_estimated else "reported"
        # Servers may report anything, and a counter takes no negative number.
        self._tokens.labels(name, "input", source).inc(max(0, entry.usage.input_tokens))
        self._tokens.labels(name, "output", source).inc(max(0, entry.usage.output_tokens))
        if entry.usage.from_cache > 0:
            self._cached_tokens.labels(name).inc(entry.usage.from_cache)
        if entry.cost is not None:
            self._cost.labels(name, self._currency).inc(max(0.0, float(entry.cost)))

    def api_request(self, route: str, method: str, status: int, seconds: float | None) -> None:
        """Note a request of a program; *route*: the template of its path; *seconds*: None for a stream."""
        self._api_requests.labels(route, _method(method), f"{status // 100}xx").inc()
        if seconds is not None:
            self._api_seconds.observe(seconds)

    def _known(self, upstream: str) -> str:
        return upstream if upstream in self._upstreams else OTHER


def _method(method: str) -> str:
    return method if method in METHODS else OTHER


def _limited(seconds: float) -> float:
    return min(max(0.0, seconds), _LONGEST)


def _counter(
    metric: Metric, registry: CollectorRegistry, configured: Mapping[str, Sequence[str]] = _NOTHING
) -> Counter:
    """Return the counter; *configured*: the values of labels that the configuration determines, by the label's name."""
    counter = Counter(metric.full_name, metric.help, _names(metric), registry=registry)
    if metric.begins_at_zero:
        # A rate is not computed from the first value of a series.
        for values in product(*(each.values or configured[each.name] for each in metric.labels)):
            counter.labels(*values)
    return counter


def _histogram(metric: Metric, registry: CollectorRegistry) -> Histogram:
    if metric.kind is not Kind.HISTOGRAM:
        raise TypeError(f"{metric.name} is no histogram")
    return Histogram(metric.full_name, metric.help, _names(metric), buckets=metric.buckets, registry=registry)


def _names(metric: Metric) -> list[str]:
    return [each.name for each in metric.labels]

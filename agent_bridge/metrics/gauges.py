"""The values that are read at a scrape: of the process, and of the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from agent_bridge import __version__
from agent_bridge.metrics import catalogue as known
from agent_bridge.metrics.catalogue import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from prometheus_client.core import Metric as Family

    from agent_bridge.metrics.catalogue import Metric
    from agent_bridge.store.metrics import DatabaseFigures

    #: Values of the labels, and the value of the series.
    Series = Iterable[tuple[tuple[str, ...], float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFigures:
    """The values of the process. Each function returns at once."""

    busy_lanes: Callable[[], int]
    max_lanes: int
    is_leader: Callable[[], bool]
    subscriptions: Callable[[], int]
    #: By name of the pool: its statistics, as :meth:`psycopg_pool.AsyncConnectionPool.get_stats` returns them.
    pools: Mapping[str, Callable[[], Mapping[str, int]]]


class Gauges(Collector):
    """Collects the values. *upstreams*: the names of the configuration; the others are left out."""

    def __init__(self, process: ProcessFigures, upstreams: Collection[str]) -> None:
        self._process = process
        self._upstreams = frozenset(upstreams)
        #: The values of the database for the next scrape; None: they could not be read.
        self.database: DatabaseFigures | None = None

    def describe(self) -> Iterable[Family]:
        """Return nothing: the names need not be compared with those of the counters."""
        return ()

    def collect(self) -> Iterator[Family]:
        """Yield the families of metrics."""
        process = self._process
        yield _family(known.BUSY_LANES, [((), process.busy_lanes())])
        yield _family(known.MAX_LANES, [((), process.max_lanes)])
        yield _family(known.SUBSCRIPTIONS, [((), process.subscriptions())])
        yield _family(known.LEADER, [((), process.is_leader())])
        yield _family(known.BUILD_INFO, [((__version__,), 1)])
        yield from self._pools()
        yield _family(known.DATABASE_UP, [((), self.database is not None)])
        if self.database is not None:
            yield from self._of_database(self.database)

    def _pools(self) -> Iterator[Family]:
        stats = {name: read() for name, read in self._process.pools.items()}
        idle = {name: each.get("pool_available", 0) for name, each in stats.items()}
        used = {name: each.get("pool_size", 0) - idle[name] for name, each in stats.items()}
        states = {"idle": idle, "used": used}
        yield _family(
            known.POOL_CONNECTIONS,
            (((name, state), counts[name]) for state, counts in states.items() for name in stats),
        )
        for metric, key in (
            (known.POOL_LIMIT, "pool_max"),
            (known.POOL_WAITING, "requests_waiting"),
            (known.POOL_REQUESTS, "requests_num"),
            (known.POOL_ERRORS, "requests_errors"),
        ):
            yield _family(metric, (((name,), each.get(key, 0)) for name, each in stats.items()))

    def _of_database(self, figures: DatabaseFigures) -> Iterator[Family]:
        # Only known states: a program of another version may have written others.
        for metric, counts in ((known.OPEN_TURNS, figures.open_turns), (known.AGENTS, figures.agents)):
            yield _family(metric, (((state,), counts.get(state, 0)) for state in metric.labels[0].values))
        yield _family(known.OLDEST_WAITING, [((), figures.oldest_waiting)])
        upstreams = [each for each in figures.upstreams if each.name in self._upstreams]
        yield _family(known.UPSTREAM_UP, (((each.name,), each.is_up) for each in upstreams))
        yield _family(known.UPSTREAM_AGENTS, (((each.name,), each.agents) for each in upstreams))


def _family(metric: Metric, series: Series) -> Family:
    kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    family = kind(metric.full_name, metric.help, labels=[each.name for each in metric.labels])
    for values, value in series:
        family.add_metric(values, value)
    return family

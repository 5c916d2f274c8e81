"""The metrics, if the configuration asks for them. Otherwise nothing of them is imported, built or called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.observer import UNOBSERVED
from agent_bridge.store.metrics import MetricsStore

if TYPE_CHECKING:
    from aiohttp.typedefs import Middleware

    from agent_bridge.api.routes import ApiRoutes
    from agent_bridge.bridge.queue.leader import Leader
    from agent_bridge.bridge.queue.worker import Worker
    from agent_bridge.config.model import Config
    from agent_bridge.core.observer import Observer
    from agent_bridge.metrics.page import MetricsPage
    from agent_bridge.stores import Stores
    from agent_bridge.wiring.settings import Settings


def build_observer(config: Config) -> Observer:
    """Return the observer that counts, or the one that forgets."""
    if not config.metrics.enabled:
        return UNOBSERVED
    from prometheus_client import CollectorRegistry

    from agent_bridge.metrics.observer import CountingObserver

    upstreams = [each.name for each in config.every_upstream]
    return CountingObserver(CollectorRegistry(), upstreams, config.prices.currency)


def build_middlewares(observer: Observer) -> list[Middleware]:
    """Return the middleware that counts the requests of programs, if they are counted."""
    if not observer.measures:
        return []
    from agent_bridge.metrics.observer import CountingObserver
    from agent_bridge.metrics.requests import count_requests

    return [count_requests(observer)] if isinstance(observer, CountingObserver) else []


def build_metrics_page(
    settings: Settings, stores: Stores, worker: Worker, leader: Leader, api: ApiRoutes
) -> MetricsPage | None:
    """Build the page that shows the counters of the observer; None without metrics."""
    if not settings.observer.measures:
        return None
    from prometheus_client import ProcessCollector

    from agent_bridge.metrics.catalogue import PREFIX
    from agent_bridge.metrics.gauges import Gauges, ProcessFigures
    from agent_bridge.metrics.observer import CountingObserver
    from agent_bridge.metrics.page import MetricsPage

    config, observer = settings.config, settings.observer
    if not isinstance(observer, CountingObserver):
        raise TypeError("only the counting observer measures")
    figures = ProcessFigures(
        busy_lanes=lambda: worker.busy_lanes,
        max_lanes=config.lanes.max_active_lanes,
        is_leader=lambda: leader.leads,
        subscriptions=lambda: api.open_streams,
        pools={"statements": stores.database.pool.get_stats, "jobs": stores.jobs.pool.get_stats},
    )
    gauges = Gauges(figures, [each.name for each in config.every_upstream])
    observer.registry.register(gauges)
    ProcessCollector(namespace=PREFIX, registry=observer.registry)
    token = config.metrics.token
    return MetricsPage(
        observer.registry,
        gauges,
        MetricsStore(stores.database).read,
        None if token is None else token.get_secret_value(),
    )

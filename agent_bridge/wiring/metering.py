"""The parts that record and limit the tokens and the cost of requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.bridge.metering.gate import Gate
from agent_bridge.bridge.metering.prices import PriceLibrary, Prices
from agent_bridge.bridge.metering.recorder import UsageRecorder
from agent_bridge.store.usage import UsageStore

if TYPE_CHECKING:
    from agent_bridge.core.live import Live
    from agent_bridge.core.quotas import QuotaBook
    from agent_bridge.stores import Stores
    from agent_bridge.wiring.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Metering:
    """The parts."""

    store: UsageStore
    quotas: Live[QuotaBook]
    recorder: UsageRecorder
    gate: Gate


def build_metering(settings: Settings, stores: Stores) -> Metering:
    """Build them. The price library is imported if the configuration wants it."""
    config = settings.config
    store, quotas = UsageStore(stores.database), settings.live.part(lambda each: each.quota_book)
    library = PriceLibrary() if config.prices.library else None
    price_list = settings.live.part(lambda each: each.prices.price_list)
    prices = Prices(price_list, library, {each.name: each.url for each in config.upstreams})
    return Metering(
        store=store,
        quotas=quotas,
        recorder=UsageRecorder(store, prices, settings.roles, settings.observer),
        gate=Gate(store, quotas, settings.roles, price_list, config.prices.currency),
    )

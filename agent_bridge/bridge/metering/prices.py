"""Finds the price of a request: in the configuration, then in the price library, if that is installed and wanted."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from agent_bridge.config.quotas import PRICE_LIBRARY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from agent_bridge.core.live import Live
    from agent_bridge.core.money import Price, PriceList
    from agent_bridge.core.usage import Usage


class PriceLibrary:
    """The prices of ``genai-prices``, in US dollars: those of the installed version, as nothing is downloaded."""

    def __init__(self) -> None:
        self._library = import_module(PRICE_LIBRARY)
        #: Name and version.
        self.name = f"genai-prices {self._library.__version__}"

    def cost(self, url: str | None, model: str, usage: Usage) -> Decimal | None:
        """Return the cost of *usage* of *model* at the server *url*; None: the price is unknown.

        An unknown server is taken for a proxy of the one that has the model.
        """
        counted = self._library.Usage(
            input_tokens=usage.input_tokens, output_tokens=usage.output_tokens, cache_read_tokens=usage.from_cache
        )
        for server in (url, None):
            try:
                cost: Decimal = self._library.calc_price(counted, model, provider_api_url=server).total_price
            except (LookupError, ValueError):
                continue
            return cost
        return None


class Prices:
    """Computes the cost of requests, with a *library* or without. *urls* are those of the upstreams, by name."""

    def __init__(self, prices: Live[PriceList], library: PriceLibrary | None, urls: Mapping[str, str]) -> None:
        self._prices = prices
        self._library = library
        self._urls = urls

    def of(self, upstream: str, model: str, usage: Usage) -> tuple[Decimal | None, str | None]:
        """Return the cost of *usage*, and the price as words; None and None: the price is unknown."""
        price = self._prices.value.find(upstream, model)
        if price is not None:
            return price.of(usage), _words(price)
        if self._library is None:
            return None, None
        cost = self._library.cost(self._urls.get(upstream), model, usage)
        return cost, None if cost is None else self._library.name


def _words(price: Price) -> str:
    cached = "" if price.cached is None else f", cached {price.cached}"
    return f"input {price.input}, output {price.output}{cached}"

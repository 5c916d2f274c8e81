"""The price of a request: the list of the configuration comes before the price library."""

from __future__ import annotations

from decimal import Decimal

import pytest

from agent_bridge.bridge.metering.prices import PriceLibrary, Prices
from agent_bridge.config.quotas import PRICE_LIBRARY
from agent_bridge.core.live import Live
from agent_bridge.core.money import Price, PriceList, PriceRule
from agent_bridge.core.usage import Usage

OWN = PriceList("USD", (PriceRule("gpt-5-mini", "*", Price(Decimal(1), Decimal(2), Decimal("0.5"))),))
OPENAI, LOCAL = "https://api.openai.com/v1", "http://localhost:1416/v1"
USED = Usage(1_000_000, 1_000_000, 500_000)


def test_the_configuration_tells_the_price() -> None:
    prices = Prices(Live(OWN), None, {"up": LOCAL})
    assert prices.of("up", "gpt-5-mini", USED) == (Decimal("2.75"), "input 1, output 2, cached 0.5")
    assert prices.of("up", "gpt-5", USED) == (None, None)


def test_a_changed_list_counts_at_once() -> None:
    cell = Live(OWN)
    prices = Prices(cell, None, {})
    cell.replace(PriceList("USD", ()))
    assert prices.of("up", "gpt-5-mini", USED) == (None, None)


def test_the_library_tells_other_prices() -> None:
    pytest.importorskip(PRICE_LIBRARY)
    library = PriceLibrary()
    assert library.name.startswith("genai-prices 0.")
    prices = Prices(Live(OWN), library, {"openai": OPENAI, "proxy": LOCAL})
    assert prices.of("openai", "gpt-5-mini", USED)[1] != library.name
    for upstream in ("openai", "proxy", "unknown"):
        cost, price = prices.of(upstream, "gpt-5", Usage(1000, 100, 400))
        assert price == library.name
        assert cost is not None
        assert 0 < cost < prices.of(upstream, "gpt-5", Usage(1000, 100))[0]  # type: ignore[operator]
    # A server may report nonsense, and a model may have any name.
    assert prices.of("openai", "gpt-5", Usage(10, 0, 400))[0] is not None
    for model in ("", "my-own-model", "x" * 10_000, "gpt-5\n"):
        assert prices.of("proxy", model, USED)[0] is None or model.strip() == "gpt-5"

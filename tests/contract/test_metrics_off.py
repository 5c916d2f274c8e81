"""Without metrics a bridge imports nothing of them, and its requests pass nothing of them; with metrics it does."""

from __future__ import annotations

from functools import partial

from agent_bridge.demo.synapse import free_port
from support.fresh_bridge import facts_of_bridge

FACTS = """{
    "modules": [name for name in sys.modules if name.startswith(("prometheus_client", "agent_bridge.metrics"))],
    "observes": bridge.observer.measures,
    "homeserver": len(bridge.homeserver._api.session._middlewares),
    "appservice": len(bridge.listeners.appservice.middlewares),
    "routes": [each.canonical for app in (bridge.listeners.appservice, bridge.listeners.metrics) if app
               for each in app.router.resources() if "metrics" in each.canonical],
}"""


def test_no_metrics_cost_nothing(database_url: str) -> None:
    built = partial(facts_of_bridge, FACTS, database_url)
    off, on = built(), built(metrics={"port": free_port()})
    assert (off["modules"], off["observes"], off["routes"]) == ([], False, [])
    assert on["observes"]
    assert on["routes"] == ["/metrics"]
    assert {"prometheus_client", "agent_bridge.metrics.observer"} <= set(on["modules"])
    # One middleware for each: of the session, and of the listener.
    assert (on["homeserver"] - off["homeserver"], on["appservice"] - off["appservice"]) == (1, 1)

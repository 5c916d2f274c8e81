"""Without the admin page a bridge imports nothing of it, has no routes and no duties of it."""

from __future__ import annotations

from functools import partial

from support.fresh_bridge import facts_of_bridge

FACTS = """{
    "modules": sorted(name for name in sys.modules if name.startswith(
        ("agent_bridge.admin", "jinja2", "markupsafe", "agent_bridge.store.rollups",
         "agent_bridge.bridge.metering.rollups"))),
    "duties": sorted(bridge.admin_work),
    "routes": [each.canonical for each in bridge.listeners.appservice.router.resources() if "admin" in each.canonical],
}"""


def test_no_page_costs_nothing(database_url: str) -> None:
    built = partial(facts_of_bridge, FACTS, database_url)
    off, on = built(), built(admin={"enabled": True})
    assert off == {"modules": [], "duties": [], "routes": []}
    assert on["duties"] == ["rollups", "visitors"]
    assert "/admin/agents" in on["routes"]
    assert {"jinja2", "agent_bridge.admin.pages"} <= set(on["modules"])

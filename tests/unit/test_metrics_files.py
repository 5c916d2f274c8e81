"""The dashboard, the alert rules and docs/metrics.md name metrics and labels that there are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from agent_bridge.metrics.catalogue import METRICS, OF_PROCESS, PREFIX, Kind, Metric, Scope

TOP = Path(__file__).resolve().parents[2]
ALERTS, DASHBOARD = TOP / "contrib" / "alerts.yaml", TOP / "contrib" / "grafana.json"
KNOWN = {each.full_name: each for each in (*METRICS, *OF_PROCESS)}
#: Series of a histogram.
PARTS = ("_bucket", "_sum", "_count")
WORDS = {
    *(
        "absent",
        "and",
        "by",
        "count",
        "histogram_quantile",
        "increase",
        "max",
        "max_over_time",
        "or",
        "rate",
        "sum",
        "vector",
    ),
}
#: Labels that Prometheus adds.
ADDED = {"instance", "job", "le"}
#: The choice of a bridge in the dashboard.
JOB = 'job=~"$job"'
#: One token of PromQL, as far as the expressions use it.
TOKEN = re.compile(
    r'\s*(?:(?P<word>[a-zA-Z_:][\w:]*)|(?P<number>\d+(?:\.\d+)?(?!\w))|(?P<text>"[^"\\]*")|'
    r"(?P<range>\[(?:\d+[smhd]|\$__rate_interval)\])|(?P<sign>=~|!~|!=|==|>=|<=|[-+*/<>=(){},]))"
)


def expressions() -> dict[str, str]:
    """Return the expressions of both files, by a name."""
    rules = YAML(typ="safe").load(ALERTS)["groups"][0]["rules"]
    found = {each["alert"]: each["expr"] for each in rules}
    for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"]:
        found |= {f"{panel['title']} {each['refId']}": each["expr"] for each in panel.get("targets", ())}
    return found


EXPRESSIONS = expressions()


def tokens(text: str) -> list[tuple[str, str]]:
    """Return the kinds and the texts of the tokens of an expression."""
    found, at = [], 0
    text = text.strip()
    while at < len(text):
        match = TOKEN.match(text, at)
        assert match, f"no PromQL: {text[at:]}"
        kind = match.lastgroup or ""
        found.append((kind, match[kind]))
        at = match.end()
    return found


def metric_of(series: str) -> Metric:
    """Return the metric of a series."""
    name = next((series.removesuffix(part) for part in PARTS if series.removesuffix(part) in KNOWN), series)
    assert series in KNOWN or KNOWN[name].kind is Kind.HISTOGRAM, f"{series} is no series"
    assert series not in KNOWN or KNOWN[series].kind is not Kind.HISTOGRAM, f"{series} has no value of its own"
    return KNOWN[name]


def in_groups(found: list[tuple[str, str]], opening: str, closing: str) -> list[list[tuple[str, str]]]:
    """Return the tokens between each *opening* and the next *closing*."""
    groups: list[list[tuple[str, str]]] = []
    inside = False
    for token in found:
        if token[1] == opening:
            groups, inside = [*groups, []], True
        elif token[1] == closing:
            inside = False
        elif inside:
            groups[-1].append(token)
    return groups


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_an_expression_names_series_labels_and_values_that_there_are(name: str) -> None:
    found = tokens(EXPRESSIONS[name])
    signs = [text for kind, text in found if kind == "sign"]
    assert signs.count("(") == signs.count(")")
    assert signs.count("{") == signs.count("}")
    used = [metric_of(text) for kind, text in found if kind == "word" and text.startswith(PREFIX)]
    assert used
    labels = {label.name: label for metric in used for label in metric.labels}
    grouped = [
        group for at, token in enumerate(found) if token[1] == "by" for group in in_groups(found[at:], "(", ")")[:1]
    ]
    for kind, text in [token for group in grouped for token in group]:
        assert kind == "sign" or text in labels.keys() | ADDED, text
    for group in in_groups(found, "{", "}"):
        for (_, label), _, (_, value) in zip(group[::4], group[1::4], group[2::4], strict=True):
            if label in ADDED:
                continue
            assert set(value.strip('"').split("|")) <= set(labels[label].values), value
    names = {text for kind, text in found if kind == "word"}
    assert {each for each in names if not each.startswith(PREFIX)} <= WORDS | ADDED | labels.keys()


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_values_of_the_database_are_not_added_up_over_processes(name: str) -> None:
    text = EXPRESSIONS[name]
    for metric in METRICS:
        if metric.scope is Scope.DATABASE and re.search(rf"\b{metric.full_name}\b", text):
            assert re.search(rf"max(?: by \([\w, ]+\))? ?\((?:max_over_time\()?{metric.full_name}\b", text), metric.name


def test_there_are_five_alert_rules_with_texts() -> None:
    rules = YAML(typ="safe").load(ALERTS)["groups"][0]["rules"]
    assert len(rules) == 5
    for each in rules:
        assert each.keys() == {"alert", "expr", "for", "labels", "annotations"}
        assert each["annotations"].keys() == {"summary", "description"}
        assert each["labels"]["severity"] in {"warning", "critical"}


def test_bridges_of_one_prometheus_are_told_apart() -> None:
    """One bridge without a fault hides no fault of another: each has a job."""
    for each in YAML(typ="safe").load(ALERTS)["groups"][0]["rules"]:
        aggregated = re.findall(r"\b(?:sum|max)\b( by \(job\b)?", each["expr"])
        assert aggregated
        assert all(aggregated), each["alert"]
    for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"]:
        for target in panel.get("targets", ()):
            assert target["expr"].count(PREFIX) == target["expr"].count(JOB), panel["title"]


def test_the_dashboard_shows_each_metric() -> None:
    text = DASHBOARD.read_text("utf-8")
    # These tell about the process itself, and about the number of statements.
    left_out = {
        "database_pool_requests_total",
        "process_virtual_memory_bytes",
        "process_start_time_seconds",
    }
    assert {each.name for each in KNOWN.values() if each.full_name not in text} == left_out
    panels = json.loads(text)["panels"]
    assert len({each["id"] for each in panels}) == len(panels)


@pytest.mark.long
@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool, a part of Prometheus, is not installed")
def test_promtool_accepts_all_expressions(tmp_path: Path) -> None:
    recorded: list[dict[str, Any]] = [
        {"record": f"panel:{number}", "expr": text.replace("$__rate_interval", "5m")}
        for number, text in enumerate(EXPRESSIONS.values())
    ]
    file = tmp_path / "panels.yaml"
    with file.open("w", encoding="utf-8") as writer:
        YAML(typ="safe").dump({"groups": [{"name": "panels", "rules": recorded}]}, writer)
    subprocess.run(["promtool", "check", "rules", str(ALERTS), str(file)], check=True)  # noqa: S607


FAILED, DONE = ('kind="message", outcome="failed"', 'kind="message", outcome="done"')
#: An alert, series of one bridge (name, labels, a value for each minute), and whether it fires after 30 minutes.
CASES: list[tuple[str, list[tuple[str, str, str]], bool]] = [
    # A worker does not lead, and is no bridge alone.
    ("Absent", [("leader", 'instance="run"', "1x9 _x50"), ("leader", 'instance="worker"', "0x60")], True),
    ("Absent", [("leader", 'instance="run"', "1x9 _x50"), ("leader", 'instance="next"', "0x12 1x48")], False),
    ("DatabaseAway", [("database_up", "", "0x60")], True),
    ("DatabaseAway", [("database_up", 'instance="a"', "0x60"), ("database_up", 'instance="b"', "1x60")], False),
    ("UpstreamDown", [("upstream_up", 'upstream="u"', "0x60")], True),
    # At most of the scrapes another attempt goes on, and the message does not wait.
    ("MessagesWait", [("oldest_waiting_turn_seconds", "", "0x9 700 " + "0 0 0 900 " * 10)], True),
    ("MessagesWait", [("oldest_waiting_turn_seconds", "", "0x9 700 0x50")], False),
    ("AnswersFail", [("turns_total", FAILED, "0+1x60"), ("turns_total", DONE, "0x60")], True),
    ("AnswersFail", [("turns_total", FAILED, "0x20 20x40"), ("turns_total", DONE, "0x60")], True),
    ("AnswersFail", [("turns_total", FAILED, "0x60"), ("turns_total", DONE, "0+1x60")], False),
]
#: Those of another bridge, which has no fault.
OTHER = [("leader", "", "1x60"), ("database_up", "", "1x60"), ("upstream_up", 'upstream="u"', "1x60")]


@pytest.mark.long
@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool, a part of Prometheus, is not installed")
def test_an_alert_fires_for_the_bridge_with_the_fault(tmp_path: Path) -> None:
    tests = []
    for alert, series, fires in CASES:
        severity = "critical" if alert in {"Absent", "DatabaseAway"} else "warning"
        firing = f'alertname="AgentBridge{alert}", alertstate="firing"'
        found = 'upstream="u", ' if alert == "UpstreamDown" else ""
        name = f'ALERTS{{{firing}, job="bad", severity="{severity}", {found}}}'
        tests.append(
            {
                "interval": "1m",
                "input_series": [
                    {"series": f'{PREFIX}_{metric}{{job="{job}", {labels}}}', "values": values}
                    for job, each in (("bad", series), ("good", OTHER))
                    for metric, labels, values in each
                ],
                "promql_expr_test": [
                    {
                        "expr": f"ALERTS{{{firing}}}",
                        "eval_time": "30m",
                        "exp_samples": [{"labels": name, "value": 1}] if fires else [],
                    }
                ],
            }
        )
    file = tmp_path / "tests.yaml"
    with file.open("w", encoding="utf-8") as writer:
        YAML(typ="safe").dump({"rule_files": [str(ALERTS)], "tests": tests}, writer)
    subprocess.run(["promtool", "test", "rules", str(file)], check=True)  # noqa: S607


@pytest.mark.parametrize("metric", KNOWN.values(), ids=lambda each: each.name)
def test_names_follow_the_conventions(metric: Metric) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", metric.name)
    assert metric.name.endswith("_total") is (metric.kind is Kind.COUNTER)
    assert (metric.kind is Kind.HISTOGRAM) is bool(metric.buckets)
    assert not re.search(r"_(ms|milliseconds|minutes|kb|mb|percent)\b", metric.name)
    assert metric.help.endswith(".")
    forbidden = {"room", "room_id", "user", "user_id", "event", "event_id", "sender", "agent", "token"}
    assert not forbidden & {each.name for each in metric.labels}
    assert all(each.values or each.source for each in metric.labels)

"""Alert rules and dashboards rot in silence: each metric that a rule names must be one that a real process exports."""

from __future__ import annotations

import asyncio
import re
import urllib.request
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from services.domain.task import TaskState
from tests.k8s.cluster import Pod
from tests.k8s.conftest import MakeCluster
from tests.k8s.rendering import of_kind, render

# What PromQL has of its own.
_WORDS = {"absent", "by", "histogram_quantile", "le", "max", "min", "rate", "sum", "and", "failed"}
_LABELS = re.compile(r"\{[^}]*\}|\[[^\]]*\]")
_NAMES = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_LABEL = re.compile(r"([a-z_]+)=~?\"([^\"]*)\"")


def rules() -> Iterator[Any]:
    (whole,) = of_kind(render(("production", "monitoring")), "PrometheusRule")
    for group in whole["spec"]["groups"]:
        yield from group["rules"]


def metrics_of(expression: str) -> set[str]:
    """The metrics in an expression."""
    return set(_NAMES.findall(_LABELS.sub("", expression))) - _WORDS


def test_names_of_alerts_are_used_once():
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names))


def test_parentheses_are_balanced():
    for rule in rules():
        assert all(rule["expr"].count(a) == rule["expr"].count(b) for a, b in ("()", "[]", "{}")), rule["alert"]


def test_labels_of_the_rules_have_values_that_there_are():
    states = {state.name.lower() for state in TaskState}
    codes = {code.name for code in grpc.StatusCode}
    known = {"state": states, "rpc_response_status_code": codes}
    for rule in rules():
        for label, values in _LABEL.findall(rule["expr"]):
            assert set(values.split("|")) <= known[label], rule["alert"]


def test_metrics_are_found_in_an_expression():
    assert metrics_of('sum(rate(a_total{state="x"}[5m])) > 0 and max(b) == 0') == {"a_total", "b"}


@pytest.mark.k8s
async def test_every_metric_of_the_rules_is_exported(make_cluster: MakeCluster):
    cluster = make_cluster(("local",))
    text = ""
    for component in ("scheduler", "coordinator", "event-gateway"):
        pod = cluster.pod(f"missioncontrol-{component}-0", component)
        await pod.start()
        text += await asyncio.to_thread(scrape, pod)
    wanted = {name for rule in rules() for name in metrics_of(rule["expr"])}
    # Of a metric with labels nothing is there before it is counted, but its help.
    documented = set(re.findall(r"^# HELP (\S+)", text, re.MULTILINE))
    assert {name for name in wanted if not exported(name, documented)} == set()


def exported(name: str, documented: set[str]) -> bool:
    return name in documented or re.sub(r"_(bucket|count|sum)$", "", name) in documented


def scrape(pod: Pod) -> str:
    """What Prometheus gets at the port that the Service calls `metrics`."""
    ports = {port["name"]: port["containerPort"] for port in pod.workload.container["ports"]}
    with urllib.request.urlopen(f"http://{pod.ip}:{ports['metrics']}/metrics", timeout=30) as answer:
        text: str = answer.read().decode()
        return text

"""What the rendered network policies let through, by the rules of Kubernetes.

A pod that no policy selects for a direction takes everything there; one that is selected takes what at least one of
these policies names. A connection needs both ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.k8s.rendering import Object, of_kind
from tests.k8s.workloads import matches

NAMESPACE = "missioncontrol"
DEFAULT_LABELS = "kubernetes.io/metadata.name"


@dataclass(frozen=True)
class Peer:
    """One end of a connection: a pod, or with no labels and another namespace anybody there."""

    labels: Mapping[str, str] = field(default_factory=dict)
    namespace: str = NAMESPACE


def allowed(objects: list[Object], source: Peer, target: Peer, port: int, *, protocol: str = "TCP") -> bool:
    """Whether a connection gets through. Policies stand in our namespace only, so the other end is free elsewhere."""
    out = _passes(objects, "Egress", own=source, other=target, port=port, protocol=protocol)
    return out and _passes(objects, "Ingress", own=target, other=source, port=port, protocol=protocol)


def _passes(objects: list[Object], direction: str, *, own: Peer, other: Peer, port: int, protocol: str) -> bool:
    if own.namespace != NAMESPACE:
        return True
    policies = [each["spec"] for each in of_kind(objects, "NetworkPolicy") if direction in each["spec"]["policyTypes"]]
    selecting = [each for each in policies if matches(each["podSelector"], own.labels)]
    if not selecting:
        return True
    return any(
        _names_peer(peers, other) and _names_port(ports, port, protocol)
        for each in selecting
        for peers, ports in _rules(each, direction)
    )


def _rules(policy: Object, direction: str) -> Iterator[tuple[list[Any], list[Any]]]:
    for rule in policy.get(direction.lower(), []):
        yield rule.get("from" if direction == "Ingress" else "to", []), rule.get("ports", [])


def _names_peer(peers: list[Any], other: Peer) -> bool:
    return not peers or any(_is(peer, other) for peer in peers)


def _is(peer: Object, other: Peer) -> bool:
    if "namespaceSelector" in peer:
        same = matches(peer["namespaceSelector"], {DEFAULT_LABELS: other.namespace})
    else:
        same = other.namespace == NAMESPACE
    return same and matches(peer.get("podSelector", {}), other.labels)


def _names_port(ports: list[Any], port: int, protocol: str) -> bool:
    return not ports or any(each["port"] == port and each.get("protocol", "TCP") == protocol for each in ports)

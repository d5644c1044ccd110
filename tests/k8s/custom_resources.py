"""Small schemas of the custom resources that the components use: the fields that we write, and no others.

The real ones belong to the Prometheus operator and to cert-manager and come with neither Kubernetes nor PyPI. What is
checked here is that our objects have this shape, which is that of the operators' documentation; that an operator of
some version takes them can only be seen in a cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]
_TEXT: Schema = {"type": "string", "minLength": 1}
_DURATION: Schema = {"type": "string", "pattern": r"^([0-9]+(ms|s|m|h|d))+$"}
_LABELS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}


def _closed(required: Mapping[str, Schema], **optional: Schema) -> Schema:
    properties = {**required, **optional}
    return {"type": "object", "properties": properties, "required": [*required], "additionalProperties": False}


def _listed(item: Schema) -> Schema:
    return {"type": "array", "items": item, "minItems": 1}


def _resource(version: str, kind: str, spec: Schema) -> Schema:
    metadata = _closed({"name": _TEXT, "namespace": _TEXT, "labels": _LABELS})
    return _closed({"apiVersion": {"const": version}, "kind": {"const": kind}, "metadata": metadata, "spec": spec})


_ENDPOINT = _closed({"port": _TEXT}, path=_TEXT, interval=_DURATION, scrapeTimeout=_DURATION)
_SERVICE_MONITOR = _closed(
    {"selector": _closed({"matchLabels": _LABELS}), "endpoints": _listed(_ENDPOINT)}, targetLabels=_listed(_TEXT)
)
_RULE = _closed(
    {
        "alert": {"type": "string", "pattern": "^MissionControl[A-Za-z]+$"},
        "expr": _TEXT,
        "for": _DURATION,
        "labels": _closed({"severity": {"enum": ["critical", "warning"]}}),
        "annotations": _closed({"summary": _TEXT, "description": _TEXT}),
    }
)
_PROMETHEUS_RULE = _closed({"groups": _listed(_closed({"name": _TEXT, "rules": _listed(_RULE)}))})
_ISSUER: Schema = {"oneOf": [_closed({"selfSigned": _closed({})}), _closed({"ca": _closed({"secretName": _TEXT})})]}
_USAGES = _listed({"enum": ["server auth", "client auth"]})
_PRIVATE_KEY = _closed(
    {"algorithm": {"enum": ["RSA", "ECDSA", "Ed25519"]}},
    size={"type": "integer"},
    rotationPolicy={"enum": ["Never", "Always"]},
)
_CERTIFICATE = _closed(
    {"secretName": _TEXT, "issuerRef": _closed({"name": _TEXT, "kind": {"enum": ["Issuer", "ClusterIssuer"]}})},
    isCA={"type": "boolean"},
    commonName={"type": "string", "maxLength": 64},
    dnsNames=_listed(_TEXT),
    # cert-manager takes hours, minutes and seconds.
    duration={"type": "string", "pattern": "^[0-9]+h$"},
    renewBefore={"type": "string", "pattern": "^[0-9]+h$"},
    privateKey=_PRIVATE_KEY,
    usages=_USAGES,
)

SCHEMAS: Mapping[tuple[str, str], Schema] = {
    (version, kind): _resource(version, kind, spec)
    for version, kind, spec in (
        ("monitoring.coreos.com/v1", "ServiceMonitor", _SERVICE_MONITOR),
        ("monitoring.coreos.com/v1", "PrometheusRule", _PROMETHEUS_RULE),
        ("cert-manager.io/v1", "Issuer", _ISSUER),
        ("cert-manager.io/v1", "Certificate", _CERTIFICATE),
    )
}

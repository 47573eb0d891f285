"""What an API server accepts, and stricter: it prunes unknown fields in silence, this refuses them.

`OWN` says every field that the rendered resources may have, in the terms of OpenAPI. The resource definitions
of RabbitMQ's operators themselves (MPL-2.0) are not copied here: `operators` reads them from the folder that
WARREN_CRDS names, or from ``../shared/crds`` beside the checkout.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

Schema = Mapping[str, Any]

_ROOT = Path(__file__).resolve().parent.parent
#: Read before `tests/conftest.py` hides all such variables from the tests.
CRDS = Path(os.environ.get("WARREN_CRDS") or _ROOT.parent / "shared" / "crds")

_OPEN = "x-kubernetes-preserve-unknown-fields"
_INT_OR_STRING = "x-kubernetes-int-or-string"
_PYTHON = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "boolean": bool,
    "number": (int, float),
}
#: Rule of the definitions' own language (CEL) -> the same here.
_RULES = {"!self.contains('$(') && !self.contains('`')": lambda value: "$(" not in value and "`" not in value}


def faults(schema: Schema, value: Any, where: str = "") -> Iterator[str]:
    """Everything that is wrong with ``value``, each with its place."""
    if schema.get(_INT_OR_STRING):
        yield from _int_or_string(schema, value, where)
        return
    wanted = _PYTHON[schema["type"]]
    if not isinstance(value, wanted) or (isinstance(value, bool) and schema["type"] != "boolean"):
        yield f"{where}: {type(value).__name__}, not {schema['type']}"
        return
    yield from _bounds(schema, value, where)
    if isinstance(value, dict):
        yield from _fields(schema, value, where)
    if isinstance(value, list):
        for place, each in enumerate(value):
            yield from faults(schema["items"], each, f"{where}[{place}]")


def _int_or_string(schema: Schema, value: Any, where: str) -> Iterator[str]:
    if isinstance(value, bool) or not isinstance(value, int | str):
        yield f"{where}: neither a number nor text"
    elif isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        yield f"{where}: '{value}' has not the form {schema['pattern']}"


def _bounds(schema: Schema, value: Any, where: str) -> Iterator[str]:
    if isinstance(value, str):
        yield from _text(schema, value, where)
    if isinstance(value, int) and not isinstance(value, bool):
        most = 2**31 - 1 if schema.get("format") == "int32" else value
        if not schema.get("minimum", value) <= value <= min(schema.get("maximum", value), most):
            yield f"{where}: {value} is out of bounds"
    if isinstance(value, list) and len(value) > schema.get("maxItems", len(value)):
        yield f"{where}: more than {schema['maxItems']}"
    for each in schema.get("x-kubernetes-validations", ()):
        if each["rule"] not in _RULES:
            yield f"{where}: has the rule {each['rule']}, which is not known here"
        elif not _RULES[each["rule"]](value):
            yield f"{where}: {each['message']}"


def _text(schema: Schema, value: str, where: str) -> Iterator[str]:
    if value not in schema.get("enum", (value,)):
        yield f"{where}: '{value}' is none of {', '.join(schema['enum'])}"
    if not re.search(schema.get("pattern", ""), value):
        yield f"{where}: '{value}' has not the form {schema['pattern']}"
    if len(value) > schema.get("maxLength", len(value)):
        yield f"{where}: longer than {schema['maxLength']}"


def _fields(schema: Schema, value: Mapping[str, Any], where: str) -> Iterator[str]:
    known = schema.get("properties", {})
    others = schema.get("additionalProperties")
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{where}: lacks {name}"
    for name, each in value.items():
        place = f"{where}.{name}" if where else name
        if name in known:
            yield from faults(known[name], each, place)
        elif others:
            yield from faults(others, each, place)
        elif not schema.get(_OPEN):
            yield f"{place}: is no field"


# -- own schemas -------------------------------------------------------------------------------------------

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer", "format": "int32"}
FLAG: Schema = {"type": "boolean"}
OPEN: Schema = {"type": "object", _OPEN: True}
QUANTITY: Schema = {"type": "string", "pattern": r"^[0-9]+(m|[KMGT]i)?$"}
DURATION: Schema = {"type": "string", "pattern": r"^([0-9]+(ms|[smhdwy]))+$"}
LABEL: Schema = {"type": "string", "pattern": r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"}


def one_of(*words: str) -> Schema:
    return {"type": "string", "enum": list(words)}


def many(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def by_name(values: Schema) -> Schema:
    return {"type": "object", "additionalProperties": values}


def fields(required: str = "", /, **known: Schema) -> Schema:
    """An object of ``known`` fields; ``required`` names some of them. A dot is no part of a field's name."""
    return {"type": "object", "properties": known, "required": required.split()}


#: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
LABELS = by_name({"type": "string", "pattern": r"^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$"})
METADATA = fields("name namespace labels", name=LABEL, namespace=LABEL, labels=LABELS)
NAMED = fields("name", name=LABEL)
SELECTOR = fields("matchLabels", matchLabels=LABELS)
KEY = fields("name key", name=LABEL, key=TEXT)
ITEMS = many(fields("key path", key=TEXT, path=TEXT, mode=NUMBER))
RESOURCES = fields("limits requests", limits=by_name(QUANTITY), requests=by_name(QUANTITY))
MOUNTS = many(fields("name mountPath", name=LABEL, mountPath=TEXT, subPath=TEXT, readOnly=FLAG))
SECRET_FILES = fields("", secretName=LABEL, items=ITEMS, defaultMode=NUMBER)
VOLUMES = many(
    fields(
        "name",
        name=LABEL,
        secret=SECRET_FILES,
        configMap=NAMED,
        emptyDir=fields(medium=one_of("Memory"), sizeLimit=QUANTITY),
        projected=fields(
            "sources",
            defaultMode=NUMBER,
            sources=many(fields(secret=fields("name", name=LABEL, items=ITEMS))),
        ),
    )
)
CONTAINER = fields(
    "name image command resources securityContext",
    name=LABEL,
    image=TEXT,
    command=many(TEXT),
    args=many(TEXT),
    env=many(fields("name value", name=TEXT, value=TEXT)),
    ports=many(fields("name containerPort", name=LABEL, containerPort=NUMBER)),
    resources=RESOURCES,
    securityContext=fields(
        "allowPrivilegeEscalation readOnlyRootFilesystem capabilities",
        allowPrivilegeEscalation=FLAG,
        readOnlyRootFilesystem=FLAG,
        capabilities=fields("drop", drop=many(one_of("ALL"))),
    ),
    volumeMounts=MOUNTS,
)
POD = fields(
    "containers securityContext automountServiceAccountToken",
    restartPolicy=one_of("Never"),
    automountServiceAccountToken=FLAG,
    enableServiceLinks=FLAG,
    securityContext=fields(
        "runAsNonRoot seccompProfile",
        runAsNonRoot=FLAG,
        runAsUser=NUMBER,
        runAsGroup=NUMBER,
        fsGroup=NUMBER,
        seccompProfile=fields("type", type=one_of("RuntimeDefault")),
    ),
    containers=many(CONTAINER),
    volumes=VOLUMES,
)
TEMPLATE = fields("metadata spec", metadata=fields("labels", labels=LABELS), spec=POD)
PEER = fields(podSelector=fields(matchLabels=LABELS), namespaceSelector=fields(matchLabels=LABELS))
INGRESS = fields(
    "ports",
    ports=many(fields("port protocol", port=NUMBER, protocol=one_of("TCP"), endPort=NUMBER)),
    **{"from": many(PEER)},
)
RELABELINGS = many(
    fields(
        sourceLabels=many(TEXT),
        targetLabel=TEXT,
        regex=TEXT,
        replacement=TEXT,
        action=one_of("replace", "keep", "drop", "labeldrop"),
    )
)
IN_SECRET = fields("secret", secret=KEY)
ENDPOINT = fields(
    "port scheme tlsConfig relabelings",
    port=TEXT,
    scheme=one_of("https"),
    path=TEXT,
    params=by_name(many(TEXT)),
    interval=DURATION,
    scrapeTimeout=DURATION,
    basicAuth=fields("username password", username=KEY, password=KEY),
    tlsConfig=fields("ca serverName", ca=IN_SECRET, cert=IN_SECRET, keySecret=KEY, serverName=TEXT),
    relabelings=RELABELINGS,
    metricRelabelings=RELABELINGS,
)
RULE = fields(
    "expr",
    record=TEXT,
    alert=TEXT,
    expr=TEXT,
    labels=by_name(TEXT),
    annotations=by_name(TEXT),
    keep_firing_for=DURATION,
    **{"for": DURATION},
)
_CLUSTER = {"rabbitmqClusterReference": NAMED, "vhost": TEXT}
_APPLY_TO = ("queues", "classic_queues", "quorum_queues", "streams")


def _object(required: str, **known: Schema) -> Schema:
    return fields(f"rabbitmqClusterReference {required}", **{**_CLUSTER, **known})


def _policy(*apply_to: str) -> Schema:
    return _object(
        "name pattern definition vhost",
        name=TEXT,
        pattern=TEXT,
        priority=NUMBER,
        definition=OPEN,
        applyTo=one_of(*apply_to),
    )


def _permission(**known: Schema) -> Schema:
    return _object(
        "permissions vhost userReference",
        userReference=NAMED,
        permissions=fields(" ".join(known), **known),
    )


_RETAIN = {"deletionPolicy": one_of("delete", "retain")}
_NODE_POD = fields(
    "containers volumes",
    containers=many(fields("name volumeMounts", name=LABEL, volumeMounts=MOUNTS)),
    volumes=VOLUMES,
)
_APART = fields("labelSelector topologyKey", labelSelector=SELECTOR, topologyKey=TEXT)
CLUSTER = fields(
    "replicas image resources persistence tls rabbitmq",
    replicas=NUMBER,
    image=TEXT,
    resources=RESOURCES,
    persistence=fields("storage", storage=QUANTITY),
    affinity=fields(podAntiAffinity=fields(requiredDuringSchedulingIgnoredDuringExecution=many(_APART))),
    tls=fields(
        "secretName caSecretName disableNonTLSListeners",
        secretName=LABEL,
        caSecretName=LABEL,
        disableNonTLSListeners=FLAG,
    ),
    rabbitmq=fields(
        "additionalConfig",
        additionalPlugins=many({"type": "string", "maxLength": 100, "pattern": r"^\w+$"}),
        additionalConfig={"type": "string", "maxLength": 100_000},
        envConfig={"type": "string", "maxLength": 100_000},
    ),
    override=fields(statefulSet=fields(spec=fields(template=fields(spec=_NODE_POD)))),
)


def _spec(spec: Schema) -> dict[str, Schema]:
    return {"spec": spec}


#: API version and kind -> fields of the resource beside those that all have.
KINDS: Mapping[tuple[str, str], Mapping[str, Schema]] = {
    ("v1", "ConfigMap"): {"data": by_name(TEXT)},
    ("v1", "Secret"): {"type": one_of("Opaque", "kubernetes.io/tls"), "stringData": by_name(TEXT)},
    ("v1", "Service"): _spec(
        fields(
            "selector ports",
            selector=LABELS,
            ports=many(fields("name port", name=LABEL, port=NUMBER, targetPort=LABEL)),
        )
    ),
    ("apps/v1", "Deployment"): _spec(
        fields("selector template", replicas=NUMBER, selector=SELECTOR, template=TEMPLATE)
    ),
    ("batch/v1", "Job"): _spec(
        fields("template", backoffLimit=NUMBER, activeDeadlineSeconds=NUMBER, template=TEMPLATE)
    ),
    ("policy/v1", "PodDisruptionBudget"): _spec(
        fields("selector maxUnavailable", maxUnavailable=NUMBER, selector=SELECTOR)
    ),
    ("networking.k8s.io/v1", "NetworkPolicy"): _spec(
        fields(
            "podSelector policyTypes ingress",
            podSelector=SELECTOR,
            policyTypes=many(one_of("Ingress")),
            ingress=many(INGRESS),
        )
    ),
    ("monitoring.coreos.com/v1", "ServiceMonitor"): _spec(
        fields("selector endpoints", selector=SELECTOR, endpoints=many(ENDPOINT))
    ),
    ("monitoring.coreos.com/v1", "PrometheusRule"): _spec(
        fields("groups", groups=many(fields("name rules", name=TEXT, interval=DURATION, rules=many(RULE))))
    ),
    ("rabbitmq.com/v1beta1", "RabbitmqCluster"): _spec(CLUSTER),
    ("rabbitmq.com/v1beta1", "Vhost"): _spec(
        fields(
            "name rabbitmqClusterReference",
            name=TEXT,
            defaultQueueType=one_of("quorum", "classic", "stream"),
            limits=fields(connections=NUMBER, queues=NUMBER),
            rabbitmqClusterReference=NAMED,
            **_RETAIN,
        )
    ),
    ("rabbitmq.com/v1beta1", "User"): _spec(
        fields(
            "rabbitmqClusterReference importCredentialsSecret",
            tags=many(one_of("management", "policymaker", "monitoring", "administrator")),
            importCredentialsSecret=NAMED,
            limits=fields(connections=NUMBER, channels=NUMBER),
            rabbitmqClusterReference=NAMED,
        )
    ),
    ("rabbitmq.com/v1beta1", "Permission"): _spec(_permission(configure=TEXT, write=TEXT, read=TEXT)),
    ("rabbitmq.com/v1beta1", "TopicPermission"): _spec(_permission(exchange=TEXT, write=TEXT, read=TEXT)),
    ("rabbitmq.com/v1beta1", "Policy"): _spec(_policy(*_APPLY_TO, "exchanges", "all")),
    ("rabbitmq.com/v1beta1", "OperatorPolicy"): _spec(_policy(*_APPLY_TO)),
    ("rabbitmq.com/v1beta1", "Exchange"): _spec(
        _object("name type vhost", name=TEXT, type=TEXT, durable=FLAG, autoDelete=FLAG, arguments=OPEN)
    ),
    ("rabbitmq.com/v1beta1", "Queue"): _spec(
        _object(
            "name type vhost", name=TEXT, type=TEXT, durable=FLAG, autoDelete=FLAG, arguments=OPEN, **_RETAIN
        )
    ),
    ("rabbitmq.com/v1beta1", "Binding"): _spec(
        _object(
            "source destination destinationType vhost",
            source=TEXT,
            destination=TEXT,
            destinationType=one_of("exchange", "queue"),
            routingKey=TEXT,
            arguments=OPEN,
        )
    ),
}


def _resource(api: str, kind: str, known: Mapping[str, Schema]) -> Schema:
    head = {"apiVersion": one_of(api), "kind": one_of(kind), "metadata": METADATA}
    return fields(f"apiVersion kind metadata {' '.join(known)}", **head, **known)


OWN: Mapping[tuple[str, str], Schema] = {key: _resource(*key, known) for key, known in KINDS.items()}


def operators(folder: Path) -> dict[tuple[str, str], Schema]:
    """The definitions of RabbitMQ's operators in ``folder``, by API version and kind."""
    found: dict[tuple[str, str], Schema] = {}
    for path in sorted(folder.glob("rabbitmq.com_*.yaml")):
        definition = yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]
        kind = definition["names"]["kind"]
        for version in definition["versions"]:
            api = f"{definition['group']}/{version['name']}"
            schema = version["schema"]["openAPIV3Schema"]
            properties = {**schema["properties"], "metadata": METADATA}
            required = ["apiVersion", "kind", "metadata", "spec"]
            found[api, kind] = {**schema, "properties": properties, "required": required}
    return found

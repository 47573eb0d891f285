"""ServiceMonitors: the scrape jobs of `prometheus.yml.j2`, as Prometheus' operator takes them.

Each series gets the labels that it has in the lab (`job`, `cluster`, `node`, `instance`) and none of those
that the operator would add, since rules and panels are tested with exactly these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from warren.errors import WarrenError
from warren.kubernetes.place import PORTS, Document, Note, Place
from warren.reader import plain
from warren.render import CONTAINER_PATHS, role_template, role_vars

#: Jobs of what is rendered beside the broker; all that begin with the first word read the broker's nodes.
_OWN = ("exporter", "probe")
_BROKER = "rabbitmq"
#: The names that the operators give the ports of their services.
_METRICS_PORT = "prometheus-tls"
_ADDED = "namespace|service|pod|container|endpoint"
#: Key of a scrape job -> that of an endpoint.
_KEYS = {
    "scheme": "scheme",
    "metrics_path": "path",
    "params": "params",
    "scrape_interval": "interval",
    "scrape_timeout": "scrapeTimeout",
}
_RELABEL = {"source_labels": "sourceLabels", "target_label": "targetLabel"}
#: Said elsewhere: labels and hosts by discovery, accounts and authorities by secrets.
_ELSEWHERE = {"job_name", "static_configs", "basic_auth", "tls_config", "metric_relabel_configs"}


def prometheus_yml(place: Place) -> str:
    """Prometheus' configuration for the cluster there, from the template of the lab."""
    return role_template("prometheus", "prometheus.yml", {**role_vars(place.there), **CONTAINER_PATHS})


def jobs(place: Place) -> dict[str, Mapping[str, Any]]:
    """Every scrape job of the lab by name, with the interval and timeout that it has."""
    config = plain(prometheus_yml(place))
    default = {key: config["global"][key] for key in ("scrape_interval", "scrape_timeout")}
    return {each["job_name"]: {**default, **each} for each in config["scrape_configs"]}


def is_rendered(job: str) -> bool:
    return job in _OWN or _is_of_broker(job)


def _is_of_broker(job: str) -> bool:
    return job == _BROKER or job.startswith(f"{_BROKER}-")


def documents(place: Place) -> list[Document]:
    """One ServiceMonitor for the broker, one each for exporter and probe."""
    found = jobs(place)
    broker = [_of_broker(place, job) for name, job in found.items() if _is_of_broker(name)]
    monitors = [_monitor(place, place.cluster, place.broker_pods, broker)]
    for name in _OWN:
        endpoint = _of_own(place, found[name])
        monitors.append(_monitor(place, place.secret(name), place.labels(name), [endpoint]))
    return monitors


def _monitor(place: Place, name: str, labels: dict[str, str], endpoints: list[dict[str, Any]]) -> Document:
    spec = {"selector": {"matchLabels": labels}, "endpoints": endpoints}
    return place.document("monitoring.coreos.com/v1", "ServiceMonitor", name, spec=spec)


def _of_broker(place: Place, job: Mapping[str, Any]) -> dict[str, Any]:
    node = f"$1.{place.host_suffix}"
    pod = {"sourceLabels": ["__meta_kubernetes_pod_name"]}
    relabelings = [
        {**pod, "targetLabel": "node", "replacement": node},
        {**pod, "targetLabel": "instance", "replacement": f"{node}:{PORTS['metrics']}"},
    ]
    secret = place.password(job["basic_auth"]["username"])
    account = {key: {"name": secret, "key": key} for key in ("username", "password")}
    tls = {"ca": _in_secret(place.secret("ca"), "ca.crt"), "serverName": place.service}
    rest = {"basicAuth": account, "tlsConfig": tls}
    return _endpoint(place, job, _METRICS_PORT, relabelings, rest)


def _of_own(place: Place, job: Mapping[str, Any]) -> dict[str, Any]:
    name = place.secret(job["job_name"])
    port = getattr(place.topology.ports, job["job_name"])
    relabelings = [{"targetLabel": "instance", "replacement": f"{name}:{port}"}]
    scrape = place.secret("scrape-tls")
    tls = {
        "ca": _in_secret(place.secret("ca"), "ca.crt"),
        "cert": _in_secret(scrape, "tls.crt"),
        "keySecret": {"name": scrape, "key": "tls.key"},
        "serverName": f"{name}.{place.namespace}.svc",
    }
    return _endpoint(place, job, "metrics", relabelings, {"tlsConfig": tls})


def _in_secret(name: str, key: str) -> dict[str, Any]:
    return {"secret": {"name": name, "key": key}}


def _endpoint(
    place: Place, job: Mapping[str, Any], port: str, relabelings: list[dict[str, Any]], rest: dict[str, Any]
) -> dict[str, Any]:
    """Raises WarrenError (a bug of ours) for a key of the template that is not translated."""
    unknown = sorted(set(job) - set(_KEYS) - _ELSEWHERE)
    if unknown:
        raise WarrenError(f"scrape job {job['job_name']}", f"has {', '.join(unknown)}", "report this bug")
    always = [
        {"targetLabel": "job", "replacement": job["job_name"]},
        {"targetLabel": "cluster", "replacement": place.cluster},
        *relabelings,
        {"action": "labeldrop", "regex": _ADDED},
    ]
    kept = [
        {_RELABEL.get(key, key): value for key, value in each.items()}
        for each in job.get("metric_relabel_configs", ())
    ]
    return {
        "port": port,
        **{_KEYS[key]: job[key] for key in _KEYS if key in job},
        **rest,
        "relabelings": always,
        **({"metricRelabelings": kept} if kept else {}),
    }


def notes(place: Place) -> Iterator[Note]:
    for name in jobs(place):
        if not is_rendered(name):
            yield Note(f"scrape job {name}", "is not rendered: what it reads is not there by that name")
    shipping = place.topology.shipping
    if shipping.remote_writes or shipping.external_labels or shipping.long_term:
        what = "stores elsewhere and external labels are settings of the Prometheus there"
        yield Note("monitoring", what)
    if place.topology.receivers_file:
        yield Note("monitoring.receivers_file", "whom to tell is a setting of the Alertmanager there")
    yield Note("monitoring.retention", "how long samples are kept is a setting of the Prometheus there")

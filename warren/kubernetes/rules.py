"""PrometheusRules: what is recorded and alerted on, a resource for each file of rules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from warren import rules
from warren.kubernetes import monitors
from warren.kubernetes.place import Document, Note, Place
from warren.reader import plain
from warren.render import role_template, role_vars

_OBJECTIVES = "objectives"
_JOB = re.compile(r'\bjob\s*=\s*"([^"]*)"')


def documents(place: Place, texts: Mapping[str, str]) -> list[Document]:
    """``texts`` maps the name of a rule file to its text; the objectives of the topology come first."""
    return [
        place.document(
            "monitoring.coreos.com/v1",
            "PrometheusRule",
            place.named(name, suffix="rules"),
            spec={"groups": groups},
        )
        for name, groups in _groups(place, texts).items()
    ]


def _groups(place: Place, texts: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
    pace = rules.pace(place.topology.time_scale, monitors.prometheus_yml(place))
    found = {_OBJECTIVES: role_template("prometheus", "objectives.yml", role_vars(place.there))}
    found |= {name: rules.scaled(text, pace, name) for name, text in texts.items()}
    return {name: plain(text)["groups"] for name, text in found.items()}


def notes(rendered: Iterable[Document]) -> Iterator[Note]:
    """Alerts of ``rendered`` (`documents`) that read a job which is not scraped there, and so cannot fire."""
    for document in rendered:
        groups = document["spec"]["groups"]
        for rule in (rule for group in groups for rule in group["rules"] if "alert" in rule):
            jobs = set(_JOB.findall(rule["expr"]))
            missing = sorted(job for job in jobs if not monitors.is_rendered(job))
            if missing:
                what = f"reads {', '.join(missing)}, not scraped there by that name: silent, in part or whole"
                yield Note(f"alert {rule['alert']}", what)

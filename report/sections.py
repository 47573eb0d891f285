"""The parts of the page that are words and tables; each takes the result as JSON has it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from report import links, words
from report.markup import Markup, element, joined, table
from report.times import parse_time
from warren.fault_record import unhealed

Result = Mapping[str, Any]

_VERDICTS = {
    "passed": "Passed",
    "failed": "Failed",
    "inconclusive": "Inconclusive",
}
_PLAIN = {
    "passed": "Everything that the broker confirmed is accounted for.",
    "failed": "The run was judged, and what it proves is bad.",
    "inconclusive": "Nothing can be concluded from this run, good or bad.",
}
_OPTIONS = (
    ("duration_s", "--duration", "s"),
    ("size_bytes", "--size", ""),
    ("window", "--window", ""),
    ("seed", "--seed", ""),
)
_PERCENTILES = ("p50", "p75", "p95", "p99", "p999", "p9999", "max", "count")
_MANY_NINES = {"p999": "p99.9", "p9999": "p99.99"}
_PHASE_LATENCIES = ("confirm_p50_s", "confirm_p99_s", "end_to_end_p50_s", "end_to_end_p99_s")


def heading(result: Result) -> Markup:
    """The verdict first, its reasons, and which run this is."""
    verdict = str(result["verdict"])
    reasons = [str(reason) for reason in result.get("reasons") or ()]
    if result.get("interrupted"):
        reasons.append("the run was interrupted before its time")
    said = (
        element("ul", *(element("li", reason) for reason in reasons), class_="reasons")
        if reasons
        else element("p", _PLAIN.get(verdict, ""), class_="reasons")
    )
    line = f"{result['profile']} · {_span(result)}"
    name = element("h1", element("span", _VERDICTS.get(verdict, verdict)), class_=f"verdict {verdict}")
    return element("section", name, said, element("p", line, class_="run-line"), aria_label="Verdict")


def _span(result: Result) -> str:
    began, ended = (parse_time(result[key]) for key in ("started_at", "ended_at"))
    length = words.seconds((ended - began).total_seconds())
    return f"{began:%Y-%m-%d %H:%M:%S} to {ended:%H:%M:%S} UTC ({length}) · {result['run_id']}"


def tiles(result: Result) -> Markup:
    """The five figures that a reader looks for first."""
    counts, rates = result.get("ledger", {}), result.get("rates", {})
    latencies = result.get("latency_s", {})
    shown = (
        ("messages published", words.count(counts.get("published")), None),
        ("messages lost", words.count(counts.get("lost")), "bad" if counts.get("lost") else None),
        ("confirmed", words.figure("confirmed_per_s", rates.get("confirmed_per_s")), None),
        ("confirm latency p99", words.figure("p99_s", latencies.get("confirm", {}).get("p99")), None),
        ("end-to-end latency p99", words.figure("p99_s", latencies.get("end_to_end", {}).get("p99")), None),
    )
    pairs = (
        element("div", element("dt", name), element("dd", text, class_=css)) for name, text, css in shown
    )
    return element("dl", *pairs, class_="tiles")


def ledger(result: Result) -> Markup:
    """Every count of the ledger with its meaning beside it."""
    rows = []
    for key, value in result.get("ledger", {}).items():
        if isinstance(value, dict):
            meaning = words.LEDGER.get(key, "")
            rows += [
                (f"{words.label(key)}: {reason}", words.count(one), meaning) for reason, one in value.items()
            ]
            continue
        if key == "lost_examples" and not value:
            continue
        text = words.figure("", value) if isinstance(value, list | tuple) else words.count(value)
        shown = element("strong", text, class_="bad") if key in words.MUST_BE_ZERO and value else text
        rows.append((words.label(key), shown, words.LEDGER.get(key, "")))
    return table("Ledger", ("Count", "Value", "Meaning"), rows, numbers=frozenset({1}))


def latency(result: Result) -> Markup:
    """Percentiles of each latency; the intended time of sending is where they start."""
    rows = []
    for key, values in result.get("latency_s", {}).items():
        if key in words.STAMPS and not values.get("count"):
            continue
        cells = [words.figure("p_s", values.get(name)) for name in _PERCENTILES[:-1]]
        cells.append(words.count(values.get("count")))
        rows.append((words.label(key), *cells, words.LATENCY.get(key, "")))
    numbers = frozenset(range(1, len(_PERCENTILES) + 1))
    return table(
        "Latency",
        ("", *(_MANY_NINES.get(name, name) for name in _PERCENTILES), "Measured"),
        rows,
        numbers=numbers,
    )


def parts(result: Result) -> Markup | None:
    """The runs of a composite, each with its verdict; nothing for a run of one profile."""
    found = result.get("parts") or ()
    if not found:
        return None
    counts = tuple(found[0]["ledger"])
    rows = []
    for part in found:
        said = _VERDICTS.get(str(part["verdict"]), str(part["verdict"]))
        why = "" if part["verdict"] == "passed" else "; ".join(str(each) for each in part["reasons"])
        shown = [words.count(part["ledger"].get(name)) for name in counts]
        rows.append((part["name"], said, *shown, why, part["run_id"]))
    heads = ("Part", "Verdict", *(words.label(name) for name in counts), "Why", "Run")
    return table("Parts", heads, rows, numbers=frozenset(range(2, 2 + len(counts))))


def phases(result: Result) -> Markup | None:
    """What was asked for and what came of it, phase by phase; nothing where there is only one."""
    found = result.get("phases") or ()
    if len(found) < 2:  # noqa: PLR2004 - one phase is the whole run
        return None
    rows = []
    for phase in found:
        low, high = phase["rate_from_per_s"], phase["rate_to_per_s"]
        rows.append((
            str(phase["name"]),
            f"{phase['t_from_s']:g} to {phase['t_to_s']:g} s",
            f"{low:g}/s" if low == high else f"{low:g} to {high:g}/s",
            words.count(phase["published"]),
            *(words.figure(key, phase[key]) for key in _PHASE_LATENCIES),
        ))  # fmt: skip
    headings = ("Phase", "When", "Asked for", "Published", *(words.label(key) for key in _PHASE_LATENCIES))
    return table("Phases", headings, rows, numbers=frozenset(range(1, len(headings))))


def faults(result: Result) -> Markup | None:
    """What was broken, when it was whole again, and what proves that it was broken."""
    found = result.get("faults") or ()
    if not found:
        return None
    began = parse_time(result["started_at"])
    rows = []
    for fault in found:
        injected = parse_time(fault["injected_at"])
        healed = parse_time(fault["healed_at"]) if fault.get("healed_at") else None
        lasted = words.seconds((healed - injected).total_seconds()) if healed else None
        rows.append((
            links.fault(result, fault, f"{fault['name']} {fault['target']}"),
            f"{injected:%H:%M:%S}",
            f"+{(injected - began).total_seconds():.1f} s",
            lasted or unhealed(fault.get("healing_at")),
            words.figure("", fault.get("evidence")),
        ))  # fmt: skip
    return table(
        "Faults",
        ("Fault", "At (UTC)", "Into the run", "Lasted", "Evidence"),
        rows,
        numbers=frozenset({1, 2, 3}),
    )


def oracles(result: Result) -> Markup | None:
    """The profile's own checks."""
    found = result.get("oracles") or {}
    if not found:
        return None
    rows = []
    for name, check in found.items():
        passed = check.get("passed")
        mark = {True: ("passed", "good"), False: ("failed", "bad")}.get(passed, ("not judged", "faint"))
        figures = {key: value for key, value in check.items() if key not in {"passed", "why"}}
        rows.append((
            words.label(name),
            element("strong", mark[0], class_=f"state {mark[1]}"),
            str(check.get("why") or ""),
            _figures(figures),
        ))  # fmt: skip
    return table("Checks of the profile", ("Check", "Outcome", "Why", "Figures"), rows, numbers=frozenset())


def _figures(figures: Mapping[str, Any]) -> Markup:
    pairs = [
        joined(
            (
                element("dt", words.label(key)),
                element("dd", words.count(value) if type(value) is int else words.figure(key, value)),
            )
        )
        for key, value in figures.items()
    ]
    return element("dl", *pairs, class_="pairs")


def reconciliation(result: Result) -> Markup | None:
    """The broker's own counts beside the ledger's; nothing where they were not to be had."""
    found = result.get("reconciliation")
    if not found:
        return None
    rows = [
        (words.label(name), words.count(line["broker"]), _bounds(line), "yes" if line["agrees"] else "no")
        for name, line in found["counters"].items()
    ]
    heads = ("Count", "Broker", "Ledger", "Agrees")
    shown = table("The broker's own counts", heads, rows, numbers=frozenset({1, 2}))
    reasons = found.get("explained") or ()
    return joined([shown, *(element("p", f"Explained: {reason}.") for reason in reasons)])


def _bounds(line: Mapping[str, Any]) -> str:
    least, most = line["ledger_least"], line["ledger_most"]
    if most is None:
        return f"{words.count(least)} or more"
    return words.count(least) if least == most else f"{words.count(least)} to {words.count(most)}"


def totals(result: Result) -> Markup:
    """Rates, availability and the generator's own use of the machine."""
    rows: list[tuple[str, str, str]] = []
    parts = (("rates", words.RATES), ("availability", words.AVAILABILITY), ("resources", words.RESOURCES))
    for part, meanings in parts:
        rows += [
            (words.label(key), words.figure(key, value), meanings.get(key, ""))
            for key, value in result.get(part, {}).items()
        ]
    return table("Rates, availability, cost", ("Figure", "Value", "Meaning"), rows, numbers=frozenset({1}))


def parameters(result: Result) -> Markup:
    """What the run was asked to do, nested values by their path; phases have a table of their own."""
    given = {key: value for key, value in result.get("params", {}).items() if key != "phases"}
    rows = [(path, text) for path, text in _flat("", given)]
    return element(
        "details",
        element("summary", f"Parameters ({len(rows)})"),
        table("Parameters", ("Parameter", "Value"), rows, numbers=frozenset()),
    )


def _flat(path: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [
            pair for key, one in value.items() for pair in _flat(f"{path}.{key}" if path else str(key), one)
        ]
    if isinstance(value, list | tuple) and any(isinstance(one, dict) for one in value):
        return [pair for at, one in enumerate(value) for pair in _flat(f"{path}[{at}]", one)]
    return [(path, words.figure(path, value))]


def repeat(result: Result) -> Markup:
    """The command that does the same again."""
    params = result.get("params", {})
    command = ["warren", "load", "run", str(result["profile"])]
    if "rate_per_s" in params:
        command += ["--rate", "max" if params["rate_per_s"] is None else f"{params['rate_per_s']:g}"]
    for key, option, unit in _OPTIONS:
        if key == "duration_s" and params.get("phases"):
            continue  # it follows from them
        if isinstance(params.get(key), int | float):
            command += [option, f"{params[key]:.10g}{unit}"]
    return element(
        "section",
        element("h2", "Run it again"),
        element("pre", element("code", shlex.join(command))),
        element(
            "p", "Other parameters that differ from the profile's go with --set key=value.", class_="faint"
        ),
    )

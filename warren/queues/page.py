"""What the queue commands print: plain columns, and messages that anybody may read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from warren.queues.listing import Row
from warren.queues.message import Death, Message
from warren.queues.redrive import Moved, Survey

#: Header and property names whose values are not shown.
_SECRET = re.compile(
    r"pass(word|wd|phrase)?$|secret|token|api[-_]?key|authori[sz]ation|credential|cookie", re.I
)
_HIDDEN = "(not shown)"
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def age(seconds: float | None) -> str:
    """``4 s``, ``12 min``, ``3.5 h``, ``2.1 d``; a dash where it is not known."""
    if seconds is None:
        return "-"
    if seconds < 2 * _MINUTE:
        return f"{max(0, seconds):.0f} s"
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.1f} h" if seconds < 2 * _DAY else f"{seconds / _DAY:.1f} d"


def columns(head: Sequence[str], lines: Iterable[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """Rows of text under ``head``, two spaces between; ``right`` are the places of what is set right."""
    table = [list(head), *(list(line) for line in lines)]
    widths = [max(len(line[place]) for line in table) for place in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.rjust(widths[place]) if place in right else cell.ljust(widths[place])
            for place, cell in enumerate(line)
        ).rstrip()
        for line in table
    )


def list_text(rows: Sequence[Row]) -> str:
    """`warren queue list`."""
    if not rows:
        return "no queue matches"
    head = (
        "queue",
        "type",
        "ready",
        "unacked",
        "consumers",
        "oldest",
        "fill",
        "leader",
        "online",
        "dead letters to",
    )
    lines = [
        (
            row.title + ("" if row.state in ("running", "") else f" ({row.state})"),
            row.type,
            _number(row.ready) + (f" (+{row.leaving} leaving)" if row.leaving else ""),
            _number(row.unacked),
            _number(row.consumers),
            ("over " if row.age_at_least else "") + age(row.age_s),
            "-" if row.fill is None else f"{row.fill:.1%}",
            row.leader,
            f"{row.online}/{row.members}",
            row.dead_letters_to or "-",
        )
        for row in rows
    ]
    return columns(head, lines, right=(2, 3, 4, 5, 6))


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def survey_text(found: Survey, queue: str) -> str:
    """What a redrive would do: a row a kind, those that move first."""
    seen = f"{found.looked:,} of {found.waiting:,} messages of {queue} looked at"
    if not found.rows:
        return f"{seen}: none is meant"
    head = (
        "",
        "messages",
        "died of",
        "in",
        "goes to, or stays because it",
        "oldest",
        "newest",
        "bytes",
        "no id",
    )
    lines = [
        (
            "stay" if row.stays else "move",
            f"{row.messages:,}",
            row.reason,
            row.died_in,
            row.to,
            age(row.oldest_s),
            age(row.newest_s),
            f"{row.bytes:,}",
            f"{row.without_id:,}" if row.without_id else "-",
        )
        for row in found.rows
    ]
    text = [columns(head, lines, right=(1, 5, 6, 7, 8)), "", f"{seen}: {found.moving:,} would be moved"]
    if found.not_meant:
        text.append(f"{found.not_meant:,} are not meant by the filters, and stay")
    if found.beyond_limit:
        text.append(f"{found.beyond_limit:,} more are meant, beyond --limit")
    if any(row.without_id and not row.stays for row in found.rows):
        text.append("those without a message id: should this be killed, a consumer cannot tell a second copy")
    return "\n".join(text)


def moved_text(done: Moved, queue: str) -> str:
    """What a redrive did."""
    lines = [f"{done.moved:,} moved out of {queue}, {done.looked - done.moved:,} put back"]
    lines += [f"  {count:,} to {where}" for where, count in done.to.most_common()]
    lines += [f"  {count:,} stayed: {why}" for why, count in done.stayed.most_common()]
    if done.not_meant:
        lines.append(f"  {done.not_meant:,} stayed: not meant by the filters")
    if done.in_doubt:
        lines.append(f"  in doubt: {done.in_doubt}; it is in {queue}, and may be at its target too")
    if done.interrupted:
        lines.append("interrupted: run the same command again to go on")
    return "\n".join(lines)


def messages_text(messages: Sequence[Message], *, now: float, first: int, body_bytes: int) -> str:
    """`warren queue peek`: a paragraph a message."""
    if not messages:
        return "no message there"
    return "\n\n".join(
        _message_text(each, now, place, body_bytes) for place, each in enumerate(messages, start=first)
    )


def _message_text(message: Message, now: float, place: int, body_bytes: int) -> str:
    came = f"exchange {message.exchange or '(default)'}, key {message.routing_key or '(none)'}"
    lines = [
        f"{place}. {message.message_id or '(no message id)'}: {message.size_bytes:,} bytes, came by {came}"
    ]
    lines += [f"   died: {_death_text(each, now)}" for each in message.deaths]
    first, last = message.first_death, message.last_death
    if first is not None and last is not None and first != last:
        lines.append(f"   first {first.reason} in {first.queue}, last {last.reason} in {last.queue}")
    lines.append(f"   failed deliveries {message.failed}, given back {message.acquired} times")
    lines += [
        f"   {name}: {shown(name, value)}"
        for name, value in message.properties.items()
        if name != "message_id"
    ]
    lines += [
        f"   header {_plain(str(name))}: {shown(str(name), value)}"
        for name, value in message.headers.items()
        if not str(name).startswith(
            ("x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-acquired")
        )
    ]
    return "\n".join([*lines, f"   body: {body_text(message, body_bytes)}"])


def _death_text(death: Death, now: float) -> str:
    ago = "" if death.at is None else f", {age(now - death.at)} ago"
    times = f" {death.count} times" if death.count > 1 else ""
    how = f"{death.exchange or '(default)'} {', '.join(death.keys)}".strip()
    return f"{death.reason}{times} in {death.queue}{ago}, had come by {how}"


def shown(name: str, value: Any) -> str:
    """A value on one line; of names that sound like a secret's, at any depth, nothing."""
    return _plain(json.dumps(_without_secrets(name, value), ensure_ascii=False, default=_simple))


def _without_secrets(name: str, value: Any) -> Any:
    if _SECRET.search(name):
        return _HIDDEN
    if isinstance(value, dict):
        return {str(key): _without_secrets(str(key), each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_secrets("", each) for each in value]
    return value


def _simple(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{len(value)} bytes" if isinstance(value, bytes) else str(value)


def body_text(message: Message, most: int) -> str:
    """The beginning of a body: text where it is UTF-8, JSON without what sounds like a secret, else how long
    it is and its first bytes as numbers. Nothing in it can move a terminal's cursor."""
    body = message.body[:most]
    if not message.size_bytes:
        return "(empty)"
    if not most:
        return f"({message.size_bytes:,} bytes, not shown)"
    cut = "" if len(body) == message.size_bytes else f" … ({message.size_bytes:,} bytes in all)"
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        if not cut or error.end < len(body) - 3:
            return f"binary: {body[:32].hex(' ')}{' …' if message.size_bytes > len(body[:32]) else ''}"
        text = body[: error.start].decode()  # cut within a character
    try:
        text = json.dumps(_without_secrets("", json.loads(text)), ensure_ascii=False)
    except (ValueError, RecursionError):
        text = _BESIDE_SECRET.sub(rf"\g<1>{_HIDDEN}", text)
    return _plain(text) + cut


#: In a body that is no whole JSON: what stands behind a name that sounds like a secret's.
_BESIDE_SECRET = re.compile(
    r"((?:password|passwd|secret|token|api[-_]?key|authori[sz]ation|credential)[\"']?\s*[=:]\s*)"
    r"(\"[^\"]*\"?|'[^']*'?|(?:Bearer |Basic )?[^\s,;&}]+)",
    re.I,
)


def _plain(text: str) -> str:
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in text)


def messages_result(messages: Sequence[Message], *, first: int, body_bytes: int) -> dict[str, Any]:
    """`warren queue peek --json`: what the page shows, by name."""
    return {
        "messages": [
            {
                "place": place,
                "exchange": each.exchange,
                "routing_key": each.routing_key,
                "size_bytes": each.size_bytes,
                "failed_deliveries": each.failed,
                "given_back": each.acquired,
                "died": [
                    {"reason": d.reason, "queue": d.queue, "count": d.count, "exchange": d.exchange,
                     "routing_keys": list(d.keys), "at": d.at}
                    for d in each.deaths
                ],
                "properties": json.loads(_json(dict(each.properties))),
                "headers": json.loads(_json({str(k): v for k, v in each.headers.items() if k != "x-death"})),
                "body": body_text(each, body_bytes),
            }
            for place, each in enumerate(messages, start=first)
        ]
    }  # fmt: skip


def _json(table: dict[str, Any]) -> str:
    return json.dumps(_without_secrets("", table), ensure_ascii=False, default=_simple)


def survey_result(found: Survey) -> dict[str, Any]:
    """`warren queue redrive --dry-run --json`."""
    return {**asdict(found), "moving": found.moving}

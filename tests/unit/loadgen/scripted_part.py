"""One coordinator with scripted workers, in a process of its own: a run, or a part of one, without a broker.

Usage: scripted_part.py FOLDER PART|- OF START_AT_S. The workers agree on who gets which message by its
numbers alone, as a broker would decide: consumer c of all gets those with (publisher + seq) % consumers == c.
One message of publisher 1 is delivered twice, one of publisher 2 never, one of publisher 0 is in doubt.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from loadgen.histogram import bucket_of
from loadgen.ledger import Bitmap, Bits, EventLog, Kind

#: Publishers and consumers of a part, and of how many parts all of them are.
PER_PART = 1
PARTS = 3
MESSAGES = 1000
NONCE = 77
LOST, DOUBLE, DOUBTFUL = (2, 500), (1, 7), (0, 999)


def spec(folder: Path, part: int | None, of: int, start_at_s: float) -> Any:
    """A part of ``of`` parts, or, for one process of all, the same workers in one coordinator."""
    from loadgen.spec import ConsumerRole, LoadSpec, PublisherRole  # noqa: PLC0415 - workers start faster
    from warren.connection import Credentials, Endpoint  # noqa: PLC0415

    count = PER_PART if of > 1 else PER_PART * PARTS
    name = "whole" if part is None else f"whole-part{part + 1}of{of}"
    return LoadSpec(
        run_id=name,
        nonce=NONCE,
        seed=1,
        profile="none",
        vhost="/",
        endpoints=(Endpoint(name="a", host="a", port=1),),
        ca_pem=None,
        users=(Credentials(username="u", password="secret"),),
        publishers=(
            PublisherRole(name="p", user="u", exchange="", routing_key="q", destinations=("q",), count=count),
        ),
        consumers=(ConsumerRole(name="c", user="u", queue="q", count=count),),
        folder=str(folder),
        duration_s=1.0,
        part=part,
        parts=of,
        start_at_s=start_at_s,
        part_silence_s=0.3,
        drain_silence_s=0.5,
    )


def delivered(publisher: int, seq: int) -> bool:
    return (publisher, seq) != LOST


def say(**fields: Any) -> None:
    print(json.dumps(fields), flush=True)  # noqa: T201 - what a worker says


def publish(raw: dict[str, Any]) -> None:
    index, folder = raw["index"], Path(raw["folder"])
    meaning = {"worker": raw["name"], "publisher": index, "nonce": raw["nonce"]}
    confirmed = Bitmap(folder / f"{raw['name']}.confirmed", {**meaning, "kind": Bits.CONFIRMED})
    log = EventLog(folder / f"{raw['name']}.log", meaning)
    histogram: dict[int, int] = {}
    for seq in range(MESSAGES):
        if (index, seq) == DOUBTFUL:
            log.add(Kind.IN_DOUBT, index, seq, 5)
            continue
        confirmed.test_and_set(seq)
        bucket = bucket_of(1000 + 37 * ((index * 31 + seq) % 997))
        histogram[bucket] = histogram.get(bucket, 0) + 1
    confirmed.set_counter(MESSAGES)
    log.close()
    counts = {"published": MESSAGES, "confirmed": sum(histogram.values())}
    flat = [number for pair in histogram.items() for number in pair]
    lags = {"self": [3, MESSAGES], "blocked": [index, MESSAGES]}
    say(type="tick", s=0, counts=counts, histograms={"confirm": flat, **lags}, cpu_s=0.5, max_rss_bytes=10)
    say(type="finished")


def consume(raw: dict[str, Any]) -> None:
    """``seed`` has no meaning here; the consumer's place among all comes from its part and its name."""
    folder, place = Path(raw["folder"]), int(raw["name"].rpartition("-")[2])
    place += PER_PART * int(sys.argv[2])
    meaning = {"worker": raw["name"], "queue": raw["queue"], "nonce": raw["nonce"]}
    log = EventLog(folder / f"{raw['name']}.log", {**meaning, "queues": [raw["queue"]]})
    histogram: dict[int, int] = {}
    for publisher in range(raw["publishers"]):
        kind = {**meaning, "kind": Bits.DONE, "publisher": publisher}
        done = Bitmap(folder / f"{raw['name']}.done-{publisher}", kind)
        for seq in range(MESSAGES):
            if (publisher + seq) % (PER_PART * PARTS) == place and delivered(publisher, seq):
                done.test_and_set(seq)
                bucket = bucket_of(2000 + 53 * ((publisher * 17 + seq) % 991))
                histogram[bucket] = histogram.get(bucket, 0) + 1
            if (publisher, seq) == DOUBLE and place == 0:
                log.add(Kind.DUPLICATE, publisher, seq, 9, detail=0)
    log.close()
    count = sum(histogram.values())
    flat = [number for pair in histogram.items() for number in pair]
    say(type="tick", s=1, counts={"consumed": count, "settled": count}, histograms={"end_to_end.all": flat})


def worker() -> None:
    raw = json.loads(sys.stdin.readline())
    say(type="ready", where="a:1")
    while True:
        told = json.loads(sys.stdin.readline() or '{"do": "finish"}')
        if told["do"] == "start":
            publish(raw) if raw["role"] == "publisher" else consume(raw)
        if told["do"] == "finish":
            break
    say(type="end", cpu_s=0.5, max_rss_bytes=10)


def main() -> None:
    from loadgen import coordinator, engine  # noqa: PLC0415
    from loadgen.interrupts import Interrupts  # noqa: PLC0415
    from warren.results import write_result  # noqa: PLC0415

    folder, part, of, start_at_s = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    number = None if part == "-" else int(part)
    coordinator.QUIET_S = 0.05  # these workers say all at once
    result = engine.run(
        spec(folder, number, of, start_at_s),
        emit=lambda _event: None,
        interrupts=Interrupts(),
        program=(sys.executable, __file__, "worker", str(number or 0)),
    )
    write_result(result, folder / "result.json")


if __name__ == "__main__":
    worker() if sys.argv[1] == "worker" else main()
